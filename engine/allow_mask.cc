#include "engine/allow_mask.h"

#include <algorithm>

#include "format/status_macros.h"
#include "query/list_search.h"

namespace vdb::engine {
namespace {

// A binary search per match costs as much as looking at so many row records in a pass.
constexpr uint64_t kRowsPerSearch = 32;
// Rows between two looks at the budget.
constexpr uint64_t kRowsPerStep = 65536;
// A pass expands the docnos of a segment into bits if they are at most so many per row.
constexpr uint64_t kDocnosPerRow = 64;

bool Holds(const uint64_t* words, uint64_t i) { return ((words[i / 64] >> (i % 64)) & 1) != 0; }

// Looks at every row, `complement` rows whose docno is not in the set.
class PassOverRows {
 public:
  PassOverRows(const SegmentView& segment, const FilterMatches& matches)
      : segment_(segment), matches_(matches) {
    const uint64_t docnos = segment.mark.docno_max - segment.mark.docno_min + 1;
    if (docnos / kDocnosPerRow > segment.mark.rows) return;
    bits_.resize((docnos + 63) / 64);
    matches.docnos.ToBits(segment.mark.docno_min, docnos, bits_.data());
  }

  StatusOr<std::shared_ptr<const query::RowMask>> Run(query::Budget* budget) {
    const uint64_t rows = segment_.mark.rows;
    std::vector<uint64_t> words((rows + 63) / 64);
    static_assert(kRowsPerStep == storage::kMaskChunkRows);
    for (uint64_t first = 0; first < rows && budget->GoOn(); first += kRowsPerStep) {
      const uint64_t past = std::min(rows, first + kRowsPerStep);
      const format::RowRecord* const records = segment_.segment->records();
      for (uint64_t row = first; row < past; ++row) {
        if (Matches(records[row].docno)) words[row / 64] |= uint64_t{1} << (row % 64);
      }
      if (segment_.mask == nullptr) continue;
      VDB_ASSIGN_OR_RETURN(const uint64_t* const dead, segment_.mask->Chunk(first / kRowsPerStep));
      for (uint64_t w = first / 64; dead != nullptr && w < (past + 63) / 64; ++w) {
        words[w] &= ~dead[w - first / 64];
      }
    }
    return query::RowMask::FromWords(std::move(words), rows);
  }

 private:
  bool Matches(uint64_t docno) const {
    const uint64_t at = docno - segment_.mark.docno_min;
    const bool in = bits_.empty() ? matches_.docnos.Contains(docno)
                                  : at / 64 < bits_.size() && Holds(bits_.data(), at);
    return in != matches_.complement;
  }

  const SegmentView& segment_;
  const FilterMatches& matches_;
  std::vector<uint64_t> bits_;
};

StatusOr<std::shared_ptr<const query::RowMask>> SearchRows(const SegmentView& segment,
                                                           std::span<const uint64_t> docnos,
                                                           query::Budget* budget) {
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < docnos.size(); ++i) {
    if (i % 1024 == 0 && !budget->GoOn()) break;
    VDB_ASSIGN_OR_RETURN(const auto row, segment.segment->FindDocno(docnos[i], segment.mark));
    if (!row) continue;
    if (segment.mask != nullptr) {
      VDB_ASSIGN_OR_RETURN(const bool dead, segment.mask->Test(*row));
      if (dead) continue;
    }
    rows.push_back(static_cast<uint32_t>(*row));
  }
  std::sort(rows.begin(), rows.end());
  return query::RowMask::FromRows(rows, segment.mark.rows);
}

void CountLists(const ColumnView& column, AllowMask* mask) {
  if (column.epoch == nullptr) return;
  for (size_t i = 0; i < column.segments.size(); ++i) {
    const SegmentView& segment = column.segments[i];
    if (segment.index == nullptr || segment.index->damaged()) continue;
    auto lists = segment.index->Get();
    if (!lists.ok()) continue;
    mask->list_allowed.resize(column.epoch->entry().list_count);
    query::CountByList(*mask->segments[i], **lists, mask->list_allowed);
  }
}

}  // namespace

StatusOr<std::shared_ptr<const AllowMask>> MakeAllowMask(const ColumnView& column,
                                                         FilterMatches matches,
                                                         query::Budget* budget) {
  auto mask = std::make_shared<AllowMask>();
  const std::vector<uint64_t> docnos =
      matches.complement ? std::vector<uint64_t>() : matches.docnos.ToVector();
  for (const SegmentView& segment : column.segments) {
    const auto first = std::lower_bound(docnos.begin(), docnos.end(), segment.mark.docno_min);
    const auto past = std::upper_bound(first, docnos.end(), segment.mark.docno_max);
    const auto inside = static_cast<uint64_t>(past - first);
    std::shared_ptr<const query::RowMask> rows;
    if (matches.complement || inside * kRowsPerSearch > segment.mark.rows) {
      VDB_ASSIGN_OR_RETURN(rows, PassOverRows(segment, matches).Run(budget));
    } else {
      VDB_ASSIGN_OR_RETURN(rows, SearchRows(segment, {first, past}, budget));
    }
    mask->row_count += rows->count();
    mask->memory_bytes += rows->memory_bytes();
    budget->Reserve(rows->memory_bytes());
    mask->segments.push_back(std::move(rows));
  }
  CountLists(column, mask.get());
  mask->memory_bytes += sizeof(AllowMask) + mask->list_allowed.size() * sizeof(uint32_t);
  mask->stopped = budget->stopped();
  mask->explain = std::move(matches.explain);
  return std::shared_ptr<const AllowMask>(std::move(mask));
}

std::shared_ptr<const AllowMask> MaskCache::Find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->mask;
}

namespace {

// All that an entry holds: the key twice, and what explain says of the filter.
uint64_t EntryBytes(const MaskCache::Key& key, const AllowMask& mask) {
  constexpr uint64_t kNodes = 256;
  uint64_t bytes = kNodes + mask.memory_bytes + 2 * (sizeof(key) + key.filter.capacity()) +
                   mask.explain.plan.capacity() + mask.explain.reason.capacity();
  for (const auto& predicate : mask.explain.predicates) {
    bytes += sizeof(predicate) + predicate.text.capacity() + predicate.index.capacity();
  }
  return bytes;
}

}  // namespace

void MaskCache::Insert(Key key, std::shared_ptr<const AllowMask> mask) {
  std::list<Entry> gone;  // freed after the lock
  const uint64_t bytes = EntryBytes(key, *mask);
  const std::lock_guard lock(mutex_);
  if (bytes > bytes_max_ || by_key_.contains(key)) return;
  bytes_ += bytes;
  entries_.push_front({key, std::move(mask), bytes});
  by_key_[std::move(key)] = entries_.begin();
  while (bytes_ > bytes_max_) {
    bytes_ -= entries_.back().bytes;
    by_key_.erase(entries_.back().key);
    gone.splice(gone.begin(), entries_, std::prev(entries_.end()));
  }
}

uint64_t MaskCache::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace vdb::engine
