// See scan_fixture.h.
#include "tests/query/scan_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "index/kernels/kernels.h"

namespace vdb::query {

void ScanFixture::Add(const std::vector<float>& vector, uint64_t docno) {
  if (segments_.empty()) StartSegment();
  Segment& segment = segments_.back();
  const index::Kernels& scalar = *index::KernelsByName("scalar");
  double norm = std::sqrt(scalar.sum_squares(vector.data(), dimension_));
  const bool is_unit = std::abs(norm - 1) <= 5e-7;
  for (const float v : vector) {
    const bool keep = is_unit || !(norm > 0);
    segment.rows.push_back(keep ? v : static_cast<float>(static_cast<double>(v) / norm));
  }
  if (is_unit) norm = 1;
  segment.records.push_back({docno, norm, 0, 1, 0, 0});
}

void ScanFixture::Kill(size_t segment, const std::vector<uint64_t>& rows) {
  auto& deletes = segments_[segment].deletes;
  const storage::DeleteMask none;
  auto mask = (deletes != nullptr ? *deletes : none).With(rows);
  ASSERT_TRUE(mask.ok()) << mask.status().ToString();
  deletes = *mask;
}

std::vector<ScanSegment> ScanFixture::Segments() const {
  std::vector<ScanSegment> segments;
  for (const Segment& segment : segments_) {
    segments.push_back({segment.rows.data(), segment.records.data(), segment.records.size(),
                        segment.deletes.get()});
  }
  return segments;
}

namespace {

double DocumentedScore(Metric metric, const float* row, double norm, const float* query, size_t d) {
  const index::Kernels& scalar = *index::KernelsByName("scalar");
  if (metric == Metric::kL2) return 0 - scalar.squared_l2_exact(row, norm, query, d);
  const double dot = scalar.dot_exact(row, query, d);
  if (metric == Metric::kDot) return norm * dot;
  return dot / std::sqrt(scalar.sum_squares(query, d));
}

}  // namespace

std::vector<RowHit> BruteForce(const ScanFixture& fixture, Metric metric, const float* query,
                               size_t k) {
  std::vector<RowHit> hits;
  const auto segments = fixture.Segments();
  for (uint32_t s = 0; s < segments.size(); ++s) {
    for (uint64_t r = 0; r < segments[s].row_count; ++r) {
      if (segments[s].deletes != nullptr && *segments[s].deletes->Test(r)) continue;
      const auto& record = segments[s].records[r];
      const double score = DocumentedScore(metric, segments[s].rows + r * fixture.dimension(),
                                           record.norm, query, fixture.dimension());
      hits.push_back({score, record.docno, s, r});
    }
  }
  std::sort(hits.begin(), hits.end(), [](const RowHit& a, const RowHit& b) {
    return a.score != b.score ? a.score > b.score : a.docno < b.docno;
  });
  hits.resize(std::min(k, hits.size()));
  return hits;
}

std::vector<std::vector<RowHit>> SearchOrFail(const ScanFixture& fixture, Metric metric,
                                              const std::vector<float>& queries, size_t k,
                                              uint32_t thread_count, const std::string& level) {
  const auto segments = fixture.Segments();
  ExactSearchInput input;
  input.segments = segments;
  input.dimension = fixture.dimension();
  input.metric = metric;
  input.queries = {queries.data(), queries.size() / fixture.dimension(), fixture.dimension()};
  input.k = k;
  input.thread_count = thread_count;
  auto result = level.empty() ? ExactSearch(input)
                              : ExactSearchAtLevel(input, *index::KernelsByName(level.c_str()));
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  if (!result.ok()) return std::vector<std::vector<RowHit>>(input.queries.row_count);
  return std::move(result).value();
}

void ExpectSameHits(const std::vector<RowHit>& expected, const std::vector<RowHit>& found,
                    const std::string& what) {
  ASSERT_EQ(expected.size(), found.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(expected[i].docno, found[i].docno)
        << what << ", place " << i << ": " << expected[i].score << " and " << found[i].score;
    ASSERT_EQ(std::bit_cast<uint64_t>(expected[i].score), std::bit_cast<uint64_t>(found[i].score))
        << what << ", place " << i;
    ASSERT_EQ(expected[i].segment, found[i].segment) << what << ", place " << i;
    ASSERT_EQ(expected[i].row, found[i].row) << what << ", place " << i;
  }
}

std::vector<std::string> LevelNames() {
  std::vector<std::string> names;
  for (const char* name : {"scalar", "avx2", "avx512", "avx512vnni", "amx"}) {
    if (index::KernelsByName(name) != nullptr) names.emplace_back(name);
  }
  return names;
}

}  // namespace vdb::query
