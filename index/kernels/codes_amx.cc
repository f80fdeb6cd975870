// The code kernel of level "amx": products of fine codes and queries in tiles of 16 x 16 sums, each
// instruction 64 dimensions of 16 queries and 16 rows (TDPBSUD, signed by unsigned bytes).
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace vdb::index::amx {
namespace {

constexpr size_t kGroup = kFineQueries;  // queries or rows of a tile
constexpr size_t kStripe = 64;           // dimensions of a tile
constexpr size_t kRows = 32;             // of a call
constexpr size_t kQueriesMin = 8;        // fewer leave most of a tile empty

struct alignas(64) TileConfig {  // of LDTILECFG
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Tiles 0 to 3: sums of (first, second) queries x (first, second) rows; 4 and 5: queries; 6 and 7:
// codes. GCC's tile intrinsics do not say what memory they read, hence the barriers.
void MultiplyTwo(const uint8_t* expanded, size_t padded, const int8_t* queries, int32_t* dots) {
  const uint8_t* const second_rows = expanded + kGroup * padded;
  const int8_t* const second_queries = queries + kGroup * padded;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t d = 0; d < padded; d += kStripe) {
    _tile_loadd(4, queries + d, padded);
    _tile_loadd(6, expanded + kGroup * d, 64);
    _tile_loadd(7, second_rows + kGroup * d, 64);
    _tile_loadd(5, second_queries + d, padded);
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  _tile_stored(0, dots, 4 * kRows);
  _tile_stored(1, dots + kGroup, 4 * kRows);
  _tile_stored(2, dots + kGroup * kRows, 4 * kRows);
  _tile_stored(3, dots + kGroup * kRows + kGroup, 4 * kRows);
}

void MultiplyOne(const uint8_t* expanded, size_t padded, const int8_t* queries, int32_t* dots) {
  const uint8_t* const second_rows = expanded + kGroup * padded;
  _tile_zero(0);
  _tile_zero(1);
  for (size_t d = 0; d < padded; d += kStripe) {
    _tile_loadd(4, queries + d, padded);
    _tile_loadd(6, expanded + kGroup * d, 64);
    _tile_loadd(7, second_rows + kGroup * d, 64);
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
  }
  _tile_stored(0, dots, 4 * kRows);
  _tile_stored(1, dots + kGroup, 4 * kRows);
}

void Multiply(const uint8_t* expanded, size_t padded, const int8_t* queries, size_t query_count,
              int32_t* dots) {
  __asm__ volatile("" ::: "memory");
  if (query_count <= kFineQueries) {
    MultiplyOne(expanded, padded, queries, dots);
  } else {
    MultiplyTwo(expanded, padded, queries, dots);
  }
}

}  // namespace

// Releasing the tiles spares the system from saving them whenever it switches threads.
void ScoreFineBatch(const FineBatch& batch, float* estimates, float* errors) {
  if (batch.query_count < kQueriesMin) {
    return avx512vnni::ScoreFineBatch(batch, estimates, errors);
  }
  const TileConfig config;
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&config);
  avx512vnni::ScoreFineBy(Multiply, batch, estimates, errors);
  _tile_release();
}

}  // namespace vdb::index::amx
