// Exact search on real vectors against a brute force in double and the data's own ground truth.
// Runs where the data is: VDB_TEST_DATA, or shared/data beside the source tree. Says so where it is
// not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/query/scan_fixture.h"
#include "tests/support/thinning.h"

namespace vdb::query {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 2e-6;  // of a cosine
constexpr size_t kTopK = 100;

fs::path DataFolder() {
  if (const char* folder = std::getenv("VDB_TEST_DATA")) return folder;
  return fs::path(VDB_SOURCE_DIR) / ".." / "shared" / "data";
}

template <typename T>
struct Table {
  size_t dimension = 0;
  std::vector<T> values;
  size_t row_count() const { return values.size() / dimension; }
  const T* row(size_t i) const { return values.data() + i * dimension; }
};

// .fvecs and .ivecs: each row is its dimension (int32) and as many values of 4 bytes.
template <typename T>
Table<T> ReadVecs(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  Table<T> table;
  int32_t dimension = 0;
  while (in.read(reinterpret_cast<char*>(&dimension), sizeof(dimension))) {
    table.dimension = static_cast<size_t>(dimension);
    table.values.resize(table.values.size() + table.dimension);
    in.read(reinterpret_cast<char*>(table.values.data() + table.values.size() - table.dimension),
            static_cast<std::streamsize>(table.dimension * sizeof(T)));
  }
  return table;
}

double Score(Metric metric, const float* a, const float* b, size_t d) {
  double dot = 0, aa = 0, bb = 0, squared = 0;
  for (size_t i = 0; i < d; ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    squared += (x - y) * (x - y);
  }
  if (metric == Metric::kL2) return -squared;
  return metric == Metric::kDot ? dot : dot / std::sqrt(aa * bb);
}

// The k-th best score of each query over all base rows.
std::vector<double> KthScores(Metric metric, const Table<float>& base,
                              const Table<float>& queries) {
  std::vector<double> kth;
  std::vector<double> scores(base.row_count());
  for (size_t q = 0; q < queries.row_count(); ++q) {
    for (size_t r = 0; r < scores.size(); ++r) {
      scores[r] = Score(metric, queries.row(q), base.row(r), base.dimension);
    }
    std::nth_element(scores.begin(), scores.begin() + kTopK - 1, scores.end(), std::greater<>());
    kth.push_back(scores[kTopK - 1]);
  }
  return kth;
}

std::vector<double> TruthScores(const fs::path& folder) {
  const auto table = ReadVecs<float>(folder / "gt_cosine_scores.fvecs");
  std::vector<double> kth;
  for (size_t q = 0; q < table.row_count(); ++q) {
    kth.push_back(static_cast<double>(table.row(q)[kTopK - 1]));
  }
  return kth;
}

// Every hit's score in double reaches the k-th of the truth; single and batch agree to the bit.
void ExpectTrue(const std::string& name, Metric metric, const std::vector<double>& kth,
                const Table<float>& base, const Table<float>& queries) {
  ScanFixture fixture(static_cast<uint32_t>(base.dimension));
  for (size_t r = 0; r < base.row_count(); ++r) {
    if (r % 2000 == 0) fixture.StartSegment();
    fixture.Add({base.row(r), base.row(r) + base.dimension}, r + 1);
  }
  std::vector<std::vector<RowHit>> first;
  for (const auto& level : LevelNames()) {
    const auto batch = SearchOrFail(fixture, metric, queries.values, kTopK, 2, level);
    if (first.empty()) first = batch;
    for (size_t q = 0; q < queries.row_count(); ++q) {
      const std::string what = name + " " + level + " query " + std::to_string(q);
      const std::vector<float> query(queries.row(q), queries.row(q) + queries.dimension);
      ExpectSameHits(batch[q], SearchOrFail(fixture, metric, query, kTopK, 1, level)[0], what);
      ExpectSameHits(first[q], batch[q], what + " against the first level");
      ASSERT_EQ(batch[q].size(), kTopK);
      // Dot products and distances are compared relative to their own size.
      const double slack = kTolerance * (metric == Metric::kCosine ? 1 : std::abs(kth[q]) + 1);
      for (const RowHit& hit : batch[q]) {
        const double score = Score(metric, queries.row(q), base.row(hit.docno - 1), base.dimension);
        ASSERT_GE(score, kth[q] - slack) << what;
        ASSERT_NEAR(hit.score, score, slack) << what;
      }
    }
  }
}

class RealDataTest : public ::testing::TestWithParam<std::string> {};

TEST_P(RealDataTest, ReturnsTheGroundTruth) {
  const fs::path folder = DataFolder() / GetParam();
  if (!fs::exists(folder / "base.fvecs")) {
    std::cout << "SKIPPED: there is no base.fvecs in " << folder
              << "; set VDB_TEST_DATA to a folder that has " << GetParam() << "\n";
    return;
  }
  const auto base = ReadVecs<float>(folder / "base.fvecs");
  auto queries = ReadVecs<float>(folder / "queries.fvecs");
  queries.values.resize(queries.row_count() / testing::Thinning() * queries.dimension);
  ExpectTrue(GetParam() + " cosine", Metric::kCosine, TruthScores(folder), base, queries);
  if (GetParam() == "sift128") {
    ExpectTrue("sift128 l2", Metric::kL2, KthScores(Metric::kL2, base, queries), base, queries);
  }
  if (GetParam() == "glove50") {
    ExpectTrue("glove50 dot", Metric::kDot, KthScores(Metric::kDot, base, queries), base, queries);
    ExpectTrue("glove50 l2", Metric::kL2, KthScores(Metric::kL2, base, queries), base, queries);
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, RealDataTest,
                         ::testing::Values("glove50", "sift128", "bible1024", "cqadup768"),
                         [](const auto& set) { return set.param; });

}  // namespace
}  // namespace vdb::query
