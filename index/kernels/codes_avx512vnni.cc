// The code kernels of level "avx512vnni" that level "avx512" has not: fine scores by VPDPBUSD,
// which multiplies bytes and adds four products to an int32 at once. For several queries the rows
// are the lanes: their codes are taken apart once, and each query's bytes are broadcast to them.
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

// --- several queries ---

constexpr size_t kRows = 32;        // taken apart at once, in two groups:
constexpr size_t kGroupRows = 16;   // the lanes
constexpr size_t kQueries = 32;     // whose products are kept at once
constexpr size_t kQueriesMin = 4;   // fewer are quicker one by one

// Two stripes at a time: 16 words of each row, of eight dimensions each.
void ExpandGroup(const uint8_t* const* codes, size_t padded, uint8_t* out) {
  const __m512i low = _mm512_set1_epi8(15);
  const size_t stripes = padded / kStripe;
  alignas(64) uint32_t columns[16 * kGroupRows];
  for (size_t s = 0; s < stripes; s += 2) {
    const size_t words = s + 1 < stripes ? 16 : 8;
    const uint8_t* here[kGroupRows];
    for (size_t r = 0; r < kGroupRows; ++r) here[r] = codes[r] + 32 * s;
    avx512::TransposeWords(here, words, columns);
    for (size_t w = 0; w < words; ++w) {
      const __m512i nibbles = _mm512_load_si512(columns + kGroupRows * w);
      uint8_t* const to = out + kGroupRows * kStripe * (s + w / 8) + 64 * (w % 8);
      _mm512_store_si512(to, _mm512_and_si512(nibbles, low));
      _mm512_store_si512(to + 512, _mm512_and_si512(_mm512_srli_epi16(nibbles, 4), low));
    }
  }
}

// Rows beyond `row_count` repeat the last one.
void Expand(const uint8_t* rows, size_t stride, size_t row_count, size_t padded, uint8_t* out) {
  for (size_t group = 0; group < kRows; group += kGroupRows) {
    const uint8_t* codes[kGroupRows];
    for (size_t r = 0; r < kGroupRows; ++r) {
      const size_t row = group + r < row_count ? group + r : row_count - 1;
      codes[r] = rows + row * stride + kHeader;
    }
    ExpandGroup(codes, padded, out + group * padded);
  }
}

__m512i Broadcast(const int8_t* four) {
  int32_t word;
  __builtin_memcpy(&word, four, sizeof(word));
  return _mm512_set1_epi32(word);
}

void MultiplyFour(const uint8_t* expanded, size_t padded, const int8_t* const* queries,
                  int32_t* const* dots) {
  const uint8_t* const second = expanded + kGroupRows * padded;
  __m512i s00 = _mm512_setzero_si512(), s01 = s00, s10 = s00, s11 = s00;
  __m512i s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  for (size_t d = 0; d < padded; d += 4) {
    const __m512i a = _mm512_load_si512(expanded + kGroupRows * d);
    const __m512i b = _mm512_load_si512(second + kGroupRows * d);
    const __m512i q0 = Broadcast(queries[0] + d), q1 = Broadcast(queries[1] + d);
    const __m512i q2 = Broadcast(queries[2] + d), q3 = Broadcast(queries[3] + d);
    s00 = _mm512_dpbusd_epi32(s00, a, q0);
    s01 = _mm512_dpbusd_epi32(s01, b, q0);
    s10 = _mm512_dpbusd_epi32(s10, a, q1);
    s11 = _mm512_dpbusd_epi32(s11, b, q1);
    s20 = _mm512_dpbusd_epi32(s20, a, q2);
    s21 = _mm512_dpbusd_epi32(s21, b, q2);
    s30 = _mm512_dpbusd_epi32(s30, a, q3);
    s31 = _mm512_dpbusd_epi32(s31, b, q3);
  }
  const __m512i sums[] = {s00, s01, s10, s11, s20, s21, s30, s31};
  for (size_t i = 0; i < 8; ++i) _mm512_store_si512(dots[i / 2] + kGroupRows * (i % 2), sums[i]);
}

void Multiply(const uint8_t* expanded, size_t padded, const int8_t* queries, size_t query_count,
              int32_t* dots) {
  for (size_t q = 0; q < query_count; q += 4) {
    const int8_t* four[4];
    int32_t* to[4];
    for (size_t i = 0; i < 4; ++i) {  // beyond the end, the last one again
      const size_t at = q + i < query_count ? q + i : query_count - 1;
      four[i] = queries + at * padded;
      to[i] = dots + kRows * at;
    }
    MultiplyFour(expanded, padded, four, to);
  }
}

// What the rows' headers make of the products.
struct Headers {
  alignas(64) float base[kRows];
  alignas(64) float delta[kRows];
};

void GatherHeaders(const uint8_t* rows, size_t stride, size_t row_count, Headers* headers,
                   float* errors) {
  for (size_t r = 0; r < row_count; ++r) {
    float header[3];
    __builtin_memcpy(header, rows + r * stride, sizeof(header));
    headers->base[r] = header[0];
    headers->delta[r] = header[1];
    errors[r] = header[2];
  }
}

void Finish(const Headers& headers, size_t row_count, const int32_t* dots, float scale,
            float offset, float* estimates) {
  for (size_t r = 0; r < row_count; r += kGroupRows) {
    const size_t left = row_count - r;
    const auto mask = static_cast<__mmask16>(left < kGroupRows ? (1u << left) - 1 : 0xffffu);
    const __m512 dot = _mm512_cvtepi32_ps(_mm512_load_si512(dots + r));
    const __m512 inner = _mm512_fmadd_ps(dot, _mm512_set1_ps(scale), _mm512_set1_ps(offset));
    _mm512_mask_storeu_ps(estimates + r, mask,
                          _mm512_fmadd_ps(_mm512_load_ps(headers.delta + r), inner,
                                          _mm512_load_ps(headers.base + r)));
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

void ScoreFineBy(MultiplyFine multiply, const FineBatch& batch, float* estimates, float* errors) {
  const size_t padded = batch.padded;
  Headers headers = {};
  alignas(64) int32_t dots[kQueries * kRows];
  for (size_t first = 0; first < batch.row_count; first += kRows) {
    const size_t left = batch.row_count - first, count = left < kRows ? left : kRows;
    const uint8_t* const rows = batch.rows + first * batch.stride;
    for (size_t r = 0; r < count; ++r) PrefetchRow(rows + r * batch.stride, padded);
    Expand(rows, batch.stride, count, padded, batch.scratch);
    GatherHeaders(rows, batch.stride, count, &headers, errors + first);
    for (size_t q = 0; q < batch.query_count; q += kQueries) {
      const size_t some = batch.query_count - q < kQueries ? batch.query_count - q : kQueries;
      multiply(batch.scratch, padded, batch.queries + q * padded, some, dots);
      for (size_t i = 0; i < some; ++i) {
        Finish(headers, count, dots + kRows * i, batch.scales[q + i], batch.offsets[q + i],
               estimates + (q + i) * batch.row_count + first);
      }
    }
  }
}

void ScoreFineBatch(const FineBatch& batch, float* estimates, float* errors) {
  if (batch.query_count >= kQueriesMin) return ScoreFineBy(Multiply, batch, estimates, errors);
  for (size_t q = 0; q < batch.query_count; ++q) {
    ScoreFine(batch.rows, batch.stride, batch.row_count, batch.padded,
              batch.queries + q * batch.padded, batch.scales[q], batch.offsets[q],
              estimates + q * batch.row_count, errors);
  }
}

}  // namespace vdb::index::avx512vnni
