// Calibration: which effort a request gets, and that the recall promised is kept on queries that
// calibration has not seen.
#include "query/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "tests/query/list_fixture.h"
#include "tests/support/thinning.h"

namespace vdb::query {
namespace {

Calibration MakeSteps(const std::vector<std::vector<float>>& recalls) {
  Calibration calibration;
  calibration.query_count = 100;
  calibration.row_count = 1000;
  for (size_t i = 0; i < recalls.size(); ++i) {
    const auto at = static_cast<float>(i);
    calibration.steps.push_back({{0.1f * at, 0, 1 + 0.1f * at, 2 + 0.1f * at}, recalls[i]});
  }
  return calibration;
}

const Calibration kSteps = MakeSteps({{0.90f, 0.70f, 0.60f},
                                      {0.95f, 0.85f, 0.80f},
                                      {0.97f, 0.92f, 0.93f},
                                      {0.98f, 0.96f, 0.95f},
                                      {0.99f, 0.98f, 0.96f},
                                      {0.995f, 0.991f, 0.97f}});

// The step chosen, or -1.
int StepFor(double recall, size_t k, double drift) {
  const auto effort = EffortFor(kSteps, recall, k, drift);
  return effort ? static_cast<int>(std::lround(effort->margin * 10)) : -1;
}

TEST(EffortForTest, TakesTheLeastStepThatReachesTheTarget) {
  EXPECT_EQ(StepFor(0.5, 10, 0), 0);
  EXPECT_EQ(StepFor(0.70, 1, 0), 0);
  EXPECT_EQ(StepFor(0.80, 10, 0), 1);
  EXPECT_EQ(StepFor(0.90, 10, 0), 2);
  EXPECT_EQ(StepFor(0.95, 10, 0), 3);
  EXPECT_EQ(StepFor(0.99, 10, 0), 5);
  EXPECT_EQ(StepFor(0.999, 10, 0), -1);
  EXPECT_EQ(StepFor(1, 10, 0), -1);
  EXPECT_EQ(StepFor(std::numeric_limits<double>::quiet_NaN(), 10, 0), -1);
  EXPECT_FALSE(EffortFor(Calibration(), 0.5, 10, 0));
  EXPECT_TRUE(RecallsProven(Calibration(), 0).empty());
  EXPECT_EQ(RecallsProven(kSteps, 0), (std::vector<double>{0.80, 0.90, 0.95, 0.99}));
}

TEST(EffortForTest, NeverFallsWithRecall) {
  for (const size_t k : {1, 5, 10, 50, 100, 500, 1000}) {
    for (const double drift : {0.0, 0.3, 0.7}) {
      Effort last = {-1, 0, 0, 0};
      bool refused = false;
      for (double recall = 0.05; recall < 1; recall += 0.005) {
        const auto effort = EffortFor(kSteps, recall, k, drift);
        EXPECT_FALSE(refused && effort) << recall;  // once exact, always exact
        refused |= !effort;
        if (!effort) continue;
        EXPECT_GE(effort->margin, last.margin);
        EXPECT_GE(effort->coarse_errors, last.coarse_errors);
        EXPECT_GE(effort->fine_errors, last.fine_errors);
        last = *effort;
      }
    }
  }
}

TEST(EffortForTest, KBetweenTwoMeasuredSatisfiesBoth) {
  EXPECT_EQ(StepFor(0.89, 1, 0), 0);
  EXPECT_EQ(StepFor(0.89, 3, 0), 2);     // k = 10 asks for step 2, k = 1 for step 0
  EXPECT_EQ(StepFor(0.85, 50, 0), 2);    // k = 10: 1, k = 100: 2
  EXPECT_EQ(StepFor(0.925, 100, 0), 2);
  EXPECT_EQ(StepFor(0.925, 50, 0), 3);   // k = 10: 3, k = 100: 2
  EXPECT_EQ(StepFor(0.80, 101, 0), -1);  // beyond what was measured
  EXPECT_EQ(StepFor(0.80, 1000, 0), -1);
}

TEST(EffortForTest, DriftWidensThenRefuses) {
  int last = 0;
  for (const double drift : {0.0, 0.1, 0.19, 0.21, 0.3, 0.45, 0.61, 0.7}) {
    const int step = StepFor(0.90, 10, drift);
    EXPECT_EQ(step, 2 + static_cast<int>(drift * 5)) << drift;
    EXPECT_GE(step, last);
    last = step;
  }
  for (const double drift : {0.81, 1.0, 4.0, 1e300, std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(StepFor(0.90, 10, drift), -1) << drift;
  }
  EXPECT_EQ(RecallsProven(kSteps, 0.45), (std::vector<double>{0.80, 0.90, 0.95}));
}

/// An index, and stored rows or held-out queries to calibrate on.
struct Bench {
  Bench(uint32_t dimension_in, Metric metric_in, uint32_t lists, const std::vector<float>& rows_in)
      : dimension(dimension_in), metric(metric_in), rows(rows_in),
        fixture({dimension_in, metric_in, lists, 1, 0}, rows_in) {}

  std::vector<float> Pick(const std::vector<float>& from, const std::vector<size_t>& which) const {
    std::vector<float> picked;
    for (const size_t i : which) {
      picked.insert(picked.end(), from.begin() + static_cast<long>(i * dimension),
                    from.begin() + static_cast<long>((i + 1) * dimension));
    }
    return picked;
  }
  CalibrateInput Input(const std::vector<float>& queries) const {
    CalibrateInput input;
    input.search = fixture.Input(queries, 10);
    input.row_count = rows.size() / dimension;
    return input;
  }
  StatusOr<Calibration> OnQueries(const std::vector<float>& queries) const {
    return Calibrate(Input(queries));
  }
  StatusOr<Calibration> OnRows(const std::vector<size_t>& which) const {
    const std::vector<float> queries = Pick(rows, which);
    std::vector<uint64_t> docnos;
    for (const size_t i : which) docnos.push_back(i + 1);
    CalibrateInput input = Input(queries);
    input.self_docnos = docnos;
    return Calibrate(input);
  }
  // Of each query; ties with the k-th count as found.
  std::vector<double> Recalls(const std::vector<float>& queries, size_t k, const Effort& effort,
                              const std::vector<std::vector<RowHit>>& truth) const {
    ListSearchInput input = fixture.Input(queries, k);
    input.effort = effort;
    const auto found = ListSearch(input);
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    std::vector<double> recalls;
    for (size_t q = 0; q < truth.size(); ++q) {
      double good = 0;
      for (const RowHit& hit : found->hits[q]) good += hit.score >= truth[q][k - 1].score ? 1 : 0;
      recalls.push_back(good / static_cast<double>(k));
    }
    return recalls;
  }

  uint32_t dimension;
  Metric metric;
  std::vector<float> rows;
  ListFixture fixture;
};

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

std::vector<size_t> EachNth(size_t count, size_t past) {
  std::vector<size_t> which;
  for (size_t i = 0; i < count; ++i) which.push_back(i * past / count);
  return which;
}

TEST(CalibrationTest, StepsAscendAndBoundsDoNotFall) {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    const Bench bench(32, metric, 40, ClusteredVectors(4000, 32, 30, 3));
    const auto calibration = bench.OnRows(EachNth(64, 4000));
    ASSERT_TRUE(calibration.ok()) << calibration.status().ToString();
    EXPECT_EQ(calibration->row_count, 4000u);
    EXPECT_GE(calibration->query_count, 64u);
    EXPECT_FALSE(calibration->own_queries);
    ASSERT_GE(calibration->steps.size(), 5u);
    for (size_t i = 0; i < calibration->steps.size(); ++i) {
      const CalibrationStep& step = calibration->steps[i];
      ASSERT_EQ(step.recall_lower.size(),
                std::size(kCalibrationKs) + std::size(kCalibrationShares));
      for (const float lower : step.recall_lower) {
        EXPECT_GE(lower, 0);
        EXPECT_LT(lower, 1);  // a sample proves no certainty
      }
      if (i == 0) continue;
      const CalibrationStep& last = calibration->steps[i - 1];
      EXPECT_GE(step.effort.margin, last.effort.margin);
      EXPECT_GE(step.effort.coarse_errors, last.effort.coarse_errors);
      EXPECT_GE(step.effort.fine_errors, last.effort.fine_errors);
      for (size_t c = 0; c < step.recall_lower.size(); ++c) {
        EXPECT_GE(step.recall_lower[c], last.recall_lower[c]);
      }
    }
    EXPECT_TRUE(EffortFor(*calibration, 0.95, 10, 0));
    EXPECT_FALSE(EffortFor(*calibration, 1, 10, 0));
  }
}

// Rows that codes cannot say (searched as float32) have no list and no margin.
TEST(CalibrationTest, LooseRowsAsQueriesDoNotSpoilTheMargins) {
  const uint32_t dimension = 16;
  std::vector<float> rows = ClusteredVectors(3000, dimension, 20, 3);
  std::vector<size_t> which;
  for (size_t i = 0; i < 3000; i += 25) which.push_back(i);
  for (size_t i = 0; i < 3000; i += 50) {
    for (uint32_t d = 0; d < dimension; ++d) rows[i * dimension + d] *= 1e18f;
  }
  for (const Metric metric : {Metric::kL2, Metric::kDot}) {
    const Bench bench(dimension, metric, 16, rows);
    const auto calibration = bench.OnRows(which);
    ASSERT_TRUE(calibration.ok()) << calibration.status().ToString();
    float last = -std::numeric_limits<float>::infinity();
    for (const CalibrationStep& step : calibration->steps) {
      EXPECT_TRUE(std::isfinite(step.effort.margin));
      EXPECT_GE(step.effort.margin, last);
      last = step.effort.margin;
    }
  }
}

TEST(CalibrationTest, AHandfulOfQueriesProvesNothing) {
  const uint32_t dimension = 24;
  const Bench bench(dimension, Metric::kCosine, 16, ClusteredVectors(2000, dimension, 20, 3));
  const auto calibration = bench.OnQueries(ClusteredVectors(5, dimension, 20, 4));
  ASSERT_TRUE(calibration.ok()) << calibration.status().ToString();
  EXPECT_TRUE(RecallsProven(*calibration, 0).empty());
}

TEST(CalibrationTest, OwnQueriesAreSaidToBe) {
  const Bench bench(16, Metric::kL2, 20, ClusteredVectors(1500, 16, 20, 3));
  const auto calibration = bench.OnQueries(ClusteredVectors(50, 16, 20, 4));
  ASSERT_TRUE(calibration.ok());
  EXPECT_TRUE(calibration->own_queries);
  EXPECT_EQ(calibration->query_count, 50u);
}

TEST(CalibrationTest, SameInputSameCalibration) {
  const Bench bench(24, Metric::kCosine, 20, ClusteredVectors(1500, 24, 20, 3));
  const auto one = bench.OnRows(EachNth(40, 1500)), two = bench.OnRows(EachNth(40, 1500));
  ASSERT_TRUE(one.ok() && two.ok());
  ASSERT_EQ(one->steps.size(), two->steps.size());
  for (size_t i = 0; i < one->steps.size(); ++i) {
    EXPECT_EQ(one->steps[i].effort.margin, two->steps[i].effort.margin);
    EXPECT_EQ(one->steps[i].recall_lower, two->steps[i].recall_lower);
  }
}

TEST(CalibrationTest, CancelledAtAnyCheck) {
  const Bench bench(16, Metric::kCosine, 20, ClusteredVectors(1000, 16, 20, 3));
  const std::vector<size_t> which = EachNth(20, 1000);
  const std::vector<float> queries = bench.Pick(bench.rows, which);
  std::vector<uint64_t> docnos;
  for (const size_t i : which) docnos.push_back(i + 1);
  int checks = 0;
  CalibrateInput input = bench.Input(queries);
  input.self_docnos = docnos;
  input.go_on = [&] { return ++checks > 0; };
  ASSERT_TRUE(Calibrate(input).ok());
  EXPECT_GT(checks, 5);  // or nobody could cancel in time
  for (int at = 1; at <= checks; ++at) {
    int seen = 0;
    input.go_on = [&] { return ++seen < at; };
    EXPECT_EQ(Calibrate(input).status().code(), StatusCode::kCancelled) << at;
    EXPECT_EQ(seen, at);  // it stops at once
  }
}

TEST(CalibrationTest, FewRowsOrNone) {
  for (const size_t count : {1, 2, 3, 12}) {
    const Bench bench(8, Metric::kL2, 2, ClusteredVectors(count, 8, 3, 3));
    const auto calibration = bench.OnRows(EachNth(count, count));
    ASSERT_TRUE(calibration.ok()) << calibration.status().ToString();
    for (const CalibrationStep& step : calibration->steps) {
      EXPECT_TRUE(std::isfinite(step.effort.margin));
    }
  }
  const Bench bench(8, Metric::kL2, 2, ClusteredVectors(20, 8, 3, 3));
  const auto calibration = bench.OnQueries({});
  ASSERT_TRUE(calibration.ok());
  EXPECT_FALSE(EffortFor(*calibration, 0.5, 10, 0));
}

// A row is left out of its own answer by docno alone: its copies count as neighbours. Bounds that
// forgot to leave it out would promise too much, for every row finds itself.
TEST(CalibrationTest, CopiesCountAsNeighboursAndTheRowItselfDoesNot) {
  const uint32_t dimension = 48;
  const size_t count = 2000;
  std::vector<float> once(count * dimension), queries(500 * dimension);
  std::mt19937_64 random(4);
  std::normal_distribution<float> normal;
  for (float& x : once) x = normal(random);  // without structure: neighbours lie in any list
  for (float& x : queries) x = normal(random);
  for (const Metric metric : {Metric::kCosine, Metric::kL2}) {
    for (const double copied : {0.0, 0.3, 1.0}) {
      if (testing::Thinning() > 1 && copied < 1) continue;
      SCOPED_TRACE(std::string(MetricName(metric)) + ", share copied " + std::to_string(copied));
      std::vector<float> rows = once;
      rows.insert(rows.end(), once.begin(),
                  once.begin() + static_cast<long>(copied * count) * dimension);
      const size_t row_count = rows.size() / dimension;
      const Bench bench(dimension, metric, 40, rows);
      const std::vector<size_t> sample = EachNth(128, row_count);
      const auto calibration = bench.OnRows(sample);
      ASSERT_TRUE(calibration.ok()) << calibration.status().ToString();
      EXPECT_LT(calibration->steps[0].recall_lower[0], 0.95f);
      // Who asks for something new has no copy to find: with all rows copied, bounds are up to this
      // much above such a query's recall.
      const double optimism = copied < 1 ? 0 : 0.1;
      for (size_t c = 1; c < std::size(kCalibrationKs); ++c) {
        const uint32_t k = kCalibrationKs[c];
        const auto truth = SearchOrFail(bench.fixture.scans(), metric, queries, k);
        for (size_t i = 1; i < calibration->steps.size(); i += 3) {
          const CalibrationStep& step = calibration->steps[i];
          EXPECT_GE(Mean(bench.Recalls(queries, k, step.effort, truth)),
                    double{step.recall_lower[c]} - optimism)
              << "k " << k;
        }
      }
      if (copied < 1) continue;
      // A copy lies where its row lies: the least effort finds it.
      const std::vector<float> stored = bench.Pick(rows, sample);
      const auto truth = SearchOrFail(bench.fixture.scans(), metric, stored, 2);
      EXPECT_EQ(Mean(bench.Recalls(stored, 2, calibration->steps[0].effort, truth)), 1.0);
    }
  }
}

/// How often, of many calibrations on samples of their own, what was promised was kept.
struct Kept {
  size_t bounds = 0, bounds_all = 0;    // of steps
  size_t targets = 0, targets_all = 0;  // of requests
  double worst = 0;                     // most that a target was missed by
};

// Own queries are drawn from a finite population, so that what is promised about it can be looked
// up; stored rows stand in for that population.
Kept CountKept(const Bench& bench, const std::vector<float>& population, bool own_queries,
               size_t sample, size_t resamples) {
  constexpr size_t kK = 10, kClass = 1;
  const auto truth = SearchOrFail(bench.fixture.scans(), bench.metric, population, kK);
  std::mt19937_64 random(8);
  Kept kept;
  for (size_t r = 0; r < resamples; ++r) {
    std::vector<size_t> which(sample);
    const auto& from = own_queries ? population : bench.rows;
    for (size_t& i : which) i = random() % (from.size() / bench.dimension);
    const auto calibration =
        own_queries ? bench.OnQueries(bench.Pick(from, which)) : bench.OnRows(which);
    EXPECT_TRUE(calibration.ok()) << calibration.status().ToString();
    if (!calibration.ok()) return kept;
    for (const double target : {0.90, 0.95, 0.99}) {
      const auto effort = EffortFor(*calibration, target, kK, 0);
      ++kept.targets_all;
      const double recall = effort ? Mean(bench.Recalls(population, kK, *effort, truth)) : 1;
      kept.targets += recall >= target;
      kept.worst = std::max(kept.worst, target - recall);
      if (!effort) continue;  // answered exactly
      for (const CalibrationStep& step : calibration->steps) {
        if (step.effort.margin != effort->margin) continue;
        ++kept.bounds_all;
        kept.bounds += recall >= double{step.recall_lower[kClass]};
        break;
      }
    }
  }
  return kept;
}

void ExpectKept(Metric metric, bool own_queries, size_t sample) {
  if (testing::Thinning() > 1) GTEST_SKIP() << "statistics need many samples: the release build";
  const uint32_t dimension = 24;
  constexpr size_t kRows = 2000, kPopulation = 1000;
  // One draw, so that all are of the same clusters.
  const auto all = ClusteredVectors(kRows + kPopulation, dimension, 40, 17);
  const auto cut = all.begin() + static_cast<long>(kRows * dimension);
  const Bench bench(dimension, metric, 32, {all.begin(), cut});
  const Kept kept = CountKept(bench, {cut, all.end()}, own_queries, sample, sample > 256 ? 40 : 60);
  const auto share = [](size_t part, size_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  ::testing::Test::RecordProperty("bounds", std::to_string(share(kept.bounds, kept.bounds_all)));
  EXPECT_GE(share(kept.bounds, kept.bounds_all), 0.95);
  EXPECT_GE(share(kept.targets, kept.targets_all), 0.95);
  EXPECT_LT(kept.worst, 0.02);
}

TEST(CalibrationTest, WhatOwnQueriesPromiseHoldsInNineteenOfTwentySamples) {
  ExpectKept(Metric::kCosine, /*own_queries=*/true, 200);
}

TEST(CalibrationTest, WhatStoredRowsPromiseHoldsInNineteenOfTwentySamples) {
  ExpectKept(Metric::kL2, /*own_queries=*/false, 128);
}

// All of them are answered exactly, 128 searched.
TEST(CalibrationTest, WhatManyStoredRowsPromiseHoldsInNineteenOfTwentySamples) {
  ExpectKept(Metric::kL2, /*own_queries=*/false, 300);
  ExpectKept(Metric::kCosine, /*own_queries=*/false, 512);
}

}  // namespace
}  // namespace vdb::query
