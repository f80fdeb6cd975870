// InvertedLists: the index of one sealed segment, whose rows lie list by list: codes of every row,
// in row order. Written once, beside the segment; read mapped.
//
// Bytes are checked chunk by chunk (64 KiB) against the directory's checksums when they are first
// used, so that opening costs nothing per row and a flipped bit never reaches an answer: the reader
// asks Blocks or FineRows, gets null for damaged bytes, and falls back to the float32 rows.
//
// Threads: const methods from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/index_layout.h"
#include "index/codebook.h"
#include "vdb/status.h"

namespace vdb::index {

class InvertedLists {
 public:
  /// `bytes`: the whole mapped file; `keep` holds them. `checksum`: of the directory, from the
  /// manifest.
  static StatusOr<std::shared_ptr<const InvertedLists>> Open(std::string_view bytes,
                                                             uint64_t checksum, std::string file,
                                                             std::shared_ptr<const void> keep);

  const format::ListHeader& header() const { return view_.header; }
  uint64_t rows() const { return view_.header.rows; }
  uint32_t row_begin(uint32_t list) const { return view_.row_begin[list]; }
  const uint32_t* row_begins() const { return view_.row_begin.data(); }  ///< [L + 1]
  uint32_t row_end(uint32_t list) const { return view_.row_begin[list + 1]; }
  uint64_t loose_begin() const { return view_.row_begin[view_.header.list_count]; }
  float radius(uint32_t list) const { return view_.radius[list]; }
  bool has_fine_codes() const { return view_.fine_rows != nullptr; }

  /// Coarse blocks [first, past) (block i has rows 64 i to 64 i + 63), or null: damaged.
  const uint8_t* Blocks(uint64_t first, uint64_t past) const {
    return Check(BlockOffset(first), BlockOffset(past)) ? view_.blocks + first * block_bytes_
                                                        : nullptr;
  }
  /// Fine codes of rows [first, past), or null: damaged or not there.
  const uint8_t* FineRows(uint64_t first, uint64_t past) const {
    return has_fine_codes() && Check(FineOffset(first), FineOffset(past))
               ? view_.fine_rows + first * fine_bytes_
               : nullptr;
  }
  size_t block_bytes() const { return block_bytes_; }
  size_t fine_bytes() const { return fine_bytes_; }

  /// Checks every chunk: for verify. Names the chunk in the error.
  Status CheckAll() const;
  /// A chunk failed its checksum since the open.
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }
  const std::string& file() const { return file_; }

 private:
  InvertedLists() = default;
  uint64_t BlockOffset(uint64_t block) const { return block * block_bytes_; }
  uint64_t FineOffset(uint64_t row) const {
    return view_.header.fine_offset - view_.header.data_offset + row * fine_bytes_;
  }
  /// Whether data bytes [from, past) are whole; checks chunks on their first use.
  bool Check(uint64_t from, uint64_t past) const {
    for (uint64_t c = from / format::kIndexChunkBytes; c * format::kIndexChunkBytes < past; ++c) {
      if (checked_[c].load(std::memory_order_acquire) != kWhole && !CheckChunk(c)) return false;
    }
    return true;
  }
  bool CheckChunk(uint64_t chunk) const;

  static constexpr uint8_t kUnknown = 0, kWhole = 1, kDamaged = 2;
  format::ListView view_;
  std::string_view bytes_;
  std::string file_;
  std::shared_ptr<const void> keep_;
  size_t block_bytes_ = 0, fine_bytes_ = 0;
  mutable std::unique_ptr<std::atomic<uint8_t>[]> checked_;
  mutable std::atomic<bool> damaged_{false};
};

/// Where the writer's bytes go; offsets from the start of the file. They ascend within each plane;
/// the directory, which is in front, comes last.
using ByteSink = std::function<Status(uint64_t offset, std::span<const std::byte> bytes)>;

/// Writes the index of a segment as its rows come, list by list. Memory: the codes of a thousand
/// rows and one chunk per plane.
class InvertedListsWriter {
 public:
  /// `row_begin` [L + 1] is known before: where each list starts, and where the loose rows do.
  InvertedListsWriter(const Codebook& codebook, uint64_t segment_id, uint64_t rows,
                      std::vector<uint32_t> row_begin, ByteSink sink);

  /// The next rows in order, coded: y [count x padded], lengths |x| of their source vectors. The
  /// lists follow from row_begin. Encoding is spread over `thread_count` threads. Loose rows need
  /// no call.
  Status Add(const float* y, const double* lengths, size_t count, uint32_t thread_count);

  /// The next rows in order with the codes that they have elsewhere under the same epoch: coarse
  /// [count x CoarseRowBytes], fine [count x FineRowBytes]. Nothing is encoded, so every bit stays.
  Status AddCoded(const uint8_t* coarse, const uint8_t* fine, size_t count);
  /// What files of coded rows say of them and the codes do not: a bound that covers list `list`,
  /// and the sum of all residuals.
  void CoverList(uint32_t list, float radius);
  void AddResiduals(double sum) { header_.residual_sum += sum; }

  /// Pads, writes the directory; `checksum` for the manifest.
  Status Finish(uint64_t* checksum);
  uint64_t file_bytes() const { return header_.file_bytes; }
  double residual_sum() const { return header_.residual_sum; }

 private:
  struct Plane {  // a run of bytes, written and checksummed chunk by chunk
    uint64_t offset = 0;  // where pending goes, from the start of the file
    std::vector<std::byte> pending;
  };
  Status CheckArguments() const;
  Status CheckRoom(size_t count) const;
  /// Makes room for the next rows in both planes; the offset of the first fine code.
  size_t Extend(size_t count);
  /// Writes what is complete once the next `count` rows have their codes.
  Status Advance(size_t count);
  Status AddSome(const float* y, const double* lengths, size_t count, uint32_t thread_count);
  /// Writes the chunks that the first `ready` pending bytes fill; with `last` all of the bytes.
  Status Flush(Plane* plane, size_t ready, bool last);
  /// Fills a plane with zeros up to file offset `past`, and writes it.
  Status Pad(Plane* plane, uint64_t past);

  const Codebook& codebook_;
  format::ListHeader header_;
  std::vector<uint32_t> row_begin_;
  std::vector<float> radius_;
  std::vector<uint64_t> chunk_sums_;
  ByteSink sink_;
  uint64_t next_row_ = 0;
  uint32_t next_list_ = 0;
  Plane coarse_, fine_;
};

}  // namespace vdb::index
