// DocnoSet against std::set.
#include "query/docno_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <set>

namespace vdb::query {
namespace {

constexpr uint64_t kSeed = 20;
constexpr uint64_t kHigh = uint64_t{3} << 32;

using Oracle = std::set<uint64_t>;

// Dense, sparse, on both sides of a boundary of 2^32, and far beyond.
std::vector<uint64_t> RandomDocnos(size_t count, std::mt19937_64* random) {
  std::vector<uint64_t> docnos;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bits = (*random)();
    switch (bits % 4) {
      case 0: docnos.push_back(bits / 4 % 5000); break;
      case 1: docnos.push_back(bits / 4 % 10'000'000); break;
      case 2: docnos.push_back(kHigh - 3000 + bits / 4 % 6000); break;
      default: docnos.push_back((uint64_t{1} << 50) + bits / 4 % 100'000); break;
    }
  }
  return docnos;
}

void ExpectEqual(const DocnoSet& set, const Oracle& oracle) {
  ASSERT_EQ(set.count(), oracle.size());
  ASSERT_EQ(set.empty(), oracle.empty());
  const auto all = set.ToVector();
  ASSERT_TRUE(std::equal(all.begin(), all.end(), oracle.begin(), oracle.end()));
}

void ExpectBits(const DocnoSet& set, const Oracle& oracle, uint64_t first, uint64_t count) {
  std::vector<uint64_t> words((count + 63) / 64 + 1, ~uint64_t{0});
  set.ToBits(first, count, words.data());
  EXPECT_EQ(words.back(), ~uint64_t{0}) << "wrote past the end";
  for (uint64_t i = 0; i < (count + 63) / 64 * 64; ++i) {
    const bool expected = i < count && oracle.contains(first + i);
    ASSERT_EQ((words[i / 64] >> (i % 64)) & 1, expected ? 1u : 0u) << first << " + " << i;
  }
}

TEST(DocnoSetTest, EqualsAStdSet) {
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 60; ++round) {
    const auto some = RandomDocnos(random() % 4000, &random);
    const auto others = RandomDocnos(random() % 4000, &random);
    DocnoSet a, b;
    a.AddMany(some);
    b.AddMany(others);
    const Oracle x(some.begin(), some.end()), y(others.begin(), others.end());
    ExpectEqual(a, x);
    Oracle both, either, only;
    std::set_intersection(x.begin(), x.end(), y.begin(), y.end(),
                          std::inserter(both, both.end()));
    std::set_union(x.begin(), x.end(), y.begin(), y.end(), std::inserter(either, either.end()));
    std::set_difference(x.begin(), x.end(), y.begin(), y.end(), std::inserter(only, only.end()));
    ExpectEqual(DocnoSet(a) &= b, both);
    ExpectEqual(DocnoSet(a) |= b, either);
    ExpectEqual(DocnoSet(a) -= b, only);
    for (const uint64_t docno : others) ASSERT_EQ(a.Contains(docno), x.contains(docno));
    ExpectBits(a, x, random() % 5000, random() % 3000);
    ExpectBits(a, x, kHigh - 1000 - random() % 1000, 2000 + random() % 500);
    ExpectBits(a, x, kHigh, 64);
    ExpectEqual(a, x);  // copies were deep
  }
}

TEST(DocnoSetTest, NoneAndItself) {
  DocnoSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.count(), 0u);
  EXPECT_FALSE(set.Contains(0));
  ExpectBits(set, {}, 17, 100);
  set.AddMany({});
  EXPECT_TRUE(set.empty());
  const std::vector<uint64_t> docnos = {7, 5, 7, ~uint64_t{0}, 0};
  set.AddMany(docnos);
  const Oracle oracle(docnos.begin(), docnos.end());
  ExpectEqual(set, oracle);
  ExpectEqual(set &= set, oracle);
  ExpectEqual(set |= set, oracle);
  ExpectBits(set, oracle, ~uint64_t{0} - 9, 10);
  DocnoSet moved = std::move(set);
  ExpectEqual(moved, oracle);
  ExpectEqual(moved -= moved, {});
}

TEST(DocnoSetTest, MemoryIsThatOfACompressedSet) {
  std::vector<uint64_t> docnos;
  for (uint64_t i = 0; i < 1'000'000; ++i) docnos.push_back(i * 2);
  DocnoSet set;
  set.AddMany(docnos);
  EXPECT_GE(set.memory_bytes(), 2'000'000u / 8);
  EXPECT_LE(set.memory_bytes(), 2'000'000u / 7);
}

}  // namespace
}  // namespace vdb::query
