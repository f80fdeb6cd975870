// The recall that calibration promises, on distributions that indexes find hard: calibrated on
// stored rows, measured on held-out queries. With --long (label long): more rows, more dimensions.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "query/calibration.h"
#include "tests/query/awkward_data.h"
#include "tests/query/list_fixture.h"
#include "tests/support/thinning.h"

namespace vdb::query {
namespace {

constexpr size_t kK = 10;
constexpr double kTargets[] = {0.90, 0.95, 0.99};
constexpr size_t kSampleRows = 512;

bool long_run = false;
bool verbose = false;

struct Case {
  Awkward kind;
  Metric metric;
  uint32_t dimension;
  size_t row_count, query_count;
};

std::string NameOf(const Case& c) {
  return std::string(AwkwardName(c.kind)) + ", " + std::string(MetricName(c.metric)) + ", " +
         std::to_string(c.row_count) + " x " + std::to_string(c.dimension);
}

// Hits as good as the true k-th count as found: ties have no order that a user could see.
double Recall(const std::vector<std::vector<RowHit>>& truth,
              const std::vector<std::vector<RowHit>>& found) {
  double good = 0, all = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    EXPECT_EQ(truth[q].size(), found[q].size());
    for (const RowHit& hit : found[q]) good += hit.score >= truth[q].back().score ? 1 : 0;
    all += static_cast<double>(truth[q].size());
  }
  return good / all;
}

StatusOr<Calibration> CalibrateOnRows(const ListFixture& fixture, const Case& c,
                                      const std::vector<float>& rows) {
  std::vector<float> sample;
  std::vector<uint64_t> docnos;
  for (size_t i = 0; i < kSampleRows; ++i) {
    const size_t row = i * c.row_count / kSampleRows;
    sample.insert(sample.end(), rows.begin() + static_cast<long>(row * c.dimension),
                  rows.begin() + static_cast<long>((row + 1) * c.dimension));
    docnos.push_back(row + 1);
  }
  CalibrateInput input;
  input.search = fixture.Input(sample, kK);
  input.self_docnos = docnos;
  input.row_count = c.row_count;
  return Calibrate(input);
}

void ExpectRecall(const Case& c) {
  SCOPED_TRACE(NameOf(c));
  const auto start = std::chrono::steady_clock::now();
  const AwkwardData data =
      MakeAwkwardData(c.kind, c.row_count, c.query_count, c.dimension, 7 + c.dimension);
  const ListFixture fixture({c.dimension, c.metric, 0, 1, 0}, data.rows);
  const auto calibration = CalibrateOnRows(fixture, c, data.rows);
  ASSERT_TRUE(calibration.ok()) << calibration.status().ToString();
  ListSearchInput input = fixture.Input(data.queries, kK);
  const auto truth = SearchOrFail(fixture.scans(), c.metric, data.queries, kK);
  input.exact = true;
  const auto exact = ListSearch(input);
  ASSERT_TRUE(exact.ok()) << exact.status().ToString();
  for (size_t q = 0; q < truth.size(); ++q) {
    ExpectSameHits(truth[q], exact->hits[q], "exact, query " + std::to_string(q));
  }
  std::string line = NameOf(c) + ":";
  input.exact = false;
  input.explain = true;
  for (const double target : kTargets) {
    const auto effort = EffortFor(*calibration, target, kK, /*drift=*/0);
    if (!effort) {  // answered exactly
      line += "  exact";
      continue;
    }
    input.effort = *effort;
    const auto found = ListSearch(input);
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    const double recall = Recall(truth, found->hits);
    double probed = 0;
    for (const SearchExplain& explain : found->explains) {
      probed += static_cast<double>(explain.lists_probed);
    }
    probed /= static_cast<double>(truth.size());
    EXPECT_GE(recall, target) << "lists probed on average: " << probed << " of "
                              << fixture.codebook().list_count() << ", margin "
                              << input.effort.margin;
    line += "  " + std::to_string(recall).substr(0, 6) + " (" +
            std::to_string(probed).substr(0, 4) + ")";
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (verbose) std::cout << line << "  " << took.count() << " s\n";
}

// Dot products ask for something else than the nearest: for long vectors. That is only a search
// where lengths differ.
bool HasLengths(Awkward kind) {
  return kind == Awkward::kShells || kind == Awkward::kLowRank || kind == Awkward::kSpikes ||
         kind == Awkward::kHeavyTails || kind == Awkward::kCube;
}

class AwkwardRecallTest : public ::testing::TestWithParam<Awkward> {};

TEST_P(AwkwardRecallTest, CalibratedRecallHoldsOnHeldOutQueries) {
  const size_t queries = 1000;
  ExpectRecall({GetParam(), Metric::kL2, 11, 6000, queries});
  if (testing::Thinning() > 1) return;
  ExpectRecall({GetParam(), Metric::kCosine, 48, 6000, queries});
  ExpectRecall({GetParam(), Metric::kL2, 48, 6000, queries});
  ExpectRecall({GetParam(), Metric::kCosine, 130, 6000, queries});
  if (HasLengths(GetParam())) ExpectRecall({GetParam(), Metric::kDot, 48, 6000, queries});
}

TEST_P(AwkwardRecallTest, OfManyRows) {
  if (!long_run) GTEST_SKIP() << "with --long";
  const size_t queries = 1000;
  for (const Metric metric : {Metric::kCosine, Metric::kL2, Metric::kDot}) {
    if (metric == Metric::kDot && !HasLengths(GetParam())) continue;
    ExpectRecall({GetParam(), metric, 11, 80000, queries});
    ExpectRecall({GetParam(), metric, 96, 40000, queries});
    ExpectRecall({GetParam(), metric, 300, 20000, queries});
    ExpectRecall({GetParam(), metric, 768, 10000, queries});
  }
}

INSTANTIATE_TEST_SUITE_P(All, AwkwardRecallTest, ::testing::ValuesIn(kAwkwards),
                         [](const ::testing::TestParamInfo<Awkward>& kind) {
                           std::string name = AwkwardName(kind.param);
                           std::erase(name, ' ');
                           return name;
                         });

}  // namespace

int Main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    long_run |= std::string(argv[i]) == "--long";
    verbose |= std::string(argv[i]) == "--verbose";
  }
  return RUN_ALL_TESTS();
}

}  // namespace vdb::query

int main(int argc, char** argv) { return vdb::query::Main(argc, argv); }
