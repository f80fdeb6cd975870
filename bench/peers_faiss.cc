// FAISS as the system's package has it. Debian's is built for any x86-64 (SSE2, no AVX2), which
// costs its scans a factor; matrix products come from our OpenBLAS and run at full speed.
#include <cblas.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexRefine.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>
#include <omp.h>

#include <filesystem>

#include "bench/peer.h"

namespace vdb::bench {
namespace {

#if !defined(VDB_BENCH_FAISS_BUILD)
#define VDB_BENCH_FAISS_BUILD "prebuilt, no AVX2, no AVX-512"
#endif

constexpr size_t kBatch = 128;
constexpr size_t kProbes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
constexpr size_t kEfs[] = {10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512};
constexpr float kRefineFactors[] = {2, 5, 10, 30};

// An index by its factory string, and the points of its sweep.
class Faiss : public Peer {
 public:
  Faiss(std::string shown, std::string factory)
      : shown_(std::move(shown)), factory_(std::move(factory)) {}

  std::string name() const override { return "FAISS " + shown_; }
  std::string note() const override {
    const std::string version = std::to_string(FAISS_VERSION_MAJOR) + "." +
                                std::to_string(FAISS_VERSION_MINOR) + "." +
                                std::to_string(FAISS_VERSION_PATCH);
    return version + " " VDB_BENCH_FAISS_BUILD "; " + factory_;
  }

  void Open(const TestSet& set, const std::string& path, int threads) override {
    const std::string file = path + "." + factory_ + ".faiss";
    build = ReadBuildTime(file);
    if (build.seconds > 0) {
      index_.reset(faiss::read_index(file.c_str()));
    } else {
      build = BuildTime::Of([&] { Build(set, threads); });
      faiss::write_index(index_.get(), file.c_str());
      WriteBuildTime(file, build);
    }
    index_bytes = std::filesystem::file_size(file);
    omp_set_num_threads(1);
  }

  void Search(const float* queries, size_t count, size_t k) override {
    k_ = k;
    scores_.resize(count * k);
    ids_.resize(count * k);
    index_->search(static_cast<int64_t>(count), queries, static_cast<int64_t>(k), scores_.data(),
                   ids_.data());
  }

  std::vector<int64_t> Rows(size_t i) const override {
    const auto first = ids_.begin() + static_cast<std::ptrdiff_t>(i * k_);
    return {first, first + static_cast<std::ptrdiff_t>(k_)};
  }

 protected:
  faiss::Index* index() { return index_.get(); }

 private:
  void Build(const TestSet& set, int threads) {
    omp_set_num_threads(threads);
    openblas_set_num_threads(1);
    const auto metric = set.squared_l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    const auto n = static_cast<int64_t>(set.data.row_count);
    index_.reset(
        faiss::index_factory(static_cast<int>(set.data.dimension), factory_.c_str(), metric));
    index_->train(n, set.data.rows.data());
    index_->add(n, set.data.rows.data());
  }

  std::string shown_;
  std::string factory_;
  std::unique_ptr<faiss::Index> index_;
  size_t k_ = 0;
  std::vector<float> scores_;
  std::vector<faiss::Index::idx_t> ids_;
};

class Flat : public Faiss {
 public:
  Flat() : Faiss("Flat", "Flat") {}
  std::vector<PeerSetting> Settings() const override {
    return {{"exact", ""}, {"exact, batch of 128", "batch", kBatch}};
  }
  void Use(size_t) override {}
};

class Hnsw : public Faiss {
 public:
  explicit Hnsw(const std::string& factory) : Faiss(factory, factory) {}
  std::vector<PeerSetting> Settings() const override {
    std::vector<PeerSetting> settings;
    for (const size_t ef : kEfs) settings.push_back({"efSearch=" + std::to_string(ef), ""});
    return settings;
  }
  void Use(size_t setting) override {
    dynamic_cast<faiss::IndexHNSW&>(*index()).hnsw.efSearch = static_cast<int>(kEfs[setting]);
  }
};

// Inverted lists, plain or under a refinement by float32.
class Ivf : public Faiss {
 public:
  Ivf(std::string shown, const std::string& factory, size_t list_count, bool refined)
      : Faiss(std::move(shown), factory), refined_(refined) {
    for (const size_t probe : kProbes) {
      if (probe > list_count) break;
      if (!refined) points_.push_back({probe, 0});
      for (const float factor : kRefineFactors) {
        if (refined) points_.push_back({probe, factor});
      }
    }
  }

  std::vector<PeerSetting> Settings() const override {
    std::vector<PeerSetting> settings;
    for (const Point& point : points_) {
      const std::string series =
          refined_ ? "k_factor=" + std::to_string(static_cast<int>(point.factor)) : "";
      settings.push_back({"nprobe=" + std::to_string(point.probes) + (refined_ ? " " : "") + series,
                          series});
    }
    return settings;
  }

  void Use(size_t setting) override {
    faiss::Index* base = index();
    if (refined_) {
      auto& refine = dynamic_cast<faiss::IndexRefine&>(*base);
      refine.k_factor = points_[setting].factor;
      base = refine.base_index;
    }
    dynamic_cast<faiss::IndexIVF&>(*base).nprobe = points_[setting].probes;
  }

 private:
  struct Point {
    size_t probes;
    float factor;
  };
  bool refined_;
  std::vector<Point> points_;
};

// About twice the root of the row count, as a power of two.
size_t ListCount(size_t row_count) {
  size_t lists = 16;
  while (lists * lists * 2 < row_count * 4) lists *= 2;
  return lists;
}

}  // namespace

void AddFaiss(size_t row_count, size_t dimension, bool small, Peers* peers) {
  const size_t lists = ListCount(row_count);
  const std::string ivf = "IVF" + std::to_string(lists);
  peers->push_back(std::make_unique<Flat>());
  peers->push_back(std::make_unique<Ivf>("IVFFlat", ivf + ",Flat", lists, false));
  if (small) return;
  const std::string codes = ",PQ" + std::to_string(dimension / 2) + "x4fs";
  peers->push_back(std::make_unique<Ivf>("PQ fast scan", ivf + codes + ",RFlat", lists, true));
  peers->push_back(std::make_unique<Hnsw>("HNSW16"));
  peers->push_back(std::make_unique<Hnsw>("HNSW32"));
}

}  // namespace vdb::bench
