#include "storage/delete_mask.h"

#include <algorithm>
#include <bit>

#include "format/checksum.h"
#include "format/status_macros.h"

namespace vdb::storage {
namespace {
constexpr size_t kChunkBytes = kMaskChunkWords * sizeof(uint64_t);
}

StatusOr<const uint64_t*> DeleteMask::Chunk(uint64_t i) const {
  if (i >= chunks_.size() || chunks_[i] == nullptr) return static_cast<const uint64_t*>(nullptr);
  const ChunkData& chunk = *chunks_[i];
  if (!chunk.checked.load(std::memory_order_acquire)) {
    if (format::Hash64(chunk.words, kChunkBytes) != chunk.checksum) {
      return Status::Corruption("'" + chunk.file + "': checksum mismatch in mask chunk " +
                                std::to_string(i) + "; run `vdbtool verify` and restore the file");
    }
    chunk.checked.store(true, std::memory_order_release);
  }
  return chunk.words;
}

StatusOr<bool> DeleteMask::Test(uint64_t row) const {
  VDB_ASSIGN_OR_RETURN(const uint64_t* words, Chunk(row / kMaskChunkRows));
  if (words == nullptr) return false;
  const uint64_t bit = row % kMaskChunkRows;
  return ((words[bit / 64] >> (bit % 64)) & 1) != 0;
}

StatusOr<std::shared_ptr<const DeleteMask>> DeleteMask::With(
    std::span<const uint64_t> rows) const {
  std::vector<uint64_t> sorted(rows.begin(), rows.end());
  std::sort(sorted.begin(), sorted.end());
  auto result = std::make_shared<DeleteMask>();
  result->chunks_ = chunks_;
  result->dead_count_ = dead_count_;
  for (size_t first = 0; first < sorted.size();) {
    const uint64_t index = sorted[first] / kMaskChunkRows;
    VDB_ASSIGN_OR_RETURN(const uint64_t* old, Chunk(index));
    auto chunk = std::make_shared<ChunkData>();
    chunk->owned.assign(kMaskChunkWords, 0);
    if (old != nullptr) std::copy(old, old + kMaskChunkWords, chunk->owned.begin());
    for (; first < sorted.size() && sorted[first] / kMaskChunkRows == index; ++first) {
      const uint64_t bit = sorted[first] % kMaskChunkRows;
      uint64_t& word = chunk->owned[bit / 64];
      result->dead_count_ += ((word >> (bit % 64)) & 1) == 0;
      word |= uint64_t{1} << (bit % 64);
    }
    chunk->words = chunk->owned.data();
    if (result->chunks_.size() <= index) result->chunks_.resize(index + 1);
    result->chunks_[index] = std::move(chunk);
  }
  return std::shared_ptr<const DeleteMask>(std::move(result));
}

}  // namespace vdb::storage
