// JoinVemb: see legacy_npy.h.
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "format/legacy_columns.h"
#include "format/legacy_npy.h"
#include "format/status_macros.h"

namespace vdb::format {
namespace {

class VembJoin : public LegacyCache {
 public:
  VembJoin(std::unique_ptr<const LegacyCache> v2, std::unique_ptr<const LegacyCache> v1)
      : v2_{std::move(v2), {}, {}}, v1_{std::move(v1), {}, {}} {}

  Status Join();
  /// Only one of the two, with a warning about the other.
  void TakeOne(bool take_v1, std::string warning);

  const LegacyCache& v2() const { return *v2_.cache; }
  const LegacyCache& v1() const { return *v1_.cache; }

  Status ReadEntries(uint64_t first, uint64_t count,
                     const std::function<Status(LegacyEntry&)>& take) const override;

 private:
  struct Part {
    std::unique_ptr<const LegacyCache> cache;
    std::vector<uint64_t> entries;  // of the cache that stand
    std::vector<uint32_t> columns;  // of the cache, as columns of ours
  };
  struct Key {
    uint64_t hash = 0;
    uint64_t entry = 0;
    bool migrates = false;
    bool operator<(const Key& other) const { return hash < other.hash; }
  };

  Status ReadKeys();
  StatusOr<const Key*> FindKey(const std::string& key) const;
  Status SelectV1(std::vector<uint64_t>* replaced, std::vector<bool>* columns_used);
  void AddColumns(Part* part, const std::vector<bool>& used);
  Status ReadPart(const Part& part, uint64_t first, uint64_t count,
                  const std::function<Status(LegacyEntry&)>& take) const;

  Part v2_, v1_;
  std::vector<Key> keys_;  // of v2, by hash; while joining only
};

uint64_t HashOf(const std::string& key) { return std::hash<std::string>()(key); }

std::vector<uint64_t> AllEntries(const LegacyCache& cache) {
  std::vector<uint64_t> entries(cache.entry_count());
  for (uint64_t i = 0; i < entries.size(); ++i) entries[i] = i;
  return entries;
}

void VembJoin::TakeOne(bool take_v1, std::string warning) {
  Part* part = take_v1 ? &v1_ : &v2_;
  const LegacyCache& cache = *part->cache;
  format_ = cache.format();
  refused_ = cache.refused();
  refusal_ = cache.refusal();
  taken_ = cache.taken();
  warnings_ = cache.warnings();
  if (!warning.empty()) warnings_.push_back(std::move(warning));
  torn_ = cache.torn();
  replaced_count_ = cache.replaced_count();
  deleted_count_ = cache.deleted_count();
  vector_bytes_ = cache.vector_bytes();
  entry_count_ = cache.entry_count();
  part->entries = AllEntries(cache);
  AddColumns(part, std::vector<bool>(cache.columns().size(), true));
}

Status VembJoin::Join() {
  TakeOne(false, "");
  VDB_RETURN_IF_ERROR(ReadKeys());
  std::vector<uint64_t> replaced;
  std::vector<bool> columns_used(v1_.cache->columns().size());
  VDB_RETURN_IF_ERROR(SelectV1(&replaced, &columns_used));
  keys_ = {};
  AddColumns(&v1_, columns_used);
  std::sort(replaced.begin(), replaced.end());
  std::erase_if(v2_.entries, [&replaced](uint64_t entry) {
    return std::binary_search(replaced.begin(), replaced.end(), entry);
  });
  entry_count_ = v2_.entries.size() + v1_.entries.size();
  replaced_count_ += replaced.size() + v1_.cache->replaced_count();
  torn_ = torn_ || v1_.cache->torn();
  const auto& more = v1_.cache->warnings();
  warnings_.insert(warnings_.end(), more.begin(), more.end());
  if (!v1_.entries.empty()) {
    taken_ += "; then " + std::to_string(v1_.entries.size()) +
              " entries of cache.json that manifest.json has not";
  }
  return Status::Ok();
}

Status VembJoin::ReadKeys() {
  keys_.reserve(v2_.cache->entry_count());
  VDB_RETURN_IF_ERROR(v2_.cache->ReadEntries(
      0, v2_.cache->entry_count(), [this](LegacyEntry& entry) {
        keys_.push_back({HashOf(entry.key), keys_.size(), entry.migrates()});
        return Status::Ok();
      }));
  std::stable_sort(keys_.begin(), keys_.end());
  return Status::Ok();
}

StatusOr<const VembJoin::Key*> VembJoin::FindKey(const std::string& key) const {
  const Key wanted = {HashOf(key), 0, false};
  const auto same = std::equal_range(keys_.begin(), keys_.end(), wanted);
  for (auto at = same.first; at != same.second; ++at) {
    bool equal = false;  // the hash may lie
    VDB_RETURN_IF_ERROR(v2_.cache->ReadEntries(at->entry, 1, [&](LegacyEntry& entry) {
      equal = entry.key == key;
      return Status::Ok();
    }));
    if (equal) return &*at;
  }
  return static_cast<const Key*>(nullptr);
}

// Entries of v1 whose keys v2 has not; those that v2 has but refuses are replaced.
Status VembJoin::SelectV1(std::vector<uint64_t>* replaced, std::vector<bool>* columns_used) {
  uint64_t index = 0;
  return v1_.cache->ReadEntries(0, v1_.cache->entry_count(), [&](LegacyEntry& entry) -> Status {
    const uint64_t at = index++;
    VDB_ASSIGN_OR_RETURN(const Key* in_v2, FindKey(entry.key));
    if (in_v2 != nullptr) {
      if (in_v2->migrates || !entry.migrates()) return Status::Ok();
      replaced->push_back(in_v2->entry);
    }
    v1_.entries.push_back(at);
    for (const LegacyVector& vector : entry.vectors) {
      (*columns_used)[vector.column] = true;
      vector_bytes_ += vector.values.size() * sizeof(float);
    }
    return Status::Ok();
  });
}

void VembJoin::AddColumns(Part* part, const std::vector<bool>& used) {
  part->columns.assign(used.size(), 0);
  for (size_t i = 0; i < used.size(); ++i) {
    const LegacyColumn& column = part->cache->columns()[i];
    if (used[i]) part->columns[i] = LegacyColumnOf(column.model, column.dimension, &columns_);
  }
}

Status VembJoin::ReadPart(const Part& part, uint64_t first, uint64_t count,
                          const std::function<Status(LegacyEntry&)>& take) const {
  const auto take_mapped = [&](LegacyEntry& entry) {
    for (LegacyVector& vector : entry.vectors) vector.column = part.columns[vector.column];
    return take(entry);
  };
  for (uint64_t i = first; i < first + count;) {
    uint64_t run = 1;  // of neighbours
    while (i + run < first + count && part.entries[i + run] == part.entries[i] + run) ++run;
    VDB_RETURN_IF_ERROR(part.cache->ReadEntries(part.entries[i], run, take_mapped));
    i += run;
  }
  return Status::Ok();
}

Status VembJoin::ReadEntries(uint64_t first, uint64_t count,
                             const std::function<Status(LegacyEntry&)>& take) const {
  if (first > entry_count_ || count > entry_count_ - first) {
    return Status::InvalidArgument("entries " + std::to_string(first) + " to " +
                                   std::to_string(first + count) + " of " +
                                   std::to_string(entry_count_));
  }
  const uint64_t of_v2 = v2_.entries.size();
  const uint64_t from_v2 = first < of_v2 ? std::min(count, of_v2 - first) : 0;
  VDB_RETURN_IF_ERROR(ReadPart(v2_, first, from_v2, take));
  return ReadPart(v1_, first + from_v2 - of_v2, count - from_v2, take);
}

bool IsTorn(const LegacyCache& cache) {
  return cache.torn() || cache.refused() == LegacyReason::kTruncated ||
         cache.refused() == LegacyReason::kNotJson;
}

}  // namespace

StatusOr<std::unique_ptr<const LegacyCache>> JoinVemb(std::unique_ptr<const LegacyCache> v2,
                                                      std::unique_ptr<const LegacyCache> v1) {
  constexpr LegacyReason kNone = LegacyReason::kNone;
  const bool v1_whole = v1->refused() == kNone && !v1->torn();
  const std::string v2_refusal = v2->refusal(), v1_refusal = v1->refusal();
  auto join = std::make_unique<VembJoin>(std::move(v2), std::move(v1));
  const LegacyCache& of_v2 = join->v2();
  if (v1_whole && IsTorn(of_v2)) {
    join->TakeOne(true, "the upgrade to version 2 stopped half way: took cache.json (" +
                            (v2_refusal.empty() ? "manifest.json is torn" : v2_refusal) + ")");
  } else if (of_v2.refused() != kNone) {
    join->TakeOne(false, "");
  } else if (join->v1().refused() != kNone) {
    join->TakeOne(false, "cache.json beside it was not read: " + v1_refusal);
  } else {
    VDB_RETURN_IF_ERROR(join->Join());
  }
  return std::unique_ptr<const LegacyCache>(std::move(join));
}

}  // namespace vdb::format
