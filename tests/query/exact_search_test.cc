// ExactSearch against brute force in the documented order: the answer must be the same rows with
// the same bits, whatever the metric, level, thread count, batch size and segmentation.
#include "query/exact_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <iostream>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>

#include "tests/query/scan_fixture.h"

namespace vdb::query {
namespace {

constexpr uint64_t kSeed = 20240229;
constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};

using Random = std::mt19937_64;

std::string Describe(Metric metric, const std::string& level, size_t threads, size_t k) {
  return std::string(metric == Metric::kCosine ? "cosine"
                     : metric == Metric::kDot  ? "dot"
                                               : "l2") +
         " " + level + " threads " + std::to_string(threads) + " k " + std::to_string(k);
}

std::vector<float> Gaussian(size_t count, Random* random) {
  std::normal_distribution<float> gaussian(0, 1);
  std::vector<float> values(count);
  for (float& v : values) v = gaussian(*random);
  return values;
}

// Vectors with many exact duplicates, multiples and near duplicates of each other.
class VectorSource {
 public:
  VectorSource(uint32_t dimension, bool zeros, Random* random)
      : dimension_(dimension), zeros_(zeros), random_(random) {}

  std::vector<float> Next() {
    std::vector<float> v = Gaussian(dimension_, random_);
    switch ((*random_)() % 10) {
      case 0:
      case 1:
      case 2:
        if (!old_.empty()) v = old_[(*random_)() % old_.size()];
        break;
      case 3:
        if (!old_.empty()) v = Nudged(old_[(*random_)() % old_.size()]);
        break;
      case 4:
        if (!old_.empty()) v = Scaled(old_[(*random_)() % old_.size()]);
        break;
      case 5:
        if (zeros_ && (*random_)() % 4 == 0) std::fill(v.begin(), v.end(), 0.0f);
        break;
      default: break;
    }
    old_.push_back(v);
    return v;
  }

 private:
  std::vector<float> Nudged(std::vector<float> v) {
    float& element = v[(*random_)() % v.size()];
    element = std::nextafter(element, 10.0f);
    return v;
  }
  std::vector<float> Scaled(std::vector<float> v) {
    const float factor = std::ldexp(1.0f, static_cast<int>((*random_)() % 8) - 4);
    for (float& element : v) element *= factor;
    return v;
  }

  uint32_t dimension_;
  bool zeros_;
  Random* random_;
  std::vector<std::vector<float>> old_;
};

// Docnos are unique but in random order, so that ties are not broken by position.
ScanFixture RandomFixture(uint32_t dimension, size_t rows, bool zeros, Random* random) {
  ScanFixture fixture(dimension);
  VectorSource source(dimension, zeros, random);
  std::vector<uint64_t> docnos(rows);
  std::iota(docnos.begin(), docnos.end(), 1);
  std::shuffle(docnos.begin(), docnos.end(), *random);
  fixture.StartSegment();
  size_t segments = 1, in_segment = 0;
  std::vector<uint64_t> dead;
  const auto close = [&] {
    if ((*random)() % 4 != 0) fixture.Kill(segments - 1, dead);
    dead.clear();
  };
  const size_t segment_rows = 1 + (*random)() % (rows + 1);
  for (size_t i = 0; i < rows; ++i) {
    if (in_segment == segment_rows) {
      close();
      fixture.StartSegment();
      ++segments;
      in_segment = 0;
    }
    if ((*random)() % 5 == 0) dead.push_back(in_segment);
    fixture.Add(source.Next(), docnos[i]);
    ++in_segment;
  }
  close();
  return fixture;
}

// Queries, some of them equal to rows.
std::vector<float> Queries(ScanFixture* fixture, size_t count, Random* random) {
  const size_t d = fixture->dimension();
  std::vector<float> queries = Gaussian(count * d, random);
  const auto segments = fixture->Segments();
  if (segments[0].row_count == 0) return queries;
  for (size_t q = 0; q < count; q += 2) {
    const size_t row = (*random)() % segments[0].row_count;
    const float* source = fixture->row(0, row);
    if (std::all_of(source, source + d, [](float v) { return v == 0; })) continue;
    std::copy(source, source + d, queries.begin() + static_cast<ptrdiff_t>(q * d));
  }
  return queries;
}

void ExpectEqualsBruteForce(const ScanFixture& fixture, Metric metric,
                            const std::vector<float>& queries, size_t k, uint32_t threads,
                            const std::string& level) {
  const size_t d = fixture.dimension();
  const auto found = SearchOrFail(fixture, metric, queries, k, threads, level);
  ASSERT_EQ(found.size(), queries.size() / d);
  for (size_t q = 0; q < found.size(); ++q) {
    ExpectSameHits(BruteForce(fixture, metric, queries.data() + q * d, k), found[q],
                   Describe(metric, level, threads, k) + " dimension " + std::to_string(d) +
                       " query " + std::to_string(q) + " of " + std::to_string(found.size()));
  }
}

TEST(ExactSearchTest, EqualsBruteForceOnRandomCollections) {
  std::cout << "seed " << kSeed << "\n";
  Random random(kSeed);
  const auto levels = LevelNames();
  for (int round = 0; round < 250; ++round) {
    const auto metric = kMetrics[random() % 3];
    const auto dimension = static_cast<uint32_t>(1 + random() % (round % 10 == 0 ? 400 : 40));
    const size_t rows = random() % (round % 7 == 0 ? 3000 : 300);
    ScanFixture fixture = RandomFixture(dimension, rows, metric != Metric::kCosine, &random);
    const size_t k = random() % 3 == 0 ? rows + 3 : 1 + random() % 30;
    const auto threads = static_cast<uint32_t>(random() % 5);
    for (const size_t count : {size_t{1}, size_t{3}, size_t{11}, size_t{17}}) {
      ExpectEqualsBruteForce(fixture, metric, Queries(&fixture, count, &random), k, threads,
                             levels[random() % levels.size()]);
      ASSERT_FALSE(HasFatalFailure()) << "round " << round;
    }
  }
}

TEST(ExactSearchTest, EveryLevelThreadCountAndBatchSizeGivesTheSameBits) {
  std::cout << "seed " << kSeed << "\n";
  Random random(kSeed);
  for (const Metric metric : kMetrics) {
    ScanFixture fixture = RandomFixture(24, 9000, metric != Metric::kCosine, &random);
    const auto queries = Queries(&fixture, 40, &random);
    std::vector<std::vector<RowHit>> expected;
    for (size_t q = 0; q < 40; ++q) {
      expected.push_back(BruteForce(fixture, metric, queries.data() + q * 24, 10));
    }
    for (const auto& level : LevelNames()) {
      for (const uint32_t threads : {0u, 1u, 2u, 3u, 4u}) {
        const auto batch = SearchOrFail(fixture, metric, queries, 10, threads, level);
        for (size_t q = 0; q < 40; ++q) {
          const std::vector<float> one(queries.begin() + static_cast<ptrdiff_t>(q * 24),
                                       queries.begin() + static_cast<ptrdiff_t>((q + 1) * 24));
          const auto single = SearchOrFail(fixture, metric, one, 10, threads, level);
          ExpectSameHits(expected[q], batch[q], "batch " + Describe(metric, level, threads, 10));
          ExpectSameHits(expected[q], single[0], "single " + Describe(metric, level, threads, 10));
        }
      }
    }
  }
}

// Tasks, blocks and tiles end at these sizes; one row less and more than each.
TEST(ExactSearchTest, SizesAroundBlockBorders) {
  Random random(kSeed);
  for (const uint32_t dimension : {1u, 32u, 300u}) {
    for (const size_t border : {16, 64, 109, 873, 1024, 2048, 8192}) {
      for (const size_t rows : {border - 1, border, border + 1}) {
        ScanFixture fixture(dimension);
        const auto values = Gaussian(rows * dimension, &random);
        for (size_t r = 0; r < rows; ++r) {
          const auto first = values.begin() + static_cast<ptrdiff_t>(r * dimension);
          fixture.Add({first, first + dimension}, r + 1);
        }
        for (const size_t count : {size_t{1}, size_t{13}}) {
          const auto queries = Gaussian(count * dimension, &random);
          ExpectEqualsBruteForce(fixture, Metric::kDot, queries, 5, 2, LevelNames().back());
          ASSERT_FALSE(HasFatalFailure()) << rows << " rows";
        }
      }
    }
  }
}

TEST(ExactSearchTest, BatchLargerThanATile) {
  Random random(kSeed);
  ScanFixture fixture = RandomFixture(5, 200, true, &random);
  const auto queries = Queries(&fixture, 2500, &random);
  for (const Metric metric : {Metric::kDot, Metric::kL2}) {
    ExpectEqualsBruteForce(fixture, metric, queries, 3, 2, LevelNames().back());
  }
}

TEST(ExactSearchTest, AllRowsEqualGivesTheLowestDocnos) {
  ScanFixture fixture(10);
  const std::vector<float> vector(10, 0.3f);
  for (uint64_t i = 0; i < 5000; ++i) {
    if (i % 700 == 0) fixture.StartSegment();
    fixture.Add(vector, 5000 - i);
  }
  for (const Metric metric : kMetrics) {
    for (const size_t count : {size_t{1}, size_t{20}}) {
      const std::vector<float> queries(count * 10, 1.7f);
      for (const uint32_t threads : {1u, 4u}) {
        for (const auto& hits : SearchOrFail(fixture, metric, queries, 12, threads)) {
          ASSERT_EQ(hits.size(), 12u);
          for (size_t i = 0; i < 12; ++i) ASSERT_EQ(hits[i].docno, i + 1);
        }
      }
    }
  }
}

// Scores that differ in the last bits of a double, far below what the screen can tell apart.
TEST(ExactSearchTest, OrderIsTheOneOfTheDoublesWhereFloatsCannotTell) {
  Random random(kSeed);
  for (const Metric metric : kMetrics) {
    ScanFixture fixture(96);
    const auto base = Gaussian(96, &random);
    for (uint64_t i = 0; i < 4000; ++i) {
      auto v = base;
      v[random() % 96] += 1e-6f * static_cast<float>(random() % 5);
      fixture.Add(v, i + 1);
    }
    for (const auto& level : LevelNames()) {
      for (const size_t count : {size_t{1}, size_t{12}}) {
        std::vector<float> queries;
        for (size_t q = 0; q < count; ++q) queries.insert(queries.end(), base.begin(), base.end());
        ExpectEqualsBruteForce(fixture, metric, queries, 50, 2, level);
      }
    }
  }
}

std::vector<float> Hard(int kind, size_t i, uint32_t d, Random* random) {
  std::vector<float> v(d);
  for (size_t j = 0; j < d; ++j) {
    switch (kind) {
      case 0: v[j] = j == i % d ? 1.0f : 0.0f; break;                                 // one-hot
      case 1: v[j] = static_cast<float>(1 + i % 3); break;                            // constant
      case 2: v[j] = (j + i) % 2 == 0 ? 1.0f : -1.0f; break;                          // alternating
      case 3: v[j] = (j % 2 == 0 ? 1e6f : -1e6f) + static_cast<float>(i % 5); break;  // cancels
      case 4: v[j] = Gaussian(1, random)[0] * 1e-30f; break;
      case 5: v[j] = Gaussian(1, random)[0] * 1e-42f; break;               // subnormal
      default: v[j] = Gaussian(1, random)[0] < 0 ? -3e38f : 3e38f; break;  // norm > FLT_MAX
    }
  }
  if (std::all_of(v.begin(), v.end(), [](float x) { return x == 0; })) v[0] = 1;
  return v;
}

TEST(ExactSearchTest, HardVectors) {
  Random random(kSeed);
  for (int kind = 0; kind < 7; ++kind) {
    for (const Metric metric : kMetrics) {
      ScanFixture fixture(33);
      for (uint64_t i = 0; i < 400; ++i) {
        // Half of them of another kind: norms from 1e-41 to 1e39 in one column.
        fixture.Add(Hard(i % 2 == 0 ? kind : static_cast<int>(random() % 7), i, 33, &random),
                    i + 1);
      }
      for (const size_t count : {size_t{1}, size_t{14}}) {
        std::vector<float> queries;
        for (size_t q = 0; q < count; ++q) {
          const auto query =
              Hard(q % 2 == 0 ? kind : static_cast<int>(random() % 7), q, 33, &random);
          queries.insert(queries.end(), query.begin(), query.end());
        }
        for (const auto& level : LevelNames()) {
          ExpectEqualsBruteForce(fixture, metric, queries, 20, 2, level);
          ASSERT_FALSE(HasFatalFailure()) << "kind " << kind;
        }
      }
    }
  }
}

TEST(ExactSearchTest, ZeroQueryUnderDotAndL2) {
  Random random(kSeed);
  ScanFixture fixture = RandomFixture(8, 500, true, &random);
  for (const Metric metric : {Metric::kDot, Metric::kL2}) {
    for (const size_t count : {size_t{1}, size_t{14}}) {
      ExpectEqualsBruteForce(fixture, metric, std::vector<float>(count * 8, 0.0f), 7, 2, "scalar");
    }
  }
}

TEST(ExactSearchTest, AnEqualVectorScoresPlusZeroUnderL2) {
  ScanFixture fixture(3);
  fixture.Add({1, 0, 0}, 1);
  const auto hits = SearchOrFail(fixture, Metric::kL2, {1, 0, 0}, 1)[0];
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_EQ(hits[0].score, 0);
  EXPECT_FALSE(std::signbit(hits[0].score));
}

TEST(ExactSearchTest, NoKNoRowsNoSegmentsAllDead) {
  ScanFixture none(4);
  ScanFixture empty(4);
  empty.StartSegment();
  ScanFixture dead(4);
  for (uint64_t i = 0; i < 100; ++i) dead.Add({1, 2, 3, static_cast<float>(i)}, i + 1);
  std::vector<uint64_t> rows(100);
  std::iota(rows.begin(), rows.end(), 0);
  dead.Kill(0, rows);
  for (const Metric metric : kMetrics) {
    for (const size_t count : {size_t{1}, size_t{20}}) {
      const std::vector<float> queries(count * 4, 1.0f);
      for (const uint32_t threads : {0u, 1u, 3u}) {
        for (const ScanFixture* fixture : {&none, &empty, &dead}) {
          for (const size_t k : {size_t{0}, size_t{10}, size_t{1} << 60}) {
            const auto found = SearchOrFail(*fixture, metric, queries, k, threads);
            ASSERT_EQ(found.size(), count);
            for (const auto& hits : found) EXPECT_TRUE(hits.empty());
          }
        }
      }
    }
  }
  EXPECT_TRUE(SearchOrFail(dead, Metric::kDot, {}, 5).empty()) << "no queries";
}

TEST(ExactSearchTest, KOfAsManyAsThereAreRows) {
  Random random(kSeed);
  ScanFixture fixture = RandomFixture(2, 150000, true, &random);
  for (const Metric metric : {Metric::kDot, Metric::kL2}) {
    for (const uint32_t threads : {1u, 2u}) {
      ExpectEqualsBruteForce(fixture, metric, {0.3f, 0.4f}, 1'000'000, threads,
                             LevelNames().back());
    }
  }
}

void ExpectCorruption(const ScanFixture& fixture, Metric metric, size_t row, size_t query_count) {
  const std::vector<float> queries(query_count * fixture.dimension(), 0.5f);
  const auto segments = fixture.Segments();
  ExactSearchInput input;
  input.segments = segments;
  input.dimension = fixture.dimension();
  input.metric = metric;
  input.queries = {queries.data(), query_count, fixture.dimension()};
  const auto result = ExactSearch(input);
  ASSERT_FALSE(result.ok()) << "metric " << static_cast<int>(metric) << " row " << row;
  EXPECT_EQ(result.status().code(), StatusCode::kCorruption);
  const std::string message = result.status().message();
  EXPECT_NE(message.find("segment 1"), std::string::npos) << message;
  EXPECT_NE(message.find("row " + std::to_string(row) + ":"), std::string::npos) << message;
}

ScanFixture TwoSegments(Random* random) {
  ScanFixture fixture(20);
  for (uint64_t i = 0; i < 3000; ++i) {
    if (i == 0 || i == 1000) fixture.StartSegment();
    fixture.Add(Gaussian(20, random), i + 1);
  }
  return fixture;
}

TEST(ExactSearchTest, DamagedNormIsCorruptionThatNamesTheRow) {
  Random random(kSeed);
  for (const double norm : {std::nan(""), HUGE_VAL, -HUGE_VAL, -1.0}) {
    for (const Metric metric : {Metric::kDot, Metric::kL2}) {
      for (const size_t count : {size_t{1}, size_t{20}}) {
        ScanFixture fixture = TwoSegments(&random);
        fixture.record(1, 1777)->norm = norm;
        ExpectCorruption(fixture, metric, 1777, count);
        fixture.Kill(1, {1777});  // a dead row's bytes no longer matter
        EXPECT_EQ(SearchOrFail(fixture, metric, std::vector<float>(20, 0.5f), 5)[0].size(), 5u);
      }
    }
  }
}

TEST(ExactSearchTest, NanInARowIsCorruptionThatNamesTheRow) {
  Random random(kSeed);
  for (const Metric metric : kMetrics) {
    for (const size_t count : {size_t{1}, size_t{20}}) {
      ScanFixture fixture = TwoSegments(&random);
      fixture.row(1, 5)[19] = std::nanf("");
      ExpectCorruption(fixture, metric, 5, count);
    }
  }
}

// Any bytes at all: an answer or an error, never a crash or a hang.
TEST(ExactSearchTest, GarbageRowsDoNotCrash) {
  std::cout << "seed " << kSeed << "\n";
  Random random(kSeed);
  for (int round = 0; round < 60; ++round) {
    ScanFixture fixture = TwoSegments(&random);
    for (int i = 0; i < 1 + round % 50; ++i) {
      const uint64_t bits = random();
      memcpy(fixture.row(random() % 2, random() % 1000) + random() % 20, &bits, sizeof(float));
      memcpy(&fixture.record(random() % 2, random() % 1000)->norm, &bits, sizeof(double));
    }
    const auto segments = fixture.Segments();
    ExactSearchInput input;
    const auto queries = Gaussian(20 * 20, &random);
    input.segments = segments;
    input.dimension = 20;
    input.metric = kMetrics[round % 3];
    input.queries = {queries.data(), round % 2 == 0 ? size_t{1} : size_t{20}, 20};
    input.thread_count = 1 + static_cast<uint32_t>(round % 3);
    const auto result = ExactSearch(input);
    if (!result.ok()) {
      EXPECT_EQ(result.status().code(), StatusCode::kCorruption);
    }
  }
}

TEST(ExactSearchTest, QueriesThatBreakTheContractAreRefused) {
  ScanFixture fixture(2);
  fixture.Add({1, 1}, 1);
  const auto segments = fixture.Segments();
  const auto search = [&](Metric metric, const std::vector<float>& query) {
    ExactSearchInput input;
    input.segments = segments;
    input.dimension = 2;
    input.metric = metric;
    input.queries = VectorView(query);
    return ExactSearch(input).status().code();
  };
  EXPECT_EQ(search(Metric::kCosine, {0, 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(search(Metric::kDot, {0, std::nanf("")}), StatusCode::kInvalidArgument);
  EXPECT_EQ(search(Metric::kL2, {1, 2, 3}), StatusCode::kInvalidArgument);
  EXPECT_EQ(search(Metric::kL2, {1, 2}), StatusCode::kOk);
}

// Here a caller's clock throws what is not bad_alloc.
TEST(ExactSearchTest, NoExceptionLeavesAThread) {
  ScanFixture fixture(2);
  for (uint64_t docno = 1; docno <= 10'000; ++docno) fixture.Add({1, 1}, docno);
  const auto segments = fixture.Segments();
  const std::vector<float> query = {1, 2};
  std::atomic<int> asked = 0;
  Budget budget({.deadline_ms = 1}, [&asked]() -> int64_t {
    if (++asked > 1) throw std::runtime_error("no time");
    return 0;
  });
  ExactSearchInput input;
  input.segments = segments;
  input.dimension = 2;
  input.metric = Metric::kDot;
  input.queries = VectorView(query);
  input.thread_count = 2;
  input.k = 3;
  input.budget = &budget;
  const Status status = ExactSearch(input).status();
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_EQ(status.message(), "unexpected: no time");
}

}  // namespace
}  // namespace vdb::query
