// ListMajor: many queries at a time probe the lists that each alone would, and find no less on
// average, at every level; what they find is live, scored in the documented order, and as many as
// there are.
#include "query/list_major.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "index/kernels/kernels.h"
#include "query/list_search.h"
#include "tests/query/list_fixture.h"
#include "tests/support/thinning.h"

namespace vdb::query {
namespace {

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};
constexpr size_t kQueries = ListMajor::kGroupMin + 40;
constexpr size_t kRows = 3000;
constexpr size_t kSoundStride = 100;

ListSearchResult SearchAt(const ListSearchInput& input, const std::string& level) {
  auto found = ListSearchAtLevel(input, *index::KernelsByName(level.c_str()));
  EXPECT_TRUE(found.ok()) << found.status().ToString();
  return found.ok() ? std::move(*found) : ListSearchResult();
}

// Of hits, how many are as good as the true k-th.
double Recall(const std::vector<std::vector<RowHit>>& truth,
              const std::vector<std::vector<RowHit>>& found) {
  double good = 0, all = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    EXPECT_EQ(truth[q].size(), found[q].size()) << "query " << q;
    for (const RowHit& hit : found[q]) good += hit.score >= truth[q].back().score ? 1 : 0;
    all += static_cast<double>(truth[q].size());
  }
  return good / all;
}

// Each is a live row once, with its documented score. `all`: every live row, best first.
void ExpectSound(const std::vector<RowHit>& all, const std::vector<RowHit>& found) {
  std::set<uint64_t> seen;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(seen.insert(found[i].docno).second);
    EXPECT_TRUE(i == 0 || RanksBefore(found[i - 1], found[i]));
    const auto real = std::find_if(all.begin(), all.end(), [&](const RowHit& hit) {
      return hit.docno == found[i].docno;
    });
    ASSERT_NE(real, all.end());
    EXPECT_EQ(real->score, found[i].score);
  }
}

// One way and the other; every query probes at least as many lists. `all`: of each kSoundStride-th
// query every live row, best first.
void ExpectNoLess(ListSearchInput input, const std::vector<std::vector<RowHit>>& truth,
                  const std::vector<std::vector<RowHit>>& all) {
  input.explain = true;
  input.thread_count = 1;
  for (const std::string& level : LevelNames()) {
    SCOPED_TRACE(level);
    input.one_by_one = true;
    const ListSearchResult alone = SearchAt(input, level);
    input.one_by_one = false;
    const ListSearchResult together = SearchAt(input, level);
    ASSERT_EQ(together.hits.size(), kQueries);
    EXPECT_GE(Recall(truth, together.hits), Recall(truth, alone.hits) - 1e-3);
    for (size_t q = 0; q < kQueries; ++q) {
      EXPECT_GE(together.explains[q].lists_probed, alone.explains[q].lists_probed);
    }
    for (size_t i = 0; i < all.size(); ++i) ExpectSound(all[i], together.hits[i * kSoundStride]);
  }
}

class ListMajorTest : public ::testing::TestWithParam<Metric> {};

TEST_P(ListMajorTest, FindsNoLessThanOneByOne) {
  for (const uint32_t dimension : {5u, 64u, 130u}) {
    SCOPED_TRACE(dimension);
    const auto vectors = ClusteredVectors(kRows, dimension, 40, dimension);
    ListFixture fixture({dimension, GetParam(), 25, 3, 200}, vectors);
    std::vector<uint64_t> dead;
    for (uint64_t docno = 1; docno <= kRows; docno += 7) dead.push_back(docno);
    fixture.Kill(dead);
    const auto queries = ClusteredVectors(kQueries, dimension, 40, dimension + 1);
    std::vector<std::vector<RowHit>> all;
    for (size_t q = 0; q < kQueries; q += kSoundStride) {
      all.push_back(BruteForce(fixture.scans(), GetParam(), queries.data() + q * dimension, kRows));
    }
    for (const size_t k : {10, 100}) {
      if (k == 100 && dimension != 64) continue;
      SCOPED_TRACE(k);
      ListSearchInput input = fixture.Input(queries, k);
      input.exact = true;
      const auto truth = SearchAt(input, LevelNames().back()).hits;
      input.exact = false;
      const Effort low = {.margin = 0.5f, .coarse_errors = 1.8f, .fine_errors = 2.4f};
      for (const Effort& effort : {low, Effort{.margin = 1.5f}, Effort{.probes_max = 4}}) {
        if (testing::Thinning() > 1 && effort.probes_max == 0) continue;
        input.effort = effort;
        ExpectNoLess(input, truth, all);
      }
    }
  }
}

TEST_P(ListMajorTest, WideOpenFindsEverything) {
  const auto vectors = ClusteredVectors(kRows, 48, 40, 5);
  ListFixture fixture({48, GetParam(), 25, 2, 100}, vectors);
  const auto queries = ClusteredVectors(kQueries, 48, 40, 6);
  ListSearchInput input = fixture.Input(queries, 20);
  input.effort.coarse_errors = 50;
  input.effort.fine_errors = 50;
  const auto found = ListSearch(input);
  ASSERT_TRUE(found.ok());
  for (size_t q = 0; q < kQueries; ++q) {
    ExpectSameHits(BruteForce(fixture.scans(), GetParam(), queries.data() + q * 48, 20),
                   found->hits[q], "query " + std::to_string(q));
  }
}

INSTANTIATE_TEST_SUITE_P(All, ListMajorTest, ::testing::ValuesIn(kMetrics),
                         [](const auto& each) { return std::string(MetricName(each.param)); });

TEST(ListMajorTest, OnlyAllowedRows) {
  const auto vectors = ClusteredVectors(kRows, 64, 40, 5);
  ListFixture fixture({64, Metric::kCosine, 25, 2, 100}, vectors);
  const auto queries = ClusteredVectors(kQueries, 64, 40, 6);
  ListSearchInput input = fixture.Input(queries, 10);
  std::vector<IndexedSegment> indexed(input.indexed.begin(), input.indexed.end());
  std::vector<ScanSegment> unindexed(input.unindexed.begin(), input.unindexed.end());
  std::vector<std::shared_ptr<const RowMask>> masks;
  std::vector<uint32_t> list_allowed(fixture.codebook().list_count());
  const auto mask = [&](ScanSegment* segment) {
    std::vector<uint64_t> words((segment->row_count + 63) / 64);
    for (uint64_t row = 0; row < segment->row_count; ++row) {
      if (segment->records[row].docno % 3 == 0) words[row / 64] |= uint64_t{1} << (row % 64);
    }
    masks.push_back(RowMask::FromWords(std::move(words), segment->row_count));
    segment->allow = masks.back().get();
  };
  for (IndexedSegment& segment : indexed) {
    mask(&segment.scan);
    CountByList(*segment.scan.allow, *segment.lists, list_allowed);
  }
  for (ScanSegment& segment : unindexed) mask(&segment);
  input.indexed = indexed;
  input.unindexed = unindexed;
  input.list_allowed = list_allowed;
  input.effort.probes_max = 2;
  const auto found = ListSearch(input);
  ASSERT_TRUE(found.ok());
  for (const auto& hits : found->hits) {
    EXPECT_EQ(hits.size(), 10u);
    for (const RowHit& hit : hits) EXPECT_EQ(hit.docno % 3, 0u);
  }
}

TEST(ListMajorTest, DamagedCodesCostSpeedOnly) {
  const auto vectors = ClusteredVectors(kRows, 64, 20, 21);
  const auto queries = ClusteredVectors(kQueries, 64, 20, 22);
  for (const bool fine : {false, true}) {
    ListFixture fixture({64, Metric::kCosine, 12, 2, 0}, vectors);
    ListSearchInput input = fixture.Input(queries, 10);
    input.exact = true;
    const auto truth = SearchAt(input, "scalar").hits;
    const auto& header = input.indexed[1].lists->header();
    fixture.Damage(1, fine ? header.fine_offset - header.data_offset + 999 : 1234);
    input = fixture.Input(queries, 10);
    const auto found = ListSearch(input);
    ASSERT_TRUE(found.ok());
    EXPECT_GT(Recall(truth, found->hits), 0.99);
    EXPECT_TRUE(input.indexed[1].lists->damaged());
  }
}

// Queries that cannot be coded, and one that no list is near to, among others.
TEST(ListMajorTest, QueriesWithoutCodes) {
  const uint32_t dimension = 64;
  const auto vectors = ClusteredVectors(kRows, dimension, 20, 21);
  auto queries = ClusteredVectors(kQueries, dimension, 20, 22);
  for (size_t i = 0; i < dimension; ++i) {
    queries[i] *= 1e18f;
    queries[dimension + i] = i == 0 ? 1e-30f : 0;
  }
  for (const Metric metric : {Metric::kDot, Metric::kL2}) {
    ListFixture fixture({dimension, metric, 12, 2, 0}, vectors);
    ListSearchInput input = fixture.Input(queries, 10);
    const auto found = ListSearch(input);
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    for (const size_t q : {0, 1}) {
      const auto real = BruteForce(fixture.scans(), metric, queries.data() + q * dimension, 10);
      ASSERT_EQ(found->hits[q].size(), 10u);
      for (size_t i = 0; i < 10; ++i) EXPECT_EQ(found->hits[q][i].score, real[i].score);
    }
  }
}

// Copies of one row, of which codes rule none out: more candidates than are kept, so that some are
// scored before the end. The answer is the same.
TEST(ListMajorTest, MoreCandidatesThanAreKept) {
  const uint32_t dimension = 64;
  auto vectors = ClusteredVectors(kRows, dimension, 20, 21);
  for (size_t i = 500; i < kRows; ++i) {
    std::copy_n(vectors.begin(), dimension, vectors.begin() + static_cast<long>(i * dimension));
  }
  auto queries = ClusteredVectors(kQueries, dimension, 20, 22);
  for (size_t q = 0; q < kQueries / 2; ++q) {
    std::copy_n(vectors.begin(), dimension, queries.begin() + static_cast<long>(q * dimension));
  }
  ListFixture fixture({dimension, Metric::kCosine, 12, 2, 0}, vectors);
  ListSearchInput input = fixture.Input(queries, 10);
  const auto found = ListSearch(input);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  ExpectSameHits(BruteForce(fixture.scans(), Metric::kCosine, queries.data(), 10), found->hits[0],
                 "copies");
}

// Under a limit one query after the other is answered: what is done when it stops is whole.
TEST(ListMajorTest, UnderALimitOneByOne) {
  const auto vectors = ClusteredVectors(kRows, 48, 40, 5);
  ListFixture fixture({48, Metric::kL2, 25, 1, 0}, vectors);
  const auto queries = ClusteredVectors(kQueries, 48, 40, 6);
  ListSearchInput input = fixture.Input(queries, 10);
  int64_t now = 0;
  Budget budget({.deadline_ms = 1}, [&now] { return now += 2000; });
  input.budget = &budget;
  input.thread_count = 1;
  const auto found = ListSearch(input);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(budget.stopped(), StopReason::kDeadline);
  EXPECT_EQ(found->hits.front().size(), 10u);
  EXPECT_TRUE(found->hits.back().empty());
}

}  // namespace
}  // namespace vdb::query
