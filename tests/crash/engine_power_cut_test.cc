// Power cuts at every operation of the engine, segments and RocksDB cut together. After each cut a
// reopened database must hold a prefix of the batches in commit order with every synced one, answer
// like a brute force, verify clean, and take more writes (docs/durability.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "tests/crash/commit_order.h"
#include "tests/crash/stepped_run.h"

namespace vdb::testing {
namespace {

using Pending = CutPolicy::Pending;

// --long: more seeds, longer runs, and all six policies at each operation.
void CutRun(const Workload& workload, const RunOptions& run, uint64_t seed) {
  const Log log = Record(workload, run);
  CutOptions options;
  options.seed = seed;
  options.policies_per_cut = LongRun() ? 6 : 1;
  const CutReport report = CutEverywhere(log, workload.states, options);
  const LogCounts counts = CountLog(log);
  std::printf("seed %d: %zu operations, %zu publishes, %zu seals, %zu RocksDB tables, %zu cuts\n",
              static_cast<int>(seed), log.size(), counts.publishes, counts.seals,
              counts.store_flushes, report.cut_count);
  EXPECT_TRUE(report.violations.empty()) << report.ToString();
}

TEST(EnginePowerCutTest, MixedSyncedAndUnsyncedWrites) {
  for (uint64_t seed = 1; seed <= (LongRun() ? 5u : 1u); ++seed) {
    WorkloadOptions options;
    options.seed = seed;
    options.step_count = LongRun() ? 120 : 45;
    options.body_bytes_max = LongRun() ? 3000 : 5000;
    CutRun(MakeWorkload(options), {}, seed);
  }
}

TEST(EnginePowerCutTest, OnlyUnsyncedWrites) {
  for (uint64_t seed = 21; seed <= (LongRun() ? 25u : 21u); ++seed) {
    WorkloadOptions options;
    options.seed = seed;
    options.step_count = LongRun() ? 150 : 60;
    options.synced_share = 0;
    options.body_bytes_max = LongRun() ? 3000 : 5000;
    CutRun(MakeWorkload(options), {.flush_at_end = true}, seed);
  }
}

// Documents without a vector in one column; then fills of that column that are never synced, until
// it seals; then cuts. The writes after recovery (CheckRecovery) get new docnos: no old row may
// answer under one of them.
TEST(EnginePowerCutTest, UnsyncedFillsThatSealTheirSegment) {
  Workload workload;
  workload.states.emplace_back();
  const auto add = [&workload](std::vector<Change> changes, bool sync) {
    Model model = workload.states.back();
    Change progress = {Change::Kind::kPut, "progress", {}};
    progress.document.metadata =
        R"({"n":)" + std::to_string(workload.steps.size() + 1) + "}";
    changes.push_back(progress);
    for (const Change& change : changes) Apply(change, &model);
    workload.steps.push_back({std::move(changes), sync});
    workload.states.push_back(std::move(model));
  };
  std::vector<Change> documents;
  for (uint64_t i = 0; i < 14; ++i) {
    Change put = {Change::Kind::kPut, "k" + std::to_string(i), MakeDocument(i, 10)};
    put.document.vectors.erase(kL2Column);
    documents.push_back(std::move(put));
  }
  add(documents, true);
  for (uint64_t i = 0; i < 14; i += 2) {  // backwards: rows in descending docno
    Change fill = {Change::Kind::kSetVector, "k" + std::to_string(13 - i), {}};
    fill.document.vectors[kL2Column] = MakeDocument(100 + i).vectors[kL2Column];
    add({fill}, false);
  }
  for (uint64_t i = 0; i < 14; i += 2) {
    Change fill = {Change::Kind::kSetVector, "k" + std::to_string(i), {}};
    fill.document.vectors[kL2Column] = MakeDocument(200 + i).vectors[kL2Column];
    add({fill}, false);
  }
  CutRun(workload, {}, 31);
}

// Unsynced writes, a kill of the process (all of them are in the page cache, none on the disk), a
// reopen that recovers and writes, and a power cut at each operation of that second life.
TEST(EnginePowerCutTest, KillThenReopenThenCut) {
  WorkloadOptions options;
  options.seed = 41;
  options.step_count = 60;
  options.synced_share = 0.05;
  const Workload workload = MakeWorkload(options);
  const Log first = Record(workload, {.close = false});
  const size_t lives = LongRun() ? 12 : 3;
  for (size_t life = 1; life <= lives; ++life) {
    const size_t killed_at = first.size() * life / lives;
    Log prior(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(killed_at));
    Bounds bounds;
    for (const Operation& operation : prior) bounds.Apply(operation);

    ScratchDir root;
    CutPowerAt(prior, prior.size(), {Pending::kAll, Pending::kAll, 1}, root.path());
    RecordingFileSystem fs(root.path(), prior);
    auto database = engine::OpenDatabase(root / kDatabaseName, SmallOptions(&fs));
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    const auto state = CheckState(*database, workload.states, bounds.min, bounds.max);
    ASSERT_TRUE(state.ok()) << state.status().ToString();

    // One more step, whose number is the next one.
    ASSERT_TRUE(MakeCollection(&*database).ok());
    std::vector<Model> states(workload.states.begin(),
                              workload.states.begin() + static_cast<std::ptrdiff_t>(*state) + 1);
    auto collection = database->OpenCollection(kCollection);
    ASSERT_TRUE(collection.ok()) << collection.status().ToString();
    WriteStep(&fs, *collection, {{Change::Kind::kPut, "second life", MakeDocument(5)}},
              /*sync=*/true, &states);
    if (HasFatalFailure()) return;
    ASSERT_TRUE(database->Close().ok());

    CutOptions cuts;
    cuts.first = killed_at;
    cuts.seed = 1000 * life;
    cuts.policies_per_cut = LongRun() ? 6 : 2;
    const CutReport report = CutEverywhere(fs.log(), states, cuts);
    std::printf("killed at %zu of %zu: %zu cuts\n", killed_at, first.size(), report.cut_count);
    EXPECT_TRUE(report.violations.empty()) << report.ToString();
  }
}

// RocksDB refuses a MANIFEST whose last append survived in part, a later sector without an earlier
// one, although nothing that counted is missing. Few cuts hit one, so here are all of them, often.
TEST(EnginePowerCutTest, TornAppendsToTheRocksManifest) {
  WorkloadOptions options;
  options.seed = 61;
  options.body_bytes_max = 6000;
  const Workload workload = MakeWorkload(options);
  const Log log = Record(workload, {});
  CutOptions cuts;
  cuts.step = 1;
  cuts.only_before = [](const Operation& op) {
    return op.kind == OpKind::kSync && op.path.find("/MANIFEST-") != std::string::npos;
  };
  cuts.policies = [](uint64_t seed) -> std::vector<CutPolicy> {
    return {{Pending::kRandom, Pending::kAll, seed}};
  };
  size_t cut_count = 0;
  for (uint64_t seed = 0; seed < 40 / Thinning(); ++seed) {
    cuts.seed = 10000 * seed;
    const CutReport report = CutEverywhere(log, workload.states, cuts);
    cut_count += report.cut_count;
    ASSERT_TRUE(report.violations.empty()) << report.ToString();
  }
  std::printf("%zu cuts before %zu syncs of a MANIFEST\n", cut_count,
              static_cast<size_t>(std::count_if(log.begin(), log.end(), cuts.only_before)));
}

// The cuts themselves must notice a missing sync: with one kind of sync removed from the log, some
// recovery goes wrong. (The twin's is not here: it only matters beside a damaged manifest.)
TEST(EnginePowerCutTest, CutsNoticeAMissingSync) {
  WorkloadOptions options;
  options.seed = 51;
  options.step_count = 40;
  options.synced_share = 0.8;
  const Workload workload = MakeWorkload(options);
  const Log log = Record(workload, {});
  struct Case {
    const char* name;
    std::function<bool(const Operation&)> sync;
    bool only_later = false;
  };
  const auto sync_of = [](const std::string& suffix) {
    return [=](const Operation& op) {
      return op.kind == OpKind::kSync && EndsWith(op.path, suffix);
    };
  };
  const auto sync_dir_of = [](const std::string& path) {
    return [=](const Operation& op) { return op.kind == OpKind::kSyncDir && op.path == path; };
  };
  const std::vector<Case> cases = {
      {"segment rows", sync_of(".npy"), true},
      {"row records", sync_of(".rows"), true},
      {"keys", sync_of(".keys"), true},
      {"WAL", [](const Operation& op) { return op.kind == OpKind::kSync && IsWal(op.path); }},
      {"manifest and twin",
       [](const Operation& op) {
         return op.kind == OpKind::kSync &&
                (EndsWith(op.path, ".vdbm") || EndsWith(op.path, ".twin"));
       }},
      {"CURRENT", sync_of("CURRENT.tmp")},
      {"segments directory", sync_dir_of("db/segments")},
      {"database directory", sync_dir_of("db")},
  };
  for (const Case& one : cases) {
    Log mutated = log;
    // A file's first sync belongs to its creation: without it everything is lost, and noticed, at
    // once. Where there are more, remove those of the commit rounds only.
    std::map<std::string, size_t> seen;
    const auto later = [&](const Operation& op) { return one.sync(op) && seen[op.path]++ > 0; };
    size_t erased = one.only_later ? std::erase_if(mutated, later)
                                   : std::erase_if(mutated, one.sync);
    ASSERT_GT(erased, 0u) << one.name;
    CutOptions cuts;
    cuts.policies_per_cut = 6;
    cuts.step = 1;  // it ends with the first violation
    cuts.violation_count_max = 1;
    cuts.only_before = [](const Operation& op) { return op.kind == OpKind::kSync; };
    cuts.first = log.size() / 3;
    const CutReport report = CutEverywhere(mutated, workload.states, cuts);
    std::printf("no sync of %s: noticed after %s\n", one.name, report.ToString().c_str());
    EXPECT_FALSE(report.violations.empty()) << "not noticed: no sync of " << one.name;
  }
}

}  // namespace
}  // namespace vdb::testing
