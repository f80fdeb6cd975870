// Queries made ready for the codes, and what bounds their errors; see codes.h.
#include <algorithm>
#include <cmath>
#include <limits>

#include "index/codes.h"
#include "index/lanes.h"

namespace vdb::index {
namespace {

constexpr double kUnit = 0x1p-24;   // one rounding to float32, relative
constexpr double kTiny = 0x1p-100;  // coordinates below count as zero; errors cover them
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The largest magnitude of count values, a multiple of 8.
float Largest(const float* values, size_t count) {
  Float4 a = {}, b = {};
  for (size_t i = 0; i < count; i += 8) {
    a = Max4(Abs4(Load4(values + i)), a);
    b = Max4(Abs4(Load4(values + i + 4)), b);
  }
  a = Max4(a, b);
  return std::max(std::max(a[0], a[1]), std::max(a[2], a[3]));
}

// codes = t * inverse, rounded and clamped to -127..127; rest = t - scale * codes. Returns the
// codes' sum. Adding 1.5 * 2^23 rounds to an integer without a call per element.
int64_t Quantise(size_t padded, const float* t, float scale, float inverse, int8_t* codes,
                 float* rest) {
  const Float4 magic = All4(12582912.0f), most = All4(127);
  Int4 sums = {};
  for (size_t i = 0; i < padded; i += 16) {
    Int4 quads[4];
    for (size_t j = 0; j < 4; ++j) {
      const Float4 four = Load4(t + i + 4 * j);
      const Float4 x = Max4(Min4((four * inverse + magic) - magic, most), -most);
      Store4(four - scale * x, rest + i + 4 * j);
      quads[j] = Truncate4(x);
      sums += quads[j];
    }
    int32_t integers[16];
    std::memcpy(integers, quads, sizeof(integers));
    for (size_t j = 0; j < 16; ++j) codes[i + j] = static_cast<int8_t>(integers[j]);
  }
  return int64_t{sums[0]} + sums[1] + sums[2] + sums[3];
}

}  // namespace

void CodedQuery::Prepare(const Kernels& kernels, const Rotation& rotation, double scale,
                         const float* mean, const float* q) {
  const uint32_t padded = rotation.padded();
  p_.resize(padded);
  t_.resize(padded);
  scratch_.resize(padded);
  tables_.resize(size_t{4} * padded);
  fine_.resize(padded);
  rotation.Apply(kernels, q, p_.data(), scratch_.data());
  const auto factor = static_cast<float>(scale);
  for (uint32_t i = 0; i < padded; ++i) p_[i] *= factor;
  for (uint32_t i = 0; i < padded; ++i) t_[i] = p_[i] - mean[i];
  // A product below 2^-126 may be flushed.
  underflow_ =
      scale * rotation.UnderflowBound() + std::sqrt(static_cast<double>(padded)) * 0x1p-126;
  p_length_ = std::sqrt(kernels.sum_squares(p_.data(), padded));
  t_length_ = std::sqrt(kernels.sum_squares(t_.data(), padded));
  coded_ = p_length_ <= kCodedMax && t_length_ <= 2 * double{kCodedMax};
  if (!coded_) {
    std::fill(p_.begin(), p_.end(), 0.0f);
    std::fill(t_.begin(), t_.end(), 0.0f);
    p_length_ = t_length_ = kInfinity;
  }
  BuildTables(kernels);
  BuildFine(kernels);
}

// An entry is round((sum + base) * s) with base = |t0| + .. + |t3|, in 0..levels because
// (2 base s)(1 + 8 * 2^-24) + 0.5 < levels + 1. Hence <t, signs> = S / s - sum of the bases, up to
// an error that is uniform within half a step of 1 / s per group.
void CodedQuery::BuildTables(const Kernels& kernels) {
  const size_t padded = t_.size(), groups = padded / 4;
  const size_t levels = std::min<size_t>(31, 65535 / groups);
  float* bases = scratch_.data();
  for (size_t g = 0; g < groups; ++g) {
    const float* t = t_.data() + 4 * g;
    bases[g] = ((std::abs(t[0]) + std::abs(t[1])) + std::abs(t[2])) + std::abs(t[3]);
  }
  const float base_max = Largest(bases, groups);
  const double base_sum = SumLanes(groups, [&](size_t g) { return double{bases[g]}; });
  table_offset_ = static_cast<float>(-base_sum);
  if (base_max < kTiny) {
    std::fill(tables_.begin(), tables_.end(), uint8_t{0});
    table_scale_ = table_offset_ = 0;
    table_error_ = coded_ ? 0 : std::numeric_limits<float>::infinity();
    return;
  }
  const float scale = static_cast<float>(levels) / (2 * base_max);
  kernels.build_tables(t_.data(), padded, scale, tables_.data());
  table_scale_ = 1 / scale;
  table_error_ =
      table_scale_ * static_cast<float>(std::sqrt(static_cast<double>(groups) / 12));
}

void CodedQuery::BuildFine(const Kernels& kernels) {
  const size_t padded = t_.size();
  const float largest = Largest(t_.data(), padded);
  if (largest < kTiny) {
    std::fill(fine_.begin(), fine_.end(), int8_t{0});
    fine_scale_ = fine_offset_ = 0;
    fine_error_ = coded_ ? t_length_ * (1 + 1e-9) : kInfinity;
    return;
  }
  fine_scale_ = largest / 127;
  const int64_t sum = Quantise(padded, t_.data(), fine_scale_, 127 / largest, fine_.data(),
                               scratch_.data());
  fine_offset_ = static_cast<float>(-7.5 * double{fine_scale_} * static_cast<double>(sum));
  // The differences in scratch_ have two roundings each, relative to t and to themselves.
  const double computed = std::sqrt(kernels.sum_squares(scratch_.data(), padded));
  fine_error_ = computed * (1 + 4 * kUnit) + 2 * kUnit * t_length_;
}

ListKey MakeListKey(Metric metric, double p_dot_c, double c_squared, double p_length) {
  const double squared = std::max(0.0, p_length * p_length - 2 * p_dot_c + c_squared);
  // Sums of at most 65,536 products, each sum off by less than that many roundings of double.
  const double reach = p_length + std::sqrt(c_squared);
  const double unsure = 0x1p-36 * reach * reach;
  return {metric == Metric::kL2 ? -squared / 2 : p_dot_c, std::sqrt(squared + unsure)};
}

// Exact values: p*, y*, r* = y* - c; computed ones: p, y, r, t = p - mean, its int8 approximation
// t~. dp = |p* - p|, dy = |y* - y|, u = 2^-24, R = radius >= |r*|, |r|, |delta w|.
//  1. key(p*, y*) - key(p, y*): <p* - p, y*> <= dp (|c| + R), or under L2
//     <p - p*, (p + p*) / 2 - y*> <= dp (|p - c| + R + dp).
//  2. key(p, y*) = list_key + what the code says with r* for r, where <p - c, r* - delta w> is
//     within |p - c| error as the stored error covers r* (EncodeFine: rounding). What is left is
//     base with r* for r: <r* - r, c> <= (dy + u R) |c|, or |r*|^2/2 - |r|^2/2 <= (dy + u R) R.
//  3. delta <t - t~, w> <= R fine_error; t itself was rounded: u |t| R.
//  4. score_fine: with A = R (|t| + fine_error) >= |delta <t~, w>|, and as |w| >= sqrt(D) / 2,
//     O = 2 R |offset| / sqrt(D) >= |delta offset|: converting dot, two fmas, offset and base round
//     to float: u (2 A + 2 O) + u (A + O + base_max) + u base_max and products of u.
//  5. The caller's comparison: four roundings, each of at most A + base_max + |p - c| R and, if
//     the list's key is rounded by itself, |list_key|.
//  6. list_key: sums of D products in double.
double FineSlack(const CodedQuery& query, const ListKey& list, double c_length, double radius,
                 double base_max, uint32_t padded, double rotation_error) {
  if (!query.coded()) return kInfinity;
  const double reach = c_length + radius;
  const double relative = (rotation_error + kUnit) * 1.001;  // one rounding of the source as well
  const double dp = relative * query.p_length() + query.underflow();
  const double dy = relative * reach + query.underflow() + kUnit * radius;
  const double product = radius * (query.t_length() + query.fine_error());
  const double offset =
      2 * radius * std::abs(double{query.fine_offset()}) / std::sqrt(static_cast<double>(padded));
  const double rounded =
      product + offset + base_max + list.distance * radius + std::abs(list.key);
  const double ends = query.p_length() + c_length;
  return radius * query.fine_error() + dp * (reach + list.distance + dp) + dy * (reach + dy) +
         16 * kUnit * rounded + (padded + 64) * 0x1p-52 * ends * ends +
         0x1p-120 * (4 + radius);
}

}  // namespace vdb::index
