// What becomes of one vector of a legacy cache, and the hash of all documents.
#include "engine/legacy_document.h"

#include <random>

#include "tests/engine/migrate_fixture.h"

namespace vdb::testing {
namespace {

TEST(LegacyVectorTest, NormalisesEveryMagnitude) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  for (const double scale : {1.0, 1e-30, 1e39, 1e-200, 1e300, 1e-310, 4e-323}) {
    for (const size_t dimension : {1u, 3u, 4u, 127u, 3072u}) {
      std::vector<double> values(dimension);
      for (double& value : values) value = normal(random) * scale;
      values[0] = scale;  // never all zero, however small
      std::vector<float> unit(dimension);
      const double norm = engine::Normalise(values, unit.data());
      long double true_norm = 0;
      const auto expected = OracleUnit(values, &true_norm);
      EXPECT_NEAR(static_cast<double>(norm / true_norm), 1, scale < 1e-300 ? 0.5 : 1e-12);
      double length = 0;
      for (size_t i = 0; i < dimension; ++i) {
        EXPECT_NEAR(unit[i], static_cast<double>(expected[i]), 1e-6);
        length += double{unit[i]} * unit[i];
      }
      EXPECT_NEAR(length, 1, 1e-6);
      VDB_EXPECT_OK(engine::CheckNormalised(values, unit.data(), norm));
    }
  }
}

TEST(LegacyVectorTest, ZeroAndTooLong) {
  std::vector<float> unit(4);
  EXPECT_EQ(engine::Normalise(std::vector<double>(4, 0.0), unit.data()), 0);
  EXPECT_TRUE(std::isinf(engine::Normalise(std::vector<double>(4, 1.7e308), unit.data())));
}

TEST(LegacyVectorTest, TheCheckNoticesEveryWrongComponentAndLength) {
  std::vector<double> values;
  for (int i = 0; i < 37; ++i) values.push_back(std::sin(i + 1.0) * 12);
  std::vector<float> unit(values.size());
  const double norm = engine::Normalise(values, unit.data());
  VDB_ASSERT_OK(engine::CheckNormalised(values, unit.data(), norm));
  for (float& component : unit) {
    const float right = component;
    component = std::nextafter(std::nextafter(right, 2.f), 2.f);  // two roundings off
    EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), norm).ok());
    component = -right;
    EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), norm).ok());
    component = std::nanf("");
    EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), norm).ok());
    component = right;
  }
  EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), norm * (1 + 1e-9)).ok());
  EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), std::nan("")).ok());
}

TEST(EntriesHashTest, IsASumThatCarries) {
  engine::EntriesHash a, b, twice;
  const format::Hash128 x = {1, ~uint64_t{0}}, y = {2, 3};
  a.Add(x);
  a.Add(y);
  b.Add(y);
  b.Add(x);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.sum, (format::Hash128{4, 2}));
  twice.Add(a);
  twice.Add(engine::EntriesHash());
  EXPECT_EQ(twice, a);
  twice.Add(b);
  EXPECT_EQ(twice.count, 4u);
  EXPECT_NE(twice, a);
}

}  // namespace
}  // namespace vdb::testing
