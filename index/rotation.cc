// See rotation.h.
#include "index/rotation.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "format/index_layout.h"

namespace vdb::index {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014). Part of the format: never change it.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// One draw per 64 coordinates, lowest bit first; a set bit is a minus.
std::vector<float> DrawSigns(uint32_t count, float magnitude, SplitMix64* random) {
  std::vector<float> signs(count);
  uint64_t bits = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (i % 64 == 0) bits = random->Next();
    signs[i] = (bits >> (i % 64) & 1) != 0 ? -magnitude : magnitude;
  }
  return signs;
}

// Fisher-Yates from the end. The modulo's bias is below 2^-47.
std::vector<uint32_t> DrawPermutation(uint32_t count, SplitMix64* random) {
  std::vector<uint32_t> permutation(count);
  for (uint32_t i = 0; i < count; ++i) permutation[i] = i;
  for (uint32_t i = count - 1; i > 0; --i) {
    std::swap(permutation[i], permutation[random->Next() % (i + 1)]);
  }
  return permutation;
}

void TransformBlocks(const Kernels& kernels, float* values, uint32_t count, uint32_t block) {
  for (uint32_t i = 0; i < count; i += block) kernels.hadamard(values + i, block);
}

void Gather(const float* from, const std::vector<uint32_t>& permutation,
            const std::vector<float>& signs, float* to) {
  for (size_t i = 0; i < signs.size(); ++i) to[i] = from[permutation[i]] * signs[i];
}

}  // namespace

Rotation::Rotation(uint32_t dimension, uint64_t seed)
    : dimension_(dimension),
      padded_(format::PaddedDimension(dimension)),
      block_(padded_ & (~padded_ + 1)) {
  const auto magnitude = static_cast<float>(1 / std::sqrt(static_cast<double>(block_)));
  SplitMix64 random(seed);
  for (int round = 0; round < 3; ++round) {
    signs_[round] = DrawSigns(padded_, magnitude, &random);
    if (round < 2) permutation_[round] = DrawPermutation(padded_, &random);
  }
}

void Rotation::Apply(const Kernels& kernels, const float* x, float* out, float* scratch) const {
  for (uint32_t i = 0; i < dimension_; ++i) out[i] = x[i] * signs_[0][i];
  std::fill(out + dimension_, out + padded_, 0.0f);
  TransformBlocks(kernels, out, padded_, block_);
  Gather(out, permutation_[0], signs_[1], scratch);
  TransformBlocks(kernels, scratch, padded_, block_);
  Gather(scratch, permutation_[1], signs_[2], out);
  TransformBlocks(kernels, out, padded_, block_);
}

// Let u = 2^-24. A layer is a diagonal of equal magnitudes or a butterfly, that is an orthogonal
// map times a constant. Computing it rounds every coordinate of its result once, by at most u of
// that coordinate, hence errs by at most u of the length of its result; the error that came in
// keeps its share of the length. A diagonal errs once more: 1/sqrt(block) is itself rounded. So
// with n = 3 rounds * (log2(block) butterflies + 2) the relative error is at most (1 + u)^n - 1,
// which is at most n u (1 + n u) as n u < 1.
double Rotation::ErrorBound() const {
  const double n = 3.0 * (std::countr_zero(block_) + 2);
  const double nu = n * 0x1p-24;
  return nu * (1 + nu);
}

// A result below 2^-126 errs by at most that (flushed or not) instead of relatively: per layer
// sqrt(D) 2^-126 in length, and the butterflies that follow within the round stretch it by at most
// sqrt(block). The factor 2 covers the relative errors of what follows.
double Rotation::UnderflowBound() const {
  const double n = 3.0 * (std::countr_zero(block_) + 2);
  return 2 * n * std::sqrt(static_cast<double>(padded_) * block_) * 0x1p-126;
}

}  // namespace vdb::index
