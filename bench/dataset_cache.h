// Data sets of the index benchmark with the exact answers to their queries, kept on disk between
// runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/datasets.h"

namespace vdb::bench {

constexpr size_t kTruthDepth = 100;

struct TestSet {
  std::string name;        ///< e.g. "200000x768"
  bool squared_l2 = false; ///< else the dot product of unit vectors
  Dataset data;
  std::vector<int32_t> truth;  ///< [query_count x kTruthDepth] nearest first; -1: no more

  const float* query(size_t i) const { return data.queries.data() + i * data.dimension; }
};

/// Nested clusters of this shape with 1,000 queries. Below dimension 16 the rows are not of unit
/// length and nearness is squared L2: on a circle all neighbours would be equal in float32.
/// Read from `directory`, or made and written there. Exits on an I/O error.
TestSet LoadOrMake(const std::string& directory, size_t row_count, size_t dimension);

}  // namespace vdb::bench
