// Power cuts at every operation of an index build, with writes in the middle of it, and of an
// update and a drop after it; and disks that fail once, or are full, in the middle of a build.
// Whatever the cut left, the documents are those of a prefix of the steps, the deleted ones stay
// dead, verify is clean, and more writes go (CheckRecovery).
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/crash/recorded_run.h"

namespace vdb::testing {
namespace {

class IndexRun {
 public:
  IndexRun() { states_.emplace_back(); }

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

  // Deletes old documents, replaces one, and adds one, once at each stage of the build.
  void Build(Collection& collection, const std::string& column, bool retrain) {
    std::vector<float> queries;
    IndexOptions options;
    options.column = column;
    options.list_count = 3;
    options.retrain = retrain;
    options.thread_count = 1;  // the log is the same every time
    const auto& model = states_.back();
    for (const auto& [key, document] : model) {
      const auto found = document.vectors.find(column);
      if (found == document.vectors.end() || queries.size() > 8) continue;
      queries.insert(queries.end(), found->second.begin(), found->second.end());
    }
    const size_t dimension = column == kCosineColumn ? 4 : 3;
    options.queries = {queries.data(), queries.size() / dimension, dimension};
    std::string last;
    options.progress = [&](const Progress& progress) {
      if (progress.stage == last) return true;
      last = progress.stage;
      const std::string key = "k" + std::to_string(next_++);
      const std::string other = "k" + std::to_string(next_++);
      Write(collection, {{Change::Kind::kDelete, key, {}},
                         {Change::Kind::kPut, other, MakeDocument(1000 + next_, 5)},
                         {Change::Kind::kPut, "during" + key, MakeDocument(2000 + next_, 5)}});
      return true;
    };
    fs_.Mark("build");
    const auto built = collection.BuildIndex(options);
    ASSERT_TRUE(built.ok()) << built.status().ToString();
    fs_.Mark("built");
  }

  void Run() {
    auto database = engine::OpenDatabase(root_ / kDatabaseName, SmallOptions(&fs_));
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    ASSERT_TRUE(MakeCollection(&*database).ok());
    fs_.Mark("set up");
    auto collection = *database->OpenCollection(kCollection);
    for (uint64_t i = 0; i < 24; i += 6) Put(collection, i, i + 6);
    Write(collection, {{Change::Kind::kDelete, "k20", {}}, {Change::Kind::kDelete, "k3", {}}});
    first_build_ = fs_.size();
    Build(collection, kCosineColumn, false);
    Put(collection, 24, 30);
    Build(collection, kCosineColumn, false);
    Build(collection, kL2Column, false);
    Build(collection, kCosineColumn, true);
    const Status dropped = collection.DropIndex(kL2Column);
    ASSERT_TRUE(dropped.ok()) << dropped.ToString();
    ASSERT_TRUE(database->Close().ok());
  }

  const std::vector<Model>& states() const { return states_; }
  size_t first_build() const { return first_build_; }
  Log log() { return fs_.log(); }

 private:
  ScratchDir root_;
  RecordingFileSystem fs_{root_.path()};
  std::vector<Model> states_;
  uint64_t next_ = 0;
  size_t first_build_ = 0;
};

TEST(IndexPowerCutTest, AtEveryOperationOfABuild) {
  IndexRun run;
  run.Run();
  ASSERT_FALSE(HasFatalFailure());
  const Log log = run.log();
  for (uint64_t seed = 1; seed <= (LongRun() ? 4u : 1u); ++seed) {
    CutOptions cuts;
    cuts.seed = 100 * seed;
    cuts.first = run.first_build();
    cuts.step = LongRun() ? 1 : 2 * Thinning();
    cuts.policies_per_cut = LongRun() ? 6 : 1;
    const CutReport report = CutEverywhere(log, run.states(), cuts);
    std::printf("%zu operations, %zu cuts\n", log.size(), report.cut_count);
    EXPECT_TRUE(report.violations.empty()) << report.ToString();
  }
}

// The cuts must notice a missing sync of what a build writes.
TEST(IndexPowerCutTest, CutsNoticeAMissingSync) {
  IndexRun run;
  run.Run();
  ASSERT_FALSE(HasFatalFailure());
  const Log log = run.log();
  const auto missing = [&](const char* name, const std::function<bool(const Operation&)>& sync) {
    Log mutated = log;
    ASSERT_GT(std::erase_if(mutated, sync), 0u) << name;
    CutOptions cuts;
    cuts.first = run.first_build();
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
  missing("index files", sync_of(".ivf"));
  missing("epoch files", sync_of(".vdbe"));
  missing("epochs directory", [](const Operation& op) {
    return op.kind == OpKind::kSyncDir && op.path == "db/epochs";
  });
}

// A disk that fails once, or is full from then on, at operations of a build: a typed error, the
// same documents, and a build that works when there is room again.
TEST(IndexPowerCutTest, ADiskThatFailsDuringABuild) {
  const std::vector<float> queries = {1, 0, 0, 0, 0, 1, 0, 0};
  const IndexOptions options = {.column = kCosineColumn, .list_count = 3, .thread_count = 1,
                                .queries = {queries.data(), 2, 4}};
  size_t first = 0, past = 1, failures = 0;
  for (size_t at = 0; at < past; at += at < first || LongRun() ? 1 : 5) {
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
      ASSERT_TRUE(collection.Delete("k3").ok());
      model.erase("k3");
      const size_t before = fs.size();
      if (first != 0) {
        fs.SetHook(at % 2 == 0 ? FullDiskFrom(at)
                               : FailAt(at, Status::IoError("injected"), /*forever=*/false));
      }
      const Status built = collection.BuildIndex(options).status();
      if (first == 0) {  // the first round only counts
        ASSERT_TRUE(built.ok()) << built.ToString();
        first = at = before;
        past = fs.size();
        continue;
      }
      failures += !built.ok();
      // kFailedPrecondition: a failed sync stopped all writes before the build came to its own.
      EXPECT_TRUE(built.ok() || built.code() == StatusCode::kIoError ||
                  built.code() == StatusCode::kResourceExhausted ||
                  built.code() == StatusCode::kFailedPrecondition)
          << built.ToString();
      fs.SetHook({});
      database->Close().IgnoreError("a failed writer stays failed");
    }
    auto database = engine::OpenDatabase(root / kDatabaseName, SmallOptions());
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    const Status right = CheckModel(*database, model);
    ASSERT_TRUE(right.ok()) << right.ToString();
    const Status again = database->OpenCollection(kCollection)->BuildIndex(options).status();
    ASSERT_TRUE(again.ok()) << again.ToString();
    const Status still = CheckModel(*database, model);
    ASSERT_TRUE(still.ok()) << still.ToString();
  }
  std::printf("operations %zu to %zu of a build, %zu failures\n", first, past, failures);
  EXPECT_GT(failures, 5u);
}

}  // namespace
}  // namespace vdb::testing
