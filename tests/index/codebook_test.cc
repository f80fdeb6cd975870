// Training, assignment and the epoch file of a codebook.
#include "index/codebook.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "index/kernels/kernels.h"

namespace vdb::index {
namespace {

using Vector = std::vector<float>;

const Kernels& Active() { return *ActiveKernels().value(); }

// Rows around `centers` far-away points.
Vector Clustered(size_t rows, uint32_t d, size_t centers, float spread, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> gaussian(0, 1);
  Vector center(centers * d), x(rows * d);
  for (float& value : center) value = 10 * gaussian(random);
  for (size_t i = 0; i < rows; ++i) {
    const size_t c = random() % centers;
    for (uint32_t j = 0; j < d; ++j) x[i * d + j] = center[c * d + j] + spread * gaussian(random);
  }
  return x;
}

RowSource From(const Vector& x, uint32_t d) {
  return [&x, d](uint64_t row, float* out) {
    std::copy_n(x.data() + row * d, d, out);
    return true;
  };
}

TrainOptions Options(uint32_t d, uint32_t lists, Metric metric = Metric::kL2) {
  TrainOptions options;
  options.epoch_id = 7;
  options.column_id = 3;
  options.dimension = d;
  options.metric = metric;
  options.list_count = lists;
  options.thread_count = 2;
  return options;
}

Vector CodedRows(const Codebook& book, const Vector& x, uint32_t d) {
  const size_t rows = x.size() / d;
  Vector y(rows * book.padded()), scratch(book.padded());
  for (size_t i = 0; i < rows; ++i) {
    EXPECT_TRUE(book.ToCoded(Active(), x.data() + i * d, y.data() + i * book.padded(),
                             scratch.data()));
  }
  return y;
}

double SquaredDistance(const float* a, const float* b, size_t d) {
  double sum = 0;
  for (size_t i = 0; i < d; ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return sum;
}

TEST(Codebook, FindsSeparatedClusters) {
  const Vector x = Clustered(5000, 20, 8, 0.1f, 1);
  const auto book = Codebook::Train(Options(20, 32), 5000, From(x, 20)).value();
  ASSERT_EQ(book->list_count(), 32u);
  // 32 lists over 8 clusters of deviation 0.1 in 20 dimensions: residuals stay within a cluster.
  EXPECT_LT(book->header().mean_residual / book->header().scale, 0.6);
  EXPECT_GE(book->header().imbalance, 1);
  EXPECT_LT(book->header().imbalance, 3);
  EXPECT_EQ(book->header().sample_rows, 2048u);
  EXPECT_EQ(book->header().trained_rows, 5000u);
}

TEST(Codebook, DoesNotDependOnThreads) {
  const Vector x = Clustered(3000, 33, 50, 3, 2);
  TrainOptions options = Options(33, 40);
  const std::string expected =
      Codebook::Train(options, 3000, From(x, 33)).value()->Encode();
  for (const uint32_t threads : {1u, 3u, 7u}) {
    options.thread_count = threads;
    EXPECT_EQ(Codebook::Train(options, 3000, From(x, 33)).value()->Encode(), expected);
  }
}

TEST(Codebook, AssignsTheNearestList) {
  for (const uint32_t lists : {1u, 2u, 3u, 64u, 600u}) {
    const Vector x = Clustered(1300, 40, 30, 5, 3);
    const auto book = Codebook::Train(Options(40, lists), 1300, From(x, 40)).value();
    ASSERT_EQ(book->list_count(), lists);
    const Vector y = CodedRows(*book, x, 40);
    std::vector<uint32_t> found(1300);
    Vector scratch;
    book->Assign(y.data(), 1300, found.data(), &scratch);
    for (size_t i = 0; i < 1300; ++i) {
      const float* row = y.data() + i * book->padded();
      double least = std::numeric_limits<double>::infinity();
      for (uint32_t list = 0; list < lists; ++list) {
        least = std::min(least, SquaredDistance(row, book->centroid(list), book->padded()));
      }
      const double chosen = SquaredDistance(row, book->centroid(found[i]), book->padded());
      ASSERT_LE(chosen, least + 1e-5) << lists << " lists, row " << i;
    }
  }
}

TEST(Codebook, TiesGoToTheLowestList) {
  const Vector x(400 * 5, 1.5f);
  const auto book = Codebook::Train(Options(5, 9), 400, From(x, 5)).value();
  const Vector y = CodedRows(*book, x, 5);
  std::vector<uint32_t> found(400, 77);
  Vector scratch;
  book->Assign(y.data(), 400, found.data(), &scratch);
  EXPECT_EQ(std::count(found.begin(), found.end(), 0u), 400);
}

TEST(Codebook, ScaleFollowsTheMedianLength) {
  for (const float length : {1e-18f, 1e-5f, 1.0f, 3000.0f, 1e18f}) {
    Vector x(1000 * 16);
    std::mt19937_64 random(4);
    for (float& value : x) value = length * std::normal_distribution<float>(0, 1)(random);
    for (int j = 0; j < 16; ++j) x[160 + j] = 3e38f;  // cannot be coded: loose
    const auto book = Codebook::Train(Options(16, 10), 1000, From(x, 16)).value();
    const double coded = book->header().scale * double{length} * 4;
    EXPECT_GT(coded, 0.6);
    EXPECT_LT(coded, 1.6);
    Vector y(64), scratch(64);
    EXPECT_FALSE(book->ToCoded(Active(), x.data() + 160, y.data(), scratch.data()));
    EXPECT_TRUE(book->ToCoded(Active(), x.data(), y.data(), scratch.data()));
  }
  const Vector unit(300, 0.5f);
  const auto cosine = Codebook::Train(Options(1, 2, Metric::kCosine), 300, From(unit, 1)).value();
  EXPECT_EQ(cosine->header().scale, 1);
}

// The mean rounding of many rows stays within the bound; long double is the judge.
TEST(Codebook, RoundingBoundHolds) {
  const Vector x = Clustered(500, 100, 3, 5, 5);
  const auto book = Codebook::Train(Options(100, 4), 500, From(x, 100)).value();
  const Vector y = CodedRows(*book, x, 100);
  for (size_t i = 0; i < 500; ++i) {
    long double exact = 0, coded = 0;
    for (size_t j = 0; j < 100; ++j) exact += std::pow<long double>(x[i * 100 + j], 2);
    for (size_t j = 0; j < 128; ++j) coded += std::pow<long double>(y[i * 128 + j], 2);
    const auto length = std::sqrt(static_cast<double>(exact));
    EXPECT_LE(std::abs(static_cast<double>(std::sqrt(coded)) - book->header().scale * length),
              book->RoundingBound(length));
  }
}

TEST(Codebook, FewOrOddRows) {
  const Vector x = Clustered(5, 3, 2, 1, 6);
  EXPECT_EQ(Codebook::Train(Options(3, 100), 5, From(x, 3)).value()->list_count(), 5u);
  EXPECT_EQ(Codebook::Train(Options(3, 0), 5, From(x, 3)).value()->list_count(), 1u);
  EXPECT_EQ(Codebook::Train(Options(3, 4), 0, From(x, 3)).status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(Codebook::Train(Options(0, 4), 5, From(x, 3)).status().code(),
            StatusCode::kInvalidArgument);
  const RowSource none = [](uint64_t, float*) { return false; };
  EXPECT_EQ(Codebook::Train(Options(3, 4), 5, none).status().code(),
            StatusCode::kFailedPrecondition);
  const RowSource zeros = [](uint64_t row, float* out) {
    std::fill_n(out, 3, 0.0f);
    return row % 2 == 0;
  };
  const auto book = Codebook::Train(Options(3, 4), 5, zeros).value();
  EXPECT_EQ(book->list_count(), 3u);
  EXPECT_EQ(book->header().mean_residual, 0);
}

TEST(Codebook, ReadsRowsInOrderAndStopsWhenAsked) {
  const Vector x = Clustered(4000, 8, 4, 1, 7);
  uint64_t last = 0, reads = 0;
  const RowSource source = [&](uint64_t row, float* out) {
    EXPECT_TRUE(reads == 0 || row > last);
    last = row;
    ++reads;
    return From(x, 8)(row, out);
  };
  TrainOptions options = Options(8, 10);
  ASSERT_TRUE(Codebook::Train(options, 4000, source).ok());
  EXPECT_EQ(reads, 640u);
  for (const uint64_t stop : {0u, 1u, 4u}) {
    options.progress = [stop](uint64_t done, uint64_t total) {
      EXPECT_LE(done, total);
      return done != stop;
    };
    EXPECT_EQ(Codebook::Train(options, 4000, From(x, 8)).status().code(), StatusCode::kCancelled);
  }
}

TEST(Codebook, OpensWhatItEncodes) {
  const Vector x = Clustered(900, 70, 9, 2, 8);
  const auto book = Codebook::Train(Options(70, 67, Metric::kDot), 900, From(x, 70)).value();
  const std::string bytes = book->Encode();
  auto aligned = std::shared_ptr<char>(static_cast<char*>(std::aligned_alloc(
                                           64, (bytes.size() + 63) / 64 * 64)),
                                       std::free);
  std::memcpy(aligned.get(), bytes.data(), bytes.size());
  const auto opened = Codebook::Open({aligned.get(), bytes.size()}, "e", aligned).value();
  EXPECT_EQ(opened->Encode(), bytes);
  EXPECT_EQ(opened->metric(), Metric::kDot);
  EXPECT_EQ(opened->header().epoch_id, 7u);
  Vector scratch;
  const Vector y = CodedRows(*book, x, 70);
  EXPECT_EQ(CodedRows(*opened, x, 70), y);
  std::vector<uint32_t> a(900), b(900);
  book->Assign(y.data(), 900, a.data(), &scratch);
  opened->Assign(y.data(), 900, b.data(), &scratch);
  EXPECT_EQ(a, b);
  for (uint32_t list = 0; list < 67; ++list) {
    EXPECT_EQ(book->centroid_squared(list), opened->centroid_squared(list));
    EXPECT_EQ(book->rho(list), opened->rho(list));
  }
  EXPECT_EQ(book->mean_squared(), opened->mean_squared());
}

TEST(Codebook, SuggestsListsThatGrowWithTheSquareRoot) {
  EXPECT_EQ(SuggestedListCount(0, 768), 1u);
  EXPECT_EQ(SuggestedListCount(4095, 768), 1u);
  EXPECT_EQ(SuggestedListCount(1000000, 768) % 16, 0u);
  EXPECT_NEAR(SuggestedListCount(1000000, 768), 1200, 16);
  EXPECT_NEAR(SuggestedListCount(1000000, 128), 2000, 16);
  EXPECT_LE(SuggestedListCount(std::numeric_limits<uint64_t>::max(), 2), format::kListCountMax);
}

}  // namespace
}  // namespace vdb::index
