// Bytes of a segment's files. All four begin with a page of 4,096 bytes; data follows without gaps.
//
//   SEGMENT.npy    page: an NPY 1.0 header, padded with spaces; data: float32 [rows x dimension]
//   SEGMENT.rows   page: a frame (magic VDB-ROWS) around SegmentHeader, zeros, and at offset 4,032
//                  the durable hint; data: RowRecord [rows]
//   SEGMENT.keys   page: a frame (magic VDB-KEYS) around SegmentHeader, zeros; data: the keys
//   SEGMENT.sums   sealed segments only, no page: a frame (magic VDB-SUMS) around the block sums
//   SEGMENT.order  sealed segments whose docnos are not ascending only: a frame (magic VDBORDER)
//                  whose payload is u32 [rows], row numbers by ascending docno
//
//   SegmentHeader (40 bytes): u64 segment_id, u32 column_id, u32 dimension, u64 reserved 0,
//                             16 bytes uuid of the database
//   durable hint (32 bytes):  u64 rows, u64 key_bytes, u64 0, u64 XXH3-64 of the first 24 bytes:
//                             so many rows were fdatasynced before the hint was written. Only a
//                             starting point for recovery; a bad one counts as 0.
//   sums payload: u64 segment_id, u32 file_count, u32 block_bytes, then per file:
//                 u32 SegmentFile, u32 0, u64 file_bytes, u64 XXH3-64 per block of the file
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/file_names.h"
#include "format/row_record.h"
#include "vdb/status.h"

namespace vdb::format {

inline constexpr uint64_t kSegmentPageBytes = 4096;
inline constexpr uint64_t kDurableHintOffset = 4032;
inline constexpr uint32_t kSumsBlockBytes = 1u << 20;

struct SegmentIdentity {
  uint64_t segment_id = 0;
  uint32_t column_id = 0;
  uint32_t dimension = 0;
  std::string uuid;  // 32 hex digits

  bool operator==(const SegmentIdentity&) const = default;
};

/// The first page of SEGMENT.npy for so many rows (0 while the segment is open).
std::string EncodeNpyPage(uint64_t rows, uint32_t dimension);
/// The first page of SEGMENT.rows or SEGMENT.keys, with an empty hint.
std::string EncodeSegmentPage(SegmentFile file, const SegmentIdentity& identity);
/// OK if `page` is what EncodeSegmentPage writes for `identity`, the hint apart.
Status CheckSegmentPage(SegmentFile file, const SegmentIdentity& identity, std::string_view page,
                        std::string_view name);

struct DurableHint {
  uint64_t rows = 0;
  uint64_t key_bytes = 0;
};
std::string EncodeDurableHint(const DurableHint& hint);
/// {0, 0} where the bytes are not a hint.
DurableHint DecodeDurableHint(std::string_view bytes);
/// Whether the 32 bytes are a hint that was written, or zeros.
bool IsDurableHint(std::string_view bytes);
inline constexpr size_t kDurableHintBytes = 32;

inline uint64_t RowsFileBytes(uint64_t rows, uint32_t dimension) {
  return kSegmentPageBytes + rows * dimension * sizeof(float);
}
inline uint64_t RecordsFileBytes(uint64_t rows) {
  return kSegmentPageBytes + rows * sizeof(RowRecord);
}
inline uint64_t KeysFileBytes(uint64_t key_bytes) { return kSegmentPageBytes + key_bytes; }

/// Block checksums of the files of a sealed segment.
struct FileSums {
  SegmentFile file = SegmentFile::kRows;
  uint64_t file_bytes = 0;
  std::vector<uint64_t> blocks;
};
struct SegmentSums {
  uint64_t segment_id = 0;
  std::vector<FileSums> files;
};
std::string EncodeSums(const SegmentSums& sums);
StatusOr<SegmentSums> DecodeSums(std::string_view bytes, std::string_view name);

}  // namespace vdb::format
