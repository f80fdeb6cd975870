// RowMask: the rows of one segment that a search may return: those of matching documents, live ones
// only. Kept compressed (CRoaring); expanded to one bit per row when a probe first needs that.
//
// Immutable. Threads: const methods from any thread. Out of memory throws std::bad_alloc.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

struct roaring_bitmap_s;

namespace vdb::query {

class RowMask {
 public:
  /// `words`: bit i of word w is row 64 w + i; rows past `row_count` are clear.
  static std::shared_ptr<const RowMask> FromWords(std::vector<uint64_t> words, uint64_t row_count);
  /// Ascending, each once.
  static std::shared_ptr<const RowMask> FromRows(std::span<const uint32_t> rows,
                                                 uint64_t row_count);
  ~RowMask();
  RowMask(const RowMask&) = delete;
  RowMask& operator=(const RowMask&) = delete;

  uint64_t row_count() const { return row_count_; }
  /// Rows that are allowed.
  uint64_t count() const { return count_; }
  /// Those rows, ascending.
  std::vector<uint32_t> Rows() const;
  /// One bit per row, as FromWords; stays with the mask from its first use on.
  const uint64_t* Words() const;
  /// With the words, whether or not they were needed yet.
  uint64_t memory_bytes() const;

 private:
  RowMask(roaring_bitmap_s* rows, uint64_t row_count);

  roaring_bitmap_s* rows_;
  uint64_t row_count_;
  uint64_t count_;
  mutable std::once_flag expanded_;
  mutable std::vector<uint64_t> words_;
};

/// Rows first .. past of a mask's words that are set.
inline uint64_t CountBits(const uint64_t* words, uint64_t first, uint64_t past) {
  if (first >= past) return 0;
  const uint64_t last = (past - 1) / 64;
  const uint64_t head = ~uint64_t{0} << (first % 64), tail = ~uint64_t{0} >> (63 - (past - 1) % 64);
  uint64_t count = 0;
  for (uint64_t w = first / 64; w <= last; ++w) {
    uint64_t word = words[w];
    if (w == first / 64) word &= head;
    if (w == last) word &= tail;
    count += static_cast<uint64_t>(std::popcount(word));
  }
  return count;
}

}  // namespace vdb::query
