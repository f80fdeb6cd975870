#include "bench/filter_peer_faiss.h"

#include <faiss/IndexIVF.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/index_io.h>
#include <omp.h>

#include <filesystem>

namespace vdb::bench {
namespace {

class Ivf final : public FilteredIvf {
 public:
  explicit Ivf(faiss::Index* index) : index_(index) { omp_set_num_threads(1); }

  void SetMask(const std::vector<uint8_t>& bits) override {
    bits_ = bits;
    selector_ = std::make_unique<faiss::IDSelectorBitmap>(bits_.size(), bits_.data());
  }

  void Search(const float* query, size_t k, size_t probes, std::vector<int64_t>* rows) override {
    faiss::SearchParametersIVF parameters;
    parameters.sel = selector_.get();
    parameters.nprobe = probes;
    scores_.resize(k);
    ids_.resize(k);
    index_->search(1, query, static_cast<int64_t>(k), scores_.data(), ids_.data(), &parameters);
    rows->assign(ids_.begin(), ids_.end());
  }

 private:
  std::unique_ptr<faiss::Index> index_;
  std::vector<uint8_t> bits_;
  std::unique_ptr<faiss::IDSelectorBitmap> selector_;
  std::vector<float> scores_;
  std::vector<faiss::Index::idx_t> ids_;
};

}  // namespace

std::unique_ptr<FilteredIvf> FilteredIvf::Open(const std::string& path) {
  if (!std::filesystem::exists(path)) return nullptr;
  return std::make_unique<Ivf>(faiss::read_index(path.c_str()));
}

}  // namespace vdb::bench
