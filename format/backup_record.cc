#include "format/backup_record.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "format/backup_chunk.h"
#include "format/byte_io.h"
#include "format/file_names.h"
#include "format/frame.h"
#include "format/status_macros.h"
#include "format/uuid.h"

namespace vdb::format {
namespace {

constexpr size_t kChunkEntryBytes = 24;
constexpr size_t kStateBytes = 48;
constexpr std::string_view kRecordEnding = ".vdbb";

Status Contradicts(std::string_view file) {
  return Status::Corruption("'" + std::string(file) + "': its parts contradict each other");
}

// False if the file's chunks do not add up to it.
bool ReadFileEntry(ByteReader* reader, BackupFile* file) {
  file->name = reader->Text();
  file->identity = reader->U64();
  file->file_bytes = reader->U64();
  const uint32_t count = reader->U32();
  if (!reader->ok() || count > reader->remaining() / kChunkEntryBytes) return false;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    BackupChunk chunk;
    chunk.hash.high = reader->U64();
    chunk.hash.low = reader->U64();
    chunk.raw_bytes = reader->U32();
    chunk.stored_bytes = reader->U32();
    if (chunk.raw_bytes > kChunkBytesMax || chunk.stored_bytes > kChunkFileBytesMax) return false;
    bytes += chunk.raw_bytes;
    file->chunks.push_back(chunk);
  }
  return bytes == file->file_bytes;
}

// MIGRATED is there or not; everything else follows from the manifest.
bool HasItsFiles(const BackupRecord& record) {
  std::vector<std::string> expected = BackupFileNames(record.manifest), found;
  for (const BackupFile& file : record.files) {
    if (file.name != kMigratedFile) found.push_back(file.name);
  }
  std::sort(expected.begin(), expected.end());
  std::sort(found.begin(), found.end());
  return expected == found && record.files.size() <= expected.size() + 1;
}

bool HasItsCollections(const BackupRecord& record) {
  if (record.collections.size() != record.manifest.collections.size()) return false;
  for (size_t i = 0; i < record.collections.size(); ++i) {
    if (record.collections[i] != record.manifest.collections[i].name) return false;
  }
  return true;
}

}  // namespace

std::string BackupRecordName(uint64_t id) {
  char name[32];
  std::snprintf(name, sizeof(name), "%06llu", static_cast<unsigned long long>(id));
  return name + std::string(kRecordEnding);
}

std::optional<uint64_t> ParseBackupRecordName(std::string_view name) {
  uint64_t id = 0;
  std::from_chars(name.data(), name.data() + name.size(), id);
  if (id == 0 || BackupRecordName(id) != name) return std::nullopt;
  return id;
}

std::string EncodeBackupMarker(const std::string& uuid) {
  return EncodeFrame(kBackupMarkerMagic, UuidToBytes(uuid));
}

StatusOr<std::string> DecodeBackupMarker(std::string_view bytes, std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(kBackupMarkerMagic, bytes, file));
  if (frame.payload.size() != 16 || bytes.size() != kFrameBytes + 16) return Contradicts(file);
  return UuidFromBytes(frame.payload);
}

std::vector<std::string> BackupFileNames(const Manifest& manifest) {
  std::vector<std::string> names;
  for (const SegmentEntry& entry : manifest.segments) {
    const auto add = [&](SegmentFile file) {
      names.push_back(JoinPath(kSegmentsDir, SegmentFileName(entry.id, file)));
    };
    for (const SegmentFile file : {SegmentFile::kRows, SegmentFile::kRecords, SegmentFile::kKeys}) {
      add(file);
    }
    if (entry.sealed) add(SegmentFile::kSums);
    if (entry.sealed && entry.sorted_rows < entry.rows) add(SegmentFile::kOrder);
    if (entry.epoch_id != 0) add(SegmentFile::kIndex);
    if (entry.mask_generation != 0) {
      names.push_back(JoinPath(kSegmentsDir, MaskFileName(entry.id, entry.mask_generation)));
    }
  }
  for (const EpochEntry& epoch : manifest.epochs) {
    names.push_back(JoinPath(kEpochsDir, EpochFileName(epoch.id)));
  }
  names.emplace_back(kBackupDocuments);
  return names;
}

std::string EncodeBackupRecord(const BackupRecord& record) {
  std::string payload;
  AppendU64(&payload, record.id);
  AppendU64(&payload, record.created_unix_ms);
  payload += UuidToBytes(record.uuid);
  AppendU64(&payload, record.document_count);
  payload += EncodeState(record.state);
  AppendU32(&payload, static_cast<uint32_t>(record.collections.size()));
  for (const std::string& name : record.collections) AppendText(&payload, name);
  AppendU64(&payload, record.manifest_bytes.size());
  payload += record.manifest_bytes;
  AppendU32(&payload, static_cast<uint32_t>(record.files.size()));
  for (const BackupFile& file : record.files) {
    AppendText(&payload, file.name);
    AppendU64(&payload, file.identity);
    AppendU64(&payload, file.file_bytes);
    AppendU32(&payload, static_cast<uint32_t>(file.chunks.size()));
    for (const BackupChunk& chunk : file.chunks) {
      AppendU64(&payload, chunk.hash.high);
      AppendU64(&payload, chunk.hash.low);
      AppendU32(&payload, chunk.raw_bytes);
      AppendU32(&payload, chunk.stored_bytes);
    }
  }
  return EncodeFrame(kBackupRecordMagic, payload);
}

StatusOr<BackupRecord> DecodeBackupRecord(std::string_view bytes, std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(kBackupRecordMagic, bytes, file));
  ByteReader reader(frame.payload);
  BackupRecord record;
  record.id = reader.U64();
  record.created_unix_ms = reader.U64();
  record.uuid = UuidFromBytes(reader.Bytes(16));
  record.document_count = reader.U64();
  const std::string_view state = reader.Bytes(kStateBytes);
  if (!reader.ok()) return Contradicts(file);
  VDB_ASSIGN_OR_RETURN(record.state, DecodeState(state));
  for (uint32_t left = reader.U32(); left > 0 && reader.ok(); --left) {
    record.collections.push_back(reader.Text());
  }
  const uint64_t manifest_bytes = reader.U64();
  record.manifest_bytes = reader.Bytes(manifest_bytes);
  if (!reader.ok()) return Contradicts(file);
  VDB_ASSIGN_OR_RETURN(auto manifest, DecodeManifest(record.manifest_bytes, file));
  record.manifest = std::move(manifest.manifest);
  for (uint32_t left = reader.U32(); left > 0 && reader.ok(); --left) {
    BackupFile one;
    if (!ReadFileEntry(&reader, &one)) return Contradicts(file);
    record.files.push_back(std::move(one));
  }
  if (!reader.AtEnd() || bytes.size() != kFrameBytes + frame.payload.size() || record.id == 0 ||
      record.uuid != record.manifest.uuid || record.state.batch < record.manifest.min_batch ||
      !HasItsCollections(record) || !HasItsFiles(record)) {
    return Contradicts(file);
  }
  return record;
}

}  // namespace vdb::format
