// Searches among the rows that a mask allows: exact ones equal brute force over those rows, by
// float32, by product and by codes; approximate ones are never short; a budget stops them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "index/kernels/kernels.h"
#include "query/list_search.h"
#include "query/row_mask.h"
#include "tests/query/list_fixture.h"

namespace vdb::query {
namespace {

using Predicate = std::function<bool(uint64_t docno)>;

bool IsLive(const ScanSegment& segment, uint64_t row) {
  if (segment.deletes == nullptr) return true;
  auto dead = segment.deletes->Test(row);
  EXPECT_TRUE(dead.ok());
  return !*dead;
}

// A search input and the masks that it points to.
class Masked {
 public:
  Masked(const ListFixture& fixture, const std::vector<float>& queries, size_t k,
         const Predicate& allow)
      : input_(fixture.Input(queries, k)),
        indexed_(input_.indexed.begin(), input_.indexed.end()),
        unindexed_(input_.unindexed.begin(), input_.unindexed.end()) {
    list_allowed_.resize(fixture.codebook().list_count());
    std::vector<uint32_t> counted(list_allowed_.size());
    for (IndexedSegment& segment : indexed_) {
      Mask(allow, &segment.scan);
      CountByList(*segment.scan.allow, *segment.lists, counted);
      for (uint32_t list = 0; list < list_allowed_.size(); ++list) {
        list_allowed_[list] += static_cast<uint32_t>(
            CountBits(segment.scan.allow->Words(), segment.lists->row_begin(list),
                      segment.lists->row_end(list)));
      }
    }
    EXPECT_EQ(counted, list_allowed_);
    for (ScanSegment& segment : unindexed_) Mask(allow, &segment);
    input_.indexed = indexed_;
    input_.unindexed = unindexed_;
    input_.list_allowed = list_allowed_;
  }
  Masked(const Masked&) = delete;

  ListSearchInput& input() { return input_; }
  std::vector<ScanSegment> Scans() const {
    std::vector<ScanSegment> all;
    for (const IndexedSegment& segment : indexed_) all.push_back(segment.scan);
    all.insert(all.end(), unindexed_.begin(), unindexed_.end());
    return all;
  }
  uint64_t count() const { return count_; }

 private:
  void Mask(const Predicate& allow, ScanSegment* segment) {
    std::vector<uint64_t> words((segment->row_count + 63) / 64);
    std::vector<uint32_t> rows;
    for (uint64_t row = 0; row < segment->row_count; ++row) {
      if (!allow(segment->records[row].docno) || !IsLive(*segment, row)) continue;
      words[row / 64] |= uint64_t{1} << (row % 64);
      rows.push_back(static_cast<uint32_t>(row));
    }
    count_ += rows.size();
    masks_.push_back(masks_.size() % 2 == 0 ? RowMask::FromWords(words, segment->row_count)
                                            : RowMask::FromRows(rows, segment->row_count));
    segment->allow = masks_.back().get();
  }

  ListSearchInput input_;
  std::vector<IndexedSegment> indexed_;
  std::vector<ScanSegment> unindexed_;
  std::vector<uint32_t> list_allowed_;
  std::vector<std::shared_ptr<const RowMask>> masks_;
  uint64_t count_ = 0;
};

std::vector<RowHit> Oracle(const ListFixture& fixture, Metric metric, const float* query, size_t k,
                           const Predicate& allow) {
  auto hits = BruteForce(fixture.scans(), metric, query, kSearchKMax);
  std::erase_if(hits, [&](const RowHit& hit) { return !allow(hit.docno); });
  if (hits.size() > k) hits.resize(k);
  return hits;
}

struct NamedPredicate {
  const char* name;
  Predicate allow;
};
const NamedPredicate kPredicates[] = {
    {"none", [](uint64_t) { return false; }},
    {"all", [](uint64_t) { return true; }},
    {"one", [](uint64_t docno) { return docno == 77; }},
    {"every 50th", [](uint64_t docno) { return docno % 50 == 3; }},
    {"every 7th", [](uint64_t docno) { return docno % 7 == 3; }},
    {"half", [](uint64_t docno) { return (docno * 0x9E3779B97F4A7C15ull >> 63) != 0; }},
    {"runs", [](uint64_t docno) { return docno % 300 < 130; }},
};

TEST(RowMaskTest, WordsAndRowsAreTheSame) {
  for (const uint64_t row_count : {1u, 63u, 64u, 65u, 1000u, 200'000u}) {
    std::vector<uint32_t> rows;
    std::vector<uint64_t> words((row_count + 63) / 64);
    for (uint32_t row = 0; row < row_count; row += 1 + row % 5) {
      rows.push_back(row);
      words[row / 64] |= uint64_t{1} << (row % 64);
    }
    for (const auto& mask : {RowMask::FromRows(rows, row_count),
                             RowMask::FromWords(words, row_count)}) {
      EXPECT_EQ(mask->count(), rows.size());
      EXPECT_EQ(mask->Rows(), rows);
      EXPECT_TRUE(std::equal(words.begin(), words.end(), mask->Words()));
      EXPECT_EQ(CountBits(mask->Words(), 0, row_count), rows.size());
      for (const uint64_t first : {uint64_t{0}, row_count / 3}) {
        const uint64_t past = row_count - row_count / 4;
        const auto inside = std::count_if(rows.begin(), rows.end(), [&](uint32_t row) {
          return row >= first && row < past;
        });
        EXPECT_EQ(CountBits(mask->Words(), first, past), static_cast<uint64_t>(inside));
      }
    }
  }
}

TEST(MaskedSearchTest, ExactEqualsBruteForceOverTheAllowedRows) {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    for (const uint32_t dimension : {3u, 40u, 130u}) {
      std::vector<float> vectors = ClusteredVectors(1500, dimension, 12, dimension);
      ListFixture fixture({dimension, metric, 10, 3, 200}, vectors);
      fixture.Kill({1, 5, 9, 77 + 50, 700, 1499});
      const std::vector<float> queries = ClusteredVectors(14, dimension, 12, dimension + 1);
      for (const auto& [name, allow] : kPredicates) {
        for (const size_t k : {1, 10, 400}) {
          Masked masked(fixture, queries, k, allow);
          for (const std::string& level : LevelNames()) {
            const index::Kernels& kernels = *index::KernelsByName(level.c_str());
            masked.input().exact = true;
            auto by_codes = ListSearchAtLevel(masked.input(), kernels);
            ASSERT_TRUE(by_codes.ok()) << by_codes.status().ToString();
            ExactSearchInput exact;
            const std::vector<ScanSegment> scans = masked.Scans();
            exact.segments = scans;
            exact.dimension = dimension;
            exact.metric = metric;
            exact.k = k;
            exact.queries = masked.input().queries;
            auto batch = ExactSearchAtLevel(exact, kernels);  // by product
            ASSERT_TRUE(batch.ok()) << batch.status().ToString();
            for (size_t q = 0; q < exact.queries.row_count; ++q) {
              const auto expected =
                  Oracle(fixture, metric, queries.data() + q * dimension, k, allow);
              const std::string what = std::string(name) + " " + level + " dimension " +
                                       std::to_string(dimension) + " k " + std::to_string(k);
              ExpectSameHits(expected, by_codes->hits[q], what + " by codes");
              ExpectSameHits(expected, (*batch)[q], what + " by product");
              if (q > 1) continue;
              exact.queries = {queries.data() + q * dimension, 1, dimension};
              auto single = ExactSearchAtLevel(exact, kernels);
              ASSERT_TRUE(single.ok()) << single.status().ToString();
              ExpectSameHits(expected, (*single)[0], what + " by rows");
              exact.queries = masked.input().queries;
            }
          }
        }
      }
    }
  }
}

TEST(MaskedSearchTest, ApproximateIsNeverShortAndGood) {
  const uint32_t dimension = 48;
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    const auto vectors = ClusteredVectors(6000, dimension, 30, 5);
    ListFixture fixture({dimension, metric, 40, 2, 300}, vectors);
    const auto queries = ClusteredVectors(40, dimension, 30, 5);
    for (const auto& [name, allow] : kPredicates) {
      for (const uint32_t probes : {1u, 4u, 0u}) {
        Masked masked(fixture, queries, 10, allow);
        masked.input().effort = {.margin = 3, .probes_max = probes};
        auto found = ListSearch(masked.input());
        ASSERT_TRUE(found.ok()) << found.status().ToString();
        double good = 0, all = 0;
        for (size_t q = 0; q < found->hits.size(); ++q) {
          const auto truth = Oracle(fixture, metric, queries.data() + q * dimension, 10, allow);
          ASSERT_EQ(found->hits[q].size(), truth.size()) << name << " query " << q;
          for (const RowHit& hit : found->hits[q]) {
            EXPECT_TRUE(allow(hit.docno)) << name;
            good += hit.score >= truth.back().score ? 1 : 0;
          }
          all += static_cast<double>(truth.size());
        }
        if (probes == 0 && all > 0) {
          EXPECT_GT(good / all, 0.99) << name;
        }
      }
    }
  }
}

// Matches that are all far from the queries: the near lists hold none of them, and cost nothing.
TEST(MaskedSearchTest, ListsWithoutAllowedRowsAreNotProbed) {
  const uint32_t dimension = 32;
  const auto vectors = ClusteredVectors(6000, dimension, 30, 5);
  ListFixture fixture({dimension, Metric::kL2, 40, 1, 0}, vectors);
  const std::vector<float> query(vectors.begin(), vectors.begin() + dimension);
  const auto order = BruteForce(fixture.scans(), Metric::kL2, query.data(), 6000);
  std::vector<bool> far(6001);
  for (size_t i = 5700; i < order.size(); ++i) far[order[i].docno] = true;
  const Predicate allow = [&](uint64_t docno) { return far[docno]; };
  Masked masked(fixture, query, 10, allow);
  masked.input().effort = {.margin = 3};
  masked.input().explain = true;
  auto found = ListSearch(masked.input());
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  ExpectSameHits(Oracle(fixture, Metric::kL2, query.data(), 10, allow), found->hits[0], "far");
  EXPECT_LT(found->explains[0].lists_probed, 40u);
  EXPECT_LE(found->explains[0].codes_refined, 300u);
}

TEST(MaskedSearchTest, ABudgetStopsEverySearch) {
  const uint32_t dimension = 64;
  const auto vectors = ClusteredVectors(20'000, dimension, 30, 5);
  ListFixture fixture({dimension, Metric::kL2, 40, 2, 2000}, vectors);
  const auto queries = ClusteredVectors(1, dimension, 30, 6);
  for (const bool exact : {true, false}) {
    for (const auto& [name, allow] : kPredicates) {
      const auto token = std::make_shared<CancelToken>();
      token->Cancel();
      QueryLimits limits;
      limits.cancel = token;
      Budget budget(limits);
      Masked masked(fixture, queries, 10, allow);
      masked.input().exact = exact;
      masked.input().budget = &budget;
      masked.input().explain = true;
      auto found = ListSearch(masked.input());
      ASSERT_TRUE(found.ok()) << found.status().ToString();
      EXPECT_EQ(budget.stopped(), StopReason::kCancelled);
      EXPECT_EQ(found->explains[0].lists_probed, exact ? found->explains[0].list_count : 0u);
      EXPECT_TRUE(found->hits[0].empty()) << name;
    }
  }
}

// The clock is asked once per block: what a scan looks at after the deadline is at most one block.
TEST(MaskedSearchTest, AScanStopsWithinABlockOfItsDeadline) {
  const uint32_t dimension = 256;  // blocks of 128 rows
  const auto vectors = ClusteredVectors(4000, dimension, 8, 9);
  ScanFixture fixture(dimension);
  fixture.StartSegment();
  for (size_t i = 0; i < 4000; ++i) {
    fixture.Add({vectors.begin() + static_cast<long>(i * dimension),
                 vectors.begin() + static_cast<long>((i + 1) * dimension)},
                i + 1);
  }
  for (const int64_t asked_max : {1, 5, 12}) {
    int64_t asked = 0;
    Budget budget({.deadline_ms = 1}, [&] { return asked++ <= asked_max ? 0 : 2'000'000; });
    ExactSearchInput input;
    const auto segments = fixture.Segments();
    input.segments = segments;
    input.dimension = dimension;
    input.metric = Metric::kL2;
    input.queries = {vectors.data(), 1, dimension};
    input.k = 4000;
    input.thread_count = 1;
    input.budget = &budget;
    auto found = ExactSearch(input);
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    EXPECT_EQ(budget.stopped(), StopReason::kDeadline);
    EXPECT_LE((*found)[0].size(), static_cast<size_t>(asked_max) * 128);
    EXPECT_LT((*found)[0].size(), 4000u);
    if (asked_max == 12) {
      EXPECT_GE((*found)[0].size(), 128u);
    }
  }
}

}  // namespace
}  // namespace vdb::query
