// Rotation: a fixed random orthogonal map that spreads every vector's energy evenly over its
// coordinates, so that a sign or four bits per coordinate say as much about one as about another.
//
// Algorithm 1 (format::kRotationHadamard): pad with zeros to D (a multiple of 64); three rounds of
// {flip random signs; Walsh-Hadamard transform of each block of B coordinates, B the largest power
// of two that divides D; scale by 1/sqrt(B)}, with a random permutation after the first and the
// second round. Signs and permutations come from SplitMix64 (Steele, Lea, Flood 2014) and
// Fisher-Yates, so the map depends on (dimension, seed) only. Every operation is a single rounded
// float32 operation in a fixed order: equal bits at every SIMD level.
// Source: fast Johnson-Lindenstrauss transforms (Ailon, Chazelle 2009); as the rotation of RaBitQ
// (Gao, Long 2024).
//
// Threads: immutable after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/kernels/kernel_table.h"

namespace vdb::index {

class Rotation {
 public:
  Rotation(uint32_t dimension, uint64_t seed);

  uint32_t dimension() const { return dimension_; }
  uint32_t padded() const { return padded_; }

  /// out [padded] = rotation of x [dimension] (padded with zeros). `scratch` [padded].
  void Apply(const Kernels& kernels, const float* x, float* out, float* scratch) const;

  /// |computed - true| <= ErrorBound() * |x| + UnderflowBound() for every x that does not overflow:
  /// each of the additions and multiplications along the way rounds each coordinate once, so each
  /// layer errs by at most 2^-24 of the vector's length.
  double ErrorBound() const;
  /// What denormal coordinates may add, also where the thread flushes them: about 1e-33.
  double UnderflowBound() const;

 private:
  uint32_t dimension_;
  uint32_t padded_;
  uint32_t block_;
  std::vector<float> signs_[3];  // +-1/sqrt(block), applied before the transform
  std::vector<uint32_t> permutation_[2];
};

}  // namespace vdb::index
