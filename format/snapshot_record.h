// SnapshotRecord: the file SNAPSHOT of a named snapshot (snapshots/NNNNNN/). Written last: a
// directory without it is what an interrupted step left. Bytes: docs/format.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

/// A file of RocksDB's in the snapshot's docs/.
struct SnapshotFile {
  std::string name;
  uint64_t size_bytes = 0;
  uint64_t checksum = 0;  // XXH3-64 of its bytes; 0: a table, which has checksums of its own
};

struct SnapshotRecord {
  std::string name;
  uint64_t batch = 0;
  uint64_t created_unix_ms = 0;
  uint64_t document_count = 0;
  std::vector<SnapshotFile> files;
  std::string manifest;  // the whole file of the manifest it pins
};

inline constexpr uint64_t kSnapshotRecordBytesMax = 1u << 30;

std::string EncodeSnapshotRecord(const SnapshotRecord& record);
/// Checks everything but the manifest, which has its own decoder.
StatusOr<SnapshotRecord> DecodeSnapshotRecord(std::string_view bytes, std::string_view file);

}  // namespace vdb::format
