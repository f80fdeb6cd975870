// See compaction_choice.h.
#include "engine/compaction_choice.h"

#include <algorithm>

namespace vdb::engine {
namespace {

constexpr uint64_t kDeadPerRows = 5;        // more than one row in so many
constexpr uint64_t kSmallPerUsual = 4;      // a small segment would fit so many times
constexpr size_t kSmallCount = 4;
constexpr size_t kDueSmallCount = 16;
constexpr uint64_t kDueDeadBytes = 16u << 20;

bool IsSmall(const SegmentView& segment, const storage::SegmentCapacity& usual) {
  return LiveRows(segment) * kSmallPerUsual <= usual.rows &&
         segment.mark.key_bytes * kSmallPerUsual <= usual.key_bytes;
}

bool HasIndex(const ColumnView& column, const SegmentView& segment) {
  if (column.epoch == nullptr || column.epoch->damaged() || segment.index == nullptr ||
      segment.index->damaged() || segment.index->epoch_id() != column.epoch->entry().id) {
    return false;
  }
  const auto lists = segment.index->Get();
  return lists.ok() && (*lists)->has_fine_codes() && column.epoch->Get().ok();
}

std::vector<const SegmentView*> ChooseAmong(const std::vector<const SegmentView*>& segments,
                                            const storage::SegmentCapacity& usual, bool full) {
  std::vector<const SegmentView*> chosen, small;
  bool any_dead = false;
  for (const SegmentView* segment : segments) {
    const uint64_t dead = segment->mark.rows - LiveRows(*segment);
    if (full ? dead > 0 : dead * kDeadPerRows > segment->mark.rows) {
      chosen.push_back(segment);
      any_dead = true;
    } else if (IsSmall(*segment, usual)) {
      small.push_back(segment);
    }
  }
  if (full || any_dead || small.size() >= kSmallCount) {
    chosen.insert(chosen.end(), small.begin(), small.end());
  }
  if (!any_dead && chosen.size() < 2) chosen.clear();  // it is what it would become
  std::sort(chosen.begin(), chosen.end(), [](const SegmentView* a, const SegmentView* b) {
    return a->segment->id() < b->segment->id();
  });
  return chosen;
}

}  // namespace

CompactionChoice ChooseSegments(const ColumnView& column, const storage::SegmentCapacity& usual,
                                bool full) {
  std::vector<const SegmentView*> indexed, loose;
  for (const SegmentView& segment : column.segments) {
    if (segment.mark.rows == 0) continue;
    (HasIndex(column, segment) ? indexed : loose).push_back(&segment);
  }
  return {ChooseAmong(indexed, usual, full), ChooseAmong(loose, usual, full)};
}

bool DueForCompaction(const ColumnView& column, uint32_t dimension,
                      const storage::SegmentCapacity& usual) {
  uint64_t rows = 0, dead = 0;
  size_t small[2] = {0, 0};
  for (const SegmentView& segment : column.segments) {
    rows += segment.mark.rows;
    dead += segment.mark.rows - LiveRows(segment);
    small[HasIndex(column, segment) ? 0 : 1] += IsSmall(segment, usual) ? 1 : 0;
  }
  const bool many_dead = dead * kDeadPerRows > rows &&
                         dead * dimension * sizeof(float) > kDueDeadBytes;
  return (many_dead || std::max(small[0], small[1]) > kDueSmallCount) &&
         !ChooseSegments(column, usual, /*full=*/false).empty();
}

uint64_t LiveBytes(const SegmentView& segment, uint32_t dimension) {
  const uint64_t per_row = uint64_t{dimension} * sizeof(float) + sizeof(format::RowRecord) +
                           sizeof(uint32_t);
  return LiveRows(segment) * per_row + segment.mark.key_bytes +
         (segment.index != nullptr ? segment.index->file_bytes() : 0) +
         4 * format::kSegmentPageBytes;
}

}  // namespace vdb::engine
