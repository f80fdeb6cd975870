// LedgerRecord: our own word, outside RocksDB, on what must be there. The file `ledger` is a ring
// of 8 slots of 4,096 bytes; record number s is written to slot s mod 8, so that a torn write
// leaves the records before it. The newest valid slot counts.
//
//   offset  size  field
//        0     8  magic "VDBLEDGR"
//        8     4  format_version
//       12     4  file_count             tracked files, at most 120
//       16     8  sequence               number of this record, >= 1
//       24     8  batch                  last batch handed to RocksDB
//       32     8  running_hash           over all batches up to it
//       40     8  durable_batch          everything up to it survives power loss
//       48     8  generation             of the live manifest
//       56     8  current_manifest       number of RocksDB's live MANIFEST
//       64     4  flags                  1: closed cleanly; 2: switch to current_manifest under way
//       68     4  reserved 0
//       72    16  uuid of the database
//       88   32*n files: u32 kind (1 MANIFEST, 2 WAL), u32 0, u64 number, u64 synced_bytes,
//                 u64 XXH3-64 of those bytes
//     4088     8  XXH3-64 of bytes 0 to 4087
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

inline constexpr size_t kLedgerSlotBytes = 4096;
inline constexpr size_t kLedgerSlots = 8;
inline constexpr size_t kLedgerFilesMax = 120;

enum class TrackedKind : uint32_t { kManifest = 1, kLog = 2 };

/// A file of RocksDB of which a prefix is known to be durable.
struct TrackedFile {
  TrackedKind kind = TrackedKind::kLog;
  uint64_t number = 0;
  uint64_t synced_bytes = 0;
  uint64_t checksum = 0;

  bool operator==(const TrackedFile&) const = default;
};

struct LedgerRecord {
  uint64_t sequence = 0;
  uint64_t batch = 0;
  uint64_t running_hash = 0;
  uint64_t durable_batch = 0;
  uint64_t generation = 0;
  uint64_t current_manifest = 0;
  bool clean = false;
  bool switching = false;
  std::string uuid;  // 32 hex digits
  std::vector<TrackedFile> files;
};

/// 4,096 bytes.
std::string EncodeLedgerSlot(const LedgerRecord& record);

/// The newest record of a ledger file. kCorruption if no slot is valid, kUnsupportedFormat if the
/// newest is of a newer version.
StatusOr<LedgerRecord> DecodeLedger(std::string_view bytes);

/// Slots that are neither valid nor all zero (never written): for verify.
std::vector<size_t> DamagedLedgerSlots(std::string_view bytes);

}  // namespace vdb::format
