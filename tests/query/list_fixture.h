// An index in memory for tests of searches: rows of a ScanFixture's kind, laid out list by list as
// an index build does, beside rows that are not indexed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "index/codebook.h"
#include "index/inverted_lists.h"
#include "query/list_search.h"
#include "tests/query/scan_fixture.h"

namespace vdb::query {

/// Vectors [count x dimension], docnos 1, 2, ...
struct ListFixtureOptions {
  uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  uint32_t list_count = 0;
  size_t segment_count = 1;   ///< of the index
  size_t unindexed_rows = 0;  ///< the last rows go to a segment without an index
};

class ListFixture {
 public:
  ListFixture(const ListFixtureOptions& options, const std::vector<float>& vectors);

  ListSearchInput Input(const std::vector<float>& queries, size_t k) const;
  const index::Codebook& codebook() const { return *codebook_; }
  /// Marks the documents dead.
  void Kill(const std::vector<uint64_t>& docnos);
  /// Flips a bit of an index file past its directory.
  void Damage(size_t segment, uint64_t data_byte);
  /// All rows, for brute force: the same segments, in the same order.
  const ScanFixture& scans() const { return scans_; }
  uint64_t DocnoOf(const RowHit& hit) const { return hit.docno; }

 private:
  struct IndexFile {
    std::vector<std::byte> owned;
    std::byte* bytes = nullptr;  // 64-byte aligned
    size_t size = 0;
    uint64_t checksum = 0;
    std::shared_ptr<const index::InvertedLists> lists;
  };
  struct Coded {
    uint64_t docno;
    uint32_t list;
    const float* vector;
    std::vector<float> y;
    double length;
  };
  void BuildSegment(const std::vector<Coded*>& rows, uint64_t segment_id);
  void OpenIndex(IndexFile* file);

  ListFixtureOptions options_;
  ScanFixture scans_;
  std::shared_ptr<const index::Codebook> codebook_;
  std::vector<std::unique_ptr<IndexFile>> files_;
  std::vector<std::vector<uint64_t>> docnos_;  // by segment and row
  mutable std::vector<IndexedSegment> indexed_;
  mutable std::vector<ScanSegment> all_;
};

/// Clustered vectors: normal clusters of different size and spread.
std::vector<float> ClusteredVectors(size_t count, uint32_t dimension, size_t clusters,
                                    uint64_t seed);

}  // namespace vdb::query
