#include "storage/segment.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/frame.h"
#include "format/status_macros.h"

namespace vdb::storage {
namespace {

using format::kSegmentPageBytes;
using format::RowRecord;
using format::SegmentFile;
using format::WatermarkRecord;

constexpr int kRows = 0, kRecords = 1, kKeys = 2;

// How far the durable hint may lag behind: bounds the tail that recovery checks and rewrites.
constexpr uint64_t kHintEveryBytes = 8u << 20;

// A seal reads a whole segment once; it does not keep more than this of it resident.
constexpr uint64_t kReleaseEveryBytes = 4u << 20;

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Status Short(const std::string& path, uint64_t expected, uint64_t found) {
  return Status::Corruption("'" + path + "': expected at least " + std::to_string(expected) +
                            " bytes, found " + std::to_string(found) +
                            "; run `vdbtool repair`, or restore the file from a copy");
}

}  // namespace

uint64_t DefaultRowCapacity(uint32_t dimension) {
  const uint64_t rows = (uint64_t{256} << 20) / (uint64_t{dimension} * sizeof(float));
  return std::clamp<uint64_t>(rows, 64, uint64_t{1} << 20);
}

Segment::Segment(FileSystem& fs, std::string directory, format::SegmentIdentity identity)
    : fs_(fs), directory_(std::move(directory)), identity_(std::move(identity)) {}

std::string Segment::PathOf(SegmentFile file) const {
  return format::JoinPath(directory_, format::SegmentFileName(id(), file));
}

Status Segment::OpenFiles(OpenMode mode) {
  for (int i = 0; i < 3; ++i) {
    auto file = fs_.Open(PathOf(static_cast<SegmentFile>(i)), mode);
    if (!file.ok()) {
      if (file.status().code() != StatusCode::kNotFound) return file.status();
      return Status::Corruption("'" + PathOf(static_cast<SegmentFile>(i)) +
                                "' is missing; run `vdbtool repair`, or restore the file from a "
                                "copy");
    }
    files_[i] = std::move(*file);
  }
  return Status::Ok();
}

Status Segment::MapFiles() {
  const uint64_t sizes[3] = {format::RowsFileBytes(row_capacity_, identity_.dimension),
                             format::RecordsFileBytes(row_capacity_),
                             format::KeysFileBytes(key_capacity_)};
  for (int i = 0; i < 3; ++i) {
    VDB_ASSIGN_OR_RETURN(mappings_[i], files_[i]->Map(sizes[i]));
  }
  return Status::Ok();
}

Status Segment::CheckHeaders() const {
  for (const SegmentFile file : {SegmentFile::kRecords, SegmentFile::kKeys}) {
    File& from = *files_[static_cast<int>(file)];
    std::string page(kSegmentPageBytes, '\0');
    VDB_ASSIGN_OR_RETURN(const size_t read, from.ReadAt(0, page.data(), page.size()));
    page.resize(read);
    VDB_RETURN_IF_ERROR(format::CheckSegmentPage(file, identity_, page, from.path()));
  }
  return Status::Ok();
}

StatusOr<std::shared_ptr<Segment>> Segment::Create(FileSystem& fs, const std::string& directory,
                                                   const format::SegmentIdentity& identity,
                                                   const SegmentCapacity& capacity) {
  std::shared_ptr<Segment> segment(new Segment(fs, directory, identity));
  segment->row_capacity_ = capacity.rows;
  segment->key_capacity_ = capacity.key_bytes;
  VDB_RETURN_IF_ERROR(segment->OpenFiles(OpenMode::kCreate));
  const std::string pages[3] = {
      format::EncodeNpyPage(0, identity.dimension),
      format::EncodeSegmentPage(SegmentFile::kRecords, identity),
      format::EncodeSegmentPage(SegmentFile::kKeys, identity)};
  for (int i = 0; i < 3; ++i) {
    VDB_RETURN_IF_ERROR(segment->files_[i]->WriteAt(0, AsBytes(pages[i])));
    VDB_RETURN_IF_ERROR(segment->files_[i]->Sync());
  }
  VDB_RETURN_IF_ERROR(segment->MapFiles());
  return segment;
}

StatusOr<std::shared_ptr<Segment>> Segment::Open(FileSystem& fs, const std::string& directory,
                                                 const format::SegmentIdentity& identity,
                                                 const OpenOptions& options) {
  std::shared_ptr<Segment> segment(new Segment(fs, directory, identity));
  VDB_RETURN_IF_ERROR(
      segment->OpenFiles(options.for_append ? OpenMode::kReadWrite : OpenMode::kRead));
  const uint64_t needed[3] = {format::RowsFileBytes(options.rows, identity.dimension),
                              format::RecordsFileBytes(options.rows),
                              format::KeysFileBytes(options.key_bytes)};
  for (int i = 0; i < 3; ++i) {
    File& file = *segment->files_[i];
    VDB_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
    if (size < needed[i]) return Short(file.path(), needed[i], size);
    if (options.sealed && size != needed[i]) {
      return Status::Corruption("'" + file.path() + "': sealed with " + std::to_string(needed[i]) +
                                " bytes, found " + std::to_string(size) +
                                "; run `vdbtool repair`, or restore the file from a copy");
    }
  }
  VDB_RETURN_IF_ERROR(segment->CheckHeaders());
  segment->row_capacity_ = options.rows;
  segment->key_capacity_ = options.key_bytes;
  if (options.for_append) {
    segment->row_capacity_ = std::max(options.rows, options.capacity.rows);
    segment->key_capacity_ = std::max(options.key_bytes, options.capacity.key_bytes);
  }
  VDB_RETURN_IF_ERROR(segment->MapFiles());
  segment->ResetTo(options.rows, options.key_bytes);
  segment->synced_rows_ = segment->committed_rows_ = segment->hinted_rows_ = options.rows;
  if (options.for_append && !options.recovering) {
    VDB_RETURN_IF_ERROR(segment->LowerHint(options.rows));
  }
  if (options.sealed && options.sorted_rows < options.rows) {
    VDB_ASSIGN_OR_RETURN(auto file, fs.Open(segment->PathOf(SegmentFile::kOrder), OpenMode::kRead));
    const uint64_t bytes = format::kFrameBytes + options.rows * sizeof(uint32_t);
    VDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    if (size != bytes) return Short(file->path(), bytes, size);
    VDB_ASSIGN_OR_RETURN(segment->order_, file->Map(bytes));
    segment->has_order_ = true;
  }
  return segment;
}

const float* Segment::rows() const {
  return reinterpret_cast<const float*>(mappings_[kRows]->data() + kSegmentPageBytes);
}

const RowRecord* Segment::records() const {
  return reinterpret_cast<const RowRecord*>(mappings_[kRecords]->data() + kSegmentPageBytes);
}

std::string_view Segment::KeyOf(uint64_t row, uint64_t key_bytes) const {
  const RowRecord& record = records()[row];
  if (record.key_bytes > key_bytes || record.key_offset > key_bytes - record.key_bytes) return {};
  return {reinterpret_cast<const char*>(mappings_[kKeys]->data()) + kSegmentPageBytes +
              record.key_offset,
          record.key_bytes};
}

Status Segment::CheckRow(uint64_t row, uint64_t key_bytes) const {
  const RowRecord& record = records()[row];
  const std::string_view key = KeyOf(row, key_bytes);
  const float* values = rows() + row * identity_.dimension;
  if (!key.empty() && format::RowChecksum(id(), row, record, values, identity_.dimension, key) ==
                          record.checksum) {
    return Status::Ok();
  }
  return Status::Corruption("'" + PathOf(SegmentFile::kRows) + "' row " + std::to_string(row) +
                            ": row, record or key does not match its checksum; run `vdbtool "
                            "repair`, or restore the segment's files from a copy");
}

void Segment::Release() const {
  for (const auto& mapping : mappings_) mapping->Release(0, mapping->size());
}

void Segment::ExpectJumps(bool jumps) const {
  for (const auto& mapping : mappings_) mapping->ExpectJumps(jumps);
}

void Segment::PrefetchRow(uint64_t row) const {
  const size_t row_bytes = identity_.dimension * sizeof(float);
  mappings_[kRows]->Prefetch(kSegmentPageBytes + row * row_bytes, row_bytes);
}

std::optional<uint64_t> Segment::FindSorted(uint64_t docno, uint64_t rows) const {
  const RowRecord* first = records();
  const RowRecord* found = std::lower_bound(
      first, first + rows, docno,
      [](const RowRecord& record, uint64_t value) { return record.docno < value; });
  if (found == first + rows || found->docno != docno) return std::nullopt;
  return static_cast<uint64_t>(found - first);
}

StatusOr<std::optional<uint64_t>> Segment::FindByOrder(uint64_t docno, uint64_t rows) const {
  const uint32_t* order = this->order();
  const RowRecord* all = records();
  uint64_t low = 0, high = rows;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (order[middle] >= rows) {
      return Status::Corruption("'" + PathOf(SegmentFile::kOrder) + "' entry " +
                                std::to_string(middle) + ": names a row past the end");
    }
    if (all[order[middle]].docno < docno) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == rows || order[low] >= rows || all[order[low]].docno != docno) {
    return std::optional<uint64_t>();
  }
  return std::optional<uint64_t>(order[low]);
}

std::optional<uint64_t> Segment::FindInTail(uint64_t docno, const WatermarkRecord& mark) const {
  const std::lock_guard lock(tail_mutex_);
  if (tail_past_ == 0) tail_past_ = mark.sorted_rows;
  for (; tail_past_ < mark.rows; ++tail_past_) tail_[records()[tail_past_].docno] = tail_past_;
  const auto found = tail_.find(docno);
  if (found == tail_.end() || found->second >= mark.rows) return std::nullopt;
  return found->second;
}

StatusOr<std::optional<uint64_t>> Segment::FindDocno(uint64_t docno,
                                                     const WatermarkRecord& mark) const {
  if (mark.rows == 0 || docno < mark.docno_min || docno > mark.docno_max) {
    return std::optional<uint64_t>();
  }
  if (mark.sorted_rows >= mark.rows) return FindSorted(docno, mark.rows);
  if (has_order_) return FindByOrder(docno, mark.rows);
  const auto found = FindSorted(docno, mark.sorted_rows);
  return found ? found : FindInTail(docno, mark);
}

Status Segment::Append(std::span<const NewRow> rows) {
  std::vector<RowRecord> records(rows.size());
  std::string keys;
  std::vector<std::span<const std::byte>> pieces;
  const size_t row_bytes = identity_.dimension * sizeof(float);
  for (size_t i = 0; i < rows.size(); ++i) {
    const NewRow& row = rows[i];
    records[i] = {row.docno, row.norm, next_key_byte_ + keys.size(),
                  static_cast<uint32_t>(row.key.size()), 0, 0};
    records[i].checksum = format::RowChecksum(id(), next_row_ + i, records[i], row.unit,
                                              identity_.dimension, row.key);
    keys += row.key;
    const auto bytes = std::as_bytes(std::span(row.unit, identity_.dimension));
    if (!pieces.empty() && pieces.back().data() + pieces.back().size() == bytes.data()) {
      pieces.back() = {pieces.back().data(), pieces.back().size() + row_bytes};
    } else {
      pieces.push_back(bytes);
    }
  }
  VDB_RETURN_IF_ERROR(files_[kRows]->WriteAllAt(
      format::RowsFileBytes(next_row_, identity_.dimension), pieces));
  VDB_RETURN_IF_ERROR(files_[kRecords]->WriteAt(format::RecordsFileBytes(next_row_),
                                                std::as_bytes(std::span(records))));
  VDB_RETURN_IF_ERROR(
      files_[kKeys]->WriteAt(format::KeysFileBytes(next_key_byte_), AsBytes(keys)));
  next_row_ += rows.size();
  next_key_byte_ += keys.size();
  written_rows_.store(next_row_);
  writes_.fetch_add(1);
  return Status::Ok();
}

void Segment::ResetTo(uint64_t rows, uint64_t key_bytes) {
  next_row_ = rows;
  next_key_byte_ = key_bytes;
  written_rows_ = rows;
  synced_rows_ = std::min(synced_rows_.load(), rows);
}

// The hint is written before the sync that it rides on, and speaks of the sync before.
Status Segment::WriteHint() {
  const uint64_t rows = std::min(synced_rows_.load(), committed_rows_.load());
  if (rows <= hinted_rows_ ||
      (rows - hinted_rows_) * identity_.dimension * sizeof(float) < kHintEveryBytes) {
    return Status::Ok();
  }
  hinted_rows_ = rows;
  return files_[kRecords]->WriteAt(format::kDurableHintOffset,
                                   AsBytes(format::EncodeDurableHint({rows, 0})));
}

// A crash may have set the watermark back below the hint; rows from there on are about to be
// overwritten, so the hint must not vouch for them.
Status Segment::LowerHint(uint64_t rows) {
  std::string bytes(format::kDurableHintBytes, '\0');
  VDB_RETURN_IF_ERROR(files_[kRecords]
                          ->ReadAt(format::kDurableHintOffset, bytes.data(), bytes.size())
                          .status());
  const uint64_t hinted = format::DecodeDurableHint(bytes).rows;
  hinted_rows_ = std::min(hinted, rows);
  if (hinted <= rows) return Status::Ok();
  VDB_RETURN_IF_ERROR(files_[kRecords]->WriteAt(
      format::kDurableHintOffset, AsBytes(format::EncodeDurableHint({rows, 0}))));
  return files_[kRecords]->Sync();
}

Status Segment::SyncPart(int part) {
  if (part == kRecords) VDB_RETURN_IF_ERROR(WriteHint());
  return files_[part]->Sync();
}

void Segment::EndSync(const SyncMark& mark) {
  synced_writes_.store(mark.writes);
  synced_rows_.store(mark.rows);
}

namespace {

// Writes bytes [from, past) of a file over themselves, so that the kernel knows them as dirty
// again.
Status RewriteInPlace(File& file, uint64_t from, uint64_t past) {
  std::vector<std::byte> buffer(1 << 20);
  while (from < past) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(buffer.size(), past - from));
    VDB_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(from, buffer.data(), want));
    if (got == 0) break;
    VDB_RETURN_IF_ERROR(file.WriteAt(from, std::span(buffer).first(got)));
    from += got;
  }
  return Status::Ok();
}

}  // namespace

StatusOr<uint64_t> Segment::MakeTailDurable() {
  VDB_ASSIGN_OR_RETURN(const uint64_t rows_size, files_[kRows]->Size());
  VDB_ASSIGN_OR_RETURN(const uint64_t records_size, files_[kRecords]->Size());
  VDB_ASSIGN_OR_RETURN(const uint64_t keys_size, files_[kKeys]->Size());
  if (std::min({rows_size, records_size, keys_size}) < kSegmentPageBytes) {
    return Short(files_[kRows]->path(), kSegmentPageBytes, 0);
  }
  const uint64_t row_bytes = identity_.dimension * sizeof(float);
  const uint64_t there = std::min((rows_size - kSegmentPageBytes) / row_bytes,
                                  (records_size - kSegmentPageBytes) / sizeof(RowRecord));
  const uint64_t key_bytes = keys_size - kSegmentPageBytes;
  row_capacity_ = std::max(row_capacity_, there);
  key_capacity_ = std::max(key_capacity_, key_bytes);
  VDB_RETURN_IF_ERROR(MapFiles());

  std::string hint_bytes(format::kDurableHintBytes, '\0');
  VDB_RETURN_IF_ERROR(files_[kRecords]
                          ->ReadAt(format::kDurableHintOffset, hint_bytes.data(), hint_bytes.size())
                          .status());
  const uint64_t durable = std::min(format::DecodeDurableHint(hint_bytes).rows, there);
  uint64_t whole = durable;
  while (whole < there && CheckRow(whole, key_bytes).ok()) ++whole;

  const uint64_t first_key = durable < whole ? records()[durable].key_offset : key_bytes;
  VDB_RETURN_IF_ERROR(RewriteInPlace(*files_[kRows],
                                     format::RowsFileBytes(durable, identity_.dimension),
                                     format::RowsFileBytes(whole, identity_.dimension)));
  VDB_RETURN_IF_ERROR(RewriteInPlace(*files_[kRecords], format::RecordsFileBytes(durable),
                                     format::RecordsFileBytes(whole)));
  VDB_RETURN_IF_ERROR(
      RewriteInPlace(*files_[kKeys], format::KeysFileBytes(first_key), keys_size));
  for (const auto& file : files_) VDB_RETURN_IF_ERROR(file->Sync());
  return whole;
}

StatusOr<std::unique_ptr<Mapping>> Segment::WriteOrder(uint64_t rows) {
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  const RowRecord* all = records();
  std::sort(order.begin(), order.end(),
            [all](uint32_t a, uint32_t b) { return all[a].docno < all[b].docno; });
  const std::string payload(reinterpret_cast<const char*>(order.data()), rows * sizeof(uint32_t));
  VDB_ASSIGN_OR_RETURN(auto file, fs_.Open(PathOf(SegmentFile::kOrder), OpenMode::kCreate));
  const std::string bytes = format::EncodeFrame(format::kOrderMagic, payload);
  VDB_RETURN_IF_ERROR(file->WriteAt(0, AsBytes(bytes)));
  VDB_RETURN_IF_ERROR(file->Sync());
  return file->Map(bytes.size());
}

Status Segment::WriteSums(const format::SegmentEntry& entry, const Mapping* order,
                          uint64_t* checksum) {
  format::SegmentSums sums;
  sums.segment_id = id();
  const uint64_t sizes[3] = {format::RowsFileBytes(entry.rows, identity_.dimension),
                             format::RecordsFileBytes(entry.rows),
                             format::KeysFileBytes(entry.key_bytes)};
  for (int i = 0; i < (order == nullptr ? 3 : 4); ++i) {
    format::FileSums file;
    file.file = i < 3 ? static_cast<SegmentFile>(i) : SegmentFile::kOrder;
    file.file_bytes = i < 3 ? sizes[i] : order->size();
    const Mapping& mapping = i < 3 ? *mappings_[i] : *order;
    for (uint64_t at = 0; at < file.file_bytes; at += format::kSumsBlockBytes) {
      file.blocks.push_back(
          format::Hash64(mapping.data() + at,
                         std::min<uint64_t>(format::kSumsBlockBytes, file.file_bytes - at)));
      if (at / kReleaseEveryBytes != (at + format::kSumsBlockBytes) / kReleaseEveryBytes) {
        mapping.Release(at / kReleaseEveryBytes * kReleaseEveryBytes, kReleaseEveryBytes);
      }
    }
    sums.files.push_back(std::move(file));
  }
  const std::string bytes = format::EncodeSums(sums);
  *checksum = format::Hash64(bytes);
  VDB_ASSIGN_OR_RETURN(auto file, fs_.Open(PathOf(SegmentFile::kSums), OpenMode::kCreate));
  VDB_RETURN_IF_ERROR(file->WriteAt(0, AsBytes(bytes)));
  return file->Sync();
}

Status Segment::Seal(const WatermarkRecord& mark, format::SegmentEntry* entry) {
  VDB_RETURN_IF_ERROR(
      files_[kRows]->Truncate(format::RowsFileBytes(mark.rows, identity_.dimension)));
  VDB_RETURN_IF_ERROR(files_[kRecords]->Truncate(format::RecordsFileBytes(mark.rows)));
  VDB_RETURN_IF_ERROR(files_[kKeys]->Truncate(format::KeysFileBytes(mark.key_bytes)));
  const std::string page = format::EncodeNpyPage(mark.rows, identity_.dimension);
  VDB_RETURN_IF_ERROR(files_[kRows]->WriteAt(0, AsBytes(page)));
  for (const auto& file : files_) VDB_RETURN_IF_ERROR(file->Sync());
  ResetTo(mark.rows, mark.key_bytes);

  entry->sealed = true;
  entry->rows = mark.rows;
  entry->key_bytes = mark.key_bytes;
  entry->sorted_rows = mark.sorted_rows;
  entry->docno_min = mark.docno_min;
  entry->docno_max = mark.docno_max;
  std::unique_ptr<Mapping> order;
  if (mark.sorted_rows < mark.rows) {
    VDB_ASSIGN_OR_RETURN(order, WriteOrder(mark.rows));
  }
  return WriteSums(*entry, order.get(), &entry->sums_checksum);
}

}  // namespace vdb::storage
