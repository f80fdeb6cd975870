#include "engine/result_cache.h"

#include <bit>

#include "format/byte_io.h"

namespace vdb::engine {
namespace {

// Of a list node, a hash node and its bucket, the control block of the result: about what the
// allocator takes for them.
constexpr uint64_t kEntryBytes = 256;

void AppendText(std::string* out, std::string_view text) {
  format::AppendVarint(out, text.size());
  *out += text;
}

}  // namespace

uint64_t ResultCache::BytesOf(std::string_view key, const SearchResult& result) {
  uint64_t bytes = kEntryBytes + key.size();
  for (const Answer& answer : result.answers) {
    bytes += sizeof(Answer) + answer.hits.capacity() * sizeof(Hit);
    for (const Hit& hit : answer.hits) {
      // Short keys lie within the hit.
      const bool apart = hit.key.capacity() > std::string().capacity();
      bytes += apart ? hit.key.capacity() + 1 : 0;
    }
  }
  return bytes;
}

void ResultCache::Remove(Entries::iterator entry) {
  stats_.bytes -= entry->bytes;
  --stats_.entries;
  places_.erase(entry->key);
  entries_.erase(entry);
}

std::shared_ptr<const SearchResult> ResultCache::Find(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(key);
  if (place == places_.end()) {
    ++stats_.misses;
    return nullptr;
  }
  ++stats_.hits;
  entries_.splice(entries_.begin(), entries_, place->second);
  return place->second->result;
}

void ResultCache::Insert(std::string key, SearchResult result) {
  Entry entry;
  entry.bytes = BytesOf(key, result);
  if (entry.bytes > bytes_max_) return;
  entry.key = std::move(key);
  entry.result = std::make_shared<const SearchResult>(std::move(result));
  const std::lock_guard lock(mutex_);
  if (const auto old = places_.find(entry.key); old != places_.end()) Remove(old->second);
  while (stats_.bytes + entry.bytes > bytes_max_) Remove(std::prev(entries_.end()));
  stats_.bytes += entry.bytes;
  ++stats_.entries;
  entries_.push_front(std::move(entry));
  places_.emplace(entries_.front().key, entries_.begin());
}

ResultCache::Stats ResultCache::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

bool IsCacheable(MatrixView queries, const SearchOptions& options) {
  return queries.row_count == 1 && !options.explain && options.limits.deadline_ms == 0 &&
         options.limits.memory_bytes == 0 && options.limits.cancel == nullptr &&
         options.filter.status().ok();
}

std::string ResultCacheKey(const View& view, uint32_t collection_id, MatrixView queries,
                           const SearchOptions& options) {
  std::string key;
  key.reserve(128 + queries.dimension * sizeof(float));
  format::AppendU64(&key, view.batch);
  format::AppendU64(&key, view.manifest->generation);
  format::AppendU32(&key, collection_id);
  format::AppendU64(&key, options.k);
  format::AppendU64(&key, std::bit_cast<uint64_t>(options.recall));
  format::AppendU64(&key, std::bit_cast<uint64_t>(options.min_score));
  format::AppendU32(&key, options.nprobe);
  key += options.exact ? '\1' : '\0';
  AppendText(&key, options.column);
  AppendText(&key, options.filter.ToString());
  AppendText(&key, {reinterpret_cast<const char*>(queries.data),
                    queries.dimension * sizeof(float)});
  return key;
}

}  // namespace vdb::engine
