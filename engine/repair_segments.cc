// See repair_segments.h: judging the old segments.
#include "engine/repair_segments.h"

#include <algorithm>

#include "engine/repair_part.h"
#include "engine/verify_files.h"
#include "engine/verify_indexes.h"
#include "engine/verify_rows.h"
#include "format/status_macros.h"
#include "storage/mask_file.h"

namespace vdb::engine {

using format::SegmentFile;

namespace {
const ProgressCallback kNoProgress;
constexpr SegmentFile kAllFiles[] = {SegmentFile::kRows, SegmentFile::kRecords, SegmentFile::kKeys,
                                     SegmentFile::kSums, SegmentFile::kOrder};
}  // namespace

Status RepairSegments::Judge() {
  VDB_RETURN_IF_ERROR(WalkStore(
      *source_.store, "T",
      [this](std::string_view key, std::string_view value) {
        uint64_t docno = 0;
        for (const char c : key.substr(1)) docno = (docno << 8) | static_cast<uint8_t>(c);
        auto record = format::DecodeTombstone(value);
        if (record.ok()) tombstones_[docno] = std::move(*record);
        return Status::Ok();
      },
      [](const std::string&, const std::string&) {}));
  VDB_RETURN_IF_ERROR(JudgeEpochs());
  const auto& segments = source_.manifest.segments;
  for (size_t i = 0; i < segments.size(); ++i) {
    VDB_RETURN_IF_ERROR(run_->Tick("repair: judge segments", i, segments.size()));
    VDB_RETURN_IF_ERROR(JudgeOne(segments[i]));
  }
  return Status::Ok();
}

Status RepairSegments::JudgeEpochs() {
  for (const format::EpochEntry& entry : source_.manifest.epochs) {
    const format::ColumnEntry& column = *source_.manifest.FindColumn(entry.column_id);
    auto file = std::make_shared<const EpochFile>(run_->fs(), run_->PathOf(format::kEpochsDir),
                                                  entry, column);
    if (file->Get().ok()) {
      epochs_.push_back(entry);
      epoch_files_[entry.id] = std::move(file);
      continue;
    }
    run_->Rebuilt("the index of column '" + column.name + "' is dropped: build it anew");
    run_->Quarantine(format::JoinPath(format::kEpochsDir, format::EpochFileName(entry.id)));
  }
  return Status::Ok();
}

Status RepairSegments::JudgeOne(const format::SegmentEntry& entry) {
  auto part = std::make_shared<Part>();
  part->entry = entry;
  for (const auto& collection : source_.manifest.collections) {
    for (const auto& column : collection.columns) {
      if (column.id != entry.column_id) continue;
      part->identity = {entry.id, column.id, column.dimension, source_.manifest.uuid};
      part->column = column.name;
      part->collection = collection.name;
      part->collection_id = collection.id;
    }
  }
  ReadMask(part.get());
  const bool marked = ReadMark(part.get());
  part->stays = marked && IsWhole(part.get()) && entry.sealed;
  if (part->stays) {
    part->row_count = part->rows_there = entry.rows;
    docno_max_ = std::max(docno_max_, entry.docno_max);
    JudgeIndex(part.get());
  } else {
    VDB_RETURN_IF_ERROR(OpenForSalvage(part.get(), marked));
  }
  part->kept.resize(part->rows_there);
  by_column_[entry.column_id].push_back(part.get());
  parts_.push_back(std::move(part));
  return Status::Ok();
}

void RepairSegments::ReadMask(Part* part) {
  if (part->entry.mask_generation == 0) return;
  auto mask = storage::MaskFile::Open(run_->fs(), run_->PathOf(part->MaskName()), part->entry.id,
                                      part->entry.mask_checksum);
  if (mask.ok() && storage::MaskFile::CheckAll(**mask).ok()) {
    part->mask = std::move(*mask);
    return;
  }
  part->mask_known = false;
  run_->Quarantine(part->MaskName());
}

// What counts of a segment; of an open one RocksDB says it, if it still can.
bool RepairSegments::ReadMark(Part* part) {
  const format::SegmentEntry& entry = part->entry;
  part->view.sealed = entry.sealed;
  part->view.mark = {entry.rows, entry.key_bytes, entry.sorted_rows, entry.docno_min,
                     entry.docno_max};
  if (entry.sealed) return true;
  const auto bytes = source_.store->Get(format::WatermarkKey(entry.id));
  if (!bytes.ok()) return false;
  if (!*bytes) return !source_.lossy;  // nothing was committed to it
  const auto mark = format::DecodeWatermark(**bytes);
  if (mark.ok()) part->view.mark = *mark;
  return mark.ok();
}

// Every byte that counts is what was written, and every row is what rows may be. Else its files
// are to be kept aside.
bool RepairSegments::IsWhole(Part* part) {
  const format::SegmentEntry& entry = part->entry;
  const format::WatermarkRecord& mark = part->view.mark;
  VerifyRun verify(run_->fs(), run_->path(), VerifyLevel::kReferences, kNoProgress);
  auto segment = storage::Segment::Open(run_->fs(), run_->PathOf(format::kSegmentsDir),
                                        part->identity,
                                        {.rows = mark.rows,
                                         .key_bytes = mark.key_bytes,
                                         .sorted_rows = mark.sorted_rows,
                                         .sealed = entry.sealed});
  if (segment.ok()) {
    part->view.segment = std::move(*segment);
    VerifySegmentHeads(&verify, entry, part->identity, mark);
    if (entry.sealed) {
      VerifySealedBytes(&verify, entry);
    } else {
      VerifyOpenPages(&verify, part->identity);
    }
    // Only of bytes that are what was written can rows be looked at through a mapping.
    if (verify.report().problem_count == 0) {
      VerifyRows(&verify, part->view, UINT64_MAX).IgnoreError("only a cancel ends it early");
    }
    if (verify.report().problem_count == 0) return true;
  }
  part->damaged = true;
  for (const SegmentFile file : kAllFiles) {
    const bool sidecar = file == SegmentFile::kOrder || file == SegmentFile::kSums;
    if (sidecar && !entry.sealed) continue;
    if (file == SegmentFile::kOrder && mark.sorted_rows >= mark.rows) continue;
    run_->Quarantine(part->FileName(file));
  }
  if (entry.epoch_id != 0) run_->Quarantine(part->FileName(SegmentFile::kIndex));
  return false;
}

void RepairSegments::JudgeIndex(Part* part) {
  format::SegmentEntry& entry = part->entry;
  if (entry.epoch_id == 0) return;
  const auto epoch = epoch_files_.find(entry.epoch_id);
  bool good = false;
  if (epoch != epoch_files_.end()) {
    const IndexFile file(run_->fs(), run_->PathOf(format::kSegmentsDir), entry,
                         part->identity.dimension, epoch->second->entry().list_count);
    VerifyRun verify(run_->fs(), run_->path(), VerifyLevel::kFull, kNoProgress);
    const auto codebook = epoch->second->Get();
    good = codebook.ok() && VerifyIndex(&verify, entry, **codebook, file, part->view).ok() &&
           verify.report().problem_count == 0;
    if (!good) {
      run_->Quarantine(part->FileName(SegmentFile::kIndex));
      run_->Rebuilt(part->FileName(SegmentFile::kIndex) +
                    " is dropped: its rows are searched as float32 until the next index build");
    }
  }
  if (!good) entry.epoch_id = entry.index_checksum = entry.index_bytes = 0;
}

// Reads what there is of the records, which say where each docno was.
Status RepairSegments::OpenForSalvage(Part* part, bool marked) {
  const auto open = [&](SegmentFile kind, std::unique_ptr<storage::File>* file, uint64_t* bytes) {
    auto opened = run_->fs().Open(run_->PathOf(part->FileName(kind)), storage::OpenMode::kRead);
    if (!opened.ok()) return;
    const auto size = (*opened)->Size();
    if (!size.ok() || *size < format::kSegmentPageBytes) return;
    *bytes = *size - format::kSegmentPageBytes;
    *file = std::move(*opened);
  };
  uint64_t rows_bytes = 0, records_bytes = 0, keys_bytes = 0;
  open(SegmentFile::kRows, &part->rows, &rows_bytes);
  open(SegmentFile::kRecords, &part->records, &records_bytes);
  open(SegmentFile::kKeys, &part->keys, &keys_bytes);
  part->rows_there = std::min(rows_bytes / (part->identity.dimension * sizeof(float)),
                              records_bytes / sizeof(format::RowRecord));
  part->row_count = part->rows_there;
  bytes_needed_ += rows_bytes + records_bytes + keys_bytes;
  if (marked) part->row_count = std::min(part->row_count, part->view.mark.rows);
  std::vector<format::RowRecord> records(4096);
  for (uint64_t row = 0; row < part->rows_there;) {
    const uint64_t count = std::min<uint64_t>(records.size(), part->rows_there - row);
    VDB_ASSIGN_OR_RETURN(const size_t read,
                         part->records->ReadAt(format::RecordsFileBytes(row), records.data(),
                                               count * sizeof(format::RowRecord)));
    for (uint64_t i = 0; i < read / sizeof(format::RowRecord); ++i) {
      part->by_docno.emplace_back(records[i].docno, row + i);
    }
    row += count;
  }
  std::sort(part->by_docno.begin(), part->by_docno.end());
  return Status::Ok();
}

}  // namespace vdb::engine
