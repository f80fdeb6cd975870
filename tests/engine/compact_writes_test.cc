// Compaction beside others: writers, searches, held snapshots and readers, columns that go
// meanwhile, and its own cancellation. What is written meanwhile is kept, what is read stays.
#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/compact_fixture.h"

namespace vdb::testing {
namespace {

// Deletes and replacements of rows that are being moved, new documents, folds of tombstones and
// publishes of other columns, at every stage.
TEST_F(CompactTest, WritesDuringACompactionAreKept) {
  options_.tombstones_max = 5;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 400);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 6}));
  PutSome(docs, "gone", 90);
  DeleteSome(docs, "gone", 0, 40);
  DeleteSome(docs, "k", 300, 400);
  int step = 0;
  std::set<std::string> stages;
  CompactionOptions options;
  options.full = true;
  options.progress = [&](const Progress& progress) {
    const bool fresh = stages.insert(std::string(progress.stage)).second;
    if (!fresh && step % 3 != 0) return true;
    if (step >= 60) return true;
    const std::string n = std::to_string(step);
    DeleteOne(docs, "k" + n);
    if (step < 50) DeleteOne(docs, "gone" + std::to_string(40 + step));
    model_["k" + std::to_string(200 + step)] = RandomVector(&random_);
    VDB_EXPECT_OK(Put(docs, "k" + std::to_string(200 + step),
                      model_["k" + std::to_string(200 + step)]));
    PutSome(docs, "new" + n + ".", 3);
    if (fresh) VDB_EXPECT_OK(docs.AddColumn("c" + n, {.dimension = 2}));
    ++step;
    return true;
  };
  VDB_ASSERT_OK(db.Compact(options));
  EXPECT_TRUE(stages.contains("check rows") && stages.contains("write rows") &&
              stages.contains("prove rows"));
  EXPECT_GT(step, 3);
  ExpectContents(db);
  const std::string hash = *db.ContentHash();
  VDB_ASSERT_OK(db.Close());
  for (int life = 0; life < 2; ++life) {
    auto reopened = Open(false);
    EXPECT_EQ(*reopened.ContentHash(), hash);
    ExpectContents(reopened);
    VDB_ASSERT_OK(reopened.Compact({.full = true}));
    EXPECT_EQ(*reopened.ContentHash(), hash);
    ExpectContents(reopened);
  }
}

// What a held view names is gone from the directory; its rows, masks, keys and codes are not.
TEST_F(CompactTest, AViewOutlivesManyCompactions) {
  options_.tombstones_max = 3;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 120);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 4}));
  PutSome(docs, "loose", 30);
  DeleteSome(docs, "k", 0, 30);
  const auto held = model_;
  auto snapshot = db.GetSnapshot();
  VDB_ASSERT_OK(snapshot);
  auto iterator = docs.NewIterator();
  VDB_ASSERT_OK(iterator);
  auto reader = OpenReadOnly();
  VDB_ASSERT_OK(reader);
  const auto first_files = Segments();
  for (int i = 0; i < 100; ++i) {
    PutSome(docs, "round" + std::to_string(i) + ".", 4);
    DeleteOne(docs, i < 90 ? "k" + std::to_string(30 + i) : "loose" + std::to_string(i - 90));
    VDB_ASSERT_OK(db.Compact({.full = true}));
  }
  ExpectContents(db);
  const auto now = model_;
  model_ = held;
  ExpectContents(*reader);  // its pin keeps even the names
  ExpectContents(db, {.snapshot = &*snapshot});
  size_t count = 0;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next(), ++count) {
    const auto document = iterator->document();
    VDB_ASSERT_OK(document);
    EXPECT_TRUE(held.contains(document->key));
  }
  VDB_EXPECT_OK(iterator->status());
  EXPECT_EQ(count, held.size());
  model_ = now;
  reader = Status::NotFound("closed");
  PutSome(docs, "last", 1);
  VDB_ASSERT_OK(db.Compact({.full = true}));
  const auto files = Segments();
  for (const std::string& name : first_files) EXPECT_FALSE(files.contains(name)) << name;
}

// Compacting one of two columns, and folding, must not lose the other's tombstone: the document
// would come back at the next open, or the open would miss its row.
TEST_F(CompactTest, ADocumentOfTwoColumnsStaysDeleted) {
  options_.tombstones_max = 6;
  std::string hash;
  {
    auto db = Open();
    auto docs = Make(db);
    PutSome(docs, "k", 150);
    auto reader = OpenReadOnly();
    VDB_ASSERT_OK(reader);
    const auto before = model_;
    DeleteSome(docs, "k", 0, 60, 3);  // these have both vectors
    VDB_ASSERT_OK(db.Compact({.collection = "docs", .column = "v", .full = true}));
    DeleteSome(docs, "k", 60, 90, 3);
    VDB_ASSERT_OK(db.Compact({.collection = "docs", .column = "w", .full = true}));
    DeleteSome(docs, "k", 90, 120, 3);
    EXPECT_EQ(Stored("v").rows.size(), 130u);
    hash = *db.ContentHash();
    ExpectContents(db);
    const auto now = model_;
    model_ = before;
    ExpectContents(*reader);
    model_ = now;
    VDB_ASSERT_OK(reader->Refresh());
    ExpectContents(*reader);
  }
  for (int life = 0; life < 3; ++life) {
    auto db = Open(false);
    EXPECT_EQ(*db.ContentHash(), hash);
    ExpectContents(db);
    VDB_ASSERT_OK(db.Compact({.full = life == 1}));
    EXPECT_EQ(*db.ContentHash(), hash);
  }
}

TEST_F(CompactTest, CancelledAtAnyStageItLeavesTheOldState) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 4}));
  DeleteSome(docs, "k", 0, 100);
  for (const char* stage : {"check rows", "write rows", "prove rows"}) {
    SCOPED_TRACE(stage);
    auto files = Segments();
    CompactionOptions options;
    options.column = "v";
    options.collection = "docs";
    options.full = true;
    options.progress = [stage](const Progress& progress) { return progress.stage != stage; };
    EXPECT_EQ(db.Compact(options).status().code(), StatusCode::kCancelled);
    auto now = Segments();
    for (auto* names : {&files, &now}) {  // the open segment was sealed, tombstones folded
      std::erase_if(*names, [](const auto& name) {
        return name.ends_with(".sums") || name.ends_with(".order") ||
               name.find(".del-") != name.npos;
      });
    }
    EXPECT_EQ(now, files);
    ExpectContents(db);
  }
  VDB_ASSERT_OK(db.Compact({.full = true}));
  ExpectContents(db);
}

TEST_F(CompactTest, AColumnDroppedMeanwhileIsGone) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  DeleteSome(docs, "k", 0, 60);
  CompactionOptions options;
  options.full = true;
  options.progress = [&](const Progress& progress) {
    if (progress.stage == "write rows" && docs.Columns()->size() == 2) {
      VDB_EXPECT_OK(docs.DropColumn("v"));
    }
    return true;
  };
  EXPECT_EQ(db.Compact(options).status().code(), StatusCode::kNotFound);
  ExpectClean(db);
  VDB_ASSERT_OK(db.Compact({.full = true}));
  ExpectClean(db);
  size_t segments = 0;
  for (const std::string& name : Segments()) segments += name.ends_with(".npy") ? 1 : 0;
  EXPECT_EQ(segments, LiveManifest().segments.size());
}

// Writers, searches and compactions at once: no answer runs short, and at the end everything is
// there.
TEST_F(CompactTest, BesideWritersAndSearches) {
  options_.tombstones_max = 20;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 4}));
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  std::map<std::string, std::vector<float>> written[2];
  for (int w = 0; w < 2; ++w) {
    threads.emplace_back([&, w] {
      std::mt19937 random(static_cast<uint32_t>(w) + 20);
      Collection mine = docs;
      for (int i = 0; i < 150; ++i) {
        const std::string key = "t" + std::to_string(w) + "." + std::to_string(random() % 40);
        if (random() % 3 == 0) {
          const Status gone = mine.Delete(key, {.sync = false}).status();
          EXPECT_TRUE(gone.ok() || gone.code() == StatusCode::kNotFound) << gone.ToString();
          written[w].erase(key);
        } else {
          written[w][key] = RandomVector(&random);
          VDB_EXPECT_OK(
              mine.Put({.key = key, .vectors = {{"v", written[w][key]}}}, {.sync = false}));
        }
      }
    });
  }
  threads.emplace_back([&] {
    std::mt19937 random(30);
    while (!stop) {
      const std::vector<float> query = RandomVector(&random);
      const auto found = docs.Search(VectorView(query), {.k = 10});
      VDB_EXPECT_OK(found);
      if (found.ok()) {
        EXPECT_EQ(found->answers[0].hits.size(), 10u);
      }
    }
  });
  for (int i = 0; i < 6; ++i) VDB_EXPECT_OK(db.Compact({.full = true}));
  threads[0].join();
  threads[1].join();
  VDB_EXPECT_OK(db.Compact({.full = true}));
  stop = true;
  threads[2].join();
  for (const auto& each : written) model_.insert(each.begin(), each.end());
  ExpectContents(db);
}

}  // namespace
}  // namespace vdb::testing
