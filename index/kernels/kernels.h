// The table of kernels: the only code with intrinsics. One table per SIMD level, chosen on first
// use from CPUID bits, or forced by the environment variable VDB_SIMD_LEVEL.
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
// Exact-order results assume the processor's standard float mode (round to nearest, denormals
// kept). An application may have changed its threads' mode (-ffast-math does); code that promises
// equal bits holds a ScopedFloatMode meanwhile.
//
// Threads: all kernels are pure functions. No alignment is required of any pointer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "index/kernels/kernel_table.h"
#include "vdb/status.h"

namespace vdb::index {

/// Relative bound for screen_dots, float rounding included; see kernels.cc for the derivation.
double ScreenErrorBound(size_t dimension);

/// Relative bound, of the same form, for a float32 dot product summed in any order whatever, fused
/// or not: what a matrix product of a BLAS obeys.
double AnyOrderErrorBound(size_t dimension);

/// Absolute bound that covers denormal inputs and products, also where the caller's thread flushes
/// them, for vectors whose elements are at most 2 in magnitude (beyond: times that magnitude).
double ScreenUnderflow(size_t dimension);

/// The table in use. kInvalidArgument if VDB_SIMD_LEVEL names a level that does not exist or that
/// this machine cannot run. Read once; the answer does not change during the process.
StatusOr<const Kernels*> ActiveKernels();

/// What ActiveKernels answers where VDB_SIMD_LEVEL has the value `forced`; nullptr or "": not set.
StatusOr<const Kernels*> SelectKernels(const char* forced);

/// A level by name, for tests and benches; nullptr if unknown or not runnable here.
const Kernels* KernelsByName(const char* name);

/// The standard float mode for the calling thread while it lives, then the former one again.
class ScopedFloatMode {
 public:
  ScopedFloatMode();
  ~ScopedFloatMode();
  ScopedFloatMode(const ScopedFloatMode&) = delete;
  ScopedFloatMode& operator=(const ScopedFloatMode&) = delete;

 private:
  uint32_t saved_;
};

}  // namespace vdb::index
