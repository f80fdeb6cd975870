// Screen limits on cases made to break them: rows whose screened score is as far off as it may be.
#include "query/screen_limit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <limits>
#include <random>
#include <vector>

namespace vdb::query {
namespace {

constexpr uint64_t kSeed = 99;

ScreenQuery Query(double length, double epsilon) {
  static const float unused[1] = {0};
  return {unused, unused, length, length * length, epsilon};
}

float LimitFor(const ScreenLimit& limit, double norm) {
  format::RowRecord record{1, norm, 0, 1, 0, 0};
  float x = 0, y = 0;
  NormTerms({&record, 1}, &x, &y);
  return limit.a * x + (limit.b * y + limit.c);
}

// The largest score that a row with screened score `s` can have, in long double.
long double UpperBound(Metric metric, long double norm, long double length, long double s,
                       long double epsilon) {
  const long double shortest = 1 - 1e-6L;
  switch (metric) {
    case Metric::kCosine: return s + epsilon;
    case Metric::kDot: return norm * length * (s + epsilon);
    case Metric::kL2:
      return -(norm * norm * shortest * shortest - 2 * norm * length * (s + epsilon) +
               length * length);
  }
  return 0;
}

// A row just below the limit, so one that is skipped, must stay strictly below the k-th.
TEST(ScreenLimitTest, SkipsOnlyWhatCannotReachTheKth) {
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> exponent(-12, 12), unit(-1, 1);
  const double epsilon = ScreenEpsilon(128, index::ScreenErrorBound(128));
  size_t checked = 0;
  for (int i = 0; i < 300000; ++i) {
    const auto metric = static_cast<Metric>(1 + i % 3);
    const double length = std::pow(10, exponent(random));
    const double norm = length * std::pow(10, exponent(random) / 4);
    // A k-th score such as a row of a similar norm has.
    const double other = norm * std::pow(10, exponent(random) / 12);
    const auto kth = static_cast<double>(UpperBound(metric, other, length, unit(random), 0));
    const ScreenLimit limit = MakeScreenLimit(metric, Query(length, epsilon), 128, kth);
    const float at = LimitFor(limit, norm);
    if (!(at > -1.5f)) continue;  // everything passes
    const float below = std::nextafter(std::min(at, 1.5f), -10.0f);
    ASSERT_LT(UpperBound(metric, norm, length, below, epsilon), kth)
        << "metric " << static_cast<int>(metric) << " norm " << norm << " length " << length;
    ++checked;
  }
  EXPECT_GT(checked, 50000u);
}

// A bound that lets everything through would pass the test above.
TEST(ScreenLimitTest, LimitIsTight) {
  const double epsilon = ScreenEpsilon(128, index::ScreenErrorBound(128));
  EXPECT_LT(epsilon, 2e-6);
  const float cosine = MakeScreenLimit(Metric::kCosine, Query(3, epsilon), 128, 0.5).c;
  EXPECT_NEAR(cosine, 0.5, 2e-6);
  const ScreenLimit dot = MakeScreenLimit(Metric::kDot, Query(3, epsilon), 128, 6);
  EXPECT_NEAR(LimitFor(dot, 4), 0.5, 4e-6);
  // norm 4, length 3, cosine 0.5: 16 - 12 + 9
  const ScreenLimit l2 = MakeScreenLimit(Metric::kL2, Query(3, epsilon), 128, -13);
  EXPECT_NEAR(LimitFor(l2, 4), 0.5, 6e-6);
}

// The parts of the derivation, added up: the screen's error, the rounding of the unit query, and
// the documented order's own rounding.
TEST(ScreenLimitTest, EpsilonCoversAllItsParts) {
  for (const size_t d : {1, 16, 128, 768, 65535}) {
    for (const double error : {index::ScreenErrorBound(d), index::AnyOrderErrorBound(d)}) {
      const double longest = 1 + kRowLengthSlack;
      const double unit_query = 0x1p-24 + (static_cast<double>(d) / 16 + 8) * 0x1p-53;
      const double order = (static_cast<double>(d) / 8 + 8) * 0x1p-53;
      EXPECT_GT(ScreenEpsilon(d, error), longest * (error * (1 + unit_query) + unit_query + order));
      EXPECT_LT(ScreenEpsilon(d, error), 1.01 * error + 1.01 * 0x1p-24 + 1e-9);
    }
  }
}

TEST(ScreenLimitTest, NothingIsSkippedWhereNothingIsProven) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    for (const double length : {0.0, 1e-30, 2.0, 1e30}) {
      const ScreenLimit limit = MakeScreenLimit(metric, Query(length, 1e-6), 8, -infinity);
      EXPECT_FALSE(-1.0f < LimitFor(limit, 1)) << "no k-th score yet, length " << length;
    }
    if (metric == Metric::kCosine) continue;  // its limit has no norm
    const ScreenLimit limit = MakeScreenLimit(metric, Query(2, 1e-6), 8, 1);
    for (const double norm : {0.0, -1.0, 1e-40, 1e40, infinity, std::nan("")}) {
      EXPECT_FALSE(-1.0f < LimitFor(limit, norm)) << "norm " << norm;
    }
  }
}

TEST(ScreenLimitTest, UnitQueryIsWithinItsRounding) {
  std::mt19937_64 random(kSeed);
  std::normal_distribution<float> gaussian(0, 1);
  const index::Kernels& kernels = *index::KernelsByName("scalar");
  for (const float scale : {1.0f, 1e-38f, 1e-44f, 1e38f}) {
    std::vector<float> query(300), unit(300);
    for (float& v : query) v = gaussian(random) * scale * 0.5f;
    auto made = MakeScreenQuery(kernels, query.data(), query.size(), 1e-6, unit.data());
    ASSERT_TRUE(made.ok());
    EXPECT_NEAR(std::sqrt(kernels.sum_squares(unit.data(), unit.size())), 1, 1e-7);
  }
}

}  // namespace
}  // namespace vdb::query
