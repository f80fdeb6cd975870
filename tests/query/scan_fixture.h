// Segments in memory for tests of searches, and the brute force that they are compared with.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "query/exact_search.h"

namespace vdb::query {

/// Rows as the engine stores them, cut into segments.
class ScanFixture {
 public:
  explicit ScanFixture(uint32_t dimension) : dimension_(dimension) {}

  /// Stores a vector as the engine does: the unit vector and its norm; a zero vector as zeros.
  void Add(const std::vector<float>& vector, uint64_t docno);
  /// The next row starts a new segment.
  void StartSegment() { segments_.emplace_back(); }
  /// Rows (of a segment) that are dead from now on.
  void Kill(size_t segment, const std::vector<uint64_t>& rows);

  std::vector<ScanSegment> Segments() const;
  uint32_t dimension() const { return dimension_; }
  float* row(size_t segment, size_t row) {
    return segments_[segment].rows.data() + row * dimension_;
  }
  format::RowRecord* record(size_t segment, size_t row) { return &segments_[segment].records[row]; }

 private:
  struct Segment {
    std::vector<float> rows;
    std::vector<format::RowRecord> records;
    std::shared_ptr<const storage::DeleteMask> deletes;
  };
  uint32_t dimension_;
  std::vector<Segment> segments_;
};

/// Every live row scored in the documented order by the scalar kernels, sorted by the tie rule.
std::vector<RowHit> BruteForce(const ScanFixture& fixture, Metric metric, const float* query,
                               size_t k);

/// Runs ExactSearch at a level ("" takes the active one), which must succeed.
std::vector<std::vector<RowHit>> SearchOrFail(const ScanFixture& fixture, Metric metric,
                                              const std::vector<float>& queries, size_t k,
                                              uint32_t thread_count = 1,
                                              const std::string& level = "");

/// Equal rows in equal order with scores equal to the last bit.
void ExpectSameHits(const std::vector<RowHit>& expected, const std::vector<RowHit>& found,
                    const std::string& what);

/// The levels that run here.
std::vector<std::string> LevelNames();

}  // namespace vdb::query
