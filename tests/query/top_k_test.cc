// TopK against sorting everything.
#include "query/top_k.h"

#include <gtest/gtest.h>

#include <iostream>
#include <random>

namespace vdb::query {
namespace {

constexpr uint64_t kSeed = 4711;

std::vector<RowHit> RandomHits(size_t count, int distinct_scores, std::mt19937_64* random) {
  std::vector<RowHit> hits;
  for (size_t i = 0; i < count; ++i) {
    const double score =
        static_cast<double>((*random)() % static_cast<uint64_t>(distinct_scores)) / 7 - 1;
    hits.push_back({score, i + 1, 0, i});
  }
  std::shuffle(hits.begin(), hits.end(), *random);
  return hits;
}

void ExpectBestOf(std::vector<RowHit> hits, size_t k) {
  TopK top(k);
  for (const RowHit& hit : hits) top.Push(hit);
  std::sort(hits.begin(), hits.end(), RanksBefore);
  hits.resize(std::min(k, hits.size()));
  const auto found = top.TakeSorted();
  ASSERT_EQ(found.size(), hits.size());
  for (size_t i = 0; i < hits.size(); ++i) {
    ASSERT_EQ(found[i].score, hits[i].score);
    ASSERT_EQ(found[i].docno, hits[i].docno);
  }
}

TEST(TopKTest, KeepsTheBestWithTiesByDocno) {
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (const size_t count : {0, 1, 2, 3, 10, 100, 1000}) {
    for (const size_t k : {0, 1, 2, 3, 4, 7, 10, 99, 100, 101, 5000}) {
      for (const int distinct : {1, 3, 1000000})
        ExpectBestOf(RandomHits(count, distinct, &random), k);
    }
  }
}

TEST(TopKTest, AscendingAndDescendingInput) {
  for (const bool ascending : {true, false}) {
    std::vector<RowHit> hits;
    for (int i = 0; i < 500; ++i) {
      hits.push_back({static_cast<double>(ascending ? i : -i), static_cast<uint64_t>(i + 1), 0, 0});
    }
    ExpectBestOf(hits, 10);
  }
}

TEST(TopKTest, KthScoreIsKnownOnceKAreThere) {
  TopK top(2);
  EXPECT_EQ(top.kth_score(), -HUGE_VAL);
  top.Push({0.5, 1, 0, 0});
  EXPECT_EQ(top.kth_score(), -HUGE_VAL);
  top.Push({0.7, 2, 0, 1});
  EXPECT_EQ(top.kth_score(), 0.5);
  top.Push({0.6, 3, 0, 2});
  EXPECT_EQ(top.kth_score(), 0.6);
}

TEST(TopKTest, NothingEntersWhereKIsZero) {
  TopK top(0);
  EXPECT_EQ(top.kth_score(), HUGE_VAL);
  top.Push({1, 1, 0, 0});
  EXPECT_TRUE(top.TakeSorted().empty());
}

TEST(TopKTest, AMillionIsNotQuadratic) {
  std::mt19937_64 random(kSeed);
  ExpectBestOf(RandomHits(1'200'000, 1 << 30, &random), 1'000'000);
}

}  // namespace
}  // namespace vdb::query
