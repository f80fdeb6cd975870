// Power loss at every sync point of small runs, with all the states that the disk may be in then
// (power_enumeration.h): the reopened database holds a prefix of the steps with every acknowledged
// one, backups and snapshots that were promised are there and whole, verify is clean. And the
// mutation check: with any one kind of sync left out, or two steps swapped, the enumeration turns
// red; the kinds for which it does not are listed here with the reason. --long enumerates all
// states, else a seeded few at each sync point.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "tests/crash/commit_order.h"
#include "tests/crash/fault_scenarios.h"
#include "tests/crash/power_enumeration.h"

namespace vdb::testing {
namespace {

struct Case {
  const char* name;
  FaultScenario (*make)();
};

constexpr Case kRuns[] = {
    {"SyncedPuts", [] { return PutsScenario(true); }},
    {"UnsyncedPuts", [] { return PutsScenario(false); }},
    {"DeletesThatFold", DeletesScenario},
    {"Seal", SealScenario},
    {"IndexBuild", IndexBuildScenario},
    {"FieldIndexBuild", FieldIndexBuildScenario},
    {"Compaction", CompactionScenario},
    {"Snapshots", SnapshotsScenario},
    {"Migration", MigrationScenario},
    {"Backup", BackupScenario},
    {"Restore", RestoreScenario},
    {"Repair", RepairScenario},
    {"Open", [] { return OpenScenario(false); }},
    {"OpenAfterAKill", [] { return OpenScenario(true); }},
};

// Recorded once; what was found out about its disk images serves every test of it.
Enumeration& Of(const Case& run) {
  static std::map<std::string, Enumeration> all;
  const auto found = all.find(run.name);
  if (found != all.end()) return found->second;
  return all.try_emplace(run.name, RecordScenario(run.make())).first->second;
}

class PowerEnumerationTest : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Runs, PowerEnumerationTest, ::testing::ValuesIn(kRuns),
                         [](const auto& run) { return std::string(run.param.name); });

TEST_P(PowerEnumerationTest, EveryStateAtEverySyncPoint) {
  Enumeration& enumeration = Of(GetParam());
  const RecordedScenario& run = enumeration.run();
  // The short run: so many states that about two dozen are looked at.
  const auto syncs = static_cast<size_t>(
      std::count_if(run.log.begin() + static_cast<std::ptrdiff_t>(run.first), run.log.end(),
                    [](const Operation& op) { return !SyncKind(op).empty(); }));
  EnumerationOptions options;
  options.seed = 2026;
  if (!LongRun()) {
    options.states_per_point = 1;
    options.point_step = 1 + syncs * Thinning() / 24;
  }
  const EnumerationReport report = enumeration.Run(run.log, options);
  std::printf("%-24s %4zu operations, %3zu sync points, %6zu states, %5zu different images\n",
              run.scenario.name.c_str(), run.log.size() - run.first, report.sync_points,
              report.states, report.images);
  EXPECT_EQ(report.violation, "");
  EXPECT_GT(report.images, 0u);
}

// --- the mutation check ---

struct Unnoticed {
  const char* kind;  ///< as SyncKind, or its beginning and a '*'
  const char* reason;
};

constexpr Unnoticed kUnnoticed[] = {
    {"sync db/ledger*", "only says what a disk lost that lied about a sync"},
    {"sync db/docs-#/OPTIONS-#.dbtmp", "RocksDB does not need its options file"},
    {"sync photos/.vdb.migrating/docs-#/OPTIONS-#.dbtmp", "as above"},
    {"sync restored.restoring/docs-#/OPTIONS-#.dbtmp", "as above"},
    {"sync photos/.vdb.migrating/docs-#/#.log", "at the rename its batches are in tables"},
    {"sync restored.restoring/docs-#/#.log", "as above"},
    {"sync photos/.vdb.migrating/CREATING", "a leftover of a migration is known by its name"},
    {"sync db/repairing*", "a working copy that the next repair makes anew"},
    {"syncdir db/repairing", "as above"},
    {"syncdir db/quarantine", "damaged files are kept for people; no run here looks for them"},
};

std::string ReasonOf(const std::string& kind) {
  for (const Unnoticed& one : kUnnoticed) {
    const std::string_view known = one.kind;
    const bool prefix = known.ends_with('*');
    if (prefix ? kind.starts_with(known.substr(0, known.size() - 1)) : kind == known) {
      return one.reason;
    }
  }
  return "";
}

// The log without the syncs of one kind behind `first`; `places`: where they were.
Log Without(const RecordedScenario& run, const std::string& kind, std::set<size_t>* places) {
  Log log;
  for (size_t i = 0; i < run.log.size(); ++i) {
    if (i < run.first || SyncKind(run.log[i]) != kind) {
      log.push_back(run.log[i]);
    } else {
      places->insert(log.size());
    }
  }
  return log;
}

// Whether a few plain states show it, in one of the runs.
std::string Noticed(const std::vector<const Case*>& runs, const std::string& kind) {
  for (const Case* run : runs) {
    Enumeration& enumeration = Of(*run);
    EnumerationOptions options;
    options.only_plain = true;
    options.plain_max = LongRun() ? 0 : 4;
    const Log log = Without(enumeration.run(), kind, &options.near);
    if (LongRun()) options.near.clear();
    const auto report = enumeration.Run(log, options);
    if (!report.violation.empty()) {
      std::printf("without %-52s noticed in %s after %zu images\n", (kind + ":").c_str(),
                  run->name, report.images);
      return report.violation;
    }
  }
  return "";
}

TEST(MutationTest, EveryKindOfSyncIsNeeded) {
  std::map<std::string, std::vector<const Case*>> kinds;
  for (const Case& run : kRuns) {
    const RecordedScenario& recorded = Of(run).run();
    for (size_t i = recorded.first; i < recorded.log.size(); ++i) {
      const std::string kind = SyncKind(recorded.log[i]);
      if (kind.empty()) continue;
      auto& runs = kinds[kind];
      if (runs.empty() || runs.back() != &run) runs.push_back(&run);
    }
  }
  size_t noticed = 0, turn = 0;
  for (const auto& [kind, runs] : kinds) {
    if (turn++ % ((Thinning() + 4) / 5) != 0) continue;
    const std::string reason = ReasonOf(kind);
    if (!reason.empty() && !LongRun()) continue;
    const bool found = !Noticed(runs, kind).empty();
    noticed += found ? 1 : 0;
    EXPECT_TRUE(found || !reason.empty()) << "not noticed: no " << kind;
    if (!found) std::printf("without %-52s not noticed: %s\n", (kind + ":").c_str(),
                            reason.c_str());
  }
  std::printf("%zu kinds of sync, %zu of them noticed when left out\n", kinds.size(), noticed);
}

// Moves what matches behind the next operation that matches `later`.
Log Delayed(const RecordedScenario& run, const std::function<bool(const Operation&)>& match,
            const std::function<bool(const Operation&)>& later) {
  Log log, held;
  for (size_t i = 0; i < run.log.size(); ++i) {
    const Operation& op = run.log[i];
    if (i >= run.first && match(op)) {
      held.push_back(op);
      continue;
    }
    log.push_back(op);
    if (!later(op)) continue;
    log.insert(log.end(), held.begin(), held.end());
    held.clear();
  }
  log.insert(log.end(), held.begin(), held.end());
  return log;
}

TEST(MutationTest, SwappedStepsAreNoticed) {
  using Match = std::function<bool(const Operation&)>;
  const auto sync_of = [](const char* suffix) -> Match {
    return [suffix](const Operation& op) {
      return op.kind == OpKind::kSync && EndsWith(op.path, suffix);
    };
  };
  const Match wal_sync = [](const Operation& op) {
    return op.kind == OpKind::kSync && IsWal(op.path);
  };
  const Match rows_sync = [](const Operation& op) {
    return op.kind == OpKind::kSync && IsSegmentData(op.path);
  };
  const Match publish = [](const Operation& op) {
    return op.kind == OpKind::kRename && EndsWith(op.target, "db/CURRENT");
  };
  const Match acknowledged = [](const Operation& op) {
    return op.kind == OpKind::kMark && op.path.starts_with("ack ");
  };
  const Match manifests = [](const Operation& op) {
    return op.kind == OpKind::kSync && (EndsWith(op.path, ".vdbm") || EndsWith(op.path, ".twin"));
  };
  struct Swap {
    const char* name;
    Match match, later;
  };
  const Swap swaps[] = {
      {"the sync of rows after that of the WAL", rows_sync, wal_sync},
      {"the sync of the WAL after the acknowledgement", wal_sync, acknowledged},
      {"the syncs of both manifests after the rename to CURRENT", manifests, publish},
      {"the sync of CURRENT.tmp after the rename", sync_of("CURRENT.tmp"), publish},
  };
  for (const Swap& swap : swaps) {
    std::string noticed_in;
    for (const Case& run : kRuns) {
      Enumeration& enumeration = Of(run);
      EnumerationOptions options;
      options.only_plain = true;
      const Log log = Delayed(enumeration.run(), swap.match, swap.later);
      if (enumeration.Run(log, options).violation.empty()) continue;
      noticed_in = run.name;
      break;
    }
    std::printf("%s: noticed in %s\n", swap.name, noticed_in.c_str());
    EXPECT_NE(noticed_in, "") << "not noticed: " << swap.name;
  }
}

}  // namespace
}  // namespace vdb::testing
