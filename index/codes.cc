// Encoding of rows; see codes.h. Loops that compilers vectorise for the baseline instruction set,
// in a fixed order: codes do not depend on the SIMD level. Queries: coded_query.cc.
#include "index/codes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "index/lanes.h"

namespace vdb::index {
namespace {

constexpr double kUnit = 0x1p-24;      // one rounding to float32, relative
constexpr double kTiny = 0x1p-100;     // shorter vectors count as zero; errors cover them

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
  return SumLanes(padded, [&](size_t i) { return double{r[i]} * double{centroid[i]}; });
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

// The four-bit codes of four coordinates: cells of width 1 / inverse_step, the outer ones open.
Int4 FineCodes(const float* r, Float4 inverse_step) {
  const Float4 x = Load4(r) * inverse_step + 8.0f;
  return Truncate4(Min4(Max4(x, All4(0)), All4(15)));
}

struct Fit {
  float step = 0;
  double product = 0;  // <r, w>
  double squared = 0;  // <w, w>
  // The share of |r|^2 that delta * w explains is this over |r|^2.
  double Explained() const { return product * product / squared; }
};

Fit TryStep(uint32_t padded, const float* r, float step) {
  const Float4 inverse = All4(1 / step);
  Float4 products[2] = {}, squares[2] = {};
  for (uint32_t i = 0; i < padded; i += 8) {
    for (uint32_t j = 0; j < 2; ++j) {
      const Float4 w = ToFloat4(FineCodes(r + i + 4 * j, inverse)) - 7.5f;
      products[j] += Load4(r + i + 4 * j) * w;
      squares[j] += w * w;
    }
  }
  Fit fit;
  fit.step = step;
  for (uint32_t j = 0; j < 4; ++j) {
    fit.product += double{products[0][j]} + double{products[1][j]};
    fit.squared += double{squares[0][j]} + double{squares[1][j]};
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

void PackNibbles(uint32_t padded, const int32_t* codes, uint8_t* out) {
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
  const double absolute = SumLanes(padded, [&](size_t i) { return double{std::abs(r[i])}; });
  uint16_t base = 0, factor = 0;
  if (absolute > 0) {
    const double squared =
        SumLanes(padded, [&](size_t i) { return double{r[i]} * double{r[i]}; });
    factor = ToBfloat16(squared / absolute);
    const double offset = SumLanes(padded, [&](size_t i) {
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

void TakeCoarse(uint32_t padded, const uint8_t* block, uint32_t slot, uint8_t* out) {
  for (uint32_t i = 0; i < padded / 8; ++i) out[i] = block[size_t{64} * i + slot];
  const uint8_t* factors = block + size_t{8} * padded;
  std::memcpy(out + padded / 8, factors + size_t{2} * slot, 2);
  std::memcpy(out + padded / 8 + 2, factors + size_t{2} * (format::kBlockRows + slot), 2);
}

void PlaceCoarse(uint32_t padded, const uint8_t* code, uint8_t* block, uint32_t slot) {
  for (uint32_t i = 0; i < padded / 8; ++i) block[size_t{64} * i + slot] = code[i];
  uint8_t* factors = block + size_t{8} * padded;
  std::memcpy(factors + size_t{2} * slot, code + padded / 8, 2);
  std::memcpy(factors + size_t{2} * (format::kBlockRows + slot), code + padded / 8 + 2, 2);
}

float FineBase(const uint8_t* fine) {
  float base;
  std::memcpy(&base, fine, sizeof(base));
  return base;
}

EncodedRow EncodeFine(Metric metric, uint32_t padded, const float* y, const float* centroid,
                      const float* mean, double rounding, uint8_t* out) {
  const Floats residual = Subtract(padded, y, centroid);
  const float* r = residual.get();
  const double squared =
      SumLanes(padded, [&](size_t i) { return double{r[i]} * double{r[i]}; });
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
  auto codes = std::make_unique_for_overwrite<int32_t[]>(padded);
  const Float4 inverse = All4(1 / BestStep(padded, r, row.residual));
  for (uint32_t i = 0; i < padded; i += 4) {
    const Int4 four = FineCodes(r + i, inverse);
    std::memcpy(codes.get() + i, &four, sizeof(four));
  }
  const auto w = [&](size_t i) { return static_cast<double>(codes[i]) - 7.5; };
  const double w_squared = SumLanes(padded, [&](size_t i) { return w(i) * w(i); });
  const double product = SumLanes(padded, [&](size_t i) { return double{r[i]} * w(i); });
  const auto delta = static_cast<float>(product / w_squared);
  const double error_squared = SumLanes(padded, [&](size_t i) {
    const double e = double{r[i]} - double{delta} * w(i);
    return e * e;
  });
  const double offset = SumLanes(padded, [&](size_t i) {
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

}  // namespace vdb::index
