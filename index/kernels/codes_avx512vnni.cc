// The code kernel of level "avx512vnni" that level "avx512" has not: fine scores by VPDPBUSD, which
// multiplies bytes and adds four products to an int32 at once.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace vdb::index::avx512vnni {
namespace {

constexpr size_t kStripe = 64;  // dimensions of 32 bytes of codes
constexpr size_t kHeader = 12;

// The codes of a stripe in the order of its dimensions: low nibbles, then high ones.
__m512i SpreadStripe(const uint8_t* codes) {
  const __m256i nibbles = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m512i shifts = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(4), 1);
  return _mm512_and_si512(_mm512_srlv_epi16(_mm512_broadcast_i64x4(nibbles), shifts),
                          _mm512_set1_epi8(15));
}

__m512i AddStripe(__m512i sums, const uint8_t* codes, const int8_t* query, size_t stripe) {
  return _mm512_dpbusd_epi32(sums, SpreadStripe(codes + 32 * stripe),
                             _mm512_loadu_si512(query + kStripe * stripe));
}

// The dot product with the query, in 16 lanes. Two sums, as an addition takes several cycles.
__m512i DotLanes(const uint8_t* codes, size_t padded, const int8_t* query) {
  const size_t stripes = padded / kStripe;
  __m512i even = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
  size_t s = 0;
  for (; s + 2 <= stripes; s += 2) {
    even = AddStripe(even, codes, query, s);
    odd = AddStripe(odd, codes, query, s + 1);
  }
  if (s < stripes) even = AddStripe(even, codes, query, s);
  return _mm512_add_epi32(even, odd);
}

// Of so many rows in a call it is likely that they are a part of a longer run.
constexpr size_t kRun = 4;

void PrefetchRow(const uint8_t* row, size_t padded) {
  for (size_t i = 0; i < kHeader + padded / 2; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(row + i) + 4096, _MM_HINT_T0);
  }
}

}  // namespace

void ScoreFine(const uint8_t* rows, size_t stride, size_t row_count, size_t padded,
               const int8_t* query, float scale, float offset, float* estimates, float* errors) {
  for (size_t r = 0; r < row_count; ++r) {
    const uint8_t* row = rows + r * stride;
    if (row_count >= kRun) PrefetchRow(row, padded);
    const __m512i lanes = DotLanes(row + kHeader, padded, query);
    const auto dot = static_cast<float>(_mm512_reduce_add_epi32(lanes));
    float header[3];
    __builtin_memcpy(header, row, sizeof(header));
    estimates[r] = __builtin_fmaf(header[1], __builtin_fmaf(dot, scale, offset), header[0]);
    errors[r] = header[2];
  }
}

}  // namespace vdb::index::avx512vnni
