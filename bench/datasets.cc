// See datasets.h. Every row depends on the seed and its number alone.
#include "bench/datasets.h"

#include <cblas.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

namespace vdb::bench {
namespace {

constexpr size_t kLatent = 32;  // dimensions in which the clusters live
constexpr size_t kClusters = 400;
constexpr float kSpread = 0.8f;  // of a cluster, against the distance between centres
constexpr float kNoise = 0.25f;  // of a vector's length, in all dimensions together
constexpr size_t kChunkRows = 4096;

// SplitMix64: any (seed, stream) gives an independent sequence.
class Random {
 public:
  Random(uint64_t seed, uint64_t stream)
      : state_(seed * 0x9e3779b97f4a7c15u ^ (stream + 1) * 0xbf58476d1ce4e5b9u) {
    Next();
  }
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  float Uniform() { return static_cast<float>((Next() >> 40) + 1) * 0x1p-24f; }  // (0, 1]
  // The sum of the eight bytes of one number: near enough to a Gaussian, and fast.
  float Gaussian() {
    uint64_t pairs = Next();
    pairs = (pairs & 0x00ff00ff00ff00ffu) + ((pairs >> 8) & 0x00ff00ff00ff00ffu);
    const auto sum = static_cast<float>((pairs * 0x0001000100010001u) >> 48);
    return (sum - 1020.0f) * (1.0f / 209.0f);
  }

 private:
  uint64_t state_;
};

struct Mixture {
  size_t dimension = 0;
  uint64_t seed = 0;
  std::vector<float> centres;  // [kClusters x kLatent]
  std::vector<float> widths;   // [kClusters x kLatent]
  std::vector<float> basis;    // [kLatent x dimension]
};

Mixture MakeMixture(size_t dimension, uint64_t seed) {
  Mixture mixture;
  mixture.dimension = dimension;
  mixture.seed = seed;
  Random random(seed, ~uint64_t{0});
  for (size_t i = 0; i < kClusters * kLatent; ++i) {
    const float deviation = 1 / std::sqrt(1 + 0.25f * static_cast<float>(i % kLatent));
    mixture.centres.push_back(deviation * random.Gaussian());
    mixture.widths.push_back(kSpread * deviation * std::exp(0.4f * random.Gaussian()));
  }
  const float scale = 1 / std::sqrt(static_cast<float>(dimension));
  for (size_t i = 0; i < kLatent * dimension; ++i)
    mixture.basis.push_back(scale * random.Gaussian());
  return mixture;
}

void FillLatent(const Mixture& mixture, uint64_t number, float* latent) {
  Random random(mixture.seed, 2 * number);
  const float skewed = random.Uniform() * random.Uniform();  // clusters of unequal size
  const auto cluster = std::min(static_cast<size_t>(skewed * kClusters), kClusters - 1);
  for (size_t i = 0; i < kLatent; ++i) {
    latent[i] = mixture.centres[cluster * kLatent + i] +
                mixture.widths[cluster * kLatent + i] * random.Gaussian();
  }
}

void AddNoiseAndNormalise(const Mixture& mixture, uint64_t number, float* row) {
  const size_t d = mixture.dimension;
  Random random(mixture.seed, 2 * number + 1);
  const float unit = kNoise * std::sqrt(3.0f / static_cast<float>(d)) * 0x1p-15f;
  uint64_t bits = 0;
  double squares = 0;
  for (size_t i = 0; i < d; ++i) {
    if (i % 4 == 0) bits = random.Next();
    row[i] += unit * static_cast<float>(static_cast<int16_t>(bits));
    bits >>= 16;
    squares += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  }
  const double scale = 1 / std::sqrt(squares);
  for (size_t i = 0; i < d; ++i) row[i] = static_cast<float>(static_cast<double>(row[i]) * scale);
}

void FillChunk(const Mixture& mixture, uint64_t first, size_t count, float* rows) {
  std::vector<float> latent(count * kLatent);
  for (size_t i = 0; i < count; ++i) FillLatent(mixture, first + i, latent.data() + i * kLatent);
  const auto d = static_cast<blasint>(mixture.dimension);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<blasint>(count), d, kLatent, 1,
              latent.data(), kLatent, mixture.basis.data(), d, 0, rows, d);
  for (size_t i = 0; i < count; ++i) {
    AddNoiseAndNormalise(mixture, first + i, rows + i * mixture.dimension);
  }
}

void FillRows(const Mixture& mixture, uint64_t first, size_t count, float* rows) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t at = next.fetch_add(kChunkRows); at < count; at = next.fetch_add(kChunkRows)) {
      FillChunk(mixture, first + at, std::min(kChunkRows, count - at),
                rows + at * mixture.dimension);
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace

Dataset MakeClustered(size_t row_count, size_t query_count, size_t dimension, uint64_t seed) {
  openblas_set_num_threads(1);
  const Mixture mixture = MakeMixture(dimension, seed);
  Dataset data;
  data.dimension = dimension;
  data.row_count = row_count;
  data.query_count = query_count;
  data.rows.resize(row_count * dimension);
  data.queries.resize(query_count * dimension);
  FillRows(mixture, 0, row_count, data.rows.data());
  FillRows(mixture, uint64_t{1} << 48, query_count, data.queries.data());
  return data;
}

}  // namespace vdb::bench
