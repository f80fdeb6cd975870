// See segment_rewrite.h.
#include "engine/segment_rewrite.h"

#include <algorithm>

#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {

uint64_t LiveRows(const SegmentView& segment) {
  return segment.mark.rows - (segment.mask ? segment.mask->dead_count() : 0);
}

StatusOr<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(
    const Place& place, const format::SegmentIdentity& identity,
    const storage::SegmentCapacity& size) {
  VDB_ASSIGN_OR_RETURN(auto segment, storage::Segment::Create(*place.fs, place.segments_dir,
                                                              identity, size));
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(place, size.rows, std::move(segment)));
}

Status SegmentWriter::StartIndex(const index::Codebook& codebook,
                                 std::vector<uint32_t> row_begin) {
  const std::string name = format::SegmentFileName(segment_->id(), format::SegmentFile::kIndex);
  VDB_ASSIGN_OR_RETURN(index_file_,
                       place_.fs->Open(format::JoinPath(place_.segments_dir, name),
                                       storage::OpenMode::kCreate));
  codebook_ = &codebook;
  index_ = std::make_unique<index::InvertedListsWriter>(
      codebook, segment_->id(), rows_, std::move(row_begin),
      [file = index_file_.get()](uint64_t offset, std::span<const std::byte> bytes) {
        return file->WriteAt(offset, bytes);
      });
  return Status::Ok();
}

Status SegmentWriter::Append(std::span<const storage::NewRow> rows) {
  for (const storage::NewRow& row : rows) {
    const bool ascending = mark_.rows == 0 || row.docno > mark_.docno_max;
    if (mark_.sorted_rows == mark_.rows && ascending) ++mark_.sorted_rows;
    mark_.docno_min = mark_.rows == 0 ? row.docno : std::min(mark_.docno_min, row.docno);
    mark_.docno_max = std::max(mark_.docno_max, row.docno);
    mark_.key_bytes += row.key.size();
    ++mark_.rows;
  }
  return segment_->Append(rows);
}

Status SegmentWriter::Sync() {
  if (index_file_ != nullptr) VDB_RETURN_IF_ERROR(index_file_->Sync());
  for (int part = 0; part < storage::Segment::kSyncParts; ++part) {
    VDB_RETURN_IF_ERROR(segment_->SyncPart(part));
  }
  return Status::Ok();
}

StatusOr<RewrittenSegment> SegmentWriter::Finish() {
  RewrittenSegment result;
  format::SegmentEntry& entry = result.entry;
  entry.id = segment_->id();
  entry.column_id = segment_->identity().column_id;
  if (index_ != nullptr) {
    VDB_RETURN_IF_ERROR(index_->Finish(&entry.index_checksum));
    entry.epoch_id = codebook_->header().epoch_id;
    entry.index_bytes = index_->file_bytes();
    VDB_RETURN_IF_ERROR(index_file_->Sync());
  }
  VDB_RETURN_IF_ERROR(segment_->Seal(mark_, &entry));

  SegmentView& view = result.segment;
  view.mark = mark_;
  view.sealed = true;
  VDB_ASSIGN_OR_RETURN(view.segment,
                       storage::Segment::Open(*place_.fs, place_.segments_dir,
                                              segment_->identity(),
                                              {.rows = entry.rows,
                                               .key_bytes = entry.key_bytes,
                                               .sorted_rows = entry.sorted_rows,
                                               .sealed = true}));
  if (index_ != nullptr) {
    view.index = std::make_shared<const IndexFile>(*place_.fs, place_.segments_dir, entry,
                                                   segment_->identity().dimension,
                                                   codebook_->list_count());
    VDB_RETURN_IF_ERROR(view.index->mapped());
  }
  return result;
}

}  // namespace vdb::engine
