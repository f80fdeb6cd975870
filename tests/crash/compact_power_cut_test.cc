// Power cuts at every operation of compactions, with writes to the rows that are being moved in the
// middle of them; and disks that fail once, or are full, during one. Whatever the cut left, the
// documents are those of a prefix of the steps, the deleted ones stay dead, in both columns, verify
// is clean, and more writes go (CheckRecovery).
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/crash/recorded_run.h"

namespace vdb::testing {
namespace {

class CompactRun {
 public:
  CompactRun() { states_.emplace_back(); }

  // One numbered step, as in Workload.
  void Write(Collection& collection, std::vector<Change> changes) {
    const std::string number = std::to_string(states_.size());
    Model model = states_.back();
    Change progress = {Change::Kind::kPut, "progress", {}};
    progress.document.metadata = R"({"n":)" + number + "}";
    changes.push_back(progress);
    for (const Change& change : changes) Apply(change, &model);
    const Step step = {std::move(changes), true};
    states_.push_back(std::move(model));
    fs_.Mark("begin " + number);
    const auto written = collection.Write(ToBatch(step));
    ASSERT_TRUE(written.ok()) << written.status().ToString();
    fs_.Mark("ack " + number + " sync");
  }

  void Put(Collection& collection, uint64_t first, uint64_t past) {
    std::vector<Change> changes;
    for (uint64_t i = first; i < past; ++i) {
      changes.push_back({Change::Kind::kPut, "k" + std::to_string(i), MakeDocument(i, 10)});
    }
    Write(collection, std::move(changes));
  }

  // At each stage deletes a document of both columns, replaces one, and adds one.
  void Compact(Database& database, const std::string& column, bool writes) {
    auto collection = *database.OpenCollection(kCollection);
    CompactionOptions options;
    options.collection = kCollection;
    options.column = column;
    options.full = true;
    std::string last;
    options.progress = [&](const Progress& progress) {
      if (!writes || progress.stage == last || progress.stage == "compact documents") return true;
      last = progress.stage;
      const std::string key = "k" + std::to_string(next_++);
      const std::string other = "k" + std::to_string(next_++);
      Write(collection, {{Change::Kind::kDelete, key, {}},
                         {Change::Kind::kPut, other, MakeDocument(1000 + next_, 5)},
                         {Change::Kind::kPut, "during" + key, MakeDocument(2000 + next_, 5)}});
      return true;
    };
    fs_.Mark("compact");
    const auto compacted = database.Compact(options);
    ASSERT_TRUE(compacted.ok()) << compacted.status().ToString();
    EXPECT_GT(compacted->column_count, 0u);
    fs_.Mark("compacted");
  }

  void Run(bool writes) {
    auto database = engine::OpenDatabase(root_ / kDatabaseName, SmallOptions(&fs_));
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    ASSERT_TRUE(MakeCollection(&*database).ok());
    fs_.Mark("set up");
    auto collection = *database->OpenCollection(kCollection);
    for (uint64_t i = 0; i < 24; i += 6) Put(collection, i, i + 6);
    const std::vector<float> queries = {1, 0, 0, 0, 0, 1, 0, 0};
    const auto built =
        collection.BuildIndex({.column = kCosineColumn, .list_count = 3, .thread_count = 1,
                               .queries = {queries.data(), 2, 4}});
    ASSERT_TRUE(built.ok()) << built.status().ToString();
    Put(collection, 24, 30);
    Write(collection, {{Change::Kind::kDelete, "k20", {}}, {Change::Kind::kDelete, "k23", {}},
                       {Change::Kind::kDelete, "k29", {}}});
    first_ = fs_.size();
    Compact(*database, kCosineColumn, writes);
    Write(collection, {{Change::Kind::kDelete, "k18", {}}, {Change::Kind::kDelete, "k19", {}}});
    Compact(*database, kL2Column, writes);
    if (writes) Compact(*database, "", true);
    ASSERT_TRUE(database->Close().ok());
  }

  const std::vector<Model>& states() const { return states_; }
  size_t first() const { return first_; }
  Log log() { return fs_.log(); }

 private:
  ScratchDir root_;
  RecordingFileSystem fs_{root_.path()};
  std::vector<Model> states_;
  uint64_t next_ = 0;
  size_t first_ = 0;
};

TEST(CompactPowerCutTest, AtEveryOperationOfACompaction) {
  CompactRun run;
  run.Run(/*writes=*/true);
  ASSERT_FALSE(HasFatalFailure());
  const Log log = run.log();
  for (uint64_t seed = 1; seed <= (LongRun() ? 4u : 1u); ++seed) {
    CutOptions cuts;
    cuts.seed = 100 * seed;
    cuts.first = run.first();
    cuts.step = LongRun() ? 1 : 4 * Thinning();
    cuts.policies_per_cut = LongRun() ? 6 : 1;
    const CutReport report = CutEverywhere(log, run.states(), cuts);
    std::printf("%zu operations, %zu cuts\n", log.size(), report.cut_count);
    EXPECT_TRUE(report.violations.empty()) << report.ToString();
  }
}

// The cuts must notice a missing sync of what a compaction writes. Nothing else is written here.
TEST(CompactPowerCutTest, CutsNoticeAMissingSync) {
  CompactRun run;
  run.Run(/*writes=*/false);
  ASSERT_FALSE(HasFatalFailure());
  const Log log = run.log();
  const auto missing = [&](const char* name, const std::function<bool(const Operation&)>& sync) {
    Log mutated(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(run.first()));
    for (size_t i = run.first(); i < log.size(); ++i) {
      if (!sync(log[i])) mutated.push_back(log[i]);
    }
    ASSERT_LT(mutated.size(), log.size()) << name;
    CutOptions cuts;
    cuts.first = run.first();
    cuts.step = 1;
    cuts.policies_per_cut = 6;
    cuts.violation_count_max = 1;
    cuts.only_before = [](const Operation& op) { return op.kind == OpKind::kSyncDir; };
    const CutReport report = CutEverywhere(mutated, run.states(), cuts);
    std::printf("no sync of %s: noticed after %zu cuts\n", name, report.cut_count);
    EXPECT_FALSE(report.violations.empty()) << name;
  };
  const auto sync_of = [](std::string_view ending) {
    return [ending](const Operation& op) {
      return op.kind == OpKind::kSync && std::string_view(op.path).ends_with(ending);
    };
  };
  missing("rows", sync_of(".npy"));
  missing("index files", sync_of(".ivf"));
  missing("segments directory", [](const Operation& op) {
    return op.kind == OpKind::kSyncDir && op.path == "db/segments";
  });
}

// A disk that fails once, or is full from then on, at operations of a compaction: a typed error,
// the same documents, and a compaction that works when there is room again.
TEST(CompactPowerCutTest, ADiskThatFailsDuringACompaction) {
  size_t first = 0, past = 1, failures = 0;
  for (size_t at = 0; at < past; at += at < first || LongRun() ? 1 : 7) {
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
      for (const char* key : {"k3", "k5", "k11"}) {
        ASSERT_TRUE(collection.Delete(key).ok());
        model.erase(key);
      }
      const size_t before = fs.size();
      if (first != 0) {
        fs.SetHook(at % 2 == 0 ? FullDiskFrom(at)
                               : FailAt(at, Status::IoError("injected"), /*forever=*/false));
      }
      const Status done = database->Compact({.full = true}).status();
      if (first == 0) {  // the first round only counts
        ASSERT_TRUE(done.ok()) << done.ToString();
        first = at = before;
        past = fs.size();
        continue;
      }
      failures += !done.ok();
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
    const Status again = database->Compact({.full = true}).status();
    ASSERT_TRUE(again.ok()) << again.ToString();
    const Status still = CheckModel(*database, model);
    ASSERT_TRUE(still.ok()) << still.ToString();
  }
  std::printf("operations %zu to %zu of a compaction, %zu failures\n", first, past, failures);
  EXPECT_GT(failures, 5u);
}

}  // namespace
}  // namespace vdb::testing
