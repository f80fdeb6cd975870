// See awkward_data.h.
#include "tests/query/awkward_data.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <random>

namespace vdb::query {
namespace {

/// What a distribution fixes once (directions, centres), then vectors of it one by one.
class Source {
 public:
  Source(uint32_t dimension, uint64_t seed) : dimension_(dimension), random_(seed) {}

  std::function<void(float* out)> Make(Awkward kind);

 private:
  using Draw = std::function<void(float* out)>;

  Draw Curve();
  Draw Shells();
  Draw LowRank();
  Draw Spikes();
  Draw Signs();
  Draw Blocks();
  Draw HeavyTails();
  Draw Cube();
  Draw Lattice();
  Draw Offset();

  float Normal() { return normal_(random_); }
  double Uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  size_t Below(size_t past) { return random_() % past; }
  std::vector<float> Normals(size_t count) {
    std::vector<float> values(count);
    for (float& x : values) x = Normal();
    return values;
  }
  // latents [rank] through directions [rank x dimension].
  void Combine(const std::vector<float>& directions, const std::vector<float>& latents,
               float* out) {
    std::fill_n(out, dimension_, 0.0f);
    for (size_t r = 0; r < latents.size(); ++r) {
      const float* direction = directions.data() + r * dimension_;
      for (uint32_t d = 0; d < dimension_; ++d) out[d] += latents[r] * direction[d];
    }
  }

  uint32_t dimension_;
  std::mt19937_64 random_;
  std::normal_distribution<float> normal_;
};

Source::Draw Source::Curve() {
  constexpr size_t kHarmonics = 6;
  return [this, directions = Normals(2 * kHarmonics * dimension_)](float* out) {
    const double t = 2 * std::numbers::pi * Uniform();
    std::vector<float> latents;
    for (size_t h = 1; h <= kHarmonics; ++h) {
      const double angle = static_cast<double>(h) * t;
      latents.push_back(static_cast<float>(std::cos(angle) / static_cast<double>(h)));
      latents.push_back(static_cast<float>(std::sin(angle) / static_cast<double>(h)));
    }
    Combine(directions, latents, out);
  };
}

Source::Draw Source::Shells() {
  return [this](float* out) {
    double squares = 0;
    for (uint32_t d = 0; d < dimension_; ++d) {
      out[d] = Normal();
      squares += double{out[d]} * double{out[d]};
    }
    const auto radius = static_cast<float>(1u << Below(4));
    const float scale = radius * (1 + 0.01f * Normal()) / static_cast<float>(std::sqrt(squares));
    for (uint32_t d = 0; d < dimension_; ++d) out[d] *= scale;
  };
}

Source::Draw Source::LowRank() {
  constexpr size_t kRank = 5;
  return [this, directions = Normals(kRank * dimension_)](float* out) {
    Combine(directions, Normals(kRank), out);
    for (uint32_t d = 0; d < dimension_; ++d) out[d] += 0.1f * Normal();
  };
}

Source::Draw Source::Spikes() {
  return [this](float* out) {
    std::fill_n(out, dimension_, 0.0f);
    const size_t spikes = 3 + dimension_ / 64;
    for (size_t i = 0; i < spikes; ++i) {
      // Low positions are more popular.
      const auto at = static_cast<size_t>(static_cast<double>(dimension_) * std::pow(Uniform(), 3));
      out[std::min<size_t>(at, dimension_ - 1)] = std::exp(1.5f * Normal());
    }
  };
}

Source::Draw Source::Signs() {
  constexpr size_t kRank = 12;
  return [this, directions = Normals(kRank * dimension_)](float* out) {
    Combine(directions, Normals(kRank), out);
    for (uint32_t d = 0; d < dimension_; ++d) out[d] = out[d] < 0 ? -1.0f : 1.0f;
  };
}

Source::Draw Source::Blocks() {
  constexpr uint32_t kBlock = 8;
  return [this](float* out) {
    float common = 0;
    for (uint32_t d = 0; d < dimension_; ++d) {
      if (d % kBlock == 0) common = Normal();
      const float scale = 1 / std::sqrt(1 + static_cast<float>(d / kBlock));
      out[d] = scale * (0.95f * common + 0.3f * Normal());
    }
  };
}

Source::Draw Source::HeavyTails() {
  constexpr size_t kClusters = 60;
  std::vector<float> spread(kClusters);
  for (float& s : spread) s = 0.3f * std::exp(0.7f * Normal());
  return [this, centres = Normals(kClusters * dimension_), spread](float* out) {
    // The first cluster is several hundred times the last one.
    const auto c = static_cast<size_t>(kClusters * std::pow(Uniform(), 4));
    // Student's t with 3 degrees of freedom, by vector.
    double squares = 0;
    for (int i = 0; i < 3; ++i) squares += std::pow(double{Normal()}, 2);
    const float tail = spread[c] / static_cast<float>(std::sqrt(std::max(squares, 1e-3) / 3));
    const float* centre = centres.data() + c * dimension_;
    for (uint32_t d = 0; d < dimension_; ++d) out[d] = centre[d] + tail * Normal();
  };
}

Source::Draw Source::Cube() {
  return [this](float* out) {
    for (uint32_t d = 0; d < dimension_; ++d) out[d] = static_cast<float>(Uniform());
  };
}

Source::Draw Source::Lattice() {
  constexpr size_t kCentres = 100;
  std::vector<float> centres(kCentres * dimension_);
  for (float& x : centres) x = static_cast<float>(Below(5)) - 2;
  auto drawn = std::make_shared<std::vector<float>>();
  return [this, centres, drawn](float* out) {
    const size_t count = drawn->size() / dimension_;
    if (count > 0 && Uniform() < 0.3) {
      std::copy_n(drawn->data() + Below(count) * dimension_, dimension_, out);
    } else {
      std::copy_n(centres.data() + Below(kCentres) * dimension_, dimension_, out);
      for (uint32_t i = 0; i < 1 + dimension_ / 8; ++i) {
        out[Below(dimension_)] += Below(2) == 0 ? 1.0f : -1.0f;
      }
      if (std::all_of(out, out + dimension_, [](float x) { return x == 0; })) out[0] = 1;
    }
    drawn->insert(drawn->end(), out, out + dimension_);
  };
}

Source::Draw Source::Offset() {
  constexpr size_t kClusters = 40;
  return [this, offset = Normals(dimension_),
          centres = Normals(kClusters * dimension_)](float* out) {
    const size_t c = Below(kClusters);
    for (uint32_t d = 0; d < dimension_; ++d) {
      out[d] = 50 * offset[d] + centres[c * dimension_ + d] + 0.5f * Normal();
    }
  };
}

Source::Draw Source::Make(Awkward kind) {
  switch (kind) {
    case Awkward::kCurve: return Curve();
    case Awkward::kShells: return Shells();
    case Awkward::kLowRank: return LowRank();
    case Awkward::kSpikes: return Spikes();
    case Awkward::kSigns: return Signs();
    case Awkward::kBlocks: return Blocks();
    case Awkward::kHeavyTails: return HeavyTails();
    case Awkward::kCube: return Cube();
    case Awkward::kLattice: return Lattice();
    case Awkward::kOffset: return Offset();
  }
  return Cube();
}

}  // namespace

const char* AwkwardName(Awkward kind) {
  constexpr const char* kNames[] = {"curve",  "shells",      "low rank", "spikes",  "signs",
                                    "blocks", "heavy tails", "cube",     "lattice", "offset"};
  return kNames[static_cast<size_t>(kind)];
}

AwkwardData MakeAwkwardData(Awkward kind, size_t row_count, size_t query_count, uint32_t dimension,
                            uint64_t seed) {
  Source source(dimension, seed);
  const auto draw = source.Make(kind);
  AwkwardData data;
  data.rows.resize(row_count * dimension);
  data.queries.resize(query_count * dimension);
  for (size_t i = 0; i < row_count; ++i) draw(data.rows.data() + i * dimension);
  for (size_t i = 0; i < query_count; ++i) draw(data.queries.data() + i * dimension);
  return data;
}

}  // namespace vdb::query
