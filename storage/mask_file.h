// Mask files: a DeleteMask as immutable bytes, named by the manifest.
//
//   a frame header (magic VDB-MASK; the payload checksum covers the directory only), then
//   directory: u64 segment_id, u64 rows, u64 dead_count, u64 chunk_count, per chunk u64 XXH3-64 of
//              its 8,192 bytes, or 0 where no row of the chunk is dead
//   chunks:    8,192 bytes each for every chunk with a dead row, in order
#pragma once

#include <memory>
#include <string>

#include "storage/delete_mask.h"
#include "storage/file_system.h"

namespace vdb::storage {

class MaskFile {
 public:
  /// The bytes of a mask over `rows` rows of a segment. `checksum` gets the XXH3-64 of header and
  /// directory, which the manifest records.
  static StatusOr<std::string> Encode(const DeleteMask& mask, uint64_t segment_id, uint64_t rows,
                                      uint64_t* checksum);

  /// Opens and maps a mask file. Header and directory are checked now, chunks when first used.
  static StatusOr<std::shared_ptr<const DeleteMask>> Open(FileSystem& fs, const std::string& path,
                                                          uint64_t segment_id, uint64_t checksum);

  /// Checks every chunk of an opened mask: for verify.
  static Status CheckAll(const DeleteMask& mask);
};

}  // namespace vdb::storage
