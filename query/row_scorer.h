// RowScorer: the documented score of one row, and whether the row is dead: the last step of every
// search path.
//
// Threads: one object per thread.
#pragma once

#include <cstdint>
#include <string>

#include "format/status_macros.h"
#include "index/kernels/kernel_table.h"
#include "query/exact_search.h"
#include "query/screen_limit.h"
#include "storage/delete_mask.h"

namespace vdb::query {

/// Looks up delete masks, one chunk at a time.
class DeadRows {
 public:
  StatusOr<bool> Test(const ScanSegment& segment, uint64_t row) {
    if (segment.deletes == nullptr) return false;
    const uint64_t chunk = row / storage::kMaskChunkRows;
    if (mask_ != segment.deletes || chunk_ != chunk) {
      VDB_ASSIGN_OR_RETURN(words_, segment.deletes->Chunk(chunk));
      mask_ = segment.deletes;
      chunk_ = chunk;
    }
    if (words_ == nullptr) return false;
    const uint64_t bit = row % storage::kMaskChunkRows;
    return ((words_[bit / 64] >> (bit % 64)) & 1) != 0;
  }

 private:
  const storage::DeleteMask* mask_ = nullptr;
  uint64_t chunk_ = 0;
  const uint64_t* words_ = nullptr;
};

class RowScorer {
 public:
  RowScorer(Metric metric, uint32_t dimension, const index::Kernels& kernels)
      : metric_(metric), dimension_(dimension), kernels_(&kernels) {}

  /// See exact_search.h, Scores. `segment_index` is for the message.
  StatusOr<double> Score(const ScreenQuery& query, const ScanSegment& segment,
                         uint32_t segment_index, uint64_t row) const;
  StatusOr<bool> IsDead(const ScanSegment& segment, uint64_t row) {
    return dead_.Test(segment, row);
  }

 private:
  Metric metric_;
  uint32_t dimension_;
  const index::Kernels* kernels_;
  DeadRows dead_;
};

}  // namespace vdb::query
