// What an application without an index would write: OpenBLAS's sgemm of a batch of queries and a
// tile of rows, and a heap per query. Exact up to float32.
#include <cblas.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "bench/peer.h"

namespace vdb::bench {
namespace {

constexpr size_t kBatch = 128;
constexpr size_t kTileRows = 1024;  // of scores: 512 KiB, in the cache until they are looked at

class Sgemm : public Peer {
 public:
  std::string name() const override { return "sgemm + top-k"; }
  std::string note() const override { return "no index"; }

  void Open(const TestSet& set, const std::string&, int) override {
    openblas_set_num_threads(1);
    set_ = &set;
    index_bytes = set.data.rows.size() * sizeof(float);
    if (!set.squared_l2) return;
    for (size_t r = 0; r < set.data.row_count; ++r) {
      float half = 0;
      for (size_t i = 0; i < set.data.dimension; ++i) {
        const float x = set.data.rows[r * set.data.dimension + i];
        half += 0.5f * x * x;
      }
      halves_.push_back(half);
    }
  }

  std::vector<PeerSetting> Settings() const override {
    return {{"exact, batch of 128", "batch", kBatch}};
  }
  void Use(size_t) override {}

  void Search(const float* queries, size_t count, size_t k) override {
    heaps_.assign(count, {});
    scores_.resize(count * kTileRows);
    const auto d = static_cast<blasint>(set_->data.dimension);
    for (size_t first = 0; first < set_->data.row_count; first += kTileRows) {
      const size_t rows = std::min(kTileRows, set_->data.row_count - first);
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<blasint>(count),
                  static_cast<blasint>(rows), d, 1, queries, d,
                  set_->data.rows.data() + first * set_->data.dimension, d, 0, scores_.data(),
                  kTileRows);
      for (size_t q = 0; q < count; ++q) Take(q, first, rows, k);
    }
    for (auto& heap : heaps_) std::ranges::sort(heap, std::greater<>());
  }

  std::vector<int64_t> Rows(size_t i) const override {
    std::vector<int64_t> rows;
    for (const auto& found : heaps_[i]) rows.push_back(-found.second);
    return rows;
  }

 private:
  using Scored = std::pair<float, int64_t>;  // the better is the greater: rows are negated

  void Take(size_t q, size_t first, size_t rows, size_t k) {
    std::vector<Scored>& heap = heaps_[q];
    float* const scores = scores_.data() + q * kTileRows;
    for (size_t i = 0; i < rows && !halves_.empty(); ++i) scores[i] -= halves_[first + i];
    for (size_t i = 0; i < rows; ++i) {
      if (heap.size() == k && scores[i] <= heap.front().first) continue;
      if (heap.size() == k) {
        std::ranges::pop_heap(heap, std::greater<>());
        heap.pop_back();
      }
      heap.emplace_back(scores[i], -static_cast<int64_t>(first + i));
      std::ranges::push_heap(heap, std::greater<>());
    }
  }

  const TestSet* set_ = nullptr;
  std::vector<float> halves_;  // |row|^2 / 2, where nearness is squared L2
  std::vector<float> scores_;
  std::vector<std::vector<Scored>> heaps_;
};

}  // namespace

void AddSgemm(Peers* peers) { peers->push_back(std::make_unique<Sgemm>()); }

}  // namespace vdb::bench
