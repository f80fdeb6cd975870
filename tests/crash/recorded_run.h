// Running a workload on a recording file system, and cutting the power at every operation of it.
//
// Marks in the log: "begin N" before step N is written, "ack N sync" or "ack N" after, "durable N"
// after a Flush that covers step N, "set up" once collection and columns are there.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "tests/crash/workload.h"
#include "tests/support/power_cut.h"
#include "tests/support/recording_file_system.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/thinning.h"

namespace vdb::testing {

/// The database's directory below the recording's root.
inline constexpr char kDatabaseName[] = "db";

struct RunOptions {
  bool flush_at_end = false;
  bool close = true;  ///< else the log ends with the last step
};

/// Sets up and runs all steps. The log is complete up to the first error, which fails the test.
Log Record(const Workload& workload, const RunOptions& options = {});

/// What may be there after a cut: states from `min` to `max`.
struct Bounds {
  size_t min = 0;
  size_t max = 0;
  void Apply(const Operation& operation);
};

/// Opens the database below `root` as a writer and checks it (CheckState), writes more, checks
/// again, closes, and checks once more read-only. `states` as in Workload.
StatusOr<size_t> CheckRecovery(const std::string& root, const std::vector<Model>& states,
                               const Bounds& bounds);

struct CutOptions {
  size_t first = 0;  ///< position of the first cut
  size_t step = Thinning();  ///< cut at every so many
  uint64_t seed = 1;
  size_t policies_per_cut = 1;     ///< of `policies`, in turn
  std::vector<CutPolicy> (*policies)(uint64_t seed) = AllPolicies;
  size_t violation_count_max = 3;  ///< stop after so many
  /// Cut only before such operations; null: before all.
  std::function<bool(const Operation&)> only_before;
};

struct CutReport {
  size_t cut_count = 0;
  std::vector<std::string> violations;
  std::string ToString() const;
};

/// Cuts before every operation of the log, and after the last, and checks each recovery.
CutReport CutEverywhere(const Log& log, const std::vector<Model>& states,
                        const CutOptions& options);

/// Whether --long was given: the nightly variant of a test.
bool LongRun();

}  // namespace vdb::testing
