// See repair_segments.h: rows that documents claim, and what becomes of them.
#include <algorithm>
#include <cmath>

#include "engine/repair_part.h"
#include "engine/repair_segments.h"
#include "engine/verify_rows.h"
#include "format/status_macros.h"
#include "storage/mask_file.h"

namespace vdb::engine {
namespace {

using format::RowRecord;
using format::SegmentFile;

constexpr uint64_t kPendingBytes = 4u << 20;

}  // namespace

// A row of a segment that does not stay: as it was written, with this key.
bool RepairSegments::ReadRow(const Part& part, uint64_t row, std::string_view key,
                             RowRecord* record, std::vector<float>* values) const {
  const uint32_t dimension = part.identity.dimension;
  values->resize(dimension);
  const auto read = part.records->ReadAt(format::RecordsFileBytes(row), record, sizeof(RowRecord));
  if (!read.ok() || *read != sizeof(RowRecord)) return false;
  const size_t bytes = dimension * sizeof(float);
  const auto floats = part.rows->ReadAt(format::RowsFileBytes(row, dimension), values->data(),
                                        bytes);
  if (!floats.ok() || *floats != bytes) return false;
  return format::RowChecksum(part.entry.id, row, *record, values->data(), dimension, key) ==
             record->checksum &&
         RowFault(*record, values->data(), dimension).empty();
}

// False: this segment does not have it, or not in good shape.
StatusOr<bool> RepairSegments::FindIn(Part* part, std::string_view key, uint64_t docno,
                                      Claimed* claimed) const {
  if (part->stays) {
    VDB_ASSIGN_OR_RETURN(const auto row, part->view.segment->FindDocno(docno, part->view.mark));
    if (!row || part->view.segment->KeyOf(*row, part->view.mark.key_bytes) != key) return false;
    claimed->row = *row;
  } else {
    RowRecord record;
    std::vector<float> values;
    auto at = std::lower_bound(part->by_docno.begin(), part->by_docno.end(),
                               std::pair<uint64_t, uint64_t>(docno, 0));
    const auto matches = [&] { return at != part->by_docno.end() && at->first == docno; };
    while (matches() && !ReadRow(*part, at->second, key, &record, &values)) ++at;
    if (!matches()) return false;
    claimed->row = at->second;
  }
  claimed->part = part;
  claimed->file = part->FileName(SegmentFile::kRows);
  VDB_ASSIGN_OR_RETURN(const bool dead, WasDead(*part, claimed->row, docno));
  claimed->claim = dead ? Claim::kDead : Claim::kGood;
  return true;
}

StatusOr<RepairSegments::Claimed> RepairSegments::Find(uint32_t column_id, std::string_view key,
                                                       uint64_t docno) {
  Claimed claimed;
  for (Part* part : by_column_[column_id]) {
    VDB_ASSIGN_OR_RETURN(const bool found, FindIn(part, key, docno, &claimed));
    if (found) return claimed;
  }
  claimed.file = std::string(format::kSegmentsDir);
  for (const Part* part : by_column_[column_id]) {
    if (part->damaged || !part->entry.sealed) claimed.file = part->FileName(SegmentFile::kRows);
    const bool here = docno >= part->entry.docno_min && docno <= part->entry.docno_max;
    if (part->damaged && here) break;
  }
  return claimed;
}

Status RepairSegments::Keep(const Claimed& claimed, std::string_view key) {
  claimed.part->kept[claimed.row] = true;
  run_->report().vectors_kept += 1;
  return claimed.part->stays ? Status::Ok() : Append(*claimed.part, claimed.row, key);
}

// --- rows written anew ---

Status RepairSegments::Append(const Part& part, uint64_t row, std::string_view key) {
  Output::Row copy;
  copy.key = key;
  if (!ReadRow(part, row, key, &copy.record, &copy.values)) {
    return Status::Corruption("'" + part.FileName(SegmentFile::kRows) + "' row " +
                              std::to_string(row) + " changed while it was repaired");
  }
  docno_max_ = std::max(docno_max_, copy.record.docno);
  if (run_->dry_run()) return Status::Ok();
  auto& output = outputs_[part.entry.column_id];
  if (output == nullptr) output = std::make_shared<Output>();
  output->identity = part.identity;
  output->pending_bytes += copy.values.size() * sizeof(float) + key.size() + sizeof(copy);
  output->pending.push_back(std::move(copy));
  return output->pending_bytes < kPendingBytes ? Status::Ok() : FlushOutput(output.get());
}

Status RepairSegments::FlushOutput(Output* output) {
  if (output->pending.empty()) return Status::Ok();
  storage::SegmentCapacity needed = {output->pending.size(), 0};
  std::vector<storage::NewRow> rows;
  for (const Output::Row& row : output->pending) {
    needed.key_bytes += row.key.size();
    rows.push_back({row.record.docno, row.record.norm, row.values.data(), row.key});
  }
  if (output->segment != nullptr && !output->segment->HasRoom(needed)) {
    VDB_RETURN_IF_ERROR(SealOutput(output));
  }
  if (output->segment == nullptr) VDB_RETURN_IF_ERROR(OpenOutput(output, needed));
  for (const storage::NewRow& row : rows) {
    format::WatermarkRecord& mark = output->mark;
    const bool ascending = mark.rows == 0 || row.docno > mark.docno_max;
    if (mark.sorted_rows == mark.rows && ascending) ++mark.sorted_rows;
    mark.docno_min = mark.rows == 0 ? row.docno : std::min(mark.docno_min, row.docno);
    mark.docno_max = std::max(mark.docno_max, row.docno);
    mark.key_bytes += row.key.size();
    ++mark.rows;
  }
  VDB_RETURN_IF_ERROR(output->segment->Append(rows));
  output->pending.clear();
  output->pending_bytes = 0;
  return Status::Ok();
}

Status RepairSegments::OpenOutput(Output* output, const storage::SegmentCapacity& needed) {
  output->identity.segment_id = next_segment_id_++;
  const storage::SegmentCapacity capacity = {
      std::max(needed.rows, storage::DefaultRowCapacity(output->identity.dimension)),
      std::max(needed.key_bytes, storage::kKeyCapacityBytes)};
  VDB_ASSIGN_OR_RETURN(output->segment,
                       storage::Segment::Create(run_->fs(), run_->PathOf(format::kSegmentsDir),
                                                output->identity, capacity));
  output->mark = {};
  return Status::Ok();
}

Status RepairSegments::SealOutput(Output* output) {
  format::SegmentEntry entry;
  entry.id = output->identity.segment_id;
  entry.column_id = output->identity.column_id;
  VDB_RETURN_IF_ERROR(output->segment->Seal(output->mark, &entry));
  entries_.push_back(std::move(entry));
  output->segment = nullptr;
  return Status::Ok();
}

// --- rows that no document claimed ---

StatusOr<bool> RepairSegments::WasDead(const Part& part, uint64_t row, uint64_t docno) const {
  const auto tombstone = tombstones_.find(docno);
  if (tombstone != tombstones_.end()) {
    const auto& columns = tombstone->second.columns;
    if (std::find(columns.begin(), columns.end(), part.entry.column_id) != columns.end()) {
      return true;
    }
  }
  return part.mask == nullptr ? StatusOr<bool>(false) : part.mask->Test(row);
}

// Where documents are whole, and which rows were dead is not known, what they do not claim is dead.
// Else a live row without a document is what is left of one.
Status RepairSegments::NameOrphans(const Part& part, const IsNewer& is_newer) const {
  if (!part.mask_known && !source_.lossy) return Status::Ok();
  const uint64_t rows = source_.lossy && !part.entry.sealed ? part.rows_there : part.row_count;
  for (uint64_t row = 0; row < rows; ++row) {
    if (part.kept[row]) continue;
    RowRecord record;
    std::string key;
    if (part.stays) {
      record = part.view.segment->records()[row];
      key = part.view.segment->KeyOf(row, part.view.mark.key_bytes);
    } else {
      const auto read = part.records->ReadAt(format::RecordsFileBytes(row), &record,
                                             sizeof(record));
      if (!read.ok() || *read != sizeof(record) || part.keys == nullptr) continue;
      if (record.key_bytes == 0 || record.key_bytes > kKeyBytesMax) continue;
      key.resize(record.key_bytes);
      const auto key_read = part.keys->ReadAt(format::KeysFileBytes(record.key_offset), key.data(),
                                              key.size());
      if (!key_read.ok() || *key_read != key.size()) continue;
      std::vector<float> values;
      if (!ReadRow(part, row, key, &record, &values)) continue;
    }
    VDB_ASSIGN_OR_RETURN(const bool dead, WasDead(part, row, record.docno));
    if (dead || is_newer(part.collection_id, key, record.docno)) continue;
    run_->Loss({part.FileName(SegmentFile::kRows), part.collection, "", key,
                "its vector in column '" + part.column + "' (docno " +
                    std::to_string(record.docno) + ") belongs to no document any more: the "
                    "document, or its last change, is lost"});
  }
  return Status::Ok();
}

Status RepairSegments::FinishMask(Part* part, uint64_t generation) {
  format::SegmentEntry& entry = part->entry;
  std::vector<uint64_t> dead;
  for (uint64_t row = 0; row < part->row_count; ++row) {
    if (!part->kept[row]) dead.push_back(row);
  }
  bool same = part->mask_known && (part->mask == nullptr ? dead.empty()
                                                        : part->mask->dead_count() == dead.size());
  for (size_t i = 0; same && part->mask != nullptr && i < dead.size(); ++i) {
    VDB_ASSIGN_OR_RETURN(same, part->mask->Test(dead[i]));
  }
  if (same) return Status::Ok();
  if (!part->mask_known) run_->Rebuilt(part->MaskName() + ": the delete mask, from documents");
  // A whole mask is replaced, not damaged: a named snapshot may need it as it is.
  entry.mask_generation = entry.mask_checksum = 0;
  if (dead.empty() || run_->dry_run()) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const auto mask, storage::DeleteMask().With(dead));
  VDB_ASSIGN_OR_RETURN(const std::string bytes,
                       storage::MaskFile::Encode(*mask, entry.id, entry.rows,
                                                 &entry.mask_checksum));
  entry.mask_generation = generation;
  return WriteSyncedFile(run_->fs(), run_->PathOf(part->MaskName()), bytes);
}

Status RepairSegments::Finish(uint64_t generation, const IsNewer& is_newer) {
  for (const auto& part : parts_) {
    VDB_RETURN_IF_ERROR(run_->Tick("repair: rows", 0, 0));
    VDB_RETURN_IF_ERROR(NameOrphans(*part, is_newer));
    if (!part->stays) {
      if (part->damaged) {
        run_->Rebuilt(part->FileName(SegmentFile::kRows) + ": its good rows, in a new segment");
      }
      continue;
    }
    VDB_RETURN_IF_ERROR(FinishMask(part.get(), generation));
    entries_.push_back(part->entry);
  }
  for (auto& [column_id, output] : outputs_) {
    VDB_RETURN_IF_ERROR(FlushOutput(output.get()));
    if (output->segment != nullptr) VDB_RETURN_IF_ERROR(SealOutput(output.get()));
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return Status::Ok();
}

}  // namespace vdb::engine
