// WriteBatch: order, atomicity, and that a batch does what the single calls do.
#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BatchTest : public EngineTest {};

TEST_F(BatchTest, LaterChangesSeeEarlierOnes) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = 1, .metric = Metric::kDot}));
  WriteBatch batch;
  batch.Put({.key = "a", .body = "x", .vectors = {{"v", std::vector<float>{1, 0}}}});
  batch.SetVector("a", "w", std::vector<float>{2});
  batch.SetVector("a", "w", std::vector<float>{3});
  batch.SetMetadata("a", R"({"n":1})");
  batch.Put({.key = "b", .vectors = {{"v", std::vector<float>{2, 2}}}});
  batch.Delete("b");
  batch.Delete("never");
  batch.PutIfAbsent({.key = "b", .vectors = {{"v", std::vector<float>{3, 3}}}});
  auto result = docs.Write(batch);
  VDB_ASSERT_OK(result);
  EXPECT_EQ(result->written_count, 6u);
  EXPECT_EQ(result->deleted_count, 1u);
  EXPECT_EQ(result->missing_count, 1u);
  auto a = docs.Get("a");
  VDB_ASSERT_OK(a);
  EXPECT_EQ(a->metadata, R"({"n":1})");
  EXPECT_EQ(a->body, "x");
  EXPECT_THAT(a->vectors[0].values, ElementsAre(1, 0));
  EXPECT_THAT(a->vectors[1].values, ElementsAre(3));
  EXPECT_THAT(docs.Get("b")->vectors[0].values, ElementsAre(3, 3));
  EXPECT_EQ(*docs.Count(), 2u);
  // Superseded versions within the batch were never written.
  EXPECT_EQ(docs.Stats()->columns[0].row_count, 2u);
  EXPECT_EQ(docs.Stats()->columns[1].row_count, 1u);
  ExpectClean(db);
}

TEST_F(BatchTest, ARefusedChangeRefusesTheBatchAndIsNamed) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(Put(docs, "there", {1, 1}));
  const std::string before = *db.ContentHash();
  WriteBatch batch;
  batch.Put({.key = "x", .vectors = {{"v", std::vector<float>{1, 0}}}});
  batch.Delete("there");
  batch.SetMetadata("absent", "{}");
  const auto result = docs.Write(batch);
  EXPECT_EQ(result.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(result.status().message(), HasSubstr("change 2, key \"absent\""));
  EXPECT_EQ(*db.ContentHash(), before);
  ExpectClean(db);
}

TEST_F(BatchTest, BatchEqualsSingleCalls) {
  auto one = Open();
  auto one_docs = MakeDocs(one);
  engine::EngineOptions options;
  options.user.create_if_missing = true;
  auto many = engine::OpenDatabase(Path() + "2", options);
  VDB_ASSERT_OK(many);
  auto many_docs = MakeDocs(*many);
  WriteBatch batch;
  for (int i = 0; i < 50; ++i) {
    const std::string key = "k" + std::to_string(i % 20);
    const std::vector<float> v = {float(i), 1};
    batch.Put({.key = key, .vectors = {{"v", v}}});
    VDB_ASSERT_OK(Put(many_docs, key, v));
    if (i % 7 == 0) {
      batch.Delete(key);
      VDB_ASSERT_OK(many_docs.Delete(key));
    }
  }
  VDB_ASSERT_OK(one_docs.Write(batch));
  EXPECT_EQ(*one.ContentHash(), *many->ContentHash());
  ExpectClean(one);
  ExpectClean(*many);
}

TEST_F(BatchTest, ABatchLargerThanASegmentFits) {
  options_.segment_rows_max = 8;
  auto db = Open();
  auto docs = MakeDocs(db);
  for (int round = 0; round < 3; ++round) {
    WriteBatch batch;
    for (int i = 0; i < 30; ++i) {
      const std::vector<float> v = {float(i), float(round)};
      batch.Put({.key = std::to_string(round * 100 + i), .vectors = {{"v", v}}});
    }
    VDB_ASSERT_OK(docs.Write(batch));
  }
  EXPECT_EQ(docs.Stats()->columns[0].segment_count, 3u);
  EXPECT_EQ(Nearest(docs, {0, 0}, 1000).size(), 90u);
  ExpectClean(db);
}

TEST_F(BatchTest, AnEmptyBatchIsFine) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_EXPECT_OK(docs.Write(WriteBatch()));
  EXPECT_EQ(*docs.Count(), 0u);
}

}  // namespace
}  // namespace vdb::testing
