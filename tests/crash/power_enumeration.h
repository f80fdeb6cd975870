// Power loss at every sync point of a run: all the states that the disk may be in then, one by one,
// instead of a few at random (recorded_run.h). The runs are those of fault_scenarios.h.
//
// At a sync point (before each sync, and at the end) the pending changes are enumerated: every
// prefix of them; each alone kept and each alone lost; each torn at 512 bytes and 4 KiB, first half
// or second, alone, beside all the others, and after a prefix; all data without names and all names
// without data; all pairs kept or lost where at most 12 are pending; and random mixtures. Disk
// images that are the same, byte for byte, are checked once.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/fail_operation.h"

namespace vdb::testing {

/// A recorded run, with the operations that made its start before it.
struct RecordedScenario {
  FaultScenario scenario;
  World start;
  Log log;
  size_t first = 0;  ///< of the run itself
};
RecordedScenario RecordScenario(const FaultScenario& scenario);

struct EnumerationOptions {
  size_t point_step = 1;        ///< every so many sync points
  std::set<size_t> near = {};   ///< only the next few after these places in the log; empty: all
  size_t states_per_point = 0;  ///< 0: all
  uint64_t seed = 1;            ///< which, where not all
  /// Only the states that a missing sync shows in soonest: prefixes, and data or names alone.
  bool only_plain = false;
  size_t plain_max = 0;  ///< and only the first few of them; 0: all
};

struct EnumerationReport {
  size_t sync_points = 0;
  size_t states = 0;  ///< enumerated
  size_t images = 0;  ///< checked, as no earlier one was the same
  std::string violation;  ///< the first; the run ends with it
};

class Enumeration {
 public:
  explicit Enumeration(RecordedScenario run) : run_(std::move(run)) {}

  /// `log`: that of the run, or a mutation of it behind `first`. What was found out about an image
  /// is kept from call to call.
  EnumerationReport Run(const Log& log, const EnumerationOptions& options);
  const RecordedScenario& run() const { return run_; }

 private:
  struct Finding {
    Status status;
    size_t state = 0;
    std::set<std::string> found;
  };
  const Finding& Look(const DiskImage& image, EnumerationReport* report);

  RecordedScenario run_;
  std::map<std::pair<size_t, size_t>, Finding> findings_;  // by a hash of the image
};

/// The kind of a sync, or "" of another operation: its path with numbers left out, as
/// "sync db/segments/#.npy".
std::string SyncKind(const Operation& op);

}  // namespace vdb::testing
