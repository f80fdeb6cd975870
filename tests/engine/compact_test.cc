// Compaction: the same documents, docnos, keys, norms and codes before and after, only where it is
// worth it; less space, at the rate that was asked for. Beside writers and readers:
// compact_writes_test.cc; with damage and faults: compact_proof_test.cc.
#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/engine/compact_fixture.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

TEST_F(CompactTest, KeepsContentsUnderEveryMetricWithAnIndexAndWithout) {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    for (const bool index : {false, true}) {
      SCOPED_TRACE(std::string(MetricName(metric)) + (index ? ", index" : ""));
      fs::remove_all(Path());
      model_.clear();
      std::string hash;
      {
        auto db = Open();
        auto docs = Make(db, metric);
        PutSome(docs, "k", 400);
        if (index) VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 12}));
        PutSome(docs, "later", 60);
        PutSome(docs, "k", 40);  // replaces
        DeleteSome(docs, "k", 100, 400, 3);
        DeleteSome(docs, "later", 0, 20);
        hash = *db.ContentHash();
        const auto answers = Answers(docs);
        const StoredColumn before = Stored("v");
        const auto report = db.Compact({.full = true});
        VDB_ASSERT_OK(report);
        EXPECT_EQ(*db.ContentHash(), hash);
        EXPECT_EQ(Answers(docs), answers);
        const StoredColumn after = Stored("v");
        EXPECT_EQ(after.row_count, model_.size());
        for (const auto& [docno, row] : before.rows) {
          const auto found = after.rows.find(docno);
          if (found == after.rows.end()) continue;  // the contents below say if it was to go
          EXPECT_TRUE(found->second == row) << docno;
        }
        EXPECT_EQ(report->column_count, 2u);
        EXPECT_LT(report->segment_count_after, report->segment_count_before);
        EXPECT_GE(report->rows_dropped, 160u);
        EXPECT_LT(report->bytes_after, report->bytes_before);
        EXPECT_GT(report->probe_query_count, 0u);
        EXPECT_GT(report->memory_bytes_peak, 0u);
        ExpectContents(db);
        const auto again = db.Compact({.full = true});
        VDB_ASSERT_OK(again);
        EXPECT_EQ(again->column_count, 0u);
        EXPECT_EQ(again->bytes_written, 0u);
      }
      auto db = Open(false);
      EXPECT_EQ(*db.ContentHash(), hash);
      ExpectContents(db);
      auto docs = *db.OpenCollection("docs");
      PutSome(docs, "more", 100);
      ExpectContents(db);
    }
  }
}

TEST_F(CompactTest, CodesAndListsStayBitForBit) {
  auto db = Open();
  auto docs = Make(db, Metric::kCosine);
  PutSome(docs, "k", 500);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 9}));
  DeleteSome(docs, "k", 0, 500, 2);
  const StoredColumn before = Stored("v");
  const auto epochs = Files("epochs");
  const double recall = Recall(docs);
  VDB_ASSERT_OK(db.Compact({.collection = "docs", .column = "v"}));
  const StoredColumn after = Stored("v");
  EXPECT_EQ(after.row_count, 250u);
  EXPECT_EQ(after.segments, 4u);  // of 63 and 62 rows
  for (const auto& [docno, row] : after.rows) {
    ASSERT_NE(row.epoch, 0u);
    EXPECT_TRUE(before.rows.at(docno) == row) << docno;
  }
  EXPECT_EQ(Files("epochs"), epochs);
  EXPECT_GE(Recall(docs), recall - 0.01);
  ExpectContents(db);
  const auto stats = docs.Stats();
  VDB_ASSERT_OK(stats);
  EXPECT_EQ(stats->columns[0].index->indexed_row_count, 250u);
  EXPECT_EQ(stats->columns[0].index->unindexed_row_count, 0u);
  // A build after it finds nothing to do, and what it would code anew is what was copied.
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v"}));
  ExpectContents(db);
}

TEST_F(CompactTest, OnlyWhatIsWorthIt) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 64 * 4);
  const auto files = Segments();
  auto report = db.Compact();
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->column_count, 0u);
  EXPECT_EQ(Segments(), files);
  DeleteSome(docs, "k", 1, 11, 3);  // a few dead rows in the first segment
  VDB_ASSERT_OK(db.Compact());
  EXPECT_EQ(Stored("v").row_count, 255u);  // of the sealed ones
  DeleteSome(docs, "k", 14, 60, 3);
  report = db.Compact();
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->column_count, 1u);
  EXPECT_GT(report->rows_dropped, 15u);
  ExpectContents(db);
}

TEST_F(CompactTest, AColumnWithoutALiveRowGivesUpItsFiles) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v"}));
  DeleteSome(docs, "k", 0, 200);
  VDB_ASSERT_OK(db.Compact());
  EXPECT_TRUE(Segments().empty());
  PutSome(docs, "k", 100);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v"}));
  ExpectContents(db);
  VDB_ASSERT_OK(db.Close());
  auto reopened = Open(false);
  ExpectContents(reopened);
}

TEST_F(CompactTest, TheRateIsKept) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 300);
  DeleteSome(docs, "k", 0, 300, 5);
  const auto start = std::chrono::steady_clock::now();
  const auto report = db.Compact({.full = true, .bytes_per_second_max = 100'000});
  VDB_ASSERT_OK(report);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took.count(), static_cast<double>(report->bytes_written) / 100'000 * 0.4);
  EXPECT_GT(report->bytes_written, 15'000u);
}

TEST_F(CompactTest, RefusesWhatIsNotThere) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 10);
  EXPECT_EQ(db.Compact({.collection = "nope"}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(db.Compact({.collection = "docs", .column = "nope"}).status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(db.Compact({.column = "v"}).status().code(), StatusCode::kInvalidArgument);
  auto reader = OpenReadOnly();
  VDB_ASSERT_OK(reader);
  EXPECT_EQ(reader->Compact().status().code(), StatusCode::kFailedPrecondition);
}

// Half of the documents, with bodies, go: the files are about those of a fresh database.
TEST_F(CompactTest, SpaceComesBack) {
  options_.segment_rows_max = 0;
  const auto bytes_of = [](const std::string& dir) {
    uint64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(dir)) {
      if (entry.is_regular_file()) bytes += entry.file_size();
    }
    return bytes;
  };
  const auto fill = [&](Collection& docs, uint64_t step) {
    std::mt19937 random(3);
    WriteBatch batch;
    for (uint64_t i = 0; i < 6000; ++i) {
      std::string body(600, '\0');
      for (char& c : body) c = static_cast<char>(random());
      const std::vector<float> values = RandomVector(&random);
      if (i % step == 0) {
        batch.Put({.key = "k" + std::to_string(i), .body = body, .vectors = {{"v", values}}});
      }
      if (i % 500 != 499) continue;
      VDB_ASSERT_OK(docs.Write(batch));
      batch = {};
    }
  };
  uint64_t fresh = 0;
  {
    auto db = Open();
    auto docs = Make(db);
    fill(docs, 2);
    VDB_ASSERT_OK(db.Compact({.full = true}));
    VDB_ASSERT_OK(db.Close());
    fresh = bytes_of(Path());
    fs::remove_all(Path());
  }
  auto db = Open();
  auto docs = Make(db);
  fill(docs, 1);
  for (uint64_t i = 1; i < 6000; i += 2) {
    VDB_ASSERT_OK(docs.Delete("k" + std::to_string(i), {.sync = false}));
  }
  const auto report = db.Compact();
  VDB_ASSERT_OK(report);
  ExpectClean(db);
  VDB_ASSERT_OK(db.Close());
  EXPECT_LE(static_cast<double>(bytes_of(Path())), 1.1 * static_cast<double>(fresh));
}

TEST_F(CompactTest, TheBackgroundThreadMergesSmallSegments) {
  options_.user.background_jobs = true;
  options_.indexer_pause_ms = 10;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 64 * 22);
  for (int s = 0; s < 22; ++s) DeleteSome(docs, "k", 64 * s, 64 * s + 52);
  const auto segments = [this] {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(Path() + "/segments")) {
      count += entry.path().extension() == ".npy" ? 1 : 0;
    }
    return count;
  };
  for (int tries = 0; tries < 3000 && segments() > 20; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_LE(segments(), 20u);
  ExpectContents(db);
}

}  // namespace
}  // namespace vdb::testing
