// Which segments of a column a compaction merges, and whether a column is worth one.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/segment_rewrite.h"

namespace vdb::engine {

struct CompactionChoice {
  std::vector<const SegmentView*> indexed;  // their lists can be merged: codes move along
  std::vector<const SegmentView*> loose;    // the others

  bool empty() const { return indexed.empty() && loose.empty(); }
};

/// Segments with more than a fifth of their rows dead (`full`: with one), and small ones, where
/// there are four of them (`full`: two) or others to merge them with. Segments with an index are
/// merged among themselves, if index and epoch are whole as far as is known; the others too.
CompactionChoice ChooseSegments(const ColumnView& column, const storage::SegmentCapacity& usual,
                                bool full);

/// Whether a background compaction pays: a fifth of the column's rows is dead and takes more than
/// 16 MiB, or there are more than 16 small segments.
bool DueForCompaction(const ColumnView& column, uint32_t dimension,
                      const storage::SegmentCapacity& usual);

/// What the live rows of a segment will take when they are written again.
uint64_t LiveBytes(const SegmentView& segment, uint32_t dimension);

}  // namespace vdb::engine
