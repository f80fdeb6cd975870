// Frame: the 64-byte header in front of every manifest, sums file, mask file and segment sidecar.
//
//   offset  size  field
//        0     8  magic            which kind of file
//        8     4  format_version   1; of a manifest, that of the database: 1 to kFormatVersion;
//                                  newer: kUnsupportedFormat
//       12     4  header_bytes     64
//       16     8  reader_flags     an unknown bit: this library must not read the file
//       24     8  writer_flags     an unknown bit: this library must not open it for writing
//       32     8  payload_bytes
//       40     8  payload_checksum XXH3-64 of the payload
//       48     8  reserved         0
//       56     8  header_checksum  XXH3-64 of bytes 0 to 55
//
// Valid if and only if: 64 bytes are there, the magic is the expected one, the header checksum
// holds, version and flags are known, payload_bytes are there, and the payload checksum holds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "vdb/status.h"

namespace vdb::format {

inline constexpr size_t kFrameBytes = 64;

/// Of every file with a frame but manifests: none of them has changed since version 1.
inline constexpr uint32_t kFrameVersion = 1;

/// Set in a manifest that names epochs: a writer that does not know them would drop their files.
inline constexpr uint64_t kWriterFlagVectorIndex = 1;

/// Set in a manifest that has field indexes: a writer that does not know them would not keep their
/// entries up.
inline constexpr uint64_t kWriterFlagFieldIndexes = 2;

/// Set in a manifest once there was a named snapshot: a writer that does not know them would remove
/// the segments that only they need.
inline constexpr uint64_t kWriterFlagNamedSnapshots = 4;

/// Every feature bit this library knows.
inline constexpr uint64_t kKnownReaderFlags = 0;
inline constexpr uint64_t kKnownWriterFlags =
    kWriterFlagVectorIndex | kWriterFlagFieldIndexes | kWriterFlagNamedSnapshots;

/// Magics, eight bytes each.
inline constexpr std::string_view kManifestMagic = "VDBMANIF";
inline constexpr std::string_view kSumsMagic = "VDB-SUMS";
inline constexpr std::string_view kMaskMagic = "VDB-MASK";
inline constexpr std::string_view kRecordsMagic = "VDB-ROWS";
inline constexpr std::string_view kKeysMagic = "VDB-KEYS";
inline constexpr std::string_view kOrderMagic = "VDBORDER";
inline constexpr std::string_view kEpochMagic = "VDBEPOCH";
inline constexpr std::string_view kListMagic = "VDB-LIST";
inline constexpr std::string_view kSnapshotMagic = "VDB-SNAP";
inline constexpr std::string_view kJobsMagic = "VDB-JOBS";
inline constexpr std::string_view kMigrationMagic = "VDB-MIGR";
inline constexpr std::string_view kBackupMarkerMagic = "VDBBKDIR";
inline constexpr std::string_view kBackupRecordMagic = "VDBBKREC";
inline constexpr std::string_view kChunkMagic = "VDBCHUNK";

/// Header and payload in one string.
std::string EncodeFrame(std::string_view magic, std::string_view payload,
                        uint64_t writer_flags = 0, uint32_t format_version = kFrameVersion);
/// The header alone, for a payload that is written elsewhere.
std::string EncodeFrameHeader(std::string_view magic, uint64_t payload_bytes,
                              uint64_t payload_checksum, uint64_t writer_flags = 0,
                              uint32_t format_version = kFrameVersion);

struct Frame {
  std::string_view payload;
  uint64_t payload_checksum = 0;
  uint64_t writer_flags = 0;
  uint32_t format_version = 0;
};

/// Decodes a frame at the start of `bytes`; trailing bytes are the caller's business. `file` names
/// the source in errors. Errors: kCorruption, kUnsupportedFormat.
StatusOr<Frame> DecodeFrame(std::string_view magic, std::string_view bytes, std::string_view file);
/// The same without checking the payload's checksum (large payloads that are checked by parts).
StatusOr<Frame> DecodeFrameHeader(std::string_view magic, std::string_view bytes,
                                  std::string_view file);

}  // namespace vdb::format
