// See datasets.h. Every row depends on the seed and its number alone.
#include "bench/datasets.h"

#include <cblas.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

namespace vdb::bench {
namespace {

constexpr size_t kLatent = 32;  // dimensions in which MakeClustered's clusters live
constexpr size_t kClusters = 400;
constexpr float kSpread = 0.8f;  // of a cluster, against the distance between centres
constexpr float kNoise = 0.25f;  // of a vector's length, in all dimensions together
constexpr size_t kChunkRows = 4096;

// MakeNested: as embeddings of text are, topics in domains. Variances fall as i^-0.75.
constexpr size_t kDomains = 50;
constexpr size_t kTopics = 500;
constexpr float kBetweenDomains = 0.9f;  // all in deviations of the whole
constexpr float kBetweenTopics = 0.5f;
constexpr float kWithinTopic = 0.9f;

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
  size_t latent = kLatent;
  bool unit_length = true;
  uint64_t seed = 0;
  std::vector<float> centres;    // [clusters x latent]
  std::vector<float> widths;     // [clusters x latent]
  std::vector<float> basis;      // [latent x dimension]
  std::vector<float> shares;     // running sum of the clusters' sizes, to 1; empty: a skewed draw
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

// Sizes of topics fall as (rank + 3)^-0.8.
std::vector<float> TopicShares() {
  std::vector<float> shares;
  float sum = 0;
  for (size_t topic = 0; topic < kTopics; ++topic) {
    sum += std::pow(static_cast<float>(topic) + 3, -0.8f);
    shares.push_back(sum);
  }
  for (float& share : shares) share /= sum;
  return shares;
}

Mixture MakeNestedMixture(size_t dimension, uint64_t seed, bool unit_length) {
  Mixture mixture;
  mixture.dimension = dimension;
  mixture.latent = dimension >= 512 ? 128 : 64;
  mixture.unit_length = unit_length;
  mixture.seed = seed;
  mixture.shares = TopicShares();
  Random random(seed, ~uint64_t{1});
  std::vector<float> deviations, domains;
  for (size_t i = 0; i < mixture.latent; ++i) {
    deviations.push_back(std::pow(static_cast<float>(i) + 1, -0.375f));
  }
  for (size_t i = 0; i < kDomains * mixture.latent; ++i) {
    domains.push_back(kBetweenDomains * deviations[i % mixture.latent] * random.Gaussian());
  }
  for (size_t topic = 0; topic < kTopics; ++topic) {
    const float skewed = kDomains * std::pow(random.Uniform(), 1.5f);
    const size_t domain = std::min(static_cast<size_t>(skewed), kDomains - 1);
    const float within = kWithinTopic * std::exp(0.25f * random.Gaussian());
    for (size_t i = 0; i < mixture.latent; ++i) {
      mixture.centres.push_back(domains[domain * mixture.latent + i] +
                                kBetweenTopics * deviations[i] * random.Gaussian());
      mixture.widths.push_back(within * deviations[i] * std::exp(0.5f * random.Gaussian()));
    }
  }
  const float scale = 1 / std::sqrt(static_cast<float>(dimension));
  for (size_t i = 0; i < mixture.latent * dimension; ++i) {
    mixture.basis.push_back(scale * random.Gaussian());
  }
  return mixture;
}

size_t DrawCluster(const Mixture& mixture, Random* random) {
  if (mixture.shares.empty()) {
    const float skewed = random->Uniform() * random->Uniform();  // clusters of unequal size
    return std::min(static_cast<size_t>(skewed * kClusters), kClusters - 1);
  }
  const auto at = std::ranges::lower_bound(mixture.shares, random->Uniform());
  return std::min(static_cast<size_t>(at - mixture.shares.begin()), kTopics - 1);
}

void FillLatent(const Mixture& mixture, uint64_t number, float* latent) {
  Random random(mixture.seed, 2 * number);
  const size_t cluster = DrawCluster(mixture, &random);
  for (size_t i = 0; i < mixture.latent; ++i) {
    latent[i] = mixture.centres[cluster * mixture.latent + i] +
                mixture.widths[cluster * mixture.latent + i] * random.Gaussian();
  }
}

void AddNoise(const Mixture& mixture, uint64_t number, float* row) {
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
  if (!mixture.unit_length) return;
  const double scale = 1 / std::sqrt(squares);
  for (size_t i = 0; i < d; ++i) row[i] = static_cast<float>(static_cast<double>(row[i]) * scale);
}

void FillChunk(const Mixture& mixture, uint64_t first, size_t count, float* rows) {
  std::vector<float> latent(count * mixture.latent);
  for (size_t i = 0; i < count; ++i) {
    FillLatent(mixture, first + i, latent.data() + i * mixture.latent);
  }
  const auto d = static_cast<blasint>(mixture.dimension);
  const auto inner = static_cast<blasint>(mixture.latent);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<blasint>(count), d, inner, 1,
              latent.data(), inner, mixture.basis.data(), d, 0, rows, d);
  for (size_t i = 0; i < count; ++i) {
    AddNoise(mixture, first + i, rows + i * mixture.dimension);
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

Dataset Make(const Mixture& mixture, size_t row_count, size_t query_count) {
  openblas_set_num_threads(1);
  const size_t dimension = mixture.dimension;
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

}  // namespace

Dataset MakeClustered(size_t row_count, size_t query_count, size_t dimension, uint64_t seed) {
  return Make(MakeMixture(dimension, seed), row_count, query_count);
}

Dataset MakeNested(size_t row_count, size_t query_count, size_t dimension, uint64_t seed,
                   bool unit_length) {
  return Make(MakeNestedMixture(dimension, seed, unit_length), row_count, query_count);
}

}  // namespace vdb::bench
