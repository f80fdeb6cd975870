// What says what a backup directory holds: the marker BACKUP, and a record per backup,
// backups/NNNNNN.vdbb. A backup is a list of files, each a list of chunks (format/backup_chunk.h).
//
// Marker: a frame (format/frame.h, magic VDBBKDIR), and nothing behind it, around the 16 bytes of
// the database's uuid. Record: a frame (magic VDBBKREC), and nothing behind it, around
//   u64  id                 1, 2, 3 ...; that of its name
//   u64  created_unix_ms
//   16 bytes uuid
//   u64  document_count
//   48 bytes                the state record of the documents (format/document_record.h)
//   u32  number of collections, and for each: text name (a text: u32 of its bytes, the bytes)
//   u64  bytes of the manifest file, and the file
//   u32  number of files, and for each:
//     text name             relative to the database; "documents": see below
//     u64  identity         a checksum of all its bytes that the manifest has; 0: it has none
//     u64  file_bytes       the sum of its chunks' raw_bytes
//     u32  number of chunks, and for each: u64 hash high, low, u32 raw_bytes, u32 stored_bytes
//
// "documents" is no file of the database: all keys of RocksDB but the state, ascending, each as
// varint key bytes, varint value bytes, key, value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/checksum.h"
#include "format/document_record.h"
#include "format/manifest.h"
#include "vdb/status.h"

namespace vdb::format {

inline constexpr std::string_view kBackupMarkerFile = "BACKUP";
inline constexpr std::string_view kBackupChunksDir = "chunks";
inline constexpr std::string_view kBackupRecordsDir = "backups";
inline constexpr std::string_view kBackupDocuments = "documents";
inline constexpr uint64_t kBackupRecordBytesMax = 1u << 30;

std::string BackupRecordName(uint64_t id);
std::optional<uint64_t> ParseBackupRecordName(std::string_view name);

std::string EncodeBackupMarker(const std::string& uuid);
/// The uuid.
StatusOr<std::string> DecodeBackupMarker(std::string_view bytes, std::string_view file);

struct BackupChunk {
  Hash128 hash;
  uint32_t raw_bytes = 0;
  uint32_t stored_bytes = 0;  // of the chunk's file
};

struct BackupFile {
  std::string name;
  uint64_t identity = 0;
  uint64_t file_bytes = 0;
  std::vector<BackupChunk> chunks;
};

struct BackupRecord {
  uint64_t id = 0;
  uint64_t created_unix_ms = 0;
  std::string uuid;
  uint64_t document_count = 0;
  StateRecord state;
  std::vector<std::string> collections;
  std::string manifest_bytes;
  std::vector<BackupFile> files;
  Manifest manifest;  // decoded from manifest_bytes; not encoded
};

std::string EncodeBackupRecord(const BackupRecord& record);
/// Checks that all parts agree, and that the files are exactly those that the manifest needs.
StatusOr<BackupRecord> DecodeBackupRecord(std::string_view bytes, std::string_view file);

/// The files that a backup of this manifest has, "documents" last.
std::vector<std::string> BackupFileNames(const Manifest& manifest);

}  // namespace vdb::format
