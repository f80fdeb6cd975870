// Power cuts at every operation while a field index of either kind is added (with writes in the
// middle of its build), kept up, dropped, added again and reopened. Whatever the cut left, the
// documents are those of a prefix of the steps, counts by the index are those of the documents,
// verify finds every entry exactly right, and more writes go (CheckRecovery).
#include <gtest/gtest.h>

#include <utility>

#include "tests/crash/stepped_run.h"

namespace vdb::testing {
namespace {

class FieldIndexRun : public SteppedRun {
 public:
  explicit FieldIndexRun(FieldIndexKind kind)
      : kind_(kind), field_(kind == FieldIndexKind::kText ? "$body" : "n") {}

  // Every third step is not synced.
  void Write(Collection& collection, std::vector<Change> changes) {
    const bool sync = states().size() % 3 != 0;
    SteppedRun::Write(collection, std::move(changes), sync);
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
    Mark("build");
    const auto progress = [&](const Progress&) {
      WriteSome(collection);
      Mark("chunk");
      return true;
    };
    const auto added =
        collection.AddFieldIndex({.field = field_, .kind = kind_, .progress = progress});
    ASSERT_TRUE(added.ok()) << added.status().ToString();
    Mark("ready");
  }

  void Run() {
    auto database = SetUp();
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    auto collection = *database->OpenCollection(kCollection);
    std::vector<Change> changes;
    for (uint64_t i = 0; i < 30; ++i) {
      changes.push_back({Change::Kind::kPut, "k" + std::to_string(i), MakeDocument(i, kBodyBytes)});
    }
    Write(collection, std::move(changes));
    CutFromHere();
    Add(collection);
    WriteSome(collection);
    const Status dropped = collection.DropFieldIndex(field_, kind_);
    ASSERT_TRUE(dropped.ok()) << dropped.ToString();
    WriteSome(collection);
    Add(collection);
    ASSERT_TRUE(database->Close().ok());
    database = Open();
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    collection = *database->OpenCollection(kCollection);
    WriteSome(collection);
    ASSERT_TRUE(database->Close().ok());
  }

 private:
  static constexpr size_t kBodyBytes = 24;  // random: a few letters among them

  const FieldIndexKind kind_;
  const std::string field_;
  uint64_t round_ = 0;
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
  ExpectRecoveryAtEveryCut(run, 2);
}

// The cuts must notice entries that were not synced before the index is published as ready.
TEST_P(FieldIndexPowerCutTest, CutsNoticeAMissingSync) {
  FieldIndexRun run(GetParam());
  run.Run();
  ASSERT_FALSE(HasFatalFailure());
  bool building = false;
  ExpectCutsNotice(run, "entries", [&building](const Operation& op) {
    if (op.kind == OpKind::kMark && op.path == "chunk") building = true;
    if (op.kind == OpKind::kMark && op.path == "ready") building = false;
    return building && op.kind == OpKind::kSync && op.path.ends_with(".log");
  });
}

}  // namespace
}  // namespace vdb::testing
