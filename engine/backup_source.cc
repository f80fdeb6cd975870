// See backup_source.h.
#include "engine/backup_source.h"

#include <algorithm>

#include "format/backup_chunk.h"
#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/file_names.h"
#include "format/index_layout.h"
#include "format/migration_record.h"
#include "format/status_macros.h"
#include "storage/mask_file.h"

namespace vdb::engine {
namespace {

using format::JoinPath;
using format::kChunkBytesMax;
using format::SegmentFile;
using Kind = SourceFile::Kind;

constexpr uint64_t kSmallFileBytesMax = 1u << 30;
constexpr uint64_t kPieceBytesMin = 256u << 10;  // of documents
constexpr uint64_t kPieceBytesUsual = 1u << 20;

Status Damaged(const std::string& name, const std::string& what) {
  return Status::Corruption("'" + name + "': " + what +
                            "; a damaged file is not backed up: `vdbtool verify` says more");
}

Status PutPieces(std::string_view bytes, const PieceSink& sink) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(bytes.size(), kChunkBytesMax))) {
    VDB_RETURN_IF_ERROR(sink(std::string(bytes.substr(0, kChunkBytesMax))));
  }
  return Status::Ok();
}

std::string SegmentPath(uint64_t id, SegmentFile file) {
  return JoinPath(format::kSegmentsDir, format::SegmentFileName(id, file));
}

// Cuts the stream of documents.
class DocumentCutter {
 public:
  explicit DocumentCutter(const PieceSink& sink) : sink_(sink) {}

  Status Add(std::string_view key, std::string_view value) {
    // What differs in kind changes at different times: counts must not renew documents.
    if (!piece_.empty() && key[0] != kind_) VDB_RETURN_IF_ERROR(Cut());
    kind_ = key[0];
    const size_t before = piece_.size();
    format::AppendVarint(&piece_, key.size());
    format::AppendVarint(&piece_, value.size());
    piece_ += key;
    piece_ += value;
    const uint64_t entry_bytes = piece_.size() - before;
    if (piece_.size() >= kChunkBytesMax) {
      const size_t whole = piece_.size() / kChunkBytesMax * kChunkBytesMax;
      VDB_RETURN_IF_ERROR(PutPieces(std::string_view(piece_).substr(0, whole), sink_));
      piece_.erase(0, whole);
    }
    // In kPieceBytesUsual bytes one cut, whatever their keys and sizes are.
    const bool cut = (format::Hash64(key) >> 32) * kPieceBytesUsual < entry_bytes << 32;
    return cut && piece_.size() >= kPieceBytesMin ? Cut() : Status::Ok();
  }

  Status Cut() {
    if (piece_.empty()) return Status::Ok();
    std::string piece;
    piece.swap(piece_);
    return sink_(std::move(piece));
  }

 private:
  const PieceSink& sink_;
  std::string piece_;
  char kind_ = 0;
};

}  // namespace

const SegmentView* BackupSource::FindSegment(const format::SegmentEntry& entry) const {
  const ColumnView* column = view_.FindColumn(entry.column_id);
  if (column == nullptr) return nullptr;
  for (const SegmentView& segment : column->segments) {
    if (segment.segment->id() == entry.id) return &segment;
  }
  return nullptr;
}

void BackupSource::AddSegment(const format::SegmentEntry& entry,
                              std::vector<SourceFile>* files) const {
  const uint32_t dimension = view_.manifest->FindColumn(entry.column_id)->dimension;
  const SegmentView* segment = FindSegment(entry);
  const format::WatermarkRecord mark = segment != nullptr ? segment->mark
                                                          : format::WatermarkRecord();
  const auto add = [&](Kind kind, SegmentFile part, uint64_t identity, uint64_t bytes) {
    files->push_back({kind, SegmentPath(entry.id, part), identity, bytes, &entry, part, nullptr});
  };
  const Kind kind = entry.sealed ? Kind::kSealed : Kind::kOpen;
  const uint64_t identity = entry.sealed ? entry.sums_checksum : 0;
  add(kind, SegmentFile::kRows, identity, format::RowsFileBytes(mark.rows, dimension));
  add(kind, SegmentFile::kRecords, identity, format::RecordsFileBytes(mark.rows));
  add(kind, SegmentFile::kKeys, identity, format::KeysFileBytes(mark.key_bytes));
  if (entry.sealed) add(kind, SegmentFile::kSums, identity, 0);
  if (entry.sealed && entry.sorted_rows < entry.rows) {
    add(kind, SegmentFile::kOrder, identity, entry.rows * sizeof(uint32_t));
  }
  if (entry.epoch_id != 0) {
    add(Kind::kIndex, SegmentFile::kIndex, entry.index_checksum, entry.index_bytes);
  }
  if (entry.mask_generation != 0) {
    const auto name = format::MaskFileName(entry.id, entry.mask_generation);
    files->push_back({Kind::kMask, JoinPath(format::kSegmentsDir, name), entry.mask_checksum,
                      mark.rows / 8, &entry, SegmentFile::kRows, nullptr});
  }
}

StatusOr<std::vector<SourceFile>> BackupSource::Files() const {
  std::vector<SourceFile> files;
  for (const format::SegmentEntry& entry : view_.manifest->segments) AddSegment(entry, &files);
  for (const format::EpochEntry& epoch : view_.manifest->epochs) {
    SourceFile file;
    file.kind = Kind::kEpoch;
    file.name = JoinPath(format::kEpochsDir, format::EpochFileName(epoch.id));
    file.identity = epoch.checksum;
    file.bytes = epoch.file_bytes;
    file.epoch = &epoch;
    files.push_back(std::move(file));
  }
  const std::string migrated(format::kMigratedFile);
  VDB_ASSIGN_OR_RETURN(const bool there, fs_.Exists(JoinPath(root_, migrated)));
  if (there) {
    SourceFile file;
    file.kind = Kind::kMigrated;
    file.name = migrated;
    files.push_back(std::move(file));
  }
  return files;
}

StatusOr<std::string> BackupSource::ReadWhole(const std::string& name, uint64_t size_max) const {
  auto bytes = storage::ReadWholeFile(fs_, JoinPath(root_, name), size_max);
  if (bytes.status().code() == StatusCode::kNotFound) return Damaged(name, "it is missing");
  return bytes;
}

StatusOr<std::string> BackupSource::ManifestBytes() const {
  const uint64_t generation = view_.manifest->generation;
  for (const std::string& name :
       {format::ManifestName(generation), format::ManifestTwinName(generation)}) {
    auto bytes = storage::ReadWholeFile(fs_, JoinPath(root_, name), format::kManifestBytesMax);
    if (!bytes.ok() || format::Hash64(*bytes) != view_.manifest_checksum) continue;
    VDB_ASSIGN_OR_RETURN(const auto decoded, format::DecodeManifest(*bytes, name));
    if (decoded.writable) return bytes;
    return Status::UnsupportedFormat("'" + root_ + "': written by a newer vdb, which has to make "
                                     "its backups");
  }
  // A named snapshot has its manifest elsewhere.
  std::string bytes = format::EncodeManifest(*view_.manifest);
  if (format::Hash64(bytes) == view_.manifest_checksum) return bytes;
  return Damaged(format::ManifestName(generation), "it and its twin are damaged");
}

Status BackupSource::ReadFile(const SourceFile& file, const PieceSink& sink) {
  switch (file.kind) {
    case Kind::kSealed: return ReadSealed(file, sink);
    case Kind::kOpen: return ReadOpen(file, sink);
    case Kind::kMask: return ReadMask(file, sink);
    case Kind::kIndex: return ReadIndex(file, sink);
    case Kind::kEpoch: {
      const Sum whole = {file.epoch->file_bytes, file.epoch->checksum};
      return ReadChecked(file.name, 0, {&whole, 1}, sink);
    }
    case Kind::kMigrated: break;
  }
  VDB_ASSIGN_OR_RETURN(const std::string bytes,
                       ReadWhole(file.name, format::kMigrationRecordBytesMax));
  VDB_RETURN_IF_ERROR(format::DecodeMigrationRecord(bytes, file.name).status());
  return PutPieces(bytes, sink);
}

Status BackupSource::ReadSealed(const SourceFile& file, const PieceSink& sink) {
  const uint64_t id = file.segment->id;
  if (!sums_ || sums_->segment_id != id) {
    const std::string name = SegmentPath(id, SegmentFile::kSums);
    VDB_ASSIGN_OR_RETURN(sums_bytes_, ReadWhole(name, kSmallFileBytesMax));
    if (format::Hash64(sums_bytes_) != file.segment->sums_checksum) {
      return Damaged(name, "its checksum is not the manifest's");
    }
    VDB_ASSIGN_OR_RETURN(sums_, format::DecodeSums(sums_bytes_, name));
  }
  if (file.part == SegmentFile::kSums) return PutPieces(sums_bytes_, sink);
  for (const format::FileSums& found : sums_->files) {
    if (found.file != file.part) continue;
    std::vector<Sum> sums;
    for (const uint64_t hash : found.blocks) {
      sums.push_back({std::min<uint64_t>((sums.size() + 1) * format::kSumsBlockBytes,
                                         found.file_bytes), hash});
    }
    const bool paged = file.part != SegmentFile::kOrder;
    return ReadChecked(file.name, paged ? format::kSegmentPageBytes : 0, sums, sink);
  }
  return Damaged(file.name, "the segment's .sums do not have it");
}

// Bytes past the watermark, the durable hint and a header that a seal has begun are left out.
Status BackupSource::ReadOpen(const SourceFile& file, const PieceSink& sink) const {
  const SegmentView* view = FindSegment(*file.segment);
  if (view == nullptr) return Damaged(file.name, "the view does not have its segment");
  const storage::Segment& segment = *view->segment;
  const format::SegmentIdentity& identity = segment.identity();
  const format::WatermarkRecord& mark = view->mark;
  if (file.part == SegmentFile::kRows) {
    for (uint64_t row = 0; row < mark.rows; ++row) {
      VDB_RETURN_IF_ERROR(segment.CheckRow(row, mark.key_bytes));
    }
    VDB_RETURN_IF_ERROR(sink(format::EncodeNpyPage(0, identity.dimension)));
  } else {
    VDB_RETURN_IF_ERROR(sink(format::EncodeSegmentPage(file.part, identity)));
  }
  if (mark.rows == 0) return Status::Ok();
  switch (file.part) {
    case SegmentFile::kRows:
      return PutPieces({reinterpret_cast<const char*>(segment.rows()),
                        mark.rows * identity.dimension * sizeof(float)}, sink);
    case SegmentFile::kRecords:
      return PutPieces({reinterpret_cast<const char*>(segment.records()),
                        mark.rows * sizeof(format::RowRecord)}, sink);
    default: break;
  }
  const std::string_view first = segment.KeyOf(0, mark.key_bytes);
  if (first.empty() || segment.records()[0].key_offset != 0) {
    return Damaged(file.name, "its first key is not at its beginning");
  }
  return PutPieces({first.data(), mark.key_bytes}, sink);
}

Status BackupSource::ReadMask(const SourceFile& file, const PieceSink& sink) const {
  const std::string path = JoinPath(root_, file.name);
  auto mask = storage::MaskFile::Open(fs_, path, file.segment->id, file.segment->mask_checksum);
  if (mask.status().code() == StatusCode::kNotFound) return Damaged(file.name, "it is missing");
  VDB_RETURN_IF_ERROR(mask.status());
  VDB_RETURN_IF_ERROR(storage::MaskFile::CheckAll(**mask));
  VDB_ASSIGN_OR_RETURN(const std::string bytes, ReadWhole(file.name, kSmallFileBytesMax));
  return PutPieces(bytes, sink);
}

Status BackupSource::ReadIndex(const SourceFile& file, const PieceSink& sink) const {
  auto opened = fs_.Open(JoinPath(root_, file.name), storage::OpenMode::kRead);
  if (opened.status().code() == StatusCode::kNotFound) {
    return Damaged(file.name, "it is missing; an index build makes it anew");
  }
  VDB_RETURN_IF_ERROR(opened.status());
  VDB_ASSIGN_OR_RETURN(const uint64_t size, (*opened)->Size());
  if (size != file.segment->index_bytes) return Damaged(file.name, "its size is wrong");
  std::vector<Sum> sums;
  {
    VDB_ASSIGN_OR_RETURN(const auto mapping, (*opened)->Map(size));
    VDB_ASSIGN_OR_RETURN(
        const auto lists,
        format::DecodeListFile({reinterpret_cast<const char*>(mapping->data()), size},
                               file.segment->index_checksum, file.name));
    sums.push_back({lists.header.data_offset, file.segment->index_checksum});
    for (const uint64_t hash : lists.chunk_sums) {
      sums.push_back({std::min<uint64_t>(sums.back().end + format::kIndexChunkBytes, size), hash});
    }
  }
  return ReadChecked(file.name, 0, sums, sink);
}

// The last sum ends where the file does.
Status BackupSource::ReadChecked(const std::string& name, uint64_t page_bytes,
                                 std::span<const Sum> sums, const PieceSink& sink) const {
  auto file = fs_.Open(JoinPath(root_, name), storage::OpenMode::kRead);
  if (file.status().code() == StatusCode::kNotFound) return Damaged(name, "it is missing");
  VDB_RETURN_IF_ERROR(file.status());
  VDB_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
  if (sums.empty() || sums.back().end != size) {
    return Damaged(name, "expected " + std::to_string(sums.empty() ? 0 : sums.back().end) +
                             " bytes, found " + std::to_string(size));
  }
  format::StreamingHash hash;
  size_t block = 0;
  for (uint64_t at = 0; at < size;) {
    const uint64_t want = at == 0 && page_bytes != 0 ? page_bytes : kChunkBytesMax;
    std::string piece(std::min(want, size - at), '\0');
    VDB_ASSIGN_OR_RETURN(const size_t read, (*file)->ReadAt(at, piece.data(), piece.size()));
    if (read != piece.size()) return Damaged(name, "it was cut while it was read");
    for (size_t done = 0; done < read;) {
      const uint64_t left = sums[block].end - (at + done);
      const size_t part = std::min<uint64_t>(left, read - done);
      hash.Update(piece.data() + done, part);
      done += part;
      if (part < left) continue;
      if (hash.Digest64() != sums[block].hash) {
        return Damaged(name, "block " + std::to_string(block) + " (up to byte " +
                                 std::to_string(sums[block].end) + ") fails its checksum");
      }
      hash = format::StreamingHash();
      ++block;
    }
    at += read;
    VDB_RETURN_IF_ERROR(sink(std::move(piece)));
  }
  return Status::Ok();
}

Status BackupSource::ReadDocuments(const PieceSink& sink) const {
  const std::string state = format::StateKey();
  DocumentCutter cutter(sink);
  VDB_ASSIGN_OR_RETURN(auto cursor, view_.store->NewCursor("", view_.snapshot.get()));
  for (; cursor->Valid(); cursor->Next()) {
    if (cursor->key().empty() || cursor->key() == state) continue;
    VDB_RETURN_IF_ERROR(cutter.Add(cursor->key(), cursor->value()));
  }
  VDB_RETURN_IF_ERROR(cursor->status());
  return cutter.Cut();
}

uint64_t BackupSource::DocumentBytes() const { return view_.store->ApproximateBytes("", "\xFF"); }

}  // namespace vdb::engine
