// DeleteMask: which rows of a segment are dead, as one bit per row in chunks of 65,536 rows.
//
// Immutable once made; a change makes a new mask that shares the unchanged chunks. Chunks that come
// from a mask file are checked against their checksum when they are first used.
// Threads: all const methods are safe from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vdb/status.h"

namespace vdb::storage {

class Mapping;

inline constexpr uint64_t kMaskChunkRows = 65536;
inline constexpr uint64_t kMaskChunkWords = kMaskChunkRows / 64;

class DeleteMask {
 public:
  DeleteMask() = default;

  /// The words of chunk `i` (rows i*65536 .. +65535), bit set = dead; nullptr: none is dead.
  /// kCorruption if the mask file's bytes do not match.
  StatusOr<const uint64_t*> Chunk(uint64_t i) const;

  /// Whether one row is dead.
  StatusOr<bool> Test(uint64_t row) const;

  uint64_t dead_count() const { return dead_count_; }

  /// A mask with these rows dead too (rows already dead are counted once).
  StatusOr<std::shared_ptr<const DeleteMask>> With(std::span<const uint64_t> rows) const;

  uint64_t chunk_count() const { return chunks_.size(); }

 private:
  friend class MaskFile;
  struct ChunkData {
    const uint64_t* words = nullptr;      // into `owned` or a mapping
    std::vector<uint64_t> owned;
    uint64_t checksum = 0;                // of a mapped chunk
    mutable std::atomic<bool> checked{true};
    std::shared_ptr<const Mapping> mapping;
    std::string file;                     // for messages
  };
  std::vector<std::shared_ptr<const ChunkData>> chunks_;
  uint64_t dead_count_ = 0;
};

}  // namespace vdb::storage
