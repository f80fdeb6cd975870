// Every operation of every kind of run fails, once and for ever: EIO, ENOSPC, a short write, a
// failed sync. The call reports a typed error and nothing crashes, hangs or throws; a reopen on a
// healthy disk, and after a power cut, finds a prefix of the steps with all that was acknowledged,
// and verify clean; and the same run then succeeds. --long explores all of it, else one failure of
// each kind in each run (fail_operation.h). RocksDB aborts on a full disk unless it is given a
// logger of ours; this would show it.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "tests/crash/fault_scenarios.h"

namespace vdb::testing {
namespace {

struct Run {
  const char* name;
  FaultScenario (*make)();
  std::span<const FaultKind> kinds = kFaultKinds;
};

class FailOperationTest : public ::testing::TestWithParam<Run> {};

TEST_P(FailOperationTest, AtEveryOperation) {
  const FaultScenario scenario = GetParam().make();
  const FaultCounts counts = FailEverywhere(
      scenario, GetParam().kinds, 2026 + static_cast<uint64_t>(GetParam().kinds[0]));
  std::printf("%-24s %4zu operations, %5zu failures explored, %5zu noticed, %5zu recoveries\n",
              scenario.name.c_str(), counts.operations, counts.failures, counts.noticed,
              counts.checks);
  EXPECT_GT(counts.operations, 0u);
  // So few failures that all may go unnoticed.
  const bool few = Thinning() > 1 || (!LongRun() && GetParam().kinds.size() == 1);
  EXPECT_TRUE(few || counts.noticed > 0);
}

INSTANTIATE_TEST_SUITE_P(
    Runs, FailOperationTest,
    ::testing::Values(
        Run{"SyncedPuts", [] { return PutsScenario(true); }},
        Run{"UnsyncedPuts", [] { return PutsScenario(false); }},
        Run{"Deletes", DeletesScenario},
        Run{"Flush", FlushScenario},
        Run{"Seal", SealScenario},
        Run{"IndexBuild", IndexBuildScenario},
        Run{"FieldIndexBuild", FieldIndexBuildScenario},
        Run{"Compaction", CompactionScenario},
        Run{"Snapshots", SnapshotsScenario},
        Run{"Migration", MigrationScenario},
        Run{"Backup", BackupScenario},
        Run{"Restore", RestoreScenario},
        Run{"Repair", RepairScenario},
        Run{"Upgrade", UpgradeScenario},
        Run{"Open", [] { return OpenScenario(false); }},
        Run{"OpenAfterAKill", [] { return OpenScenario(true); }},
        Run{"Import", ImportScenario}),
    [](const auto& scenario) { return std::string(scenario.param.name); });

// As long as the others together, so each kind of failure is a test of its own: parts of a long run
// share them.
INSTANTIATE_TEST_SUITE_P(
    Lives, FailOperationTest, ::testing::ValuesIn([] {
      std::vector<Run> runs;
      for (const FaultKind& kind : kFaultKinds) runs.push_back({"", LifeScenario, {&kind, 1}});
      return runs;
    }()),
    [](const auto& scenario) {
      std::string name(FaultKindName(scenario.param.kinds[0]));
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

}  // namespace
}  // namespace vdb::testing
