// hnswlib, compiled here for this CPU (its speed comes from that): M 16, ef_construction 200.
#include <hnswlib/hnswlib.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "bench/peer.h"

namespace vdb::bench {
namespace {

constexpr size_t kLinks = 16;
constexpr size_t kEfConstruction = 200;
constexpr size_t kEfs[] = {10, 16, 24, 32, 48, 64, 80, 120, 160, 240, 400, 700};

class Hnswlib : public Peer {
 public:
  std::string name() const override { return "hnswlib M=16"; }
  std::string note() const override { return "0.6.2, compiled here with -march=native"; }

  void Open(const TestSet& set, const std::string& path, int threads) override {
    dimension_ = set.data.dimension;
    if (set.squared_l2) {
      space_ = std::make_unique<hnswlib::L2Space>(set.data.dimension);
    } else {
      space_ = std::make_unique<hnswlib::InnerProductSpace>(set.data.dimension);
    }
    const std::string file = path + ".hnswlib";
    build = ReadBuildTime(file);
    if (build.seconds > 0) {
      index_ = std::make_unique<Index>(space_.get(), file);
    } else {
      build = BuildTime::Of([&] { Build(set.data, threads); });
      index_->saveIndex(file);
      WriteBuildTime(file, build);
    }
    index_bytes = std::filesystem::file_size(file);
  }

  std::vector<PeerSetting> Settings() const override {
    std::vector<PeerSetting> settings;
    for (const size_t ef : kEfs) settings.push_back({"ef=" + std::to_string(ef), ""});
    return settings;
  }
  void Use(size_t setting) override { index_->setEf(kEfs[setting]); }

  void Search(const float* queries, size_t count, size_t k) override {
    found_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      found_[i] = index_->searchKnn(queries + i * dimension_, k);
    }
  }

  std::vector<int64_t> Rows(size_t i) const override {
    std::vector<int64_t> rows;
    for (auto queue = found_[i]; !queue.empty(); queue.pop()) {
      rows.push_back(static_cast<int64_t>(queue.top().second));
    }
    return rows;
  }

 private:
  using Index = hnswlib::HierarchicalNSW<float>;
  using Found = std::priority_queue<std::pair<float, hnswlib::labeltype>>;

  void Build(const Dataset& data, int threads) {
    index_ = std::make_unique<Index>(space_.get(), data.row_count, kLinks, kEfConstruction);
    std::atomic<size_t> next{0};
    const auto work = [&] {
      for (size_t i = next++; i < data.row_count; i = next++) {
        index_->addPoint(data.rows.data() + i * data.dimension, i);
      }
    };
    std::vector<std::thread> helpers;
    for (int i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
    for (std::thread& helper : helpers) helper.join();
  }

  size_t dimension_ = 0;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space_;
  std::unique_ptr<Index> index_;
  std::vector<Found> found_;
};

}  // namespace

void AddHnswlib(Peers* peers) { peers->push_back(std::make_unique<Hnswlib>()); }

}  // namespace vdb::bench
