// MigrationRecord: the file MIGRATED in a database that a migration made: from what, how much, and
// in which state the database was then. Bytes: a frame (format/frame.h) around the payload below.
//
//   u64  outcome            0 clean, 1 partial
//   u64  batch              number of the last batch of the migration
//   u64  entry, migrated, without_vector, refused, replaced, deleted: six counts
//   u64  entries_hash high, low
//   text format             e.g. "vemb-v1"; a text is a u32 of its bytes, and the bytes
//   text source             folder or file that was migrated, relative to the database's folder
//   u32  number of files, and for each: text path, u64 size, i64 mtime_ns, u64 hash high, low
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/checksum.h"
#include "vdb/status.h"

namespace vdb::format {

/// A file that was read. `path` like MigrationRecord::source.
struct MigratedSource {
  std::string path;
  uint64_t size_bytes = 0;
  int64_t mtime_ns = 0;
  Hash128 hash;  // XXH3-128 of its bytes
};

struct MigrationRecord {
  bool partial = false;
  uint64_t batch = 0;
  uint64_t entry_count = 0;
  uint64_t migrated_count = 0;
  uint64_t without_vector_count = 0;
  uint64_t refused_count = 0;
  uint64_t replaced_count = 0;
  uint64_t deleted_count = 0;
  Hash128 entries_hash;
  std::string format;
  std::string source;  // absolute if it is not below the database's folder
  std::vector<MigratedSource> files;
};

inline constexpr uint64_t kMigrationRecordBytesMax = 64u << 20;

std::string EncodeMigrationRecord(const MigrationRecord& record);
/// `file` names the source in errors. Errors: kCorruption, kUnsupportedFormat.
StatusOr<MigrationRecord> DecodeMigrationRecord(std::string_view bytes, std::string_view file);

}  // namespace vdb::format
