// Recall through the public calls: the default target holds whatever becomes of the rows, more
// asked for is more given, and exact means exact. A guard on the work per query shows lost pruning.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>
#include <utility>

#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

constexpr uint32_t kDimension = 32;
constexpr size_t kQueries = 200;
// Fewer rows are scanned where the answer must be exact.
constexpr size_t kCodedRows = 17000;

/// Normal clusters of different size and spread. `cluster` of each vector, if asked for.
class Clusters {
 public:
  Clusters(uint32_t dimension, size_t count, uint64_t seed)
      : dimension_(dimension), random_(seed), centres_(count * dimension), spread_(count) {
    for (float& x : centres_) x = normal_(random_);
    for (float& x : spread_) x = 0.3f + 0.5f * static_cast<float>(random_() % 1000) / 1000;
  }
  std::vector<float> Draw(size_t count, std::vector<size_t>* clusters = nullptr) {
    std::vector<float> vectors;
    for (size_t i = 0; i < count; ++i) {
      const size_t c = std::min(random_() % spread_.size(), random_() % spread_.size());
      if (clusters != nullptr) clusters->push_back(c);
      for (uint32_t d = 0; d < dimension_; ++d) {
        vectors.push_back(centres_[c * dimension_ + d] + spread_[c] * normal_(random_));
      }
    }
    return vectors;
  }

 private:
  uint32_t dimension_;
  std::mt19937_64 random_;
  std::normal_distribution<float> normal_;
  std::vector<float> centres_, spread_;
};

class IndexRecallTest : public EngineTest {
 protected:
  IndexRecallTest() { options_.segment_rows_max = 4096; }

  Collection Make(Database& db, Metric metric = Metric::kCosine, uint32_t dimension = kDimension) {
    auto docs = db.CreateCollection("docs");
    EXPECT_TRUE(docs.ok()) << Text(docs);
    EXPECT_TRUE(docs->AddColumn("v", {.dimension = dimension, .metric = metric}).ok());
    return *docs;
  }
  // Keys k0, k1, ... go on counting.
  void Add(Collection& docs, const std::vector<float>& vectors, uint32_t dimension = kDimension) {
    WriteBatch batch;
    for (size_t i = 0; i < vectors.size() / dimension; ++i) {
      if (i % 500 == 499) {
        VDB_ASSERT_OK(docs.Write(batch, {.sync = false}));
        batch = {};
      }
      const std::string key = "k" + std::to_string(added_++);
      batch.Put({.key = key,
                 .vectors = {{"v", VectorView(vectors.data() + i * dimension, dimension)}}});
    }
    VDB_ASSERT_OK(docs.Write(batch));
  }
  void Delete(Collection& docs, const std::vector<size_t>& which) {
    WriteBatch batch;
    for (size_t i = 0; i < which.size(); ++i) {
      batch.Delete("k" + std::to_string(which[i]));
      if (i % 500 != 499) continue;
      VDB_ASSERT_OK(docs.Write(batch, {.sync = false}));
      batch = {};
    }
    VDB_ASSERT_OK(docs.Write(batch));
  }

  static MatrixView Rows(const std::vector<float>& values, uint32_t dimension = kDimension) {
    return {values.data(), values.size() / dimension, dimension};
  }
  static SearchResult Search(const Collection& docs, MatrixView queries,
                             const SearchOptions& options = {}) {
    auto result = docs.Search(queries, options);
    EXPECT_TRUE(result.ok()) << Text(result);
    return result.ok() ? *result : SearchResult();
  }
  // Hits as good as the true k-th count as found.
  static double Recall(const SearchResult& truth, const SearchResult& found) {
    double good = 0, all = 0;
    EXPECT_EQ(truth.answers.size(), found.answers.size());
    for (size_t q = 0; q < std::min(truth.answers.size(), found.answers.size()); ++q) {
      const auto& hits = truth.answers[q].hits;
      EXPECT_EQ(hits.size(), found.answers[q].hits.size());
      for (const Hit& hit : found.answers[q].hits) good += hit.score >= hits.back().score ? 1 : 0;
      all += static_cast<double>(hits.size());
    }
    return all == 0 ? 0 : good / all;
  }
  static void ExpectSame(const SearchResult& expected, const SearchResult& found) {
    ASSERT_EQ(expected.answers.size(), found.answers.size());
    for (size_t q = 0; q < expected.answers.size(); ++q) {
      const auto& one = expected.answers[q].hits;
      const auto& two = found.answers[q].hits;
      ASSERT_EQ(one.size(), two.size()) << q;
      for (size_t i = 0; i < one.size(); ++i) {
        ASSERT_EQ(one[i].key, two[i].key) << "query " << q << ", place " << i;
        ASSERT_EQ(one[i].score, two[i].score) << "query " << q << ", place " << i;
      }
    }
  }
  // The default search keeps its word.
  void ExpectDefaultRecall(const Collection& docs, const std::string& when, double least = 0.95) {
    SCOPED_TRACE(when);
    const auto truth = Search(docs, Rows(queries_), {.exact = true});
    const auto found = Search(docs, Rows(queries_), {.explain = true});
    const double recall = Recall(truth, found);
    EXPECT_GE(recall, least) << found.explains[0].plan;
    RecordProperty(when, std::to_string(recall) + " " + found.explains[0].plan);
  }
  static IndexStats StatsOf(const Collection& docs) {
    auto stats = docs.Stats();
    EXPECT_TRUE(stats.ok() && stats->columns[0].index.has_value()) << Text(stats);
    return stats.ok() ? stats->columns[0].index.value_or(IndexStats()) : IndexStats();
  }

  Clusters source_{kDimension, 40, 5};
  std::vector<float> queries_ = source_.Draw(kQueries);
  size_t added_ = 0;
};

TEST_F(IndexRecallTest, HoldsAfterHalfOfTheRowsAreDeleted) {
  auto db = Open();
  auto docs = Make(db);
  Add(docs, source_.Draw(6000));
  VDB_ASSERT_OK(docs.BuildIndex());
  ExpectDefaultRecall(docs, "built");
  std::vector<size_t> which(6000);
  for (size_t i = 0; i < which.size(); ++i) which[i] = i;
  std::shuffle(which.begin(), which.end(), std::mt19937_64(3));
  for (const size_t past : {1000, 2000, 3000}) {
    Delete(docs, {which.begin() + static_cast<long>(past - 1000),
                  which.begin() + static_cast<long>(past)});
    ExpectDefaultRecall(docs, "without " + std::to_string(past));
  }
  VDB_ASSERT_OK(docs.BuildIndex());
  ExpectDefaultRecall(docs, "built again");
}

// With queries like the rows that are left the promise holds. The old ones look for neighbours in a
// hole, unlike any query that was calibrated on: they may lose a little.
TEST_F(IndexRecallTest, HoldsAfterAWholeRegionIsDeleted) {
  for (const Metric metric : {Metric::kCosine, Metric::kL2}) {
    SCOPED_TRACE(MetricName(metric));
    std::filesystem::remove_all(Path());
    added_ = 0;
    auto db = Open();
    auto docs = Make(db, metric);
    std::vector<size_t> clusters, asked;
    Add(docs, source_.Draw(6000, &clusters));
    const auto all = source_.Draw(2 * kQueries, &asked);
    VDB_ASSERT_OK(docs.BuildIndex());
    for (const size_t share : {4, 2}) {  // a quarter of the clusters, then half
      const auto gone = [share](size_t c) { return c % 4 == 1 || (share == 2 && c % 4 == 3); };
      std::vector<size_t> which;
      for (size_t i = 0; i < clusters.size(); ++i) {
        if (gone(clusters[i])) which.push_back(i);
      }
      Delete(docs, which);
      queries_.clear();
      for (size_t q = 0; q < asked.size(); ++q) {
        if (gone(asked[q])) continue;
        queries_.insert(queries_.end(), all.begin() + static_cast<long>(q * kDimension),
                        all.begin() + static_cast<long>((q + 1) * kDimension));
      }
      ExpectDefaultRecall(docs, "one in " + std::to_string(share) + ", queries like the rest");
      const auto like_the_rest = std::exchange(queries_, all);
      ExpectDefaultRecall(docs, "one in " + std::to_string(share) + ", queries as before", 0.88);
      queries_ = like_the_rest;
    }
    VDB_ASSERT_OK(docs.BuildIndex());
    ExpectDefaultRecall(docs, "built again");
  }
}

TEST_F(IndexRecallTest, HoldsThroughGrowthUpdatesAndRetraining) {
  auto db = Open();
  auto docs = Make(db);
  Add(docs, source_.Draw(4000));
  auto report = docs.BuildIndex();
  VDB_ASSERT_OK(report);
  const uint64_t epoch = report->epoch_id;
  Add(docs, source_.Draw(11000));
  EXPECT_EQ(StatsOf(docs).unindexed_row_count, 11000u);
  ExpectDefaultRecall(docs, "nearly four times the rows, most not indexed");
  report = docs.BuildIndex();
  VDB_ASSERT_OK(report);
  EXPECT_FALSE(report->trained);
  EXPECT_EQ(report->epoch_id, epoch);
  ExpectDefaultRecall(docs, "taken in");
  Add(docs, source_.Draw(2000));
  ExpectDefaultRecall(docs, "more than four times");
  report = docs.BuildIndex({.retrain = true});
  VDB_ASSERT_OK(report);
  EXPECT_TRUE(report->trained);
  EXPECT_NE(report->epoch_id, epoch);
  ExpectDefaultRecall(docs, "retrained");
  // Rows unlike any that it was trained on.
  Clusters other(kDimension, 10, 77);
  Add(docs, other.Draw(3000));
  const auto strange = other.Draw(35);  // as many as are their share of the rows
  queries_.insert(queries_.end(), strange.begin(), strange.end());
  ExpectDefaultRecall(docs, "other rows");
  VDB_ASSERT_OK(docs.BuildIndex());
  ExpectDefaultRecall(docs, "other rows taken in");
}

TEST_F(IndexRecallTest, MoreAskedForIsMoreGiven) {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    SCOPED_TRACE(MetricName(metric));
    std::filesystem::remove_all(Path());
    auto db = Open();
    auto docs = Make(db, metric);
    Add(docs, source_.Draw(6000));
    VDB_ASSERT_OK(docs.BuildIndex({.list_count = 40}));
    const auto truth = Search(docs, Rows(queries_), {.exact = true});
    double last = 0;
    for (const double recall :
         {0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 1.0}) {
      const double found = Recall(truth, Search(docs, Rows(queries_), {.recall = recall}));
      EXPECT_GE(found, last) << recall;
      EXPECT_GE(found, recall);
      last = found;
    }
    EXPECT_EQ(last, 1.0);
    last = 0;
    for (uint32_t nprobe = 1; nprobe <= 40; nprobe += 1 + nprobe / 8) {
      const auto found = Search(docs, Rows(queries_), {.nprobe = nprobe});
      EXPECT_FALSE(found.answers[0].exact);
      const double recall = Recall(truth, found);
      EXPECT_GE(recall, last) << "nprobe " << nprobe;
      last = recall;
    }
    EXPECT_GE(Recall(truth, Search(docs, Rows(queries_), {.nprobe = 40})), 0.99);
    EXPECT_GE(Recall(truth, Search(docs, Rows(queries_), {.nprobe = 1000})), 0.99);
  }
}

TEST_F(IndexRecallTest, RecallsOutOfRangeAreRefused) {
  auto db = Open();
  auto docs = Make(db);
  Add(docs, source_.Draw(100));
  for (const bool built : {false, true}) {
    if (built) VDB_ASSERT_OK(docs.BuildIndex());
    for (const double recall : {0.0, -1.0, 1.5, 1.0000001, std::numeric_limits<double>::infinity(),
                                std::numeric_limits<double>::quiet_NaN()}) {
      EXPECT_EQ(docs.Search(Rows(queries_), {.recall = recall}).status().code(),
                StatusCode::kInvalidArgument)
          << recall;
    }
    VDB_EXPECT_OK(docs.Search(Rows(queries_), {.recall = 1e-9}));
  }
}

TEST_F(IndexRecallTest, ExactIsWhatBruteForceSays) {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    SCOPED_TRACE(MetricName(metric));
    std::filesystem::remove_all(Path());
    added_ = 0;
    auto db = Open();
    auto docs = Make(db, metric);
    auto rows = source_.Draw(kCodedRows);
    std::copy_n(rows.begin(), 300 * kDimension, rows.end() - 300 * kDimension);  // ties
    Add(docs, rows);
    VDB_ASSERT_OK(docs.BuildIndex());
    Add(docs, source_.Draw(500));
    Delete(docs, {0, 7, kCodedRows - 1, kCodedRows + 1});
    queries_.insert(queries_.end(), rows.begin(), rows.begin() + 50 * kDimension);
    const auto exact = Search(docs, Rows(queries_), {.k = 20, .exact = true, .explain = true});
    const auto full = Search(docs, Rows(queries_), {.k = 20, .recall = 1});
    EXPECT_EQ(exact.explains[0].plan, "exact by codes");
    VDB_ASSERT_OK(docs.DropIndex());
    const auto brute = Search(docs, Rows(queries_), {.k = 20, .explain = true});
    EXPECT_EQ(brute.explains[0].plan, "brute force");
    ExpectSame(brute, exact);
    ExpectSame(brute, full);
    for (const auto* result : {&exact, &full, &brute}) {
      for (const Answer& answer : result->answers) EXPECT_TRUE(answer.exact);
    }
  }
}

TEST_F(IndexRecallTest, ShadowQueriesReportTheRecallSeen) {
  options_.user.shadow_every = 1;
  auto db = Open();
  auto docs = Make(db);
  Add(docs, source_.Draw(6000));
  VDB_ASSERT_OK(docs.BuildIndex());
  EXPECT_EQ(StatsOf(docs).shadow_query_count, 0u);
  EXPECT_EQ(StatsOf(docs).shadow_recall, 0);
  const auto truth = Search(docs, Rows(queries_), {.exact = true});  // not approximate: not counted
  EXPECT_EQ(StatsOf(docs).shadow_query_count, 0u);
  const auto found = Search(docs, Rows(queries_), {.nprobe = 2});
  EXPECT_EQ(StatsOf(docs).shadow_query_count, kQueries);
  EXPECT_NEAR(StatsOf(docs).shadow_recall, Recall(truth, found), 1e-9);
  VDB_ASSERT_OK(db.Close());
  options_.user.shadow_every = 8;
  auto again = Open(false);
  auto reopened = *again.OpenCollection("docs");
  ExpectSame(found, Search(reopened, Rows(queries_), {.nprobe = 2}));
  EXPECT_EQ(StatsOf(reopened).shadow_query_count, kQueries / 8);
}

TEST_F(IndexRecallTest, ExplainsSayWhatWasDone) {
  auto db = Open();
  auto docs = Make(db);
  EXPECT_EQ(Search(docs, Rows(queries_), {.explain = true}).explains[3].plan, "empty");
  Add(docs, source_.Draw(kCodedRows));
  VDB_ASSERT_OK(docs.BuildIndex({.list_count = 50}));
  Add(docs, source_.Draw(100));
  const auto probed = Search(docs, Rows(queries_), {.recall = 0.9, .explain = true});
  ASSERT_EQ(probed.explains.size(), kQueries);
  for (const SearchExplain& explain : probed.explains) {
    EXPECT_EQ(explain.plan, "probe");
    EXPECT_FALSE(explain.reason.empty());
    EXPECT_EQ(explain.list_count, 50u);
    EXPECT_GE(explain.lists_probed, 1u);
    EXPECT_LE(explain.lists_probed + explain.lists_skipped, 50u);
    EXPECT_GT(explain.codes_scanned, 0u);
    EXPECT_LE(explain.codes_scanned, kCodedRows);
    EXPECT_LE(explain.codes_refined, explain.codes_scanned);
    EXPECT_LE(explain.rows_reranked, explain.codes_refined);
    EXPECT_EQ(explain.rows_scanned, 100u);
    EXPECT_GT(explain.bytes_touched, 100 * kDimension * sizeof(float));
    EXPECT_EQ(explain.recall_target, 0.9);
    EXPECT_TRUE(std::isfinite(explain.margin));
    EXPECT_GT(explain.bound_slack, 0);
    EXPECT_GE(explain.prepare_us, 0);
    EXPECT_GT(explain.prepare_us + explain.rank_us + explain.scan_us + explain.rerank_us, 0);
  }
  for (const SearchExplain& explain :
       Search(docs, Rows(queries_), {.nprobe = 3, .explain = true}).explains) {
    EXPECT_EQ(explain.plan, "probe");
    EXPECT_EQ(explain.recall_target, 0);
    EXPECT_EQ(explain.lists_probed, 3u);
  }
  for (const SearchExplain& explain :
       Search(docs, Rows(queries_), {.exact = true, .explain = true}).explains) {
    EXPECT_EQ(explain.plan, "exact by codes");
    EXPECT_FALSE(explain.reason.empty());
    EXPECT_EQ(explain.recall_target, 0);
    EXPECT_GT(explain.bytes_touched, 0u);
    EXPECT_GT(explain.scan_us, 0);
  }
  EXPECT_TRUE(Search(docs, Rows(queries_)).explains.empty());
}

TEST_F(IndexRecallTest, BatchesAndThreadsDoNotChangeAnswers) {
  auto db = Open();
  auto docs = Make(db, Metric::kL2);
  Add(docs, source_.Draw(kCodedRows));
  VDB_ASSERT_OK(docs.BuildIndex());
  Add(docs, source_.Draw(300));
  for (const bool exact : {false, true}) {
    SCOPED_TRACE(exact);
    const auto batch = Search(docs, Rows(queries_), {.exact = exact, .thread_count = 1});
    for (const uint32_t threads : {0u, 2u, 3u, 7u}) {
      ExpectSame(batch, Search(docs, Rows(queries_), {.exact = exact, .thread_count = threads}));
    }
    SearchResult singles;
    for (size_t q = 0; q < kQueries; ++q) {
      singles.answers.push_back(
          Search(docs, MatrixView(Rows(queries_).row(q)), {.exact = exact}).answers[0]);
    }
    ExpectSame(batch, singles);
  }
}

TEST_F(IndexRecallTest, SnapshotsFromBeforeABuildAnswerAsBefore) {
  auto db = Open();
  auto docs = Make(db);
  Add(docs, source_.Draw(4000));
  const auto none = db.GetSnapshot();
  const auto brute = Search(docs, Rows(queries_));
  VDB_ASSERT_OK(docs.BuildIndex());
  const auto first = db.GetSnapshot();
  VDB_ASSERT_OK(none);
  VDB_ASSERT_OK(first);
  const auto probed = Search(docs, Rows(queries_));
  Delete(docs, {1, 2, 3, 500, 3999});
  Add(docs, source_.Draw(2000));
  VDB_ASSERT_OK(docs.BuildIndex({.retrain = true}));
  ExpectSame(brute, Search(docs, Rows(queries_), {.snapshot = &*none}));
  ExpectSame(brute, Search(docs, Rows(queries_), {.exact = true, .snapshot = &*first}));
  ExpectSame(probed, Search(docs, Rows(queries_), {.snapshot = &*first}));
  VDB_ASSERT_OK(docs.DropIndex());
  ExpectSame(brute, Search(docs, Rows(queries_), {.snapshot = &*none}));
  ExpectSame(probed, Search(docs, Rows(queries_), {.snapshot = &*first}));
}

// Upper limits on what a query costs on one fixed set, about half above what was measured: counts
// do not depend on the machine's speed. A change that needs more must say why.
TEST_F(IndexRecallTest, WorkPerQueryStaysWithinItsLimits) {
  constexpr uint32_t kWide = 64;
  Clusters source(kWide, 100, 21);
  auto db = Open();
  auto docs = Make(db, Metric::kCosine, kWide);
  Add(docs, source.Draw(20000), kWide);
  VDB_ASSERT_OK(docs.BuildIndex());
  const auto queries = source.Draw(500);
  const auto truth = Search(docs, Rows(queries, kWide), {.exact = true});
  const auto found = Search(docs, Rows(queries, kWide), {.recall = 0.95, .explain = true});
  EXPECT_GE(Recall(truth, found), 0.95);
  double scanned = 0, refined = 0, reranked = 0, bytes = 0;
  for (const SearchExplain& explain : found.explains) {
    scanned += static_cast<double>(explain.codes_scanned) / 500;
    refined += static_cast<double>(explain.codes_refined) / 500;
    reranked += static_cast<double>(explain.rows_reranked) / 500;
    bytes += static_cast<double>(explain.bytes_touched) / 500;
  }
  // Measured: 235, 120, 15, 26,000.
  EXPECT_LT(scanned, 400);
  EXPECT_LT(refined, 200);
  EXPECT_LT(reranked, 25);
  EXPECT_LT(bytes, 42000);
}

}  // namespace
}  // namespace vdb::testing
