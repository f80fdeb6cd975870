// See verify_rows.h.
#include "engine/verify_rows.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/prepared_batch.h"
#include "format/frame.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using format::SegmentFile;

std::string RowName(uint64_t row) { return "row " + std::to_string(row); }

// What a record says beside what the row before it and the segment say.
std::string Contradiction(const SegmentView& view, const format::RowRecord& record, uint64_t row,
                          uint64_t key_offset, uint64_t last_docno, uint64_t next_docno) {
  const format::WatermarkRecord& mark = view.mark;
  const bool ordered = row >= mark.sorted_rows || record.docno > last_docno;
  const bool good = record.docno >= mark.docno_min && record.docno <= mark.docno_max && ordered &&
                    record.docno < next_docno && record.key_offset == key_offset;
  if (good) return "";
  return "its record (docno " + std::to_string(record.docno) + ", norm " +
         std::to_string(record.norm) + ", key at " + std::to_string(record.key_offset) +
         ") contradicts the segment's";
}

// Rows by docno: strictly ascending, so each row is there once.
void VerifyOrder(VerifyRun* run, const SegmentView& view) {
  const std::string name = SegmentPath(view.segment->id(), SegmentFile::kOrder);
  auto file = run->fs().Open(run->PathOf(name), storage::OpenMode::kRead);
  if (!file.ok()) return run->Problem(name, "whole file", file.status().message());
  std::vector<uint32_t> rows(1 << 16);
  uint64_t last_docno = 0;
  for (uint64_t at = 0; at < view.mark.rows;) {
    const uint64_t count = std::min<uint64_t>(rows.size(), view.mark.rows - at);
    const auto read = (*file)->ReadAt(format::kFrameBytes + at * sizeof(uint32_t), rows.data(),
                                      count * sizeof(uint32_t));
    if (!read.ok() || *read != count * sizeof(uint32_t)) {
      return run->Problem(name, "entry " + std::to_string(at),
                          read.ok() ? "the file is cut" : read.status().message());
    }
    for (uint64_t i = 0; i < count; ++i, ++at) {
      const bool inside = rows[i] < view.mark.rows;
      const uint64_t docno = inside ? view.segment->records()[rows[i]].docno : 0;
      if (docno <= last_docno) {
        return run->Problem(name, "entry " + std::to_string(at),
                            "names row " + std::to_string(rows[i]) + ", docno " +
                                std::to_string(docno) + ", after docno " +
                                std::to_string(last_docno) + "; expected ascending docnos");
      }
      last_docno = docno;
    }
  }
}

}  // namespace

std::string RowFault(const format::RowRecord& record, const float* values, uint32_t dimension) {
  if (record.docno == 0) return "docno 0";
  if (!std::isfinite(record.norm) || record.norm < 0) {
    return "expected a finite norm of at least 0, found " + std::to_string(record.norm);
  }
  double squares = 0;
  for (uint32_t i = 0; i < dimension; ++i) {
    squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  const double length = std::sqrt(squares);
  if (!std::isfinite(length)) return "a value is not finite";
  if (record.norm == 0) {
    return length == 0 ? "" : "its norm is 0, its length " + std::to_string(length);
  }
  // Twice what a write allows: rounding to float32 may add a little.
  if (std::abs(length - 1) <= 2 * kUnitTolerance) return "";
  return "expected unit length, found " + std::to_string(length);
}

Status VerifyRows(VerifyRun* run, const SegmentView& view, uint64_t next_docno) {
  if (view.sealed && !run->Does(VerifyLevel::kReferences)) return Status::Ok();
  const storage::Segment& segment = *view.segment;
  const uint32_t dimension = segment.identity().dimension;
  const std::string file = SegmentPath(segment.id(), SegmentFile::kRows);
  uint64_t key_offset = 0, last_docno = 0;
  for (uint64_t row = 0; row < view.mark.rows; ++row) {
    const format::RowRecord& record = segment.records()[row];
    const Status status = segment.CheckRow(row, view.mark.key_bytes);
    std::string fault = status.ok() ? "" : status.message();
    if (fault.empty() && run->Does(VerifyLevel::kReferences)) {
      fault = RowFault(record, segment.rows() + row * dimension, dimension);
      if (fault.empty()) {
        fault = Contradiction(view, record, row, key_offset, last_docno, next_docno);
      }
    }
    if (!fault.empty()) run->Problem(file, RowName(row), fault);
    key_offset = record.key_offset + record.key_bytes;
    last_docno = record.docno;
    if (++run->report().rows_checked % 16384 == 0) {
      VDB_RETURN_IF_ERROR(run->Tick("verify rows", run->report().rows_checked, 0));
    }
  }
  if (!view.sealed) {  // a sealed segment's bytes were counted block by block
    run->report().bytes_checked +=
        view.mark.key_bytes +
        view.mark.rows * (dimension * sizeof(float) + sizeof(format::RowRecord));
  }
  if (key_offset != view.mark.key_bytes) {
    run->Problem(SegmentPath(segment.id(), SegmentFile::kKeys), "end",
                 "expected keys to end at byte " + std::to_string(view.mark.key_bytes) +
                     ", found " + std::to_string(key_offset));
  }
  if (view.sealed && view.mark.sorted_rows < view.mark.rows) VerifyOrder(run, view);
  return Status::Ok();
}

}  // namespace vdb::engine
