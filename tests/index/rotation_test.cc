// The rotation: orthogonal within its bound, equal at every level, fixed by dimension and seed.
#include "index/rotation.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "index/kernels/kernels.h"

namespace vdb::index {
namespace {

constexpr uint32_t kDimensions[] = {1, 2, 63, 64, 65, 100, 128, 130, 192, 256, 768, 1000, 1536};

std::vector<const Kernels*> Levels() {
  std::vector<const Kernels*> levels;
  for (const char* name : {"scalar", "avx2", "avx512", "avx512vnni", "amx"}) {
    if (const Kernels* kernels = KernelsByName(name)) levels.push_back(kernels);
  }
  return levels;
}

std::vector<float> Gaussian(size_t count, std::mt19937_64* random) {
  std::normal_distribution<float> gaussian(0, 1);
  std::vector<float> values(count);
  for (float& value : values) value = gaussian(*random);
  return values;
}

std::vector<float> Rotate(const Rotation& rotation, const Kernels& kernels,
                          const std::vector<float>& x) {
  std::vector<float> y(rotation.padded()), scratch(rotation.padded());
  rotation.Apply(kernels, x.data(), y.data(), scratch.data());
  return y;
}

long double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  long double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<long double>(a[i]) * b[i];
  return sum;
}

// |<Rx, Rz> - <x, z>| <= 2 e (1 + e) |x| |z| if both are off by at most e of their length. Seen red
// with 2^-31 for the 2^-24 of ErrorBound.
TEST(Rotation, KeepsInnerProductsWithinItsBound) {
  std::mt19937_64 random(1);
  for (const uint32_t d : kDimensions) {
    const Rotation rotation(d, 7 + d);
    const double bound = 2.1 * rotation.ErrorBound();
    for (int i = 0; i < 50; ++i) {
      auto x = Gaussian(d, &random);
      auto z = i % 5 == 0 ? x : Gaussian(d, &random);
      if (i % 7 == 0) std::fill(x.begin() + 1, x.end(), 0.0f);
      const auto y = Rotate(rotation, *Levels()[0], x), w = Rotate(rotation, *Levels()[0], z);
      const long double lengths = std::sqrt(Dot(x, x) * Dot(z, z));
      EXPECT_LE(std::abs(Dot(y, w) - Dot(x, z)), bound * lengths) << d;
    }
  }
}

TEST(Rotation, IsTheSameAtEveryLevel) {
  std::mt19937_64 random(2);
  for (const uint32_t d : kDimensions) {
    const Rotation rotation(d, 3);
    auto x = Gaussian(d, &random);
    x[0] = 1e-41f;
    const auto expected = Rotate(rotation, *Levels()[0], x);
    for (const Kernels* kernels : Levels()) {
      const auto y = Rotate(rotation, *kernels, x);
      for (size_t i = 0; i < y.size(); ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(y[i]), std::bit_cast<uint32_t>(expected[i]))
            << kernels->name << " dimension " << d << " at " << i;
      }
    }
  }
}

// Index files hold rotated numbers: another stream of random bits would make nonsense of them.
TEST(Rotation, IsPartOfTheFormat) {
  const Rotation rotation(100, 42);
  ASSERT_EQ(rotation.padded(), 128u);
  std::vector<float> x(100);
  x[3] = 1;
  uint64_t signs = 0;
  const auto y = Rotate(rotation, *Levels()[0], x);
  for (size_t i = 0; i < 64; ++i) signs |= uint64_t{y[i] > 0} << i;
  EXPECT_EQ(signs, 12082298810455018904u);
}

TEST(Rotation, SpreadsOneHotVectors) {
  for (const uint32_t d : {768u, 1536u}) {
    const Rotation rotation(d, 5);
    for (uint32_t hot = 0; hot < d; hot += 37) {
      std::vector<float> x(d);
      x[hot] = 1;
      const auto y = Rotate(rotation, *Levels()[0], x);
      float largest = 0;
      for (const float value : y) largest = std::max(largest, std::abs(value));
      // A Gaussian coordinate of that deviation exceeds six of them once in 500 million.
      EXPECT_LT(largest, 6 / std::sqrt(static_cast<float>(rotation.padded())));
    }
  }
}

TEST(Rotation, PassesOnWhatIsNotFinite) {
  const Rotation rotation(70, 1);
  std::vector<float> x(70, 3e38f);
  double sum = 0;
  for (const float value : Rotate(rotation, *Levels()[0], x)) sum += std::abs(double{value});
  EXPECT_FALSE(sum <= 1e39);
}

}  // namespace
}  // namespace vdb::index
