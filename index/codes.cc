// See codes.h. Rows are encoded with plain loops that compilers vectorise for the baseline
// instruction set; sums have eight lanes and a fixed order, so codes do not depend on the level.
#include "index/codes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

namespace vdb::index {
namespace {

constexpr double kUnit = 0x1p-24;      // one rounding to float32, relative
constexpr double kTiny = 0x1p-100;     // shorter vectors count as zero; errors cover them
constexpr size_t kLanes = 8;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <typename Real, typename Term>
Real Sum(size_t count, const Term& term) {
  Real lanes[kLanes] = {};
  for (size_t i = 0; i < count; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] += term(i + j);
  }
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

float RoundUp(double value) {
  const auto nearest = static_cast<float>(value);
  return nearest < value ? std::nextafter(nearest, std::numeric_limits<float>::infinity())
                         : nearest;
}

uint16_t ToBfloat16(double value) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
double FromBfloat16(uint16_t half) {
  return std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

using Floats = std::unique_ptr<float[]>;

Floats Subtract(uint32_t padded, const float* y, const float* centroid) {
  auto residual = std::make_unique_for_overwrite<float[]>(padded);
  for (uint32_t i = 0; i < padded; ++i) residual[i] = y[i] - centroid[i];
  return residual;
}

// What a base holds besides the factor's part: <r, c>, or -|r|^2 / 2.
double KeyOfResidual(Metric metric, uint32_t padded, const float* r, const float* centroid,
                     double squared) {
  if (metric == Metric::kL2) return -squared / 2;
  return Sum<double>(padded, [&](size_t i) { return double{r[i]} * double{centroid[i]}; });
}

// Bit j of byte i of a block: whether dimension 8 * i + j is positive.
void WriteSigns(uint32_t padded, const float* r, uint8_t* block, uint32_t slot) {
  auto positive = std::make_unique_for_overwrite<uint8_t[]>(padded);
  for (uint32_t i = 0; i < padded; ++i) positive[i] = r[i] > 0 ? 1 : 0;
  for (uint32_t i = 0; i < padded / 8; ++i) {
    uint64_t bytes;
    std::memcpy(&bytes, positive.get() + size_t{8} * i, sizeof(bytes));
    // Byte k, 0 or 1, meets the factor's bit 56 - 7 k and becomes bit 56 + k; nothing carries.
    block[size_t{64} * i + slot] = static_cast<uint8_t>((bytes * 0x0102040810204080u) >> 56);
  }
}

// The four-bit code of one coordinate: cells of width 1 / inverse_step, the outer ones open.
int32_t FineCode(float r, float inverse_step) {
  float x = r * inverse_step + 8.0f;
  x = x > 0.0f ? x : 0.0f;
  x = x < 15.0f ? x : 15.0f;
  return static_cast<int32_t>(x);
}

struct Fit {
  float step = 0;
  double product = 0;  // <r, w>
  double squared = 0;  // <w, w>
  // The share of |r|^2 that delta * w explains is this over |r|^2.
  double Explained() const { return product * product / squared; }
};

Fit TryStep(uint32_t padded, const float* r, float step) {
  const float inverse = 1 / step;
  Fit fit;
  fit.step = step;
  float products[kLanes] = {}, squares[kLanes] = {};
  for (uint32_t i = 0; i < padded; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      const float w = static_cast<float>(FineCode(r[i + j], inverse)) - 7.5f;
      products[j] += r[i + j] * w;
      squares[j] += w * w;
    }
  }
  for (size_t j = 0; j < kLanes; ++j) {
    fit.product += products[j];
    fit.squared += squares[j];
  }
  return fit;
}

// The step that leaves the shortest error, of a few that suit Gaussian coordinates (the best is
// about 0.335; the others help heavy or light tails) and the least-squares factor of the best.
float BestStep(uint32_t padded, const float* r, double length) {
  const double deviation = length / std::sqrt(static_cast<double>(padded));
  Fit best;
  for (const double k : {0.29, 0.32, 0.35, 0.39, 0.43}) {
    const Fit fit = TryStep(padded, r, static_cast<float>(k * deviation));
    if (best.squared == 0 || fit.Explained() > best.Explained()) best = fit;
  }
  const Fit fit = TryStep(padded, r, static_cast<float>(best.product / best.squared));
  return fit.Explained() > best.Explained() ? fit.step : best.step;
}

void PackNibbles(uint32_t padded, const uint8_t* codes, uint8_t* out) {
  for (uint32_t stripe = 0; stripe < padded; stripe += 64) {
    for (uint32_t j = 0; j < 32; ++j) {
      out[stripe / 2 + j] =
          static_cast<uint8_t>(codes[stripe + j] | codes[stripe + 32 + j] << 4);
    }
  }
}

void WriteFineFactors(float base, float delta, float error, uint8_t* out) {
  std::memcpy(out, &base, 4);
  std::memcpy(out + 4, &delta, 4);
  std::memcpy(out + 8, &error, 4);
}

}  // namespace

void EncodeCoarse(Metric metric, uint32_t padded, const float* y, const float* centroid,
                  const float* mean, uint8_t* block, uint32_t slot) {
  const Floats residual = Subtract(padded, y, centroid);
  const float* r = residual.get();
  const double absolute = Sum<double>(padded, [&](size_t i) { return double{std::abs(r[i])}; });
  uint16_t base = 0, factor = 0;
  if (absolute > 0) {
    const double squared =
        Sum<double>(padded, [&](size_t i) { return double{r[i]} * double{r[i]}; });
    factor = ToBfloat16(squared / absolute);
    const double offset = Sum<double>(padded, [&](size_t i) {
      const double d = double{centroid[i]} - double{mean[i]};
      return r[i] > 0 ? d : -d;
    });
    base = ToBfloat16(KeyOfResidual(metric, padded, r, centroid, squared) -
                      FromBfloat16(factor) * offset);
    WriteSigns(padded, r, block, slot);
  }
  uint8_t* factors = block + size_t{8} * padded;
  std::memcpy(factors + size_t{2} * slot, &base, 2);
  std::memcpy(factors + size_t{2} * (format::kBlockRows + slot), &factor, 2);
}

EncodedRow EncodeFine(Metric metric, uint32_t padded, const float* y, const float* centroid,
                      const float* mean, double rounding, uint8_t* out) {
  const Floats residual = Subtract(padded, y, centroid);
  const float* r = residual.get();
  const double squared =
      Sum<double>(padded, [&](size_t i) { return double{r[i]} * double{r[i]}; });
  EncodedRow row;
  row.residual = std::sqrt(squared);
  // |exact residual - r|: `rounding`, the subtraction above, and double's own, far below the rest.
  const double unsure = rounding + kUnit * 1.0001 * row.residual;
  row.base = static_cast<float>(KeyOfResidual(metric, padded, r, centroid, squared));
  row.reconstructed = RoundUp(row.residual + unsure);
  if (row.residual < kTiny) {
    std::memset(out, 0, format::FineRowBytes(padded));
    WriteFineFactors(row.base, 0, row.reconstructed, out);
    return row;
  }
  auto codes = std::make_unique_for_overwrite<uint8_t[]>(padded);
  const float inverse = 1 / BestStep(padded, r, row.residual);
  for (uint32_t i = 0; i < padded; ++i) codes[i] = static_cast<uint8_t>(FineCode(r[i], inverse));
  const auto w = [&](size_t i) { return static_cast<double>(codes[i]) - 7.5; };
  const double w_squared = Sum<double>(padded, [&](size_t i) { return w(i) * w(i); });
  const double product = Sum<double>(padded, [&](size_t i) { return double{r[i]} * w(i); });
  const auto delta = static_cast<float>(product / w_squared);
  const double error_squared = Sum<double>(padded, [&](size_t i) {
    const double e = double{r[i]} - double{delta} * w(i);
    return e * e;
  });
  const double offset = Sum<double>(padded, [&](size_t i) {
    return (double{centroid[i]} - double{mean[i]}) * w(i);
  });
  row.base = static_cast<float>(KeyOfResidual(metric, padded, r, centroid, squared) -
                                double{delta} * offset);
  row.reconstructed =
      std::max(row.reconstructed, RoundUp(double{delta} * std::sqrt(w_squared) * (1 + 1e-12)));
  WriteFineFactors(row.base, delta, RoundUp(std::sqrt(error_squared) * (1 + 1e-12) + unsure), out);
  PackNibbles(padded, codes.get(), out + 12);
  return row;
}

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
  float largest[kLanes] = {};
  float* bases = scratch_.data();
  for (size_t g = 0; g < groups; ++g) {
    const float* t = t_.data() + 4 * g;
    bases[g] = ((std::abs(t[0]) + std::abs(t[1])) + std::abs(t[2])) + std::abs(t[3]);
  }
  for (size_t g = 0; g < groups; g += kLanes) {  // groups is a multiple of 16
    for (size_t j = 0; j < kLanes; ++j) {
      largest[j] = bases[g + j] > largest[j] ? bases[g + j] : largest[j];
    }
  }
  const float base_max = *std::max_element(largest, largest + kLanes);
  const double base_sum = Sum<double>(groups, [&](size_t g) { return double{bases[g]}; });
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
  float lanes[kLanes] = {};
  for (size_t i = 0; i < padded; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      const float magnitude = std::abs(t_[i + j]);
      lanes[j] = magnitude > lanes[j] ? magnitude : lanes[j];
    }
  }
  const float largest = *std::max_element(lanes, lanes + kLanes);
  if (largest < kTiny) {
    std::fill(fine_.begin(), fine_.end(), int8_t{0});
    fine_scale_ = fine_offset_ = 0;
    fine_error_ = coded_ ? t_length_ * (1 + 1e-9) : kInfinity;
    return;
  }
  // Adding 1.5 * 2^23 leaves the nearest integer in the low bits, without a call per element.
  constexpr float kMagic = 12582912.0f;
  const float inverse = 127 / largest;
  fine_scale_ = largest / 127;
  int32_t sums[kLanes] = {};
  for (size_t i = 0; i < padded; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      float x = (t_[i + j] * inverse + kMagic) - kMagic;
      x = x < 127.0f ? x : 127.0f;
      x = x > -127.0f ? x : -127.0f;
      const auto code = static_cast<int32_t>(x);
      fine_[i + j] = static_cast<int8_t>(code);
      sums[j] += code;
      scratch_[i + j] = t_[i + j] - fine_scale_ * x;
    }
  }
  int32_t sum = 0;
  for (const int32_t lane : sums) sum += lane;
  fine_offset_ = static_cast<float>(-7.5 * double{fine_scale_} * sum);
  // The differences above have two roundings each, relative to t and to themselves.
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
