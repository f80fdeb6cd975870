#include "engine/legacy_document.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vdb::engine {
namespace {

// Squares of numbers in this range neither overflow nor lose digits, however many are added.
constexpr double kSafeMin = 0x1p-480, kSafeMax = 0x1p480;

double Largest(std::span<const double> values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

// Four sums side by side, so that the processor need not wait for each addition.
template <typename Float, typename Square>
Float SumOf(size_t count, Square square) {
  Float sums[4] = {};
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) sums[lane] += square(i + lane);
  }
  for (; i < count; ++i) sums[0] += square(i);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

double Normalise(std::span<const double> values, float* unit) {
  const double largest = Largest(values);
  if (largest == 0) return 0;
  // A power of two changes no digit. Two factors, because 2^1074 is no double. Mostly both are 1.
  double first = 1, second = 1;
  if (largest < kSafeMin || largest > kSafeMax) {
    const int exponent = -std::ilogb(largest);
    first = std::ldexp(1.0, exponent / 2);
    second = std::ldexp(1.0, exponent - exponent / 2);
  }
  const double root = std::sqrt(SumOf<double>(values.size(), [&](size_t i) {
    const double scaled = values[i] * first * second;
    return scaled * scaled;
  }));
  const double norm = root / first / second;
  if (!std::isfinite(norm)) return std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < values.size(); ++i) {
    unit[i] = static_cast<float>(values[i] * first * second / root);
  }
  return norm;
}

Status CheckNormalised(std::span<const double> values, const float* unit, double norm) {
  using Wide = long double;  // 64 bits of mantissa, and exponents for which nothing overflows
  const size_t count = values.size();
  const Wide length = std::sqrt(SumOf<Wide>(count, [&](size_t i) {
    const Wide value = values[count - 1 - i];
    return value * value;
  }));
  // The smallest doubles have fewer digits.
  const Wide length_error = length * 1e-11L + std::numeric_limits<double>::denorm_min();
  if (!(std::abs(Wide{norm} - length) <= length_error)) {
    return Status::Corruption("length " + std::to_string(norm) + ", checked " +
                              std::to_string(static_cast<double>(length)));
  }
  const Wide inverse = 1 / length;
  constexpr float kHalfUnit = 0x1.0001p-24f;  // the one rounding, and a little for the two paths
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  for (size_t i = 0; i < count; ++i) {
    const Wide expected = Wide{values[i]} * inverse;
    const Wide error = std::abs(Wide{unit[i]} - expected);
    if (!(error <= std::abs(expected) * kHalfUnit + kTiny)) {
      return Status::Corruption("component " + std::to_string(i) + " is " +
                                std::to_string(unit[i]) + ", checked " +
                                std::to_string(static_cast<double>(expected)));
    }
  }
  const Wide unit_length =
      std::sqrt(SumOf<Wide>(count, [&](size_t i) { return Wide{unit[i]} * Wide{unit[i]}; }));
  if (!(std::abs(unit_length - 1) <= 1e-7L)) {
    return Status::Corruption("the unit vector has length " +
                              std::to_string(static_cast<double>(unit_length)));
  }
  return Status::Ok();
}

void EntriesHash::Add(const format::Hash128& hash) {
  const uint64_t low = sum.low + hash.low;
  sum.high += hash.high + (low < sum.low ? 1 : 0);
  sum.low = low;
  ++count;
}

void EntriesHash::Add(const EntriesHash& other) {
  Add(other.sum);
  count += other.count - 1;
}

DocumentHasher::DocumentHasher(std::string_view key, std::string_view metadata) {
  Text(key);
  Text(metadata);
}

// Every text is preceded by its length, so that no two documents give the same bytes.
void DocumentHasher::Text(std::string_view text) {
  const uint64_t size = text.size();
  hash_.Update(&size, sizeof(size));
  hash_.Update(text);
}

void DocumentHasher::Vector(std::string_view column, std::span<const float> unit, double norm) {
  Text(column);
  const uint64_t dimension = unit.size();
  hash_.Update(&dimension, sizeof(dimension));
  hash_.Update(&norm, sizeof(norm));
  hash_.Update(unit.data(), unit.size_bytes());
}

}  // namespace vdb::engine
