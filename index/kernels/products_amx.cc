// Matrix products of level "amx": tiles of 16 x 16 float32 sums, each instruction 32 dimensions of
// 16 rows and 16 columns in bfloat16 (TDPBF16PS). Eight bits of each value would not do: tight
// clusters far apart would be cut at random. So a value is the sum of two bfloat16, x = h + l, and
// a product h h' + h l' + l h', which leaves out 2^-18 of it.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace vdb::index::amx {
namespace {

constexpr size_t kGroup = 16;  // rows or columns of a tile
constexpr size_t kPair = 32;   // of a step: two tiles each way
constexpr size_t kDepth = 32;  // dimensions of a tile

struct alignas(64) TileConfig {  // of LDTILECFG
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// 32 values each: the high halves and what these leave.
struct Split {
  __m512i high, low;
};

__m512 Widen(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

__m512i Narrow(__m512 first, __m512 last) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(last, first));
}

Split SplitValues(const float* values) {
  const __m512 a = _mm512_loadu_ps(values), b = _mm512_loadu_ps(values + 16);
  const __m512i high = Narrow(a, b);
  const __m512 rest_a = _mm512_sub_ps(a, Widen(_mm512_castsi512_si256(high)));
  const __m512 rest_b = _mm512_sub_ps(b, Widen(_mm512_extracti64x4_epi64(high, 1)));
  return {high, Narrow(rest_a, rest_b)};
}

// Where the halves of some rows or columns are.
struct Halves {
  uint16_t* high;
  uint16_t* low;
};

// Row by row; rows beyond `count` repeat the last one.
void SplitRows(const float* rows, size_t count, size_t dimension, const Halves& out) {
  for (size_t r = 0; r < kPair; ++r) {
    const float* const row = rows + (r < count ? r : count - 1) * dimension;
    for (size_t d = 0; d < dimension; d += kDepth) {
      const Split split = SplitValues(row + d);
      _mm512_store_si512(out.high + r * dimension + d, split.high);
      _mm512_store_si512(out.low + r * dimension + d, split.low);
    }
  }
}

void StoreTransposed(const uint16_t (*columns)[kDepth], uint16_t* out) {
  const uint8_t* rows[kGroup];
  for (size_t c = 0; c < kGroup; ++c) rows[c] = reinterpret_cast<const uint8_t*>(columns[c]);
  alignas(64) uint32_t words[kGroup * kGroup];
  avx512::TransposeWords(rows, kGroup, words);
  __builtin_memcpy(out, words, sizeof(words));
}

// Of 16 columns: for each two dimensions the 16 columns' pairs, as tiles take them.
void SplitColumns(const float* columns, size_t count, size_t dimension, const Halves& out) {
  alignas(64) uint16_t high[kGroup][kDepth], low[kGroup][kDepth];
  for (size_t d = 0; d < dimension; d += kDepth) {
    for (size_t c = 0; c < kGroup; ++c) {
      const Split split = SplitValues(columns + (c < count ? c : count - 1) * dimension + d);
      _mm512_store_si512(high[c], split.high);
      _mm512_store_si512(low[c], split.low);
    }
    StoreTransposed(high, out.high + d * kGroup);
    StoreTransposed(low, out.low + d * kGroup);
  }
}

// Tiles 0 to 3: sums of (first, second) rows x (first, second) columns; 4 and 5: rows; 6 and 7:
// columns.
void LoadRows(const uint16_t* rows, size_t dimension) {
  _tile_loadd(4, rows, 2 * dimension);
  _tile_loadd(5, rows + kGroup * dimension, 2 * dimension);
}

void LoadColumns(const uint16_t* columns, size_t dimension) {
  _tile_loadd(6, columns, 64);
  _tile_loadd(7, columns + kGroup * dimension, 64);
}

void AddProducts() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// sums: [32 x 32]. GCC's tile intrinsics do not say what memory they read, hence the barrier.
void MultiplyTiles(const Halves& rows, const Halves& columns, size_t dimension, float* sums) {
  __asm__ volatile("" ::: "memory");
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t d = 0; d < dimension; d += kDepth) {
    LoadRows(rows.low + d, dimension);
    LoadColumns(columns.high + kGroup * d, dimension);
    AddProducts();
    LoadRows(rows.high + d, dimension);
    AddProducts();
    LoadColumns(columns.low + kGroup * d, dimension);
    AddProducts();
  }
  _tile_stored(0, sums, 4 * kPair);
  _tile_stored(1, sums + kGroup, 4 * kPair);
  _tile_stored(2, sums + kGroup * kPair, 4 * kPair);
  _tile_stored(3, sums + kGroup * kPair + kGroup, 4 * kPair);
}

size_t AtMost(size_t count, size_t most) { return count < most ? count : most; }

}  // namespace

void MultiplySplit(const float* rows, size_t row_count, const float* columns, size_t column_count,
                   size_t dimension, uint16_t* scratch, float* out) {
  const size_t rounded = (column_count + kPair - 1) / kPair * kPair;
  const Halves some_rows = {scratch, scratch + kPair * dimension};
  const Halves all = {scratch + 2 * kPair * dimension,
                      scratch + (2 * kPair + rounded) * dimension};
  for (size_t c = 0; c < column_count; c += kGroup) {
    SplitColumns(columns + c * dimension, AtMost(column_count - c, kGroup), dimension,
                 {all.high + c * dimension, all.low + c * dimension});
  }
  const TileConfig config;
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&config);
  alignas(64) float sums[kPair * kPair];
  for (size_t r = 0; r < row_count; r += kPair) {
    const size_t height = AtMost(row_count - r, kPair);
    SplitRows(rows + r * dimension, height, dimension, some_rows);
    for (size_t c = 0; c < column_count; c += kPair) {
      const Halves some_columns = {all.high + c * dimension, all.low + c * dimension};
      MultiplyTiles(some_rows, some_columns, dimension, sums);
      const size_t width = AtMost(column_count - c, kPair);
      for (size_t i = 0; i < height; ++i) {
        __builtin_memcpy(out + (r + i) * column_count + c, sums + i * kPair,
                         width * sizeof(float));
      }
    }
  }
  _tile_release();
}

}  // namespace vdb::index::amx
