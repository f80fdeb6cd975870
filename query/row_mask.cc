#include "query/row_mask.h"

#include <roaring/roaring.h>

#include <new>

namespace vdb::query {
namespace {

struct FreeBitmap {
  void operator()(roaring_bitmap_t* bitmap) const { roaring_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<roaring_bitmap_t, FreeBitmap>;

Bitmap BitmapOf(std::span<const uint32_t> rows) {
  Bitmap bitmap(roaring_bitmap_create());
  if (bitmap == nullptr) throw std::bad_alloc();
  roaring_bitmap_add_many(bitmap.get(), rows.size(), rows.data());
  return bitmap;
}

}  // namespace

RowMask::RowMask(roaring_bitmap_s* rows, uint64_t row_count)
    : rows_(rows), row_count_(row_count), count_(roaring_bitmap_get_cardinality(rows)) {}

RowMask::~RowMask() { roaring_bitmap_free(rows_); }

std::shared_ptr<const RowMask> RowMask::FromRows(std::span<const uint32_t> rows,
                                                 uint64_t row_count) {
  Bitmap bitmap = BitmapOf(rows);
  std::unique_ptr<RowMask> mask(new RowMask(bitmap.get(), row_count));
  bitmap.release();  // the mask's now
  return std::shared_ptr<const RowMask>(std::move(mask));
}

std::shared_ptr<const RowMask> RowMask::FromWords(std::vector<uint64_t> words,
                                                  uint64_t row_count) {
  std::vector<uint32_t> rows;
  rows.reserve(CountBits(words.data(), 0, row_count));
  for (uint64_t w = 0; w < words.size(); ++w) {
    for (uint64_t word = words[w]; word != 0; word &= word - 1) {
      rows.push_back(static_cast<uint32_t>(w * 64 + static_cast<uint64_t>(std::countr_zero(word))));
    }
  }
  Bitmap bitmap = BitmapOf(rows);
  std::unique_ptr<RowMask> mask(new RowMask(bitmap.get(), row_count));
  bitmap.release();  // the mask's now
  std::call_once(mask->expanded_, [&] { mask->words_ = std::move(words); });
  return std::shared_ptr<const RowMask>(std::move(mask));
}

std::vector<uint32_t> RowMask::Rows() const {
  std::vector<uint32_t> rows(count_);
  roaring_bitmap_to_uint32_array(rows_, rows.data());
  return rows;
}

const uint64_t* RowMask::Words() const {
  std::call_once(expanded_, [this] {
    std::vector<uint64_t> words((row_count_ + 63) / 64);
    for (const uint32_t row : Rows()) words[row / 64] |= uint64_t{1} << (row % 64);
    words_ = std::move(words);
  });
  return words_.data();
}

uint64_t RowMask::memory_bytes() const {
  return sizeof(*this) + roaring_bitmap_portable_size_in_bytes(rows_) + (row_count_ + 63) / 64 * 8;
}

}  // namespace vdb::query
