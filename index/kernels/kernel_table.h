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

struct Kernels {
  const char* name;  ///< "scalar", "avx2", "avx512"

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
};

/// One table per level. On a machine that lacks a level's instructions its functions must not be
/// called; the tables themselves are constants and may be read anywhere.
extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

}  // namespace vdb::index
