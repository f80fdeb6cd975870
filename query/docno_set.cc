#include "query/docno_set.h"

#include <roaring/roaring.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace vdb::query {
namespace {

uint32_t Upper(uint64_t docno) { return static_cast<uint32_t>(docno >> 32); }

// CRoaring says that memory ran out by a null pointer.
roaring_bitmap_t* NotNull(roaring_bitmap_t* bitmap) {
  if (bitmap == nullptr) throw std::bad_alloc();
  return bitmap;
}

}  // namespace

DocnoSet::~DocnoSet() {
  for (auto& [upper, bitmap] : parts_) roaring_bitmap_free(bitmap);
}

// Delegates, so that the destructor frees what was copied when a later copy throws.
DocnoSet::DocnoSet(const DocnoSet& other) : DocnoSet() {
  for (const auto& [upper, bitmap] : other.parts_) {
    roaring_bitmap_t*& part = parts_[upper];
    part = NotNull(roaring_bitmap_copy(bitmap));
  }
}

DocnoSet::DocnoSet(DocnoSet&& other) noexcept : parts_(std::exchange(other.parts_, {})) {}

DocnoSet& DocnoSet::operator=(DocnoSet other) noexcept {
  parts_.swap(other.parts_);
  return *this;
}

void DocnoSet::AddMany(std::span<const uint64_t> docnos) {
  std::array<uint32_t, 1024> lower;
  size_t i = 0;
  while (i < docnos.size()) {
    const uint32_t upper = Upper(docnos[i]);
    auto found = parts_.find(upper);
    if (found == parts_.end()) {
      found = parts_.emplace(upper, nullptr).first;  // freed by the destructor, whatever fails
      found->second = roaring_bitmap_create();
      if (found->second == nullptr) {
        parts_.erase(found);
        NotNull(nullptr);
      }
    }
    size_t count = 0;
    for (; i < docnos.size() && count < lower.size() && Upper(docnos[i]) == upper; ++i) {
      lower[count++] = static_cast<uint32_t>(docnos[i]);
    }
    roaring_bitmap_add_many(found->second, count, lower.data());
  }
}

bool DocnoSet::Contains(uint64_t docno) const {
  const auto found = parts_.find(Upper(docno));
  return found != parts_.end() &&
         roaring_bitmap_contains(found->second, static_cast<uint32_t>(docno));
}

uint64_t DocnoSet::count() const {
  uint64_t count = 0;
  for (const auto& [upper, bitmap] : parts_) count += roaring_bitmap_get_cardinality(bitmap);
  return count;
}

uint64_t DocnoSet::memory_bytes() const {
  constexpr uint64_t kContainerBytes = 32;  // its header and its place in the bitmap's arrays
  uint64_t bytes = 0;
  for (const auto& [upper, bitmap] : parts_) {
    roaring_statistics_t figures;
    roaring_bitmap_statistics(bitmap, &figures);
    bytes += sizeof(*bitmap) + figures.n_containers * kContainerBytes +
             figures.n_bytes_array_containers + figures.n_bytes_run_containers +
             figures.n_bytes_bitset_containers;
  }
  return bytes;
}

DocnoSet& DocnoSet::operator&=(const DocnoSet& other) {
  if (this == &other) return *this;
  std::erase_if(parts_, [&](auto& part) {
    const auto found = other.parts_.find(part.first);
    if (found != other.parts_.end()) roaring_bitmap_and_inplace(part.second, found->second);
    const bool gone = found == other.parts_.end() || roaring_bitmap_is_empty(part.second);
    if (gone) roaring_bitmap_free(part.second);
    return gone;
  });
  return *this;
}

DocnoSet& DocnoSet::operator|=(const DocnoSet& other) {
  if (this == &other) return *this;
  for (const auto& [upper, bitmap] : other.parts_) {
    const auto found = parts_.find(upper);
    if (found != parts_.end()) {
      roaring_bitmap_or_inplace(found->second, bitmap);
      continue;
    }
    roaring_bitmap_t*& part = parts_[upper];  // null until copied, and freeing null is harmless
    part = roaring_bitmap_copy(bitmap);
    if (part == nullptr) {
      parts_.erase(upper);
      throw std::bad_alloc();
    }
  }
  return *this;
}

DocnoSet& DocnoSet::operator-=(const DocnoSet& other) {
  if (this == &other) return *this = DocnoSet();
  std::erase_if(parts_, [&](auto& part) {
    const auto found = other.parts_.find(part.first);
    if (found == other.parts_.end()) return false;
    roaring_bitmap_andnot_inplace(part.second, found->second);
    const bool gone = roaring_bitmap_is_empty(part.second);
    if (gone) roaring_bitmap_free(part.second);
    return gone;
  });
  return *this;
}

std::vector<uint64_t> DocnoSet::ToVector() const {
  std::vector<uint64_t> docnos(count());
  auto out = docnos.begin();
  for (const auto& [upper, bitmap] : parts_) {
    std::vector<uint32_t> lower(roaring_bitmap_get_cardinality(bitmap));
    roaring_bitmap_to_uint32_array(bitmap, lower.data());
    const uint64_t base = uint64_t{upper} << 32;
    out = std::transform(lower.begin(), lower.end(), out,
                         [base](uint32_t value) { return base | value; });
  }
  return docnos;
}

void DocnoSet::ToBits(uint64_t first, uint64_t count, uint64_t* words) const {
  std::fill_n(words, (count + 63) / 64, 0);
  if (count == 0) return;
  const uint64_t last = first + (count - 1);
  std::array<uint32_t, 1024> lower;
  for (auto part = parts_.lower_bound(Upper(first));
       part != parts_.end() && part->first <= Upper(last); ++part) {
    const uint64_t base = uint64_t{part->first} << 32;
    roaring_uint32_iterator_t at;
    roaring_init_iterator(part->second, &at);
    if (base < first) {
      roaring_move_uint32_iterator_equalorlarger(&at, static_cast<uint32_t>(first));
    }
    while (const uint32_t read = roaring_read_uint32_iterator(&at, lower.data(), lower.size())) {
      for (uint32_t i = 0; i < read; ++i) {
        const uint64_t docno = base | lower[i];
        if (docno > last) return;
        const uint64_t bit = docno - first;
        words[bit / 64] |= uint64_t{1} << (bit % 64);
      }
    }
  }
}

}  // namespace vdb::query
