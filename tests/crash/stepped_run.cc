// See stepped_run.h.
#include "tests/crash/stepped_run.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <utility>

#include "format/status_macros.h"

namespace vdb::testing {

void WriteStep(RecordingFileSystem* fs, Collection& collection, std::vector<Change> changes,
               bool sync, std::vector<Model>* states) {
  const std::string number = std::to_string(states->size());
  Model model = states->back();
  Change progress = {Change::Kind::kPut, "progress", {}};
  progress.document.metadata = R"({"n":)" + number + "}";
  changes.push_back(progress);
  for (const Change& change : changes) Apply(change, &model);
  const Step step = {std::move(changes), sync};
  states->push_back(std::move(model));
  fs->Mark("begin " + number);
  const auto written = collection.Write(ToBatch(step), {.sync = sync});
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  fs->Mark("ack " + number + (sync ? " sync" : ""));
}

StatusOr<Database> SteppedRun::SetUp() {
  VDB_ASSIGN_OR_RETURN(Database database, Open());
  VDB_RETURN_IF_ERROR(MakeCollection(&database));
  Mark("set up");
  return database;
}

void SteppedRun::Put(Collection& collection, uint64_t first, uint64_t past, size_t body_bytes) {
  std::vector<Change> changes;
  for (uint64_t i = first; i < past; ++i) {
    changes.push_back({Change::Kind::kPut, "k" + std::to_string(i), MakeDocument(i, body_bytes)});
  }
  Write(collection, std::move(changes));
}

ProgressCallback SteppedRun::WritesAtEachStage(Collection& collection) {
  last_stage_.clear();
  return [this, &collection](const Progress& progress) {
    if (progress.stage == last_stage_) return true;
    last_stage_ = progress.stage;
    const std::string key = "k" + std::to_string(next_++);
    const std::string other = "k" + std::to_string(next_++);
    Write(collection, {{Change::Kind::kDelete, key, {}},
                       {Change::Kind::kPut, other, MakeDocument(1000 + next_, 5)},
                       {Change::Kind::kPut, "during" + key, MakeDocument(2000 + next_, 5)}});
    return true;
  };
}

void ExpectRecoveryAtEveryCut(SteppedRun& run, size_t step) {
  const Log log = run.log();
  for (uint64_t seed = 1; seed <= (LongRun() ? 4u : 1u); ++seed) {
    CutOptions cuts;
    cuts.seed = 100 * seed;
    cuts.first = run.first();
    cuts.step = LongRun() ? 1 : step * Thinning();
    cuts.policies_per_cut = LongRun() ? 6 : 1;
    const CutReport report = CutEverywhere(log, run.states(), cuts);
    std::printf("%zu operations, %zu cuts\n", log.size(), report.cut_count);
    EXPECT_TRUE(report.violations.empty()) << report.ToString();
  }
}

OperationFilter SyncOf(const std::string& ending) {
  return [ending](const Operation& op) {
    return op.kind == OpKind::kSync && op.path.ends_with(ending);
  };
}

OperationFilter SyncDirOf(const std::string& path) {
  return [path](const Operation& op) { return op.kind == OpKind::kSyncDir && op.path == path; };
}

void ExpectCutsNotice(SteppedRun& run, const std::string& name, const OperationFilter& left_out) {
  const Log log = run.log();
  Log mutated(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(run.first()));
  for (size_t i = run.first(); i < log.size(); ++i) {
    if (!left_out(log[i])) mutated.push_back(log[i]);
  }
  ASSERT_LT(mutated.size(), log.size()) << name;
  CutOptions cuts;
  cuts.first = run.first();
  cuts.step = 1;
  cuts.policies_per_cut = 6;
  cuts.violation_count_max = 1;
  cuts.only_before = [](const Operation& op) { return op.kind == OpKind::kSyncDir; };
  const CutReport report = CutEverywhere(mutated, run.states(), cuts);
  std::printf("no sync of %s: noticed after %zu cuts\n", name.c_str(), report.cut_count);
  EXPECT_FALSE(report.violations.empty()) << name;
}

void ExpectFailuresAreHarmless(const FailingJob& failing) {
  size_t first = 0, past = 1, failures = 0;
  for (size_t at = 0; at < past; at += at < first || LongRun() ? 1 : failing.step) {
    SCOPED_TRACE("operation " + std::to_string(at));
    ScratchDir root;
    RecordingFileSystem fs(root.path());
    Model model;
    {
      auto database = engine::OpenDatabase(root / kDatabaseName, SmallOptions(&fs));
      ASSERT_TRUE(database.ok() && MakeCollection(&*database).ok());
      auto collection = *database->OpenCollection(kCollection);
      for (uint64_t i = 0; i < 20; ++i) {
        const Change put = {Change::Kind::kPut, "k" + std::to_string(i), MakeDocument(i, 10)};
        Apply(put, &model);
        ASSERT_TRUE(collection.Write(ToBatch({{put}, true})).ok());
      }
      for (const std::string& key : failing.deleted) {
        ASSERT_TRUE(collection.Delete(key).ok());
        model.erase(key);
      }
      const size_t before = fs.size();
      if (first != 0) {
        fs.SetHook(at % 2 == 0 ? FullDiskFrom(at)
                               : FailAt(at, Status::IoError("injected"), /*forever=*/false));
      }
      const Status done = failing.job(*database);
      if (first == 0) {  // the first round only counts
        ASSERT_TRUE(done.ok()) << done.ToString();
        first = at = before;
        past = fs.size();
        continue;
      }
      failures += !done.ok();
      // kFailedPrecondition: a failed sync stopped all writes before the job came to its own.
      EXPECT_TRUE(done.ok() || done.code() == StatusCode::kIoError ||
                  done.code() == StatusCode::kResourceExhausted ||
                  done.code() == StatusCode::kFailedPrecondition)
          << done.ToString();
      fs.SetHook({});
      database->Close().IgnoreError("a failed writer stays failed");
    }
    auto database = engine::OpenDatabase(root / kDatabaseName, SmallOptions());
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    const Status right = CheckModel(*database, model);
    ASSERT_TRUE(right.ok()) << right.ToString();
    const Status again = failing.job(*database);
    ASSERT_TRUE(again.ok()) << again.ToString();
    const Status still = CheckModel(*database, model);
    ASSERT_TRUE(still.ok()) << still.ToString();
  }
  std::printf("operations %zu to %zu of %s, %zu failures\n", first, past, failing.name, failures);
  EXPECT_GT(failures, 5u);
}

}  // namespace vdb::testing
