// Queries times rows, by OpenBLAS.
#pragma once

#include <cstddef>

namespace vdb::index {

/// out[q * row_count + r] = float32 dot of queries[q] and rows[r], summed in any order. All
/// matrices row-major without gaps. Safe from any number of threads.
void MultiplyQueriesByRows(const float* queries, size_t query_count, const float* rows,
                           size_t row_count, size_t dimension, float* out);

}  // namespace vdb::index
