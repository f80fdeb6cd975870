// Private to repair_segments*.cc: one segment of the old state, and one being written.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/repair_segments.h"
#include "engine/verify_run.h"

namespace vdb::engine {

struct RepairSegments::Part {
  format::SegmentEntry entry;
  format::SegmentIdentity identity;
  std::string column, collection;  // names
  uint32_t collection_id = 0;
  bool stays = false;
  bool damaged = false;            // some of its bytes are not what was written
  SegmentView view;                // its rows, if it stays
  // Else: what can be read, and rows by docno.
  std::unique_ptr<storage::File> rows, records, keys;
  std::vector<std::pair<uint64_t, uint64_t>> by_docno;
  uint64_t row_count = 0;          // that count: up to the watermark, or all that are there
  uint64_t rows_there = 0;
  std::shared_ptr<const storage::DeleteMask> mask;
  bool mask_known = true;
  std::vector<bool> kept;

  std::string FileName(format::SegmentFile file) const { return SegmentPath(entry.id, file); }
  std::string MaskName() const {
    return format::JoinPath(format::kSegmentsDir,
                            format::MaskFileName(entry.id, entry.mask_generation));
  }
};

struct RepairSegments::Output {
  struct Row {
    format::RowRecord record = {};
    std::vector<float> values;
    std::string key;
  };
  format::SegmentIdentity identity;  // of the column; the segment's id is that of the open one
  std::shared_ptr<storage::Segment> segment;
  format::WatermarkRecord mark;
  std::vector<Row> pending;
  uint64_t pending_bytes = 0;
};

}  // namespace vdb::engine
