// Fail operation N, for N = 1, 2, 3 ... until the run passes: every kind of failure of a disk, at
// every operation of a run. A run is a FaultScenario; the driver counts its operations,
// plants the failure, and has the scenario check what is there afterwards, on a healthy disk with
// the page cache kept and again with it gone, and that the same run succeeds now.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "tests/crash/recorded_run.h"

namespace vdb::testing {

/// What must be there after a failure or a power cut, and what may be.
struct Promise {
  Bounds bounds;               ///< numbers of states
  std::set<std::string> must;  ///< names: of snapshots, backups, databases
  std::set<std::string> may;

  /// "begin N", "ack N sync", "durable N" as Bounds has them; "may X", "must X", and after a
  /// removal "let X" (go) and "not X".
  void Apply(const std::string& text);
  Status Judge(size_t state, const std::set<std::string>& found) const;
};

/// What a run works on, and what it knows about it.
struct World {
  std::string root;
  storage::FileSystem* fs = storage::PosixFileSystem();
  size_t state = 0;              ///< number of the state that the database is in
  std::set<std::string> found;   ///< names that a check found, each of them whole
  Promise promise;
  std::function<void()> arm = [] {};                      ///< failures begin here
  std::function<void(const std::string&)> mark = {};      ///< notes for the log

  std::string database() const { return root + "/" + kDatabaseName; }
  void Note(const std::string& text) {
    promise.Apply(text);
    if (mark) mark(text);
  }
};

struct FaultScenario {
  std::string name;
  Workload workload;
  /// Makes what is there before the run, in an empty `root`, and sets `state`. Called once.
  std::function<Status(World&)> prepare;
  /// The run. Under a failing disk it ends with the first error; on a healthy one it must succeed,
  /// also when an earlier run had come to its end or nearly so.
  std::function<Status(World&)> run;
  /// On a healthy disk: what is there is whole, and nothing is half done; sets `state` and `found`,
  /// which the caller judges. `finished`: the run has succeeded.
  std::function<Status(World&, bool finished)> check;
  /// The check says something only after another run.
  bool only_finished = false;
};

/// Checks what is in `root`, on a healthy disk. `again`: and that the run then succeeds. Gives what
/// was there before that.
StatusOr<World> CheckAfter(const FaultScenario& scenario, const World& start,
                           const std::string& root, bool again);

enum class FaultKind {
  kErrorOnce,       ///< EIO
  kErrorForEver,
  kNoSpaceOnce,     ///< ENOSPC
  kFullDisk,        ///< ENOSPC for ever, of what needs space
  kShortWrite,      ///< half of a write, then EIO
  kFailedSync,      ///< EIO of a sync; what was pending is lost although later syncs say OK
  kSyncsForEver,    ///< every sync from there on fails
};
inline constexpr FaultKind kFaultKinds[] = {
    FaultKind::kErrorOnce,  FaultKind::kErrorForEver, FaultKind::kNoSpaceOnce, FaultKind::kFullDisk,
    FaultKind::kShortWrite, FaultKind::kFailedSync,   FaultKind::kSyncsForEver};
std::string_view FaultKindName(FaultKind kind);

struct FaultCounts {
  size_t operations = 0;  ///< of the run on a healthy disk
  size_t failures = 0;    ///< planted
  size_t noticed = 0;     ///< that made the run fail
  size_t checks = 0;      ///< recoveries checked
};

/// Explores the scenario: all failures of these kinds with LongRun(), else one of each kind, at a
/// seeded place. What goes wrong is reported to googletest.
FaultCounts FailEverywhere(const FaultScenario& scenario, std::span<const FaultKind> kinds,
                           uint64_t seed);

/// A step with the next number, as Workload has it.
void AddStep(Workload* workload, std::vector<Change> changes, bool sync = true);

}  // namespace vdb::testing
