// The table of kernels: the only code with intrinsics. One table per SIMD level, chosen on first use
// from CPUID bits, or forced by the environment variable VDB_SIMD_LEVEL.
//
// Two kinds of result, with different contracts:
//  - *Exact-order* results (dot_exact, squared_l2_exact, sum_squares) are what users see. Their
//    accumulation order is part of the contract and equal at every level, bit for bit: lane j of 8
//    (double) adds the terms i = j, j+8, j+16, ... in ascending i, and the lanes are then added as
//    ((l0+l4)+(l2+l6)) + ((l1+l5)+(l3+l7)). A float x float product is exact in double, so fusing
//    it with the addition changes nothing; elsewhere no operation may be fused.
//  - *Screening* results (screen_dots) may differ between levels within ScreenErrorBound. They only
//    pick candidates.
//
// Threads: all kernels are pure functions. No alignment is required of any pointer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vdb/status.h"

namespace vdb::index {

struct Kernels {
  const char* name;  ///< "scalar", "avx2", "avx512"

  /// sum over i of double(a[i]) * double(b[i]), exact order.
  double (*dot_exact)(const float* a, const float* b, size_t dimension);

  /// sum over i of (norm * double(u[i]) - double(q[i]))^2, exact order; every operation rounded by
  /// itself (no fusing): x = norm * u; d = x - q; s = d * d; lane += s.
  double (*squared_l2_exact)(const float* u, double norm, const float* q, size_t dimension);

  /// sum over i of double(a[i])^2, exact order.
  double (*sum_squares)(const float* a, size_t dimension);

  /// out[r] = float32 dot of rows[r*dimension ..] and q, for r in [0, row_count); any order with at
  /// least 16 independent chains. |out[r] - true| <= ScreenErrorBound(dimension) * |row| * |q|
  /// + ScreenUnderflow(dimension).
  void (*screen_dots)(const float* rows, size_t row_count, size_t dimension, const float* q,
                      float* out);

  /// Positions i in [0, count) with !(scores[i] < threshold), ascending, into `out` (room for
  /// `count`); returns how many.
  size_t (*find_at_least)(const float* scores, size_t count, float threshold, uint32_t* out);

  /// dst[i] = float(src[i] * scale), the product rounded once to double, then once to float.
  void (*scale_to_float)(const float* src, double scale, float* dst, size_t dimension);

  /// Index of the first element that is not finite, or `count`.
  size_t (*find_not_finite)(const float* values, size_t count);
};

/// Relative bound for screen_dots, float rounding included; see kernels.cc for the derivation.
double ScreenErrorBound(size_t dimension);

/// Absolute bound that covers denormal products, also where the caller's thread flushes them.
double ScreenUnderflow(size_t dimension);

/// The table in use. kInvalidArgument if VDB_SIMD_LEVEL names a level that does not exist or that
/// this machine cannot run. Read once; the answer does not change during the process.
StatusOr<const Kernels*> ActiveKernels();

/// A level by name, for tests and benches; nullptr if unknown or not runnable here.
const Kernels* KernelsByName(const char* name);

}  // namespace vdb::index
