// Collections, documents and columns through the public API: what each call does, and that it is
// still so after a reopen.
#include <cmath>

#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CollectionTest : public EngineTest {};

TEST_F(CollectionTest, PutGetDeleteAndReopen) {
  {
    auto db = Open();
    auto docs = MakeDocs(db);
    VDB_ASSERT_OK(docs.Put({.key = "a", .metadata = R"({"year": 2020})", .body = "text",
                            .vectors = {{"v", std::vector<float>{3, 4}}}}));
    VDB_ASSERT_OK(Put(docs, "b", {1, 0}));
    VDB_ASSERT_OK(docs.Delete("b"));
    EXPECT_EQ(docs.Delete("b").status().code(), StatusCode::kNotFound);
    VDB_ASSERT_OK(db.Close());
  }
  auto db = Open(false);
  auto docs = db.OpenCollection("docs");
  VDB_ASSERT_OK(docs);
  auto a = docs->Get("a");
  VDB_ASSERT_OK(a);
  EXPECT_EQ(a->metadata, R"({"year":2020})");
  EXPECT_EQ(a->body, "text");
  ASSERT_EQ(a->vectors.size(), 1u);
  EXPECT_THAT(a->vectors[0].values, ElementsAre(3, 4));
  EXPECT_EQ(a->vectors[0].stored.norm, 5);
  EXPECT_EQ(docs->Get("b").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(*docs->Count(), 1u);
  EXPECT_THAT(Nearest(*docs, {0, 0}, 10), ElementsAre("a"));
  ExpectClean(db);
}

TEST_F(CollectionTest, UpsertReplacesWhole) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(docs.Put({.key = "a", .metadata = R"({"x":1})", .body = "body",
                          .vectors = {{"v", std::vector<float>{1, 0}}}}));
  VDB_ASSERT_OK(docs.Put({.key = "a", .metadata = R"({"y":2})"}));
  auto a = docs.Get("a");
  VDB_ASSERT_OK(a);
  EXPECT_EQ(a->metadata, R"({"y":2})");
  EXPECT_FALSE(a->body.has_value());
  EXPECT_THAT(a->vectors, IsEmpty());
  EXPECT_THAT(Nearest(docs, {1, 0}, 5), IsEmpty());
  ExpectClean(db);
}

TEST_F(CollectionTest, VersionsAreBatchNumbersAndGuardReplace) {
  auto db = Open();
  auto docs = MakeDocs(db);
  auto first = docs.Put({.key = "a"});
  VDB_ASSERT_OK(first);
  EXPECT_EQ(docs.PutIfAbsent({.key = "a"}).status().code(), StatusCode::kAlreadyExists);
  auto wrong = docs.ReplaceIfVersion({.key = "a"}, first->batch_number + 1);
  EXPECT_EQ(wrong.status().code(), StatusCode::kFailedPrecondition);
  auto second = docs.ReplaceIfVersion({.key = "a", .metadata = R"({"n":2})"}, first->batch_number);
  VDB_ASSERT_OK(second);
  EXPECT_EQ(docs.Get("a")->version, second->batch_number);
  EXPECT_EQ(docs.ReplaceIfVersion({.key = "none"}, 1).status().code(), StatusCode::kNotFound);
}

TEST_F(CollectionTest, MetadataOnlyUpdateWritesNoRow) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(docs.Put({.key = "a", .body = "b", .vectors = {{"v", std::vector<float>{1, 2}}}}));
  VDB_ASSERT_OK(docs.SetMetadata("a", R"({"tag":"new"})"));
  auto stats = docs.Stats();
  VDB_ASSERT_OK(stats);
  EXPECT_EQ(stats->columns[0].row_count, 1u);
  auto a = docs.Get("a");
  EXPECT_EQ(a->metadata, R"({"tag":"new"})");
  EXPECT_EQ(a->body, "b");
  EXPECT_EQ(a->vectors.size(), 1u);
  EXPECT_EQ(docs.SetMetadata("none", "{}").status().code(), StatusCode::kNotFound);
}

TEST_F(CollectionTest, FillingAColumnWritesOnlyThatRow) {
  auto db = Open();
  auto docs = MakeDocs(db);
  for (int i = 0; i < 10; ++i) {
    VDB_ASSERT_OK(Put(docs, "k" + std::to_string(i), {float(i), 1}));
  }
  VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = 1, .metric = Metric::kDot}));
  EXPECT_THAT(Nearest(docs, {1}, 3, "w"), IsEmpty());
  for (int i = 9; i >= 0; --i) {  // against docno order
    VDB_ASSERT_OK(docs.SetVector("k" + std::to_string(i), "w", std::vector<float>{float(i)}));
  }
  auto stats = docs.Stats();
  VDB_ASSERT_OK(stats);
  EXPECT_EQ(stats->columns[0].row_count, 10u);
  EXPECT_EQ(stats->columns[1].row_count, 10u);
  EXPECT_THAT(Nearest(docs, {1}, 2, "w"), ElementsAre("k9", "k8"));
  for (int i = 0; i < 10; ++i) {
    auto d = docs.Get("k" + std::to_string(i));
    VDB_ASSERT_OK(d);
    ASSERT_EQ(d->vectors.size(), 2u);
    EXPECT_EQ(d->vectors[1].values[0], float(i));
  }
  ExpectClean(db);
}

TEST_F(CollectionTest, ReplacingOneVectorKeepsTheOthers) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = 1, .metric = Metric::kDot}));
  VDB_ASSERT_OK(docs.Put({.key = "a", .vectors = {{"v", std::vector<float>{0.1f, 0.7f}},
                                                  {"w", std::vector<float>{5}}}}));
  const auto before = docs.Get("a")->vectors[0].stored.unit;
  VDB_ASSERT_OK(docs.SetVector("a", "w", std::vector<float>{6}));
  auto a = docs.Get("a");
  VDB_ASSERT_OK(a);
  EXPECT_EQ(a->vectors[0].stored.unit, before);
  EXPECT_THAT(a->vectors[1].values, ElementsAre(6));
  EXPECT_THAT(Nearest(docs, {1}, 5, "w"), ElementsAre("a"));
  EXPECT_EQ(docs.Stats()->columns[1].vector_count, 1u);
  ExpectClean(db);
}

TEST_F(CollectionTest, ColumnsComeAndGoAndTheDefaultSwitches) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(Put(docs, "a", {1, 0}));
  VDB_ASSERT_OK(docs.AddColumn("new", {.dimension = 3, .model = "model-2"}));
  EXPECT_EQ(docs.AddColumn("new", {.dimension = 3}).code(), StatusCode::kAlreadyExists);
  VDB_ASSERT_OK(docs.SetVector("a", "new", std::vector<float>{0, 0, 1}));
  VDB_ASSERT_OK(docs.SetDefaultColumn("new"));
  EXPECT_THAT(Nearest(docs, {0, 0, 1}, 1), ElementsAre("a"));
  VDB_ASSERT_OK(docs.DropColumn("v"));
  EXPECT_EQ(docs.DropColumn("v").code(), StatusCode::kNotFound);
  auto columns = docs.Columns();
  VDB_ASSERT_OK(columns);
  ASSERT_EQ(columns->size(), 1u);
  EXPECT_EQ((*columns)[0].model, "model-2");
  EXPECT_TRUE((*columns)[0].is_default);
  EXPECT_EQ(docs.Get("a")->vectors.size(), 1u);
  // The name may come back; the old vectors do not.
  VDB_ASSERT_OK(docs.AddColumn("v", {.dimension = 2}));
  EXPECT_THAT(Nearest(docs, {1, 0}, 1, "v"), IsEmpty());
  VDB_ASSERT_OK(Put(docs, "a", {0, 1}));
  ExpectClean(db);
}

TEST_F(CollectionTest, KeysAreBytes) {
  auto db = Open();
  auto docs = MakeDocs(db);
  const std::string long_key(35000, 'x');
  const std::vector<std::string> keys = {std::string("\0\x01", 2), "new\nline", "\xff\xfe",
                                         "\"quoted\"", long_key, std::string(kKeyBytesMax, 'z')};
  for (const auto& key : keys) VDB_ASSERT_OK(Put(docs, key, {1, 1}));
  for (const auto& key : keys) EXPECT_EQ(docs.Get(key)->key, key);
  EXPECT_EQ(Nearest(docs, {1, 1}, 10), keys);  // equal scores: the older first
  std::vector<std::string> sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> iterated;
  auto it = docs.NewIterator();
  VDB_ASSERT_OK(it);
  for (it->SeekToFirst(); it->Valid(); it->Next()) iterated.emplace_back(it->key());
  VDB_ASSERT_OK(it->status());
  EXPECT_EQ(iterated, sorted);
}

TEST_F(CollectionTest, SearchEdges) {
  auto db = Open();
  auto docs = MakeDocs(db, Metric::kCosine);
  EXPECT_THAT(Nearest(docs, {1, 0}, 5), IsEmpty());
  VDB_ASSERT_OK(Put(docs, "a", {1, 0}));
  VDB_ASSERT_OK(Put(docs, "b", {0, 1}));
  EXPECT_THAT(Nearest(docs, {1, 0.1f}, 0), IsEmpty());
  EXPECT_THAT(Nearest(docs, {1, 0.1f}, 1000), ElementsAre("a", "b"));
  auto none = docs.Search(MatrixView(nullptr, 0, 2), {});
  VDB_ASSERT_OK(none);
  EXPECT_THAT(none->answers, IsEmpty());
  auto result = docs.Search(VectorView(std::vector<float>{3, 4}), {});
  VDB_ASSERT_OK(result);
  EXPECT_TRUE(result->answers[0].exact);
  EXPECT_NEAR(result->answers[0].hits[0].score, 0.8, 1e-7);
  VDB_ASSERT_OK(docs.DropColumn("v"));
  EXPECT_EQ(docs.Search(VectorView(std::vector<float>{3, 4}), {}).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(CollectionTest, ZeroVectorsUnderDotAndL2) {
  auto db = Open();
  auto docs = MakeDocs(db, Metric::kDot);
  VDB_ASSERT_OK(Put(docs, "zero", {0, 0}));
  VDB_ASSERT_OK(Put(docs, "minus", {-1, 0}));
  EXPECT_THAT(Nearest(docs, {1, 0}, 5), ElementsAre("zero", "minus"));
  EXPECT_THAT(docs.Get("zero")->vectors[0].values, ElementsAre(0, 0));
}

TEST_F(CollectionTest, UnitRowsAreKeptBitForBit) {
  auto db = Open();
  auto docs = MakeDocs(db, Metric::kCosine);
  const float x = 0.6000000238418579f, y = 0.7999999523162842f;  // norm 1 within the tolerance
  VDB_ASSERT_OK(Put(docs, "a", {x, y}));
  const auto stored = docs.Get("a")->vectors[0].stored;
  EXPECT_EQ(stored.norm, 1);
  EXPECT_THAT(stored.unit, ElementsAre(x, y));
}

TEST_F(CollectionTest, ExtremeVectors) {
  auto db = Open();
  auto docs = MakeDocs(db, Metric::kCosine);
  VDB_ASSERT_OK(Put(docs, "tiny", {1e-38f, 1e-45f}));
  VDB_ASSERT_OK(Put(docs, "huge", {3e38f, 3e38f}));
  EXPECT_THAT(Nearest(docs, {3e38f, 0}, 2), ElementsAre("tiny", "huge"));
  const auto huge = docs.Get("huge");
  VDB_ASSERT_OK(huge);
  EXPECT_NEAR(huge->vectors[0].stored.norm / std::sqrt(2) / 3e38, 1, 1e-6);
}

struct Refusal {
  std::string what;
  DocumentView document;
  std::string expected;
};

TEST_F(CollectionTest, RefusesBadInputAndWritesNothing) {
  auto db = Open();
  auto docs = MakeDocs(db, Metric::kCosine);
  VDB_ASSERT_OK(Put(docs, "good", {1, 0}));
  const std::string before = *db.ContentHash();
  const uint64_t batch = db.Stats()->batch_number;
  const std::vector<float> good = {1, 0}, three = {1, 2, 3}, nan = {NAN, 1},
                           infinite = {1, INFINITY}, zero = {0, 0};
  const std::string oversize(kKeyBytesMax + 1, 'k');
  const std::vector<Refusal> refusals = {
      {"dimension", {.key = "k", .vectors = {{"v", three}}}, "expected dimension 2, found 3"},
      {"nan", {.key = "k", .vectors = {{"v", nan}}}, "NaN at position 0"},
      {"infinity", {.key = "k", .vectors = {{"v", infinite}}}, "infinity at position 1"},
      {"zero", {.key = "k", .vectors = {{"v", zero}}}, "zero vector"},
      {"empty key", {.key = "", .vectors = {{"v", good}}}, "key of 0 bytes"},
      {"oversize key", {.key = oversize}, "key of 65537 bytes"},
      {"bad json", {.key = "k", .metadata = "{\"a\":"}, "change 1"},
      {"json list", {.key = "k", .metadata = "[1]"}, "change 1"},
      {"unknown column", {.key = "k", .vectors = {{"nope", good}}}, "no column 'nope'"},
      {"column twice", {.key = "k", .vectors = {{"v", good}, {"v", good}}}, "two vectors"},
  };
  for (const Refusal& refusal : refusals) {
    WriteBatch batch_of_two;
    batch_of_two.Put({.key = "fine", .vectors = {{"v", good}}});
    batch_of_two.Put(refusal.document);
    const auto result = docs.Write(batch_of_two);
    ASSERT_FALSE(result.ok()) << refusal.what;
    EXPECT_THAT(result.status().message(), HasSubstr(refusal.expected)) << refusal.what;
    EXPECT_THAT(result.status().message(), HasSubstr("'docs'")) << refusal.what;
  }
  EXPECT_EQ(*db.ContentHash(), before);
  EXPECT_EQ(db.Stats()->batch_number, batch);
  EXPECT_EQ(docs.Stats()->columns[0].row_count, 1u);
  EXPECT_EQ(docs.Search(VectorView(three), {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(docs.Search(VectorView(nan), {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(docs.Search(VectorView(zero), {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(docs.Search(VectorView(good), {.column = "nope"}).status().code(),
            StatusCode::kNotFound);
}

TEST_F(CollectionTest, RefusesBadNamesAndColumns) {
  auto db = Open();
  for (const std::string& name : {std::string(), std::string(256, 'n'), std::string("a\nb"),
                                  std::string("\xff")}) {
    EXPECT_EQ(db.CreateCollection(name).status().code(), StatusCode::kInvalidArgument);
  }
  auto docs = MakeDocs(db);
  EXPECT_EQ(docs.AddColumn("x", {.dimension = 0}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(docs.AddColumn("x", {.dimension = 65536}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(docs.AddColumn("x", {.dimension = 1, .metric = Metric(9)}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(db.CreateCollection("docs").status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(db.OpenCollection("none").status().code(), StatusCode::kNotFound);
  VDB_ASSERT_OK(docs.AddColumn("large", {.dimension = kDimensionMax}));
  const std::vector<float> large(kDimensionMax, 0.5f);
  VDB_ASSERT_OK(docs.Put({.key = "l", .vectors = {{"large", large}}}));
  EXPECT_EQ(docs.Get("l")->vectors[0].values, large);
}

TEST_F(CollectionTest, DroppedCollectionIsGoneAndItsNameIsFree) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(Put(docs, "a", {1, 1}));
  auto snapshot = db.GetSnapshot();
  VDB_ASSERT_OK(snapshot);
  VDB_ASSERT_OK(db.DropCollection("docs"));
  EXPECT_EQ(db.DropCollection("docs").code(), StatusCode::kNotFound);
  EXPECT_EQ(docs.Get("a").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Put(docs, "b", {1, 1}).code(), StatusCode::kNotFound);
  EXPECT_EQ(docs.Get("a", {.snapshot = &*snapshot})->key, "a");
  auto again = MakeDocs(db);
  EXPECT_EQ(*again.Count(), 0u);
  EXPECT_EQ(again.Get("a").status().code(), StatusCode::kNotFound);
  ExpectClean(db);
}

TEST_F(CollectionTest, SnapshotsSeeTheirBatch) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(Put(docs, "a", {1, 0}, R"({"n":1})"));
  auto snapshot = db.GetSnapshot();
  VDB_ASSERT_OK(snapshot);
  VDB_ASSERT_OK(Put(docs, "a", {0, 1}, R"({"n":2})"));
  VDB_ASSERT_OK(Put(docs, "b", {5, 5}));
  VDB_ASSERT_OK(docs.AddColumn("later", {.dimension = 1}));
  const ReadOptions then = {.snapshot = &*snapshot};
  EXPECT_EQ(docs.Get("a", then)->metadata, R"({"n":1})");
  EXPECT_THAT(docs.Get("a", then)->vectors[0].values, ElementsAre(1, 0));
  EXPECT_EQ(*docs.Count(then), 1u);
  auto result = docs.Search(VectorView(std::vector<float>{0, 1}), {.snapshot = &*snapshot});
  VDB_ASSERT_OK(result);
  EXPECT_THAT(Keys(result->answers[0]), ElementsAre("a"));
  EXPECT_EQ(result->answers[0].hits[0].score, -2);
  EXPECT_EQ(db.Close().code(), StatusCode::kFailedPrecondition);  // the snapshot lives
}

TEST_F(CollectionTest, MultiGetAnswersInOrder) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(Put(docs, "a", {1, 0}));
  VDB_ASSERT_OK(Put(docs, "c", {1, 0}));
  const std::vector<std::string_view> keys = {"c", "b", "a"};
  auto found = docs.MultiGet(keys);
  VDB_ASSERT_OK(found);
  EXPECT_EQ((*found)[0]->key, "c");
  EXPECT_FALSE((*found)[1].has_value());
  EXPECT_EQ((*found)[2]->key, "a");
}

}  // namespace
}  // namespace vdb::testing
