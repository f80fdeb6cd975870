// Field indexes: whatever is written, and whenever an index comes or goes, a filter finds the same
// documents as a look at each of them, and verify finds the entries to be exactly right.
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/field_index_fixture.h"

namespace vdb::testing {
namespace {

TEST_F(FieldIndexTest, FindsWhatALookAtEachDocumentFinds) {
  Database db = Make(40);
  Collection docs = *db.OpenCollection("docs");
  for (int step = 0; step < 250 && !HasFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", step " + std::to_string(step));
    Step(db, docs);
    for (int i = 0; i < 4; ++i) ExpectCount(docs, RandomFilter(3));
    if (step % 50 == 49) ExpectClean(db);
  }
}

TEST_F(FieldIndexTest, CasesByHand) {
  Database db = Make(0);
  Collection docs = *db.OpenCollection("docs");
  VDB_ASSERT_OK(docs.Put({.key = "a", .metadata = R"({"n":1,"tags":["x","y"]})"}));
  VDB_ASSERT_OK(docs.Put({.key = "b", .metadata = R"({"n":2.5,"tags":"x"})"}));
  VDB_ASSERT_OK(docs.Put({.key = "c", .metadata = R"({"n":null,"tags":[]})"}));
  VDB_ASSERT_OK(docs.Put({.key = "d"}));
  for (const bool indexed : {false, true}) {
    if (indexed) {
      VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
      const auto report = docs.AddFieldIndex({.field = "tags"});
      VDB_ASSERT_OK(report);
      EXPECT_EQ(report->document_count, 4u);
      EXPECT_EQ(report->entry_count, 4u);  // x, y; x; that it exists
    }
    EXPECT_EQ(Count(docs, "n >= 1"), 2u);
    EXPECT_EQ(Count(docs, "not n >= 1"), 2u);
    EXPECT_EQ(Count(docs, "n exists"), 3u);
    EXPECT_EQ(Count(docs, "n is null"), 1u);
    EXPECT_EQ(Count(docs, "tags = \"x\""), 2u);
    EXPECT_EQ(Count(docs, "tags = \"x\" and not tags = \"y\""), 1u);
    EXPECT_EQ(Count(docs, "$key > \"a\" and n > 1"), 1u);
    EXPECT_EQ(Count(docs, "$key in (\"a\", \"d\", \"e\")"), 2u);
    EXPECT_EQ(Count(docs, "not $key starts with \"a\""), 3u);
  }
  VDB_ASSERT_OK(docs.Put({.key = "a", .metadata = R"({"n":7})"}));
  VDB_ASSERT_OK(docs.Delete("b"));
  EXPECT_EQ(Count(docs, "n >= 1"), 1u);
  EXPECT_EQ(Count(docs, "tags exists"), 1u);
  EXPECT_EQ(*docs.Count(Filter()), 3u);
  ExpectClean(db);
}

TEST_F(FieldIndexTest, Errors) {
  {
    Database db = Make(3);
    Collection docs = *db.OpenCollection("docs");
    const auto code = [&docs](const std::string& field, FieldIndexKind kind) {
      return docs.AddFieldIndex({.field = field, .kind = kind}).status().code();
    };
    EXPECT_EQ(code("a..b", FieldIndexKind::kOrdered), StatusCode::kInvalidArgument);
    EXPECT_EQ(code("$key", FieldIndexKind::kOrdered), StatusCode::kInvalidArgument);
    EXPECT_EQ(code("$body", FieldIndexKind::kOrdered), StatusCode::kInvalidArgument);
    EXPECT_EQ(code("n", FieldIndexKind(9)), StatusCode::kInvalidArgument);
    EXPECT_EQ(code("n", FieldIndexKind::kOrdered), StatusCode::kOk);
    EXPECT_EQ(code("`n`", FieldIndexKind::kOrdered), StatusCode::kAlreadyExists);
    EXPECT_EQ(docs.DropFieldIndex("m").code(), StatusCode::kNotFound);
    for (int i = 1; i < 64; ++i) {
      VDB_ASSERT_OK(docs.AddFieldIndex({.field = "f" + std::to_string(i)}));
    }
    EXPECT_EQ(code("one_more", FieldIndexKind::kOrdered), StatusCode::kResourceExhausted);
    EXPECT_EQ(docs.FieldIndexes()->size(), 64u);
    EXPECT_EQ(docs.Stats()->field_indexes.size(), 64u);
    VDB_ASSERT_OK(db.Close());
  }
  auto db = OpenReadOnly();
  VDB_ASSERT_OK(db);
  Collection docs = *db->OpenCollection("docs");
  EXPECT_EQ(docs.AddFieldIndex({.field = "x"}).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(docs.DropFieldIndex("n").code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(docs.DeleteWhere(Filter()).status().code(), StatusCode::kFailedPrecondition);
  ExpectCount(docs, Field("n").Exists());
}

TEST_F(FieldIndexTest, CancelLeavesItNotReadyAndItGoesOnOrIsDropped) {
  Database db = Make(5000);
  Collection docs = *db.OpenCollection("docs");
  const auto cancelled = docs.AddFieldIndex({.field = "n", .progress = [](const Progress& at) {
    return at.done_count == 0;
  }});
  EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
  ASSERT_EQ(docs.FieldIndexes()->size(), 1u);
  EXPECT_FALSE(docs.FieldIndexes()->front().ready);
  ExpectCount(docs, Field("n").Exists());
  ExpectClean(db);
  VDB_ASSERT_OK(docs.Put({.key = "key3", .metadata = "{\"n\":12345}"}));
  VDB_ASSERT_OK(docs.Delete("key4"));
  VDB_ASSERT_OK(db.Close());

  db = Open(false);
  docs = *db.OpenCollection("docs");
  EXPECT_FALSE(docs.FieldIndexes()->front().ready);
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
  EXPECT_TRUE(docs.FieldIndexes()->front().ready);
  ExpectCount(docs, Field("n").Exists());
  ExpectCount(docs, Field("n").Equals(12345));
  ExpectClean(db);
  VDB_ASSERT_OK(docs.DropFieldIndex("n"));
  EXPECT_TRUE(docs.FieldIndexes()->empty());
  ExpectCount(docs, Field("n").Exists());
  ExpectClean(db);
}

TEST_F(FieldIndexTest, ASnapshotKeepsWhatItSaw) {
  Database db = Make(200);
  Collection docs = *db.OpenCollection("docs");
  const Filter filter = Field("n").Exists();
  const uint64_t before = *docs.Count(filter);
  auto unindexed = db.GetSnapshot();
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
  auto indexed = db.GetSnapshot();
  EXPECT_EQ(*docs.DeleteWhere(Field("n").GreaterOrEqual(0)),
            *docs.Count(Field("n").GreaterOrEqual(0), {.snapshot = &*indexed}));
  VDB_ASSERT_OK(docs.DropFieldIndex("n"));
  VDB_ASSERT_OK(docs.DeleteWhere(filter));
  EXPECT_EQ(*docs.Count(filter), 0u);
  EXPECT_EQ(*docs.Count(filter, {.snapshot = &*unindexed}), before);
  EXPECT_EQ(*docs.Count(filter, {.snapshot = &*indexed}), before);
}

TEST_F(FieldIndexTest, WritersGoOnDuringABuild) {
  Database db = Make(6000);
  Collection docs = *db.OpenCollection("docs");
  std::atomic<bool> stop{false};
  std::atomic<int> written{0};
  std::vector<std::thread> writers;
  for (int w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      Collection mine = docs;
      std::mt19937_64 random(kSeed + uint64_t(w));
      while (!stop) {
        const std::string key = "key" + std::to_string(random() % 7000);
        const std::string metadata = "{\"n\":" + std::to_string(random() % 50) + "}";
        const bool deletes = random() % 4 == 0;
        const Status done =
            deletes ? mine.Delete(key, {.sync = false}).status()
                    : mine.Put({.key = key, .metadata = metadata}, {.sync = false}).status();
        EXPECT_TRUE(done.ok() || done.code() == StatusCode::kNotFound);
        ++written;
      }
    });
  }
  int seen = 0;
  const auto report = docs.AddFieldIndex({.field = "n", .progress = [&](const Progress&) {
    while (written == seen) std::this_thread::yield();  // they get their turn
    seen = written;
    return true;
  }});
  EXPECT_EQ(docs.DropFieldIndex("m").code(), StatusCode::kNotFound);
  stop = true;
  for (auto& writer : writers) writer.join();
  VDB_ASSERT_OK(report);
  EXPECT_GT(seen, 0);
  for (int n = -10; n < 50; n += 3) ExpectCount(docs, Field("n").Greater(n));
  ExpectClean(db);
}

TEST_F(FieldIndexTest, OneBuildOfAnIndexAtATime) {
  Database db = Make(10);
  Collection docs = *db.OpenCollection("docs");
  Status again, dropped;
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n", .progress = [&](const Progress&) {
    again = docs.AddFieldIndex({.field = "n"}).status();
    dropped = docs.DropFieldIndex("n");
    return true;
  }}));
  EXPECT_EQ(again.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(dropped.code(), StatusCode::kFailedPrecondition);
}

TEST_F(FieldIndexTest, DeleteWhereKeepsWhatChangedMeanwhile) {
  Database db = Make(3000);
  Collection docs = *db.OpenCollection("docs");
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
  std::atomic<bool> stop{false};
  std::atomic<int> saved{0};
  std::thread saver([&] {
    Collection mine = docs;
    for (int i = 2999; i >= 0 && !stop; --i) {
      const std::string key = "key" + std::to_string(i);
      if (mine.SetMetadata(key, "{\"saved\":true}", {.sync = false}).ok()) ++saved;
    }
  });
  const auto deleted = docs.DeleteWhere(Parse("not saved = true"), {.sync = false});
  stop = true;
  saver.join();
  VDB_ASSERT_OK(deleted);
  EXPECT_EQ(*deleted + *docs.Count(), 3000u);
  EXPECT_EQ(Count(docs, "saved = true"), static_cast<uint64_t>(saved));
  EXPECT_EQ(Count(docs, "not saved = true"), 0u);
  ExpectClean(db);
}

TEST_F(FieldIndexTest, DroppedCollectionsLeaveNoEntries) {
  Database db = Make(100);
  Collection docs = *db.OpenCollection("docs");
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
  VDB_ASSERT_OK(db.DropCollection("docs"));
  auto again = db.CreateCollection("docs");
  VDB_ASSERT_OK(again);
  VDB_ASSERT_OK(again->AddFieldIndex({.field = "n"}));
  EXPECT_EQ(Count(*again, "n exists"), 0u);
  ExpectClean(db);
}

}  // namespace
}  // namespace vdb::testing
