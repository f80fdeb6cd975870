// DocnoSet: a set of docnos, as compressed bitmaps (CRoaring) of 2^32 docnos each.
//
// Threads: const methods from any thread. Copies are deep. Out of memory throws std::bad_alloc, as
// containers do.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

struct roaring_bitmap_s;

namespace vdb::query {

class DocnoSet {
 public:
  DocnoSet() = default;
  ~DocnoSet();
  DocnoSet(const DocnoSet& other);
  DocnoSet(DocnoSet&& other) noexcept;
  DocnoSet& operator=(DocnoSet other) noexcept;

  /// Any order, duplicates allowed; cheapest ascending.
  void AddMany(std::span<const uint64_t> docnos);
  bool Contains(uint64_t docno) const;
  uint64_t count() const;
  bool empty() const { return parts_.empty(); }
  uint64_t memory_bytes() const;

  DocnoSet& operator&=(const DocnoSet& other);
  DocnoSet& operator|=(const DocnoSet& other);
  DocnoSet& operator-=(const DocnoSet& other);

  /// All, ascending.
  std::vector<uint64_t> ToVector() const;
  /// Bit i of the result (words of 64) is docno first + i, for i < count.
  void ToBits(uint64_t first, uint64_t count, uint64_t* words) const;

 private:
  std::map<uint32_t, roaring_bitmap_s*> parts_;  // by the upper half; never an empty bitmap
};

}  // namespace vdb::query
