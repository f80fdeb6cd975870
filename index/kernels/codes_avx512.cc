// Code kernels of level "avx512": 64 rows of a coarse block are one register, and so are 64
// dimensions of a fine row, once its nibbles are spread out in the order of the query.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace vdb::index::avx512 {
namespace {

constexpr size_t kRows = 64;

// Brings in what comes 4 KiB after `p`, as level "avx2" does, where that was measured.
void Prefetch(const uint8_t* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p) + 4096, _MM_HINT_T0);
}

// --- hadamard ---

// (a, b) -> (a + b, a - b) within a register, given its elements with the partners exchanged: the
// product by 1 or -1 is exact, so that the sum is all that is rounded.
__m512 Pairs(__m512 x, __m512 partners, __m512 signs) {
  return _mm512_fmadd_ps(x, signs, partners);
}

// 1 where the bit is clear, -1 where it is set.
__m512 Signs(__mmask16 negative) {
  return _mm512_mask_blend_ps(negative, _mm512_set1_ps(1), _mm512_set1_ps(-1));
}

__m512 Transform16(__m512 x) {
  x = Pairs(x, _mm512_permute_ps(x, 0xb1), Signs(0xaaaa));
  x = Pairs(x, _mm512_permute_ps(x, 0x4e), Signs(0xcccc));
  x = Pairs(x, _mm512_shuffle_f32x4(x, x, 0xb1), Signs(0xf0f0));
  return Pairs(x, _mm512_shuffle_f32x4(x, x, 0x4e), Signs(0xff00));
}

void Butterfly(__m512* a, __m512* b) {
  const __m512 sum = _mm512_add_ps(*a, *b);
  *b = _mm512_sub_ps(*a, *b);
  *a = sum;
}

// h and 2 h, of four registers.
void ButterflyTwice(__m512* a, __m512* b, __m512* c, __m512* d) {
  Butterfly(a, b);
  Butterfly(c, d);
  Butterfly(a, c);
  Butterfly(b, d);
}

// All of h = 1 to 32.
void Transform64(float* values) {
  __m512 a = Transform16(_mm512_loadu_ps(values));
  __m512 b = Transform16(_mm512_loadu_ps(values + 16));
  __m512 c = Transform16(_mm512_loadu_ps(values + 32));
  __m512 d = Transform16(_mm512_loadu_ps(values + 48));
  ButterflyTwice(&a, &b, &c, &d);
  _mm512_storeu_ps(values, a);
  _mm512_storeu_ps(values + 16, b);
  _mm512_storeu_ps(values + 32, c);
  _mm512_storeu_ps(values + 48, d);
}

// h and 2 h in one pass over the values.
void TransformTwice(float* values, size_t n, size_t h) {
  for (size_t i = 0; i < n; i += 4 * h) {
    for (float* p = values + i; p < values + i + h; p += 16) {
      __m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + h);
      __m512 c = _mm512_loadu_ps(p + 2 * h), d = _mm512_loadu_ps(p + 3 * h);
      ButterflyTwice(&a, &b, &c, &d);
      _mm512_storeu_ps(p, a);
      _mm512_storeu_ps(p + h, b);
      _mm512_storeu_ps(p + 2 * h, c);
      _mm512_storeu_ps(p + 3 * h, d);
    }
  }
}

void TransformLast(float* values, size_t h) {
  for (float* p = values; p < values + h; p += 16) {
    __m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + h);
    Butterfly(&a, &b);
    _mm512_storeu_ps(p, a);
    _mm512_storeu_ps(p + h, b);
  }
}

// --- build_tables ---

__m512 Magnitude(__m512 x) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x); }

// sum + x where the entry has the bit, sum - x where not.
__m512 AddSigned(__m512 sum, __m512 x, __mmask16 minus) {
  return _mm512_mask_sub_ps(_mm512_add_ps(sum, x), minus, sum, x);
}

// The 16 entries of one group.
__m128i GroupTable(const float* t, __m512 scale) {
  const __m512 t0 = _mm512_set1_ps(t[0]), t1 = _mm512_set1_ps(t[1]);
  const __m512 t2 = _mm512_set1_ps(t[2]), t3 = _mm512_set1_ps(t[3]);
  __m512 sum = _mm512_add_ps(Magnitude(t0), Magnitude(t1));
  sum = _mm512_add_ps(_mm512_add_ps(sum, Magnitude(t2)), Magnitude(t3));
  sum = AddSigned(AddSigned(sum, t0, 0x5555), t1, 0x3333);
  sum = AddSigned(AddSigned(sum, t2, 0x0f0f), t3, 0x00ff);
  const __m512 entries = _mm512_add_ps(_mm512_mul_ps(sum, scale), _mm512_set1_ps(0.5f));
  return _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(entries));
}

// --- scan_block ---

__m512i LowNibbles(__m512i bytes) { return _mm512_and_si512(bytes, _mm512_set1_epi8(15)); }
__m512i HighNibbles(__m512i bytes) { return LowNibbles(_mm512_srli_epi16(bytes, 4)); }

__m512i Table(const uint8_t* entries) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
}

// What two tables say of a byte of 64 rows: at most 62.
__m512i LookUp(const uint8_t* codes, const uint8_t* tables) {
  const __m512i nibbles = _mm512_loadu_si512(codes);
  return _mm512_add_epi8(_mm512_shuffle_epi8(Table(tables), LowNibbles(nibbles)),
                         _mm512_shuffle_epi8(Table(tables + 16), HighNibbles(nibbles)));
}

__m512 FromBfloat16(const uint8_t* halves) {
  const __m256i sixteen = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(sixteen), 16));
}

// What turns sums into keys.
struct KeyTerms {
  __m512 scale, offset, threshold;
};

// Keys of 16 rows, given the sums of the first and the last eight and where their bases are; bits
// of those at the threshold.
uint64_t KeysOf16(__m128i first, __m128i last, const uint8_t* bases, const KeyTerms& terms,
                  float* keys) {
  const __m512 sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_set_m128i(last, first)));
  const __m512 inner = _mm512_fmadd_ps(sum, terms.scale, terms.offset);
  const __m512 key = _mm512_fmadd_ps(FromBfloat16(bases + 2 * kRows), inner, FromBfloat16(bases));
  _mm512_storeu_ps(keys, key);
  return _mm512_cmp_ps_mask(key, terms.threshold, _CMP_NLT_UQ);
}

// `all` has words of (even row + 256 * odd row), modulo 2^16, `odd` the odd rows.
uint64_t KeysOf64(__m512i all, __m512i odd, const uint8_t* bases, const KeyTerms& terms,
                  float* keys) {
  const __m512i even = _mm512_sub_epi16(all, _mm512_slli_epi16(odd, 8));
  const __m512i low = _mm512_unpacklo_epi16(even, odd);   // rows 0-7, 16-23, 32-39, 48-55
  const __m512i high = _mm512_unpackhi_epi16(even, odd);  // rows 8-15, 24-31, 40-47, 56-63
  return KeysOf16(_mm512_castsi512_si128(low), _mm512_castsi512_si128(high), bases, terms, keys) |
         KeysOf16(_mm512_extracti32x4_epi32(low, 1), _mm512_extracti32x4_epi32(high, 1), bases + 32,
                  terms, keys + 16)
             << 16 |
         KeysOf16(_mm512_extracti32x4_epi32(low, 2), _mm512_extracti32x4_epi32(high, 2), bases + 64,
                  terms, keys + 32)
             << 32 |
         KeysOf16(_mm512_extracti32x4_epi32(low, 3), _mm512_extracti32x4_epi32(high, 3), bases + 96,
                  terms, keys + 48)
             << 48;
}

// --- score_fine ---

constexpr size_t kStripe = 64;  // dimensions of 32 bytes of codes
constexpr size_t kHeader = 12;
constexpr size_t kStripesAtOnce = 8;  // products of pairs, of at most 15 * 127 * 2, in an int16

// The codes of a stripe in the order of its dimensions: low nibbles, then high ones.
__m512i SpreadStripe(const uint8_t* codes) {
  const __m256i nibbles = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m512i shifts = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(4), 1);
  return LowNibbles(_mm512_srlv_epi16(_mm512_broadcast_i64x4(nibbles), shifts));
}

// The dot product with the query, in 16 lanes.
__m512i DotLanes(const uint8_t* codes, size_t padded, const int8_t* query) {
  const size_t stripes = padded / kStripe;
  __m512i sums = _mm512_setzero_si512();
  for (size_t s = 0; s < stripes;) {
    __m512i dots = _mm512_setzero_si512();
    const size_t end = stripes - s < kStripesAtOnce ? stripes : s + kStripesAtOnce;
    for (; s < end; ++s) {
      const __m512i q = _mm512_loadu_si512(query + kStripe * s);
      dots = _mm512_add_epi16(dots, _mm512_maddubs_epi16(SpreadStripe(codes + 32 * s), q));
    }
    sums = _mm512_add_epi32(sums, _mm512_madd_epi16(dots, _mm512_set1_epi16(1)));
  }
  return sums;
}

// Of so many rows in a call it is likely that they are a part of a longer run.
constexpr size_t kRun = 4;

void PrefetchRow(const uint8_t* row, size_t padded) {
  for (size_t i = 0; i < kHeader + padded / 2; i += 64) Prefetch(row + i);
}

// --- transposition ---

// Rows 4 i to 4 i + 3, pairs of words interleaved, then pairs of pairs: out[4 i + j] has of each
// lane of 128 bits the word j of the four rows.
void TransposeWithinLanes(const __m512i* in, __m512i* out) {
  for (int i = 0; i < 16; i += 4) {
    const __m512i a = _mm512_unpacklo_epi32(in[i], in[i + 1]);
    const __m512i b = _mm512_unpackhi_epi32(in[i], in[i + 1]);
    const __m512i c = _mm512_unpacklo_epi32(in[i + 2], in[i + 3]);
    const __m512i d = _mm512_unpackhi_epi32(in[i + 2], in[i + 3]);
    out[i] = _mm512_unpacklo_epi64(a, c);
    out[i + 1] = _mm512_unpackhi_epi64(a, c);
    out[i + 2] = _mm512_unpacklo_epi64(b, d);
    out[i + 3] = _mm512_unpackhi_epi64(b, d);
  }
}

}  // namespace

void TransposeWords(const uint8_t* const* rows, size_t word_count, uint32_t* out) {
  const auto mask = static_cast<__mmask16>((1u << word_count) - 1);
  __m512i in[16], quads[16];
  for (int r = 0; r < 16; ++r) in[r] = _mm512_maskz_loadu_epi32(mask, rows[r]);
  TransposeWithinLanes(in, quads);
  for (int i = 0; i < 4; ++i) {  // lanes 0 and 2, 1 and 3 of the four, then one of each
    const __m512i even = _mm512_shuffle_i32x4(quads[i], quads[4 + i], 0x88);
    const __m512i odd = _mm512_shuffle_i32x4(quads[i], quads[4 + i], 0xdd);
    const __m512i even2 = _mm512_shuffle_i32x4(quads[8 + i], quads[12 + i], 0x88);
    const __m512i odd2 = _mm512_shuffle_i32x4(quads[8 + i], quads[12 + i], 0xdd);
    _mm512_storeu_si512(out + 16 * i, _mm512_shuffle_i32x4(even, even2, 0x88));
    _mm512_storeu_si512(out + 16 * (4 + i), _mm512_shuffle_i32x4(odd, odd2, 0x88));
    _mm512_storeu_si512(out + 16 * (8 + i), _mm512_shuffle_i32x4(even, even2, 0xdd));
    _mm512_storeu_si512(out + 16 * (12 + i), _mm512_shuffle_i32x4(odd, odd2, 0xdd));
  }
}

void Hadamard(float* values, size_t n) {
  for (size_t i = 0; i < n; i += 64) Transform64(values + i);
  size_t h = 64;
  for (; 4 * h <= n; h *= 4) TransformTwice(values, n, h);
  if (h < n) TransformLast(values, h);
}

void BuildTables(const float* t, size_t padded, float scale, uint8_t* tables) {
  const __m512 scales = _mm512_set1_ps(scale);
  for (size_t i = 0; i < padded; i += 4) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(tables + 4 * i), GroupTable(t + i, scales));
  }
}

uint64_t ScanBlock(const uint8_t* block, size_t padded, const uint8_t* tables, float scale,
                   float offset, float threshold, float* keys) {
  __m512i all = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
  const uint8_t* bases = block + 8 * padded;
  for (const uint8_t* p = block; p < bases; p += 4 * kRows, tables += 4 * 32) {
    for (size_t i = 0; i < 4 * kRows; i += 64) Prefetch(p + i);
    // 4 * 62 fits a byte.
    const __m512i first = _mm512_add_epi8(LookUp(p, tables), LookUp(p + kRows, tables + 32));
    const __m512i last =
        _mm512_add_epi8(LookUp(p + 2 * kRows, tables + 64), LookUp(p + 3 * kRows, tables + 96));
    const __m512i bytes = _mm512_add_epi8(first, last);
    all = _mm512_add_epi16(all, bytes);
    odd = _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8));
  }
  for (size_t i = 0; i < 4 * kRows; i += 64) Prefetch(bases + i);
  const KeyTerms terms = {_mm512_set1_ps(scale), _mm512_set1_ps(offset), _mm512_set1_ps(threshold)};
  return KeysOf64(all, odd, bases, terms, keys);
}

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

void ScoreFineBatch(const FineBatch& batch, float* estimates, float* errors) {
  for (size_t q = 0; q < batch.query_count; ++q) {
    ScoreFine(batch.rows, batch.stride, batch.row_count, batch.padded,
              batch.queries + q * batch.padded, batch.scales[q], batch.offsets[q],
              estimates + q * batch.row_count, errors);
  }
}

}  // namespace vdb::index::avx512
