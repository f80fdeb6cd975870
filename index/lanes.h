// Lanes: sums and vectors of a few lanes that any compiler turns into the baseline's SIMD, for code
// that runs once per row or query, not once per code. Fixed order, nothing fused: equal bits
// everywhere. Kernels that are worth an instruction set of their own are in index/kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vdb::index {

/// Sum of term(i) for i in [0, count), count a multiple of 8; lane j of 8 takes i = j, j + 8, ...
template <typename Term>
double SumLanes(size_t count, const Term& term) {
  double l[8] = {};
  for (size_t i = 0; i < count; i += 8) {
    for (size_t j = 0; j < 8; ++j) l[j] += term(i + j);
  }
  return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

/// Four lanes; the GNU vector extension, which GCC and Clang have for every processor.
using Float4 = float __attribute__((vector_size(16)));
using Int4 = int32_t __attribute__((vector_size(16)));

inline Float4 Load4(const float* from) {
  Float4 lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}
inline void Store4(Float4 lanes, float* to) { std::memcpy(to, &lanes, sizeof(lanes)); }
inline Float4 All4(float x) { return Float4{x, x, x, x}; }
/// The larger of each lane; b where either is NaN.
inline Float4 Max4(Float4 a, Float4 b) { return a > b ? a : b; }
inline Float4 Min4(Float4 a, Float4 b) { return a < b ? a : b; }
inline Float4 Abs4(Float4 a) { return (Float4)((Int4)a & 0x7FFFFFFF); }
/// Towards zero; lanes within int32.
inline Int4 Truncate4(Float4 a) { return __builtin_convertvector(a, Int4); }
inline Float4 ToFloat4(Int4 a) { return __builtin_convertvector(a, Float4); }

}  // namespace vdb::index
