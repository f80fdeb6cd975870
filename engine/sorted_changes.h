// SortedChanges: puts and deletes of the store that are gathered from many documents and written
// in the order of their keys: RocksDB's memtable finds the place of a key near the last one in
// memory that is in the cache. (Its insert hints would find it a little faster yet, but RocksDB
// 7.8.3 takes the hint of a range deletion for one of a key: facebook/rocksdb issue 5118.)
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "storage/rocksdb/document_store.h"

namespace vdb::engine {

/// Each key at most once. All bytes lie in one piece of memory, and 16 bytes of each key beside its
/// place, which nearly always order two keys: a round of 1,000 documents has thousands of entries.
class SortedChanges {
 public:
  void Put(std::string_view key, std::string_view value) {
    Add(key, static_cast<uint32_t>(value.size()));
    bytes_ += value;
  }
  void Delete(std::string_view key) { Add(key, kDelete); }
  size_t size_bytes() const { return bytes_.size(); }

  /// Once, after the last change.
  void EmitTo(storage::StoreBatch* batch) {
    std::sort(changes_.begin(), changes_.end(), [this](const Change& a, const Change& b) {
      if (a.front[0] != b.front[0]) return a.front[0] < b.front[0];
      if (a.front[1] != b.front[1]) return a.front[1] < b.front[1];
      return Key(a) < Key(b);
    });
    for (const Change& change : changes_) {
      const std::string_view key = Key(change);
      if (change.value_bytes == kDelete) {
        batch->Delete(key);
      } else {
        batch->Put(key, {key.data() + key.size(), change.value_bytes});
      }
    }
  }

 private:
  struct Change {
    uint64_t front[2];  // the first bytes of the key, so that numbers order as they do
    size_t at;          // of the key in bytes_; the value follows it
    uint32_t key_bytes;
    uint32_t value_bytes;
  };
  static constexpr uint32_t kDelete = UINT32_MAX;

  void Add(std::string_view key, uint32_t value_bytes) {
    Change change = {{0, 0}, bytes_.size(), static_cast<uint32_t>(key.size()), value_bytes};
    std::memcpy(change.front, key.data(), std::min(key.size(), sizeof(change.front)));
    for (uint64_t& word : change.front) word = __builtin_bswap64(word);
    bytes_ += key;
    changes_.push_back(change);
  }
  std::string_view Key(const Change& change) const {
    return {bytes_.data() + change.at, change.key_bytes};
  }

  std::string bytes_;
  std::vector<Change> changes_;
};

}  // namespace vdb::engine
