// RowStream: the live rows of segments that are merged, in their new order, one at a time: list by
// list where they are indexed, and by docno within. Holds one position per segment.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/segment_rewrite.h"

namespace vdb::engine {

/// A segment to be merged; `lists` null: without its index.
struct MergeSource {
  const SegmentView* view = nullptr;
  std::shared_ptr<const index::InvertedLists> lists = {};
};

class RowStream {
 public:
  struct Row {
    uint32_t source = 0;  // its place among the sources
    uint32_t list = 0;    // list_count: loose; without an index always 0
    uint64_t row = 0;
  };

  /// The sources are sealed, and all have lists, of one epoch, or none has.
  explicit RowStream(std::span<const MergeSource> sources);

  /// False: there are no more. kCorruption from a mask or an order file.
  StatusOr<bool> Next(Row* next);

 private:
  struct Cursor {
    uint32_t source = 0;
    uint64_t at = 0, past = 0;  // positions: row numbers, or places in the segment's order
    uint64_t row = 0, docno = 0;
  };

  Status StartList();
  /// Adds the cursor at its next live row, if there is one.
  Status Push(Cursor cursor);

  const std::span<const MergeSource> sources_;
  uint32_t list_count_ = 0;
  uint32_t next_list_ = 0;
  std::vector<Cursor> heap_;
};

}  // namespace vdb::engine
