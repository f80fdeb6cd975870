// ListSearch: exact answers equal brute force whatever is in the index; approximate ones are good,
// get no worse with more effort, do not depend on threads or SIMD level, and survive damage.
#include "query/list_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "index/kernels/kernels.h"
#include "tests/query/list_fixture.h"

namespace vdb::query {
namespace {

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};

std::vector<std::vector<RowHit>> Search(const ListSearchInput& input) {
  auto result = ListSearch(input);
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return result.ok() ? result->hits : std::vector<std::vector<RowHit>>();
}

void ExpectExact(const ListFixture& fixture, Metric metric, const std::vector<float>& queries,
                 size_t k, const std::string& what) {
  const uint32_t dimension = fixture.scans().dimension();
  ListSearchInput input = fixture.Input(queries, k);
  input.exact = true;
  for (const std::string& level : LevelNames()) {
    auto found = ListSearchAtLevel(input, *index::KernelsByName(level.c_str()));
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    for (size_t q = 0; q < queries.size() / dimension; ++q) {
      ExpectSameHits(BruteForce(fixture.scans(), metric, queries.data() + q * dimension, k),
                     found->hits[q], what + " " + level + " query " + std::to_string(q));
    }
  }
}

using Answers = std::vector<std::vector<RowHit>>;

Answers Truth(const ListFixture& fixture, Metric metric, const std::vector<float>& queries,
              size_t k) {
  const uint32_t dimension = fixture.scans().dimension();
  Answers truth;
  for (size_t at = 0; at < queries.size(); at += dimension) {
    truth.push_back(BruteForce(fixture.scans(), metric, queries.data() + at, k));
  }
  return truth;
}

double Recall(const Answers& truth, const Answers& found) {
  double good = 0, all = 0;
  for (size_t q = 0; q < found.size(); ++q) {
    EXPECT_EQ(truth[q].size(), found[q].size());
    for (const RowHit& hit : found[q]) good += hit.score >= truth[q].back().score ? 1 : 0;
    all += static_cast<double>(truth[q].size());
  }
  return good / all;
}

TEST(ListSearchTest, ExactEqualsBruteForce) {
  for (const Metric metric : kMetrics) {
    for (const uint32_t dimension : {1u, 3u, 17u, 64u, 100u, 200u}) {
      std::vector<float> vectors = ClusteredVectors(1500, dimension, 12, dimension);
      for (size_t i = 0; i < 40; ++i) {  // duplicates, which tie
        std::copy_n(vectors.begin(), dimension,
                    vectors.end() - static_cast<long>((i + 1) * dimension * 7));
      }
      ListFixture fixture({dimension, metric, 10, 3, 200}, vectors);
      fixture.Kill({1, 5, 9, 700, 1499});
      std::vector<float> queries = ClusteredVectors(6, dimension, 12, dimension);
      queries.insert(queries.end(), vectors.begin(), vectors.begin() + dimension);
      for (const size_t k : {1, 10, 100, 1495, 3000}) {
        ExpectExact(fixture, metric, queries, k,
                    "metric " + std::to_string(static_cast<int>(metric)) + " dimension " +
                        std::to_string(dimension) + " k " + std::to_string(k));
      }
    }
  }
}

// Rows that codes cannot say, or say badly: huge, tiny, zero, one-hot, constant, equal to others.
TEST(ListSearchTest, ExactEqualsBruteForceOnAwkwardRows) {
  for (const Metric metric : kMetrics) {
    for (const uint32_t dimension : {2u, 33u, 128u}) {
      std::mt19937_64 random(dimension);
      std::normal_distribution<float> normal;
      std::vector<float> vectors;
      for (size_t i = 0; i < 600; ++i) {
        const float scales[] = {1, 1, 1, 1e-20f, 1e18f, 1e-6f, 1000};
        const float scale = scales[random() % 7];
        std::vector<float> v(dimension);
        for (float& x : v) x = normal(random) * scale;
        if (i % 5 == 1) std::fill(v.begin(), v.end(), scale);
        if (i % 7 == 2) std::fill(v.begin(), v.end(), 0.0f);
        if (i % 7 == 2) v[i % dimension] = scale;
        if (i % 11 == 3 && metric != Metric::kCosine) std::fill(v.begin(), v.end(), 0.0f);
        if (i % 3 == 0 && i > 0) std::copy_n(vectors.end() - dimension, dimension, v.begin());
        vectors.insert(vectors.end(), v.begin(), v.end());
      }
      ListFixture fixture({dimension, metric, 7, 2, 50}, vectors);
      std::vector<float> queries(vectors.begin(), vectors.begin() + 8 * dimension);
      for (size_t i = 0; i < 4; ++i) queries[i * dimension] += 0.5f;
      ExpectExact(fixture, metric, queries, 10, "dimension " + std::to_string(dimension));
      ExpectExact(fixture, metric, queries, 64, "dimension " + std::to_string(dimension));
    }
  }
}

// In few dimensions most lists are proven to lie too far off by their centroid and radius alone.
// Queries one by one: several would need a block for different reasons. Seen red with a ceiling
// that takes half of the radius.
TEST(ListSearchTest, ExactSkipsListsThatAreTooFarOff) {
  for (const Metric metric : {Metric::kL2, Metric::kDot}) {
    for (const uint32_t dimension : {2u, 3u}) {
      const std::vector<float> vectors = ClusteredVectors(8000, dimension, 30, dimension);
      const ListFixture fixture({dimension, metric, 100, 2, 0}, vectors);
      const std::vector<float> queries = ClusteredVectors(60, dimension, 30, dimension);
      uint64_t looked_at = 0;
      for (size_t at = 0; at < queries.size(); at += dimension) {
        const std::vector<float> query(queries.begin() + static_cast<long>(at),
                                       queries.begin() + static_cast<long>(at + dimension));
        ListSearchInput input = fixture.Input(query, 10);
        input.exact = input.explain = true;
        const auto found = ListSearch(input);
        ASSERT_TRUE(found.ok()) << found.status().ToString();
        ExpectSameHits(BruteForce(fixture.scans(), metric, query.data(), 10), found->hits[0],
                       "dimension " + std::to_string(dimension));
        looked_at += found->explains[0].codes_refined;
      }
      EXPECT_LT(looked_at, 8000u * 60 / 2) << static_cast<int>(metric) << " " << dimension;
    }
  }
}

TEST(ListSearchTest, AllListsWideOpenFindNearlyEverything) {
  for (const Metric metric : kMetrics) {
    const uint32_t dimension = 96;
    const auto vectors = ClusteredVectors(4000, dimension, 30, 5);
    ListFixture fixture({dimension, metric, 25, 2, 300}, vectors);
    const auto queries = ClusteredVectors(40, dimension, 30, 5);
    const ListSearchInput input = fixture.Input(queries, 10);
    EXPECT_GT(Recall(Truth(fixture, metric, queries, 10), Search(input)), 0.995);
  }
}

// On average over queries; a single query's answer may lose a row to a luckier code.
TEST(ListSearchTest, RecallDoesNotFallWithEffort) {
  for (const Metric metric : kMetrics) {
    const uint32_t dimension = 64;
    const auto vectors = ClusteredVectors(5000, dimension, 60, 9);
    ListFixture fixture({dimension, metric, 40, 1, 0}, vectors);
    const auto queries = ClusteredVectors(100, dimension, 60, 10);
    const Answers truth = Truth(fixture, metric, queries, 10);
    double last = 0;
    for (const uint32_t probes : {1u, 2u, 4u, 8u, 16u, 40u}) {
      ListSearchInput input = fixture.Input(queries, 10);
      input.effort.probes_max = probes;
      const double recall = Recall(truth, Search(input));
      EXPECT_GE(recall, last) << "probes " << probes;
      last = recall;
    }
    EXPECT_GT(last, 0.99);
    last = 0;
    for (const float margin : {-0.2f, 0.0f, 0.1f, 0.2f, 0.3f, 0.5f, 1.0f}) {
      ListSearchInput input = fixture.Input(queries, 10);
      input.effort.margin = margin;
      const double recall = Recall(truth, Search(input));
      EXPECT_GE(recall, last) << "margin " << margin;
      last = recall;
    }
    last = 0;
    for (const float errors : {0.5f, 1.0f, 1.5f, 2.0f, 3.0f}) {
      ListSearchInput input = fixture.Input(queries, 10);
      input.effort.coarse_errors = errors;
      input.effort.fine_errors = errors + 0.5f;
      const double recall = Recall(truth, Search(input));
      EXPECT_GE(recall, last) << "errors " << errors;
      last = recall;
    }
  }
}

TEST(ListSearchTest, SameAnswerAtEveryLevelAndThreadCount) {
  const uint32_t dimension = 130;
  const auto vectors = ClusteredVectors(3000, dimension, 30, 3);
  ListFixture fixture({dimension, Metric::kCosine, 20, 2, 100}, vectors);
  const auto queries = ClusteredVectors(32, dimension, 30, 4);
  ListSearchInput input = fixture.Input(queries, 10);
  input.effort.probes_max = 4;
  const auto expected = ListSearchAtLevel(input, *index::KernelsByName("scalar"));
  ASSERT_TRUE(expected.ok());
  for (const std::string& level : LevelNames()) {
    for (const uint32_t threads : {1u, 3u}) {
      input.thread_count = threads;
      const auto found = ListSearchAtLevel(input, *index::KernelsByName(level.c_str()));
      ASSERT_TRUE(found.ok());
      for (size_t q = 0; q < 32; ++q) {
        ExpectSameHits(expected->hits[q], found->hits[q], level);
      }
    }
  }
}

TEST(ListSearchTest, DeadRowsAreNeverFoundAndDoNotCount) {
  const uint32_t dimension = 48;
  const auto vectors = ClusteredVectors(2000, dimension, 20, 8);
  for (const Metric metric : kMetrics) {
    ListFixture fixture({dimension, metric, 12, 2, 100}, vectors);
    std::vector<uint64_t> dead;
    for (uint64_t docno = 1; docno <= 2000; ++docno) {
      if (docno % 2 == 0) dead.push_back(docno);
    }
    fixture.Kill(dead);
    const auto queries = ClusteredVectors(30, dimension, 20, 11);
    const auto found = Search(fixture.Input(queries, 10));
    for (const auto& hits : found) {
      EXPECT_EQ(hits.size(), 10u);
      for (const RowHit& hit : hits) EXPECT_EQ(hit.docno % 2, 1u);
    }
    EXPECT_GT(Recall(Truth(fixture, metric, queries, 10), found), 0.99);
    ExpectExact(fixture, metric, queries, 20, "half dead");
    for (uint64_t docno = 1; docno <= 2000; docno += 2) dead.push_back(docno);
    fixture.Kill(dead);
    for (const auto& hits : Search(fixture.Input(queries, 10))) EXPECT_TRUE(hits.empty());
  }
}

TEST(ListSearchTest, DamagedCodesCostSpeedOnly) {
  const uint32_t dimension = 64;
  const auto vectors = ClusteredVectors(3000, dimension, 20, 21);
  const auto queries = ClusteredVectors(20, dimension, 20, 22);
  for (const bool fine : {false, true}) {
    for (const bool exact : {false, true}) {
      ListFixture fixture({dimension, Metric::kCosine, 12, 2, 0}, vectors);
      ListSearchInput input = fixture.Input(queries, 10);
      const auto& header = input.indexed[1].lists->header();
      fixture.Damage(1, fine ? header.fine_offset - header.data_offset + 999 : 1234);
      input = fixture.Input(queries, 10);
      input.exact = exact;
      const auto found = Search(input);
      EXPECT_GT(Recall(Truth(fixture, Metric::kCosine, queries, 10), found),
                exact ? 1 - 1e-9 : 0.99);
      if (fine || !exact) {
        EXPECT_TRUE(input.indexed[1].lists->damaged());
      }
      EXPECT_FALSE(input.indexed[0].lists->damaged());
    }
  }
}

TEST(ListSearchTest, KOfNoneAndOfMoreThanThereIs) {
  const auto vectors = ClusteredVectors(300, 40, 5, 1);
  ListFixture fixture({40, Metric::kL2, 6, 1, 10}, vectors);
  const auto queries = ClusteredVectors(3, 40, 5, 2);
  for (const bool exact : {false, true}) {
    ListSearchInput input = fixture.Input(queries, 0);
    input.exact = exact;
    for (const auto& hits : Search(input)) EXPECT_TRUE(hits.empty());
    input.k = 5000;
    input.effort.coarse_errors = 50;
    input.effort.fine_errors = 50;
    for (const auto& hits : Search(input)) EXPECT_EQ(hits.size(), 300u);
  }
}

// min(k, rows) hits, however few lists the effort allows.
TEST(ListSearchTest, NeverFewerHitsThanThereAre) {
  const auto vectors = ClusteredVectors(800, 40, 30, 1);
  ListFixture fixture({40, Metric::kCosine, 30, 1, 0}, vectors);
  const auto queries = ClusteredVectors(20, 40, 30, 2);
  for (const uint32_t probes : {1u, 2u, 5u}) {
    ListSearchInput input = fixture.Input(queries, 100);
    input.effort = {.margin = -5, .probes_max = probes, .coarse_errors = 0.1f, .fine_errors = 0.1f};
    for (const auto& hits : Search(input)) EXPECT_EQ(hits.size(), 100u) << probes;
  }
}

TEST(ListSearchTest, ExplainCounts) {
  const auto vectors = ClusteredVectors(3000, 64, 30, 1);
  ListFixture fixture({64, Metric::kCosine, 20, 1, 70}, vectors);
  const auto queries = ClusteredVectors(5, 64, 30, 2);
  ListSearchInput input = fixture.Input(queries, 10);
  input.effort.probes_max = 3;
  input.explain = true;
  const auto found = ListSearch(input);
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->explains.size(), 5u);
  for (const SearchExplain& explain : found->explains) {
    EXPECT_EQ(explain.list_count, 20u);
    EXPECT_LE(explain.lists_probed + explain.lists_skipped, 3u);
    EXPECT_GT(explain.codes_scanned, 0u);
    EXPECT_GE(explain.codes_refined, explain.rows_reranked);
    EXPECT_GE(explain.rows_reranked, 10u);
    EXPECT_EQ(explain.rows_scanned, 70u);
    EXPECT_GT(explain.bytes_touched, explain.codes_scanned * 12);
  }
}

}  // namespace
}  // namespace vdb::query
