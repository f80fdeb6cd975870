// RowRecord: what the sidecar SEGMENT.rows holds for each row of SEGMENT.npy, and the row checksum.
//
//   offset  size  field         valid range
//        0     8  docno         >= 1
//        8     8  norm (f64)    finite, >= 0; 0 only for a zero row, 1 for a row kept bit for bit
//       16     8  key_offset    in SEGMENT.keys, counted from the end of its header
//       24     4  key_bytes     1 to kKeyBytesMax
//       28     4  flags         0
//       32     8  checksum      XXH3-64, see RowChecksum
//
// Little-endian, as everything on disk; this library runs on little-endian machines only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace vdb::format {

struct RowRecord {
  uint64_t docno;
  double norm;
  uint64_t key_offset;
  uint32_t key_bytes;
  uint32_t flags;
  uint64_t checksum;
};
static_assert(sizeof(RowRecord) == 40 && std::is_trivially_copyable_v<RowRecord>);
static_assert(offsetof(RowRecord, checksum) == 32);

/// XXH3-64 of {segment id, row index, the record's fields before `checksum`, XXH3-64 of the row's
/// `dimension` floats, XXH3-64 of the key}: a row that moved, or belongs to another segment,
/// another docno or another key, does not pass.
uint64_t RowChecksum(uint64_t segment_id, uint64_t row_index, const RowRecord& record,
                     const float* row, uint32_t dimension, std::string_view key);

}  // namespace vdb::format
