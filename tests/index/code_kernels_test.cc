// The kernels that read codes: every level equals the scalar one bit for bit and stays within its
// bytes, and the scalar one means what the layout says.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "format/index_layout.h"
#include "index/kernels/kernels.h"

namespace vdb::index {
namespace {

constexpr uint64_t kSeed = 20261121;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<const Kernels*> FindLevels() {
  std::vector<const Kernels*> levels;
  for (const char* name : {"scalar", "avx2", "avx512", "avx512vnni", "amx"}) {
    if (const Kernels* kernels = KernelsByName(name)) {
      levels.push_back(kernels);
    } else {
      std::cout << "level " << name << " does not run on this machine and is not tested\n";
    }
  }
  return levels;
}

const std::vector<const Kernels*>& Levels() {
  static const auto* const levels = new std::vector<const Kernels*>(FindLevels());
  return *levels;
}

std::vector<uint32_t> PaddedDimensions() {
  std::vector<uint32_t> result;
  for (uint32_t padded = 64; padded <= 768; padded += 64) result.push_back(padded);
  for (uint32_t padded : {1536u, 4096u, 8192u, 16384u}) result.push_back(padded);
  return result;
}

// `count` values that end `shift` bytes before a page that cannot be touched.
template <typename T>
class Guarded {
 public:
  explicit Guarded(size_t count, size_t shift = 0) : count_(count) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t used = (count * sizeof(T) + shift + page - 1) / page * page;
    mapped_ = used + page;
    void* pages =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) std::abort();
    pages_ = static_cast<uint8_t*>(pages);
    if (mprotect(pages_ + used, page, PROT_NONE) != 0) std::abort();
    data_ = reinterpret_cast<T*>(pages_ + used - shift - count * sizeof(T));
  }
  ~Guarded() { munmap(pages_, mapped_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data_[i]; }
  T operator[](size_t i) const { return data_[i]; }

 private:
  size_t count_, mapped_;
  uint8_t* pages_;
  T* data_;
};

// A NaN is as good as another: which of two operands' NaNs comes out is up to the instruction.
bool SameFloat(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

std::string What(const Kernels* level, uint32_t padded) {
  return std::string(level->name) + " at " + std::to_string(padded);
}

void ExpectSame(const Guarded<float>& expected, const Guarded<float>& found,
                const std::string& what) {
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(SameFloat(expected[i], found[i]))
        << what << " element " << i << ": expected " << expected[i] << ", found " << found[i];
  }
}

template <typename T>
void Copy(const Guarded<T>& from, Guarded<T>* to) {
  std::memcpy(to->data(), from.data(), from.size() * sizeof(T));
}

float RandomFloat(std::mt19937_64* random) {
  return std::normal_distribution<float>(0, 1)(*random);
}

// Now and then what no encoder writes.
float OddFloat(std::mt19937_64* random) {
  switch ((*random)() % 16) {
    case 0: return kNan;
    case 1: return kInfinity;
    case 2: return -kInfinity;
    case 3: return 1e-41f;
    case 4: return -0.0f;
    case 5: return 3e38f;
    case 6: return -3e38f;
    default: return RandomFloat(random);
  }
}

TEST(CodeKernelsTest, HadamardIsEqualAtEveryLevel) {
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (size_t n = 64; n <= 16384; n *= 2) {
    for (const bool odd : {false, true}) {
      Guarded<float> values(n), expected(n);
      for (size_t i = 0; i < n; ++i) {
        values[i] = odd && random() % n == 0 ? OddFloat(&random) : RandomFloat(&random);
        if (odd && i % 7 == 0) values[i] = i % 2 == 0 ? 0.0f : -0.0f;
        if (odd && i % 11 == 0) values[i] *= 1e-40f;
      }
      Copy(values, &expected);
      KernelsByName("scalar")->hadamard(expected.data(), n);
      for (const Kernels* level : Levels()) {
        Guarded<float> found(n);
        Copy(values, &found);
        level->hadamard(found.data(), n);
        ExpectSame(expected, found, std::string(level->name) + " n " + std::to_string(n));
      }
    }
  }
}

TEST(CodeKernelsTest, HadamardIsTheMatrixOfBitParities) {
  std::mt19937_64 random(kSeed);
  for (const size_t n : {64, 128, 256, 512}) {
    for (const Kernels* level : Levels()) {
      Guarded<float> values(n);
      std::vector<double> expected(n);
      for (size_t i = 0; i < n; ++i) values[i] = RandomFloat(&random);
      for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j) {
          expected[i] += std::popcount(i & j) % 2 == 0 ? values[j] : -values[j];
        }
      }
      level->hadamard(values.data(), n);
      for (size_t i = 0; i < n; ++i) EXPECT_NEAR(values[i], expected[i], 1e-3) << level->name;
    }
  }
}

// Scale that makes 31 the largest entry a table of t can have.
float TableScale(const Guarded<float>& t) {
  float largest = 0;
  for (size_t i = 0; i < t.size(); i += 4) {
    largest = std::max(largest, 2 * (std::abs(t[i]) + std::abs(t[i + 1]) + std::abs(t[i + 2]) +
                                     std::abs(t[i + 3])));
  }
  return largest > 0 ? 31 / largest : 1;
}

TEST(CodeKernelsTest, TablesAreEqualAtEveryLevelAndWithinTheirRange) {
  std::mt19937_64 random(kSeed);
  for (const uint32_t padded : PaddedDimensions()) {
    for (const int shape : {0, 1, 2, 3}) {
      Guarded<float> t(padded);
      for (size_t i = 0; i < padded; ++i) {
        const float x = RandomFloat(&random);
        t[i] = shape == 0 ? x : shape == 1 ? 0.0f : shape == 2 ? (x < 0 ? -1.0f : 1.0f) : x * x * x;
        if (i % 5 == 0 && shape == 3) t[i] = i % 2 == 0 ? -0.0f : 1e-42f;
      }
      const float scale = TableScale(t);
      Guarded<uint8_t> expected(4 * padded);
      KernelsByName("scalar")->build_tables(t.data(), padded, scale, expected.data());
      for (size_t i = 0; i < expected.size(); ++i) ASSERT_LE(expected[i], 31);
      for (const Kernels* level : Levels()) {
        for (const size_t shift : {0, 1, 16}) {
          Guarded<uint8_t> found(4 * padded, shift);
          level->build_tables(t.data(), padded, scale, found.data());
          EXPECT_EQ(std::memcmp(expected.data(), found.data(), expected.size()), 0)
              << What(level, padded) << " shape " << shape;
        }
      }
    }
  }
}

uint16_t ToBfloat16(float x) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16); }
float FromBfloat16(const uint8_t* p) {
  uint16_t half;
  std::memcpy(&half, p, sizeof(half));
  return std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

enum class Fill { kRandom, kLowest, kHighest };
constexpr Fill kFills[] = {Fill::kRandom, Fill::kLowest, Fill::kHighest};

void FillBytes(Fill fill, uint8_t highest, size_t count, std::mt19937_64* random, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) {
    out[i] = fill == Fill::kLowest    ? uint8_t{0}
             : fill == Fill::kHighest ? highest
                                      : static_cast<uint8_t>((*random)() % (highest + 1u));
  }
}

void FillFactors(bool odd, uint32_t padded, std::mt19937_64* random, uint8_t* block) {
  for (size_t i = 0; i < 2 * format::kBlockRows; ++i) {
    const uint16_t half = ToBfloat16(odd ? OddFloat(random) : RandomFloat(random));
    std::memcpy(block + 8 * padded + 2 * i, &half, sizeof(half));
  }
}

// Every level on one block, against the scalar level.
void ExpectSameScan(const Guarded<uint8_t>& block, const Guarded<uint8_t>& tables, uint32_t padded,
                    float scale, float offset, float threshold) {
  Guarded<float> expected(format::kBlockRows);
  const uint64_t mask = KernelsByName("scalar")->scan_block(
      block.data(), padded, tables.data(), scale, offset, threshold, expected.data());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(mask >> i & 1, expected[i] < threshold ? 0u : 1u) << "row " << i;
  }
  for (const Kernels* level : Levels()) {
    for (const size_t shift : {0, 1, 13, 32}) {
      Guarded<uint8_t> moved(block.size(), shift), moved_tables(tables.size(), shift);
      Copy(block, &moved);
      Copy(tables, &moved_tables);
      Guarded<float> keys(format::kBlockRows);
      EXPECT_EQ(level->scan_block(moved.data(), padded, moved_tables.data(), scale, offset,
                                  threshold, keys.data()),
                mask)
          << What(level, padded) << " threshold " << threshold;
      ExpectSame(expected, keys, What(level, padded) + " shift " + std::to_string(shift));
    }
  }
}

TEST(CodeKernelsTest, ScanBlockIsEqualAtEveryLevel) {
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (const uint32_t padded : PaddedDimensions()) {
    Guarded<uint8_t> block(format::BlockBytes(padded)), tables(4 * padded);
    for (const Fill codes : kFills) {
      for (const Fill entries : kFills) {
        FillBytes(codes, 255, 8 * padded, &random, block.data());
        // Beyond 8,192 dimensions 31 everywhere would overflow the sums: not the caller's tables.
        FillBytes(entries, padded > 8192 ? 15 : 31, 4 * padded, &random, tables.data());
        FillFactors(entries != Fill::kRandom, padded, &random, block.data());
        const float scale = 0.01f, offset = -0.5f * static_cast<float>(padded) * scale;
        ExpectSameScan(block, tables, padded, scale, offset, 0.25f);
      }
    }
  }
}

TEST(CodeKernelsTest, ScanBlockIsEqualAtOddThresholdsScalesAndFactors) {
  std::mt19937_64 random(kSeed);
  const uint32_t padded = 128;
  Guarded<uint8_t> block(format::BlockBytes(padded)), tables(4 * padded);
  for (int round = 0; round < 40; ++round) {
    FillBytes(Fill::kRandom, 255, 8 * padded, &random, block.data());
    FillBytes(Fill::kRandom, 31, 4 * padded, &random, tables.data());
    FillFactors(true, padded, &random, block.data());
    const float scale = round < 20 ? 0.125f : OddFloat(&random);
    const float offset = round < 20 ? -1 : OddFloat(&random);
    for (const float threshold : {0.0f, -0.0f, kNan, kInfinity, -kInfinity, 3e38f, 1e-41f}) {
      ExpectSameScan(block, tables, padded, scale, offset, threshold);
    }
    Guarded<float> keys(format::kBlockRows);  // a threshold that is some row's key exactly
    KernelsByName("scalar")->scan_block(block.data(), padded, tables.data(), scale, offset, 0,
                                        keys.data());
    ExpectSameScan(block, tables, padded, scale, offset, keys[random() % keys.size()]);
  }
}

// One row at a time, so that no row's bits can come from another's.
TEST(CodeKernelsTest, ScanBlockKeepsRowsApart) {
  const uint32_t padded = 192;
  Guarded<uint8_t> block(format::BlockBytes(padded)), tables(4 * padded);
  for (size_t g = 0; g < padded / 4; ++g) {
    for (size_t v = 0; v < 16; ++v) tables[16 * g + v] = static_cast<uint8_t>(v == 0 ? 0 : 31);
  }
  const uint16_t one = ToBfloat16(1);
  for (size_t i = 0; i < format::kBlockRows; ++i) {
    std::memcpy(block.data() + 8 * padded + 128 + 2 * i, &one, sizeof(one));
  }
  for (size_t row = 0; row < format::kBlockRows; ++row) {
    for (size_t p = 0; p < padded / 8; ++p) block[64 * p + row] = 0xff;
    for (const Kernels* level : Levels()) {
      Guarded<float> keys(format::kBlockRows);
      EXPECT_EQ(level->scan_block(block.data(), padded, tables.data(), 1, 0, 1, keys.data()),
                uint64_t{1} << row)
          << level->name;
      for (size_t i = 0; i < keys.size(); ++i) {
        EXPECT_EQ(keys[i], i == row ? 31.0f * static_cast<float>(padded / 4) : 0) << level->name;
      }
    }
    for (size_t p = 0; p < padded / 8; ++p) block[64 * p + row] = 0;
  }
}

// <t, signs> from the bits as the layout has them, in double, against the keys: they may differ by
// half a table entry per group of four.
TEST(CodeKernelsTest, ScanBlockEstimatesTheProductWithTheSigns) {
  std::mt19937_64 random(kSeed);
  for (const uint32_t padded : {64u, 128u, 768u}) {
    Guarded<float> t(padded), keys(format::kBlockRows);
    Guarded<uint8_t> block(format::BlockBytes(padded)), tables(4 * padded);
    double magnitudes = 0;
    for (size_t i = 0; i < padded; ++i) {
      t[i] = RandomFloat(&random);
      magnitudes += std::abs(t[i]);
    }
    FillBytes(Fill::kRandom, 255, 8 * padded, &random, block.data());
    FillFactors(false, padded, &random, block.data());
    const float scale = TableScale(t);
    for (const Kernels* level : Levels()) {
      level->build_tables(t.data(), padded, scale, tables.data());
      level->scan_block(block.data(), padded, tables.data(), 1 / scale,
                        static_cast<float>(-magnitudes), 0, keys.data());
      for (size_t row = 0; row < format::kBlockRows; ++row) {
        double product = 0;
        for (size_t i = 0; i < padded; ++i) {
          product += (block[i / 8 * 64 + row] >> i % 8 & 1) != 0 ? t[i] : -t[i];
        }
        const uint8_t* bases = block.data() + 8 * padded;
        const double factor = FromBfloat16(bases + 128 + 2 * row);
        const double bound = (padded / 4 * 0.5 / scale + 1e-3) * std::abs(factor) + 1e-3;
        EXPECT_NEAR(keys[row], FromBfloat16(bases + 2 * row) + factor * product, bound)
            << What(level, padded) << " row " << row;
      }
    }
  }
}

// `count` fine rows, `stride` bytes apart; the last one ends where its codes end.
size_t FineBytes(size_t count, size_t stride, uint32_t padded) {
  return count == 0 ? 0 : (count - 1) * stride + format::FineRowBytes(padded);
}

void FillFine(Fill fill, bool odd, size_t count, size_t stride, uint32_t padded,
              std::mt19937_64* random, uint8_t* rows) {
  FillBytes(fill, 255, FineBytes(count, stride, padded), random, rows);
  for (size_t r = 0; r < count; ++r) {
    for (size_t i = 0; i < 3; ++i) {
      const float x = odd ? OddFloat(random) : RandomFloat(random);
      std::memcpy(rows + r * stride + 4 * i, &x, sizeof(x));
    }
  }
}

void FillQuery(Fill fill, std::mt19937_64* random, Guarded<int8_t>* query) {
  for (size_t i = 0; i < query->size(); ++i) {
    const int x = fill == Fill::kLowest    ? -127
                  : fill == Fill::kHighest ? 127
                                           : static_cast<int>((*random)() % 255) - 127;
    (*query)[i] = static_cast<int8_t>(x);
  }
}

void ExpectSameFine(const Guarded<uint8_t>& rows, size_t stride, size_t count, uint32_t padded,
                    const Guarded<int8_t>& query, float scale, float offset) {
  Guarded<float> estimates(count), errors(count);
  KernelsByName("scalar")->score_fine(rows.data(), stride, count, padded, query.data(), scale,
                                      offset, estimates.data(), errors.data());
  for (const Kernels* level : Levels()) {
    for (const size_t shift : {0, 1, 7}) {
      Guarded<uint8_t> moved(rows.size(), shift);
      Copy(rows, &moved);
      Guarded<float> found(count), found_errors(count);
      level->score_fine(moved.data(), stride, count, padded, query.data(), scale, offset,
                        found.data(), found_errors.data());
      const std::string what = What(level, padded) + " rows " + std::to_string(count);
      ExpectSame(estimates, found, what);
      ExpectSame(errors, found_errors, what + " errors");
    }
  }
}

TEST(CodeKernelsTest, ScoreFineIsEqualAtEveryLevel) {
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (const uint32_t padded : PaddedDimensions()) {
    Guarded<int8_t> query(padded);
    const size_t row_bytes = format::FineRowBytes(padded);
    for (const size_t stride : {row_bytes, row_bytes + 1, row_bytes + 52}) {
      for (const size_t count : {1, 4, 6}) {
        Guarded<uint8_t> rows(FineBytes(count, stride, padded));
        for (const Fill codes : kFills) {
          for (const Fill values : kFills) {
            FillFine(codes, values != Fill::kRandom, count, stride, padded, &random, rows.data());
            FillQuery(values, &random, &query);
            ExpectSameFine(rows, stride, count, padded, query, 0.003f, -1.5f);
          }
        }
      }
    }
  }
}

TEST(CodeKernelsTest, ScoreFineScoresAnyNumberOfRows) {
  std::mt19937_64 random(kSeed);
  for (const uint32_t padded : {64u, 128u, 320u, 768u}) {
    Guarded<int8_t> query(padded);
    FillQuery(Fill::kRandom, &random, &query);
    const size_t stride = format::FineRowBytes(padded);
    for (size_t count = 0; count <= 19; ++count) {
      Guarded<uint8_t> rows(FineBytes(count, stride, padded));
      FillFine(Fill::kRandom, count % 2 == 1, count, stride, padded, &random, rows.data());
      for (const float offset : {-1.5f, 0.0f, kNan, kInfinity}) {
        ExpectSameFine(rows, stride, count, padded, query, 0.003f, offset);
      }
    }
  }
}

// Every level on a batch, against score_fine of the scalar level query by query. Rows, queries and
// results end where nothing may be touched.
void ExpectSameBatch(size_t count, size_t query_count, uint32_t padded, Fill codes, Fill values,
                     std::mt19937_64* random) {
  const size_t stride = format::FineRowBytes(padded);
  Guarded<uint8_t> rows(FineBytes(count, stride, padded), 3);
  FillFine(codes, values != Fill::kRandom, count, stride, padded, random, rows.data());
  const size_t rounded = (query_count + kFineQueries - 1) / kFineQueries * kFineQueries;
  Guarded<int8_t> queries(rounded * padded, 1);
  FillQuery(values, random, &queries);
  Guarded<float> scales(query_count), offsets(query_count);
  for (size_t q = 0; q < query_count; ++q) {
    scales[q] = RandomFloat(random) * 0.01f;
    offsets[q] = RandomFloat(random);
  }
  Guarded<float> expected(query_count * count), expected_errors(count);
  for (size_t q = 0; q < query_count; ++q) {
    KernelsByName("scalar")->score_fine(rows.data(), stride, count, padded,
                                        queries.data() + q * padded, scales[q], offsets[q],
                                        expected.data() + q * count, expected_errors.data());
  }
  Guarded<uint8_t> scratch(size_t{32} * padded);
  for (const Kernels* level : Levels()) {
    Guarded<float> found(query_count * count), errors(count);
    level->score_fine_batch({rows.data(), stride, count, padded, queries.data(), query_count,
                             scales.data(), offsets.data(), scratch.data()},
                            found.data(), errors.data());
    const std::string what = What(level, padded) + " rows " + std::to_string(count) + " queries " +
                             std::to_string(query_count);
    ExpectSame(expected, found, what);
    ExpectSame(expected_errors, errors, what + " errors");
  }
}

TEST(CodeKernelsTest, ScoreFineBatchIsScoreFineOfEach) {
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (const uint32_t padded : PaddedDimensions()) {
    for (const Fill codes : kFills) {
      for (const Fill values : kFills) ExpectSameBatch(5, 9, padded, codes, values, &random);
    }
  }
  for (const uint32_t padded : {64u, 128u, 192u, 768u}) {
    for (const size_t count : {1, 15, 16, 17, 31, 32, 33, 70}) {
      for (const size_t queries : {1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 47, 67}) {
        ExpectSameBatch(count, queries, padded, Fill::kRandom, Fill::kRandom, &random);
      }
    }
  }
}

TEST(CodeKernelsTest, ScoreFineTakesTheDimensionsInTheirOrder) {
  std::mt19937_64 random(kSeed);
  for (const uint32_t padded : {64u, 192u, 768u}) {
    Guarded<uint8_t> row(format::FineRowBytes(padded));
    Guarded<int8_t> query(padded);
    FillFine(Fill::kRandom, false, 1, row.size(), padded, &random, row.data());
    const float factors[3] = {0.25f, 1, 0.125f};
    std::memcpy(row.data(), factors, sizeof(factors));
    for (size_t i = 0; i < padded; ++i) {
      query[i] = 1;
      const uint8_t byte = row[12 + i / 64 * 32 + i % 32];
      const int code = i % 64 < 32 ? byte % 16 : byte / 16;
      for (const Kernels* level : Levels()) {
        float estimate = 0, error = 0;
        level->score_fine(row.data(), row.size(), 1, padded, query.data(), 1, 0, &estimate, &error);
        EXPECT_EQ(estimate, static_cast<float>(code) + 0.25f) << What(level, padded);
        EXPECT_EQ(error, 0.125f);
      }
      query[i] = 0;
    }
  }
}

}  // namespace
}  // namespace vdb::index
