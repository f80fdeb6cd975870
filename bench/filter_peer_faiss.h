// FAISS's IVFFlat with an IDSelector, for filter_bench.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vdb::bench {

class FilteredIvf {
 public:
  /// The index that index_bench left at `path`; null if it is not there.
  static std::unique_ptr<FilteredIvf> Open(const std::string& path);
  virtual ~FilteredIvf() = default;
  /// Rows that may be found: one bit each.
  virtual void SetMask(const std::vector<uint8_t>& bits) = 0;
  virtual void Search(const float* query, size_t k, size_t probes,
                      std::vector<int64_t>* rows) = 0;
};

}  // namespace vdb::bench
