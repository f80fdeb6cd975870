// Power cuts at every operation while a field index of either kind is added (with writes in the
// middle of its build), kept up, dropped, added again and reopened. Whatever the cut left, the
// documents are those of a prefix of the steps, counts by the index are those of the documents,
// verify finds every entry exactly right, and more writes go (CheckRecovery).
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/crash/recorded_run.h"

namespace vdb::testing {
namespace {

class FieldIndexRun {
 public:
  explicit FieldIndexRun(FieldIndexKind kind)
      : kind_(kind), field_(kind == FieldIndexKind::kText ? "$body" : "n") {
    states_.emplace_back();
  }

  // One numbered step, as in Workload.
  void Write(Collection& collection, std::vector<Change> changes) {
    const std::string number = std::to_string(states_.size());
    Model model = states_.back();
    Change progress = {Change::Kind::kPut, "progress", {}};
    progress.document.metadata = R"({"n":)" + number + "}";
    changes.push_back(progress);
    for (const Change& change : changes) Apply(change, &model);
    const Step step = {std::move(changes), states_.size() % 3 != 0};
    states_.push_back(std::move(model));
    fs_.Mark("begin " + number);
    const auto written = collection.Write(ToBatch(step), {.sync = step.sync});
    ASSERT_TRUE(written.ok()) << written.status().ToString();
    fs_.Mark("ack " + number + (step.sync ? " sync" : ""));
  }

  // Replaces documents, changes the metadata of one, gives one a new docno, and deletes one.
  void WriteSome(Collection& collection) {
    const uint64_t n = ++round_;
    const auto key = [](uint64_t i) { return "k" + std::to_string(i % 30); };
    Change metadata = {Change::Kind::kSetMetadata, key(7 * n), {}};
    metadata.document.metadata = R"({"n":)" + std::to_string(n * 1000) + "}";
    Change vector = {Change::Kind::kSetVector, key(7 * n + 1), {}};
    vector.document.vectors[kL2Column] = {1, float(n), 3};
    Write(collection, {{Change::Kind::kPut, key(7 * n), MakeDocument(n, kBodyBytes)},
                       {Change::Kind::kPut, key(7 * n + 1), MakeDocument(n + 50, kBodyBytes)},
                       metadata});
    Write(collection, {vector, {Change::Kind::kDelete, key(5 * n + 3), {}}});
  }

  void Add(Collection& collection) {
    fs_.Mark("build");
    const auto progress = [&](const Progress&) {
      WriteSome(collection);
      fs_.Mark("chunk");
      return true;
    };
    const auto added =
        collection.AddFieldIndex({.field = field_, .kind = kind_, .progress = progress});
    ASSERT_TRUE(added.ok()) << added.status().ToString();
    fs_.Mark("ready");
  }

  void Run() {
    auto database = engine::OpenDatabase(root_ / kDatabaseName, SmallOptions(&fs_));
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    ASSERT_TRUE(MakeCollection(&*database).ok());
    fs_.Mark("set up");
    auto collection = *database->OpenCollection(kCollection);
    std::vector<Change> changes;
    for (uint64_t i = 0; i < 30; ++i) {
      changes.push_back({Change::Kind::kPut, "k" + std::to_string(i), MakeDocument(i, kBodyBytes)});
    }
    Write(collection, std::move(changes));
    first_ = fs_.size();
    Add(collection);
    WriteSome(collection);
    const Status dropped = collection.DropFieldIndex(field_, kind_);
    ASSERT_TRUE(dropped.ok()) << dropped.ToString();
    WriteSome(collection);
    Add(collection);
    ASSERT_TRUE(database->Close().ok());
    database = engine::OpenDatabase(root_ / kDatabaseName, SmallOptions(&fs_));
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    collection = *database->OpenCollection(kCollection);
    WriteSome(collection);
    ASSERT_TRUE(database->Close().ok());
  }

  const std::vector<Model>& states() const { return states_; }
  size_t first() const { return first_; }
  Log log() { return fs_.log(); }

 private:
  static constexpr size_t kBodyBytes = 24;  // random: a few letters among them

  const FieldIndexKind kind_;
  const std::string field_;
  ScratchDir root_;
  RecordingFileSystem fs_{root_.path()};
  std::vector<Model> states_;
  uint64_t round_ = 0;
  size_t first_ = 0;
};

class FieldIndexPowerCutTest : public ::testing::TestWithParam<FieldIndexKind> {};

INSTANTIATE_TEST_SUITE_P(Kinds, FieldIndexPowerCutTest,
                         ::testing::Values(FieldIndexKind::kOrdered, FieldIndexKind::kText),
                         [](const auto& kind) {
                           return kind.param == FieldIndexKind::kText ? "Text" : "Ordered";
                         });

TEST_P(FieldIndexPowerCutTest, AtEveryOperation) {
  FieldIndexRun run(GetParam());
  run.Run();
  ASSERT_FALSE(HasFatalFailure());
  const Log log = run.log();
  for (uint64_t seed = 1; seed <= (LongRun() ? 4u : 1u); ++seed) {
    CutOptions cuts;
    cuts.seed = 100 * seed;
    cuts.first = run.first();
    cuts.step = LongRun() ? 1 : 2 * Thinning();
    cuts.policies_per_cut = LongRun() ? 6 : 1;
    const CutReport report = CutEverywhere(log, run.states(), cuts);
    std::printf("%zu operations, %zu cuts\n", log.size(), report.cut_count);
    EXPECT_TRUE(report.violations.empty()) << report.ToString();
  }
}

// The cuts must notice entries that were not synced before the index is published as ready.
TEST_P(FieldIndexPowerCutTest, CutsNoticeAMissingSync) {
  FieldIndexRun run(GetParam());
  run.Run();
  ASSERT_FALSE(HasFatalFailure());
  Log mutated;
  bool building = false;
  size_t missing = 0;
  for (const Operation& op : run.log()) {
    if (op.kind == OpKind::kMark && op.path == "chunk") building = true;
    if (op.kind == OpKind::kMark && op.path == "ready") building = false;
    const bool leave_out = building && op.kind == OpKind::kSync && op.path.ends_with(".log");
    missing += leave_out;
    if (!leave_out) mutated.push_back(op);
  }
  ASSERT_GT(missing, 0u);
  CutOptions cuts;
  cuts.first = run.first();
  cuts.step = 1;
  cuts.policies_per_cut = 6;
  cuts.violation_count_max = 1;
  cuts.only_before = [](const Operation& op) { return op.kind == OpKind::kSyncDir; };
  EXPECT_FALSE(CutEverywhere(mutated, run.states(), cuts).violations.empty());
}

}  // namespace
}  // namespace vdb::testing
