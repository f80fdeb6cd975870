// ResultCache: answers of searches, kept by what was asked (DatabaseOptions::result_cache_bytes).
//
// A key begins with the batch number and the generation that were searched, so nothing is ever
// invalidated, only forgotten: the entry that was used longest ago goes first. Keys are compared as
// a whole; their hash only finds the place. Threads: any.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/view.h"
#include "format/checksum.h"
#include "vdb/search.h"

namespace vdb::engine {

class ResultCache {
 public:
  /// 0: keeps nothing.
  explicit ResultCache(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  bool enabled() const { return bytes_max_ > 0; }
  /// Null: not there.
  std::shared_ptr<const SearchResult> Find(std::string_view key);
  /// Replaces what is there. An entry larger than all the memory is not kept.
  void Insert(std::string key, SearchResult result);

  struct Stats {
    uint64_t bytes = 0, entries = 0, hits = 0, misses = 0;
  };
  Stats stats() const;
  /// What an entry counts for: its bytes and those that keeping it takes.
  static uint64_t BytesOf(std::string_view key, const SearchResult& result);

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const SearchResult> result;
    uint64_t bytes = 0;
  };
  using Entries = std::list<Entry>;
  struct KeyHash {
    size_t operator()(std::string_view key) const { return format::Hash64(key); }
  };
  void Remove(Entries::iterator entry);

  const uint64_t bytes_max_;
  mutable std::mutex mutex_;
  Entries entries_;  // the last used in front
  std::unordered_map<std::string_view, Entries::iterator, KeyHash> places_;  // keys: in entries_
  Stats stats_;
};

/// Whether an answer depends on nothing but the state and the request: one query, no limits, no
/// explain.
bool IsCacheable(MatrixView queries, const SearchOptions& options);
/// All that such an answer depends on.
std::string ResultCacheKey(const View& view, uint32_t collection_id, MatrixView queries,
                           const SearchOptions& options);

}  // namespace vdb::engine
