#include "format/row_record.h"

#include "format/checksum.h"

namespace vdb::format {

uint64_t RowChecksum(uint64_t segment_id, uint64_t row_index, const RowRecord& record,
                     const float* row, uint32_t dimension, std::string_view key) {
  struct {
    uint64_t segment_id, row_index, docno;
    double norm;
    uint64_t key_offset;
    uint32_t key_bytes, flags;
    uint64_t row_hash, key_hash;
  } covered = {segment_id,       row_index,    record.docno,
               record.norm,      record.key_offset, record.key_bytes,
               record.flags,     Hash64(row, size_t{dimension} * sizeof(float)),
               Hash64(key.data(), key.size())};
  static_assert(sizeof(covered) == 64);
  return Hash64(&covered, sizeof(covered));
}

}  // namespace vdb::format
