// SortedChanges: puts and deletes of the store that are gathered from many documents and written
// in the order of their keys: RocksDB's memtable finds the place of a key near the last one in
// memory that is in the cache. (memtable_insert_with_hint_prefix_extractor would find it faster
// yet, but trips an assertion of RocksDB 7.8.3.)
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/rocksdb/document_store.h"

namespace vdb::engine {

/// Each key at most once.
class SortedChanges {
 public:
  void Put(std::string key, std::string value) {
    size_bytes_ += key.size() + value.size();
    changes_.emplace_back(std::move(key), std::move(value));
  }
  void Delete(std::string key) {
    size_bytes_ += key.size();
    changes_.emplace_back(std::move(key), std::nullopt);
  }
  size_t size_bytes() const { return size_bytes_; }

  /// Once, after the last change.
  void EmitTo(storage::StoreBatch* batch) {
    std::sort(changes_.begin(), changes_.end(),
              [](const Change& a, const Change& b) { return a.first < b.first; });
    for (const auto& [key, value] : changes_) {
      if (value) {
        batch->Put(key, *value);
      } else {
        batch->Delete(key);
      }
    }
  }

 private:
  using Change = std::pair<std::string, std::optional<std::string>>;
  std::vector<Change> changes_;
  size_t size_bytes_ = 0;
};

}  // namespace vdb::engine
