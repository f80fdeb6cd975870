// Kernels: the function table of one SIMD level. Contracts of the functions are in kernels.h, which
// everybody else includes.
//
// This header is all that a level's file includes besides its intrinsics. A level is compiled for
// its own instruction set; a template or inline function with external linkage in it would be
// emitted with those instructions, and the linker may keep that body for the whole program (seen
// with GCC 12), which then crashes on older processors. So: no templates, no std, nothing inline.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vdb::index {

inline constexpr size_t kFineQueries = 16;

/// Fine codes of some rows, and several queries: see Kernels::score_fine_batch.
struct FineBatch {
  const uint8_t* rows;     ///< as of score_fine
  size_t stride;
  size_t row_count;
  size_t padded;
  /// [query_count x padded], each within -127..127; rounded up to a multiple of kFineQueries, what
  /// follows the last may be anything.
  const int8_t* queries;
  size_t query_count;
  const float* scales;     ///< [query_count]
  const float* offsets;    ///< [query_count]
  uint8_t* scratch;        ///< 32 * padded bytes, at a multiple of 64
};

struct Kernels {
  const char* name;  ///< "scalar", "avx2", "avx512", "avx512vnni", "amx"

  /// sum over i of double(a[i]) * double(b[i]), exact order.
  double (*dot_exact)(const float* a, const float* b, size_t dimension);

  /// sum over i of (norm * double(u[i]) - double(q[i]))^2, exact order; every operation rounded by
  /// itself (no fusing): x = norm * u; d = x - q; s = d * d; lane += s. The norm is finite.
  double (*squared_l2_exact)(const float* u, double norm, const float* q, size_t dimension);

  /// sum over i of double(a[i])^2, exact order.
  double (*sum_squares)(const float* a, size_t dimension);

  /// out[r] = float32 dot of rows[r*dimension ..] and q, for r in [0, row_count); any order with at
  /// least 16 independent chains. |out[r] - true| <= ScreenErrorBound(dimension) * |row| * |q|
  /// + ScreenUnderflow(dimension). May prefetch past the last row, never reads there.
  void (*screen_dots)(const float* rows, size_t row_count, size_t dimension, const float* q,
                      float* out);

  /// Positions i in [0, count) with !(scores[i] < threshold), ascending, into `out` (room for
  /// `count`); returns how many. NaN on either side lets i through.
  size_t (*find_at_least)(const float* scores, size_t count, float threshold, uint32_t* out);

  /// The same with a threshold per position: a * x[i] + b * y[i] + c, in float32, in any order,
  /// fused or not. NaN lets i through.
  size_t (*find_at_least_affine)(const float* scores, const float* x, const float* y, size_t count,
                                 float a, float b, float c, uint32_t* out);

  /// dst[i] = float(src[i] * scale), the product rounded once to double, then once to float.
  void (*scale_to_float)(const float* src, double scale, float* dst, size_t dimension);

  /// Index of the first element that is not finite, or `count`.
  size_t (*find_not_finite)(const float* values, size_t count);

  // --- codes (index/codes.h, format/index_layout.h). D, here `padded`, is a multiple of 64.
  // Results are equal at every level, bit for bit (any NaN equals any other): integers are sums,
  // floats follow the operations given, each rounded once, fma fused. ---

  /// In place, unnormalised Walsh-Hadamard transform of values[0, n), n a power of two >= 64: for
  /// h = 1, 2, 4 .. n/2, for each pair (i, i + h) with bit h of i clear: (a, b) -> (a + b, a - b).
  void (*hadamard)(float* values, size_t n);

  /// Nibble tables of t [padded]: for each group g of 4 dimensions 16 bytes; entry v is
  ///   uint8(trunc(((base + s0) + s1 + s2 + s3) * scale + 0.5f)),  sj = bit j of v ? t[4g+j]
  /// : -t[4g+j], base = ((|t0| + |t1|) + |t2|) + |t3| of the group; additions left to right, no
  /// fusing. The caller's scale keeps every entry <= 31.
  void (*build_tables)(const float* t, size_t padded, float scale, uint8_t* tables);

  /// One coarse block of 64 rows: for row i, S_i = the sum over groups g of
  /// tables[16 g + nibble g of row i] (as uint16; the caller's tables cannot overflow it), and
  ///   keys[i] = fma(f_i, fma(float(S_i), scale, offset), base_i)
  /// with base and f widened from bfloat16. Returns bit i set where !(keys[i] < threshold), NaN
  /// included. Reads exactly 8 * padded + 256 bytes at `block`; prefetches beyond them, as the next
  /// block is likely to be scanned next.
  uint64_t (*scan_block)(const uint8_t* block, size_t padded, const uint8_t* tables, float scale,
                         float offset, float threshold, float* keys);

  /// Fine codes of `row_count` rows, `stride` bytes apart, each {f32 base, f32 delta, f32 error,
  /// padded / 2 bytes of nibbles}, not aligned: dot = sum of code_i * query[i] (int32), then
  ///   estimates[r] = fma(delta, fma(float(dot), scale, offset), base), errors[r] = error.
  /// query [padded] within -127..127. May prefetch past the last row, never reads there.
  void (*score_fine)(const uint8_t* rows, size_t stride, size_t row_count, size_t padded,
                     const int8_t* query, float scale, float offset, float* estimates,
                     float* errors);

  /// score_fine of every row for every query: estimates[q * row_count + r], errors[r]. Levels with
  /// integer matrix products take the codes apart once for all queries.
  void (*score_fine_batch)(const FineBatch& batch, float* estimates, float* errors);

  /// From so many queries on that is sooner than scan_block for each, and score_fine for the rows
  /// that it leaves. 0: never.
  size_t fine_batch_min;

  /// out[r * column_count + c] = dot of rows[r] and columns[c], off by at most 2^-14 of the product
  /// of their lengths, denormals counted as zeros; the dimension is a multiple of 32. `scratch`:
  /// 2 * (column_count + 64) * dimension values at a multiple of 64 bytes. Null: this level has
  /// nothing quicker than a BLAS.
  void (*multiply_split)(const float* rows, size_t row_count, const float* columns,
                         size_t column_count, size_t dimension, uint16_t* scratch, float* out);
};

/// The code kernels of the levels, in files of their own; for the tables only.
#define VDB_DECLARE_CODE_KERNELS                                                                 \
  void Hadamard(float* values, size_t n);                                                        \
  void BuildTables(const float* t, size_t padded, float scale, uint8_t* tables);                 \
  uint64_t ScanBlock(const uint8_t* block, size_t padded, const uint8_t* tables, float scale,    \
                     float offset, float threshold, float* keys);                                \
  void ScoreFine(const uint8_t* rows, size_t stride, size_t row_count, size_t padded,            \
                 const int8_t* query, float scale, float offset, float* estimates, float* errors); \
  void ScoreFineBatch(const FineBatch& batch, float* estimates, float* errors);
namespace scalar {
VDB_DECLARE_CODE_KERNELS
}
#if defined(__x86_64__)
namespace avx2 {
VDB_DECLARE_CODE_KERNELS
}
namespace avx512 {
VDB_DECLARE_CODE_KERNELS
/// 16 x 16 words of 32 bits: words w of the 16 rows become row w of `out`. Of a row `word_count`
/// words are read, the others count as zeros.
void TransposeWords(const uint8_t* const* rows, size_t word_count, uint32_t* out);
}
namespace avx512vnni {
void ScoreFine(const uint8_t* rows, size_t stride, size_t row_count, size_t padded,
               const int8_t* query, float scale, float offset, float* estimates, float* errors);
void ScoreFineBatch(const FineBatch& batch, float* estimates, float* errors);

/// Products of 32 rows, taken apart, and up to 32 queries as in FineBatch: dots[32 * q + r], of
/// further queries as well up to a multiple of kFineQueries.
/// `expanded`: for each of two groups of 16 rows [padded / 4 x 16 x 4]: for each 4 dimensions the
/// codes of the 16 rows, a byte each.
using MultiplyFine = void (*)(const uint8_t* expanded, size_t padded, const int8_t* queries,
                              size_t query_count, int32_t* dots);
/// ScoreFineBatch by the products given.
void ScoreFineBy(MultiplyFine multiply, const FineBatch& batch, float* estimates, float* errors);
}  // namespace avx512vnni
namespace amx {
void ScoreFineBatch(const FineBatch& batch, float* estimates, float* errors);
void MultiplySplit(const float* rows, size_t row_count, const float* columns, size_t column_count,
                   size_t dimension, uint16_t* scratch, float* out);
}
#endif
#undef VDB_DECLARE_CODE_KERNELS

/// One table per level. On a machine that lacks a level's instructions its functions must not be
/// called; the tables themselves are constants and may be read anywhere.
extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx512VnniKernels;
extern const Kernels kAmxKernels;
#endif

}  // namespace vdb::index
