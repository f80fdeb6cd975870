// Code kernels of level "avx2": 64 rows of a coarse block as two registers of 32 bytes, looked up
// by byte shuffles; 64 dimensions of a fine row as one register of 32 bytes.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace vdb::index::avx2 {
namespace {

constexpr size_t kRows = 64;

__m256i Load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

__m256i LowNibbles(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(15)); }
__m256i HighNibbles(__m256i bytes) { return LowNibbles(_mm256_srli_epi16(bytes, 4)); }

// Brings in what comes 4 KiB after `p`: on bytes that only the third level of cache holds, block
// scans and runs of fine rows take 2/3 to 1/2 of the time they take without
// (bench/kernels_bench.cc, 20 MB).
void Prefetch(const uint8_t* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p) + 4096, _MM_HINT_T0);
}

// --- hadamard ---

// (a, b) -> (a + b, a - b) within a register, given its elements with the partners exchanged: the
// product by 1 or -1 is exact, so that the sum is all that is rounded.
__m256 Pairs(__m256 x, __m256 partners, __m256 signs) {
  return _mm256_fmadd_ps(x, signs, partners);
}

__m256 Transform8(__m256 x) {
  const __m256 signs1 = _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1);
  const __m256 signs2 = _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1);
  const __m256 signs4 = _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1);
  x = Pairs(x, _mm256_permute_ps(x, 0xb1), signs1);
  x = Pairs(x, _mm256_permute_ps(x, 0x4e), signs2);
  return Pairs(x, _mm256_permute2f128_ps(x, x, 1), signs4);
}

void Butterfly(__m256* a, __m256* b) {
  const __m256 sum = _mm256_add_ps(*a, *b);
  *b = _mm256_sub_ps(*a, *b);
  *a = sum;
}

// All of h = 1 to 32, in eight registers.
void Transform64(float* values) {
  __m256 x[8];
  for (size_t i = 0; i < 8; ++i) x[i] = Transform8(_mm256_loadu_ps(values + 8 * i));
  for (size_t i = 0; i < 8; i += 2) Butterfly(&x[i], &x[i + 1]);
  for (size_t i = 0; i < 8; i += 4) {
    Butterfly(&x[i], &x[i + 2]);
    Butterfly(&x[i + 1], &x[i + 3]);
  }
  for (size_t i = 0; i < 4; ++i) Butterfly(&x[i], &x[i + 4]);
  for (size_t i = 0; i < 8; ++i) _mm256_storeu_ps(values + 8 * i, x[i]);
}

// h and 2 h in one pass over the values.
void TransformTwice(float* values, size_t n, size_t h) {
  for (size_t i = 0; i < n; i += 4 * h) {
    for (float* p = values + i; p < values + i + h; p += 8) {
      __m256 a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + h);
      __m256 c = _mm256_loadu_ps(p + 2 * h), d = _mm256_loadu_ps(p + 3 * h);
      Butterfly(&a, &b);
      Butterfly(&c, &d);
      Butterfly(&a, &c);
      Butterfly(&b, &d);
      _mm256_storeu_ps(p, a);
      _mm256_storeu_ps(p + h, b);
      _mm256_storeu_ps(p + 2 * h, c);
      _mm256_storeu_ps(p + 3 * h, d);
    }
  }
}

void TransformLast(float* values, size_t h) {
  for (float* p = values; p < values + h; p += 8) {
    __m256 a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + h);
    Butterfly(&a, &b);
    _mm256_storeu_ps(p, a);
    _mm256_storeu_ps(p + h, b);
  }
}

// --- build_tables ---

__m256 Magnitude(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

__m256i ToEntries(__m256 sums, __m256 scale) {
  return _mm256_cvttps_epi32(_mm256_add_ps(_mm256_mul_ps(sums, scale), _mm256_set1_ps(0.5f)));
}

// The 16 entries of one group as int16, in the order 0-3, 8-11, 4-7, 12-15.
__m256i GroupTable(const float* t, __m256 scale) {
  const __m256 t0 = _mm256_broadcast_ss(t), t1 = _mm256_broadcast_ss(t + 1);
  const __m256 t2 = _mm256_broadcast_ss(t + 2), t3 = _mm256_broadcast_ss(t + 3);
  const __m256 minus0 = _mm256_setr_ps(-0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f, 0);
  const __m256 minus1 = _mm256_setr_ps(-0.0f, -0.0f, 0, 0, -0.0f, -0.0f, 0, 0);
  const __m256 minus2 = _mm256_setr_ps(-0.0f, -0.0f, -0.0f, -0.0f, 0, 0, 0, 0);
  __m256 sum = _mm256_add_ps(Magnitude(t0), Magnitude(t1));
  sum = _mm256_add_ps(_mm256_add_ps(sum, Magnitude(t2)), Magnitude(t3));
  sum = _mm256_add_ps(sum, _mm256_xor_ps(t0, minus0));
  sum = _mm256_add_ps(sum, _mm256_xor_ps(t1, minus1));
  sum = _mm256_add_ps(sum, _mm256_xor_ps(t2, minus2));
  return _mm256_packs_epi32(ToEntries(_mm256_sub_ps(sum, t3), scale),
                            ToEntries(_mm256_add_ps(sum, t3), scale));
}

// --- scan_block ---

// Sums of 32 rows: `all` has words of (even row + 256 * odd row), modulo 2^16, `odd` the odd rows.
struct RowSums {
  __m256i all, odd;
};

// The same 16 entries in both halves.
__m256i Table(const uint8_t* entries) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
}

// What the two tables say of a byte of 32 rows: at most 62.
__m256i LookUp(const uint8_t* codes, __m256i low_table, __m256i high_table) {
  const __m256i nibbles = Load(codes);
  return _mm256_add_epi8(_mm256_shuffle_epi8(low_table, LowNibbles(nibbles)),
                         _mm256_shuffle_epi8(high_table, HighNibbles(nibbles)));
}

RowSums AddBytes(RowSums sums, __m256i bytes) {
  return {_mm256_add_epi16(sums.all, bytes),
          _mm256_add_epi16(sums.odd, _mm256_srli_epi16(bytes, 8))};
}

// Makes the compiler take its additions in the order written: GCC otherwise rearranges those of an
// unrolled loop, runs out of registers, and loses 10 % of the scan.
void KeepOrder(__m256i* a, __m256i* b) { __asm__("" : "+x"(*a), "+x"(*b)); }

__m256 FromBfloat16(const uint8_t* halves) {
  const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(halves));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(eight), 16));
}

// What turns sums into keys.
struct KeyTerms {
  __m256 scale, offset, threshold;
};

// Keys of eight rows, given their sums and where their bases are; bits of those at the threshold.
uint64_t KeysOfEight(__m128i sums, const uint8_t* bases, const KeyTerms& terms, float* keys) {
  const __m256 sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums));
  const __m256 inner = _mm256_fmadd_ps(sum, terms.scale, terms.offset);
  const __m256 key = _mm256_fmadd_ps(FromBfloat16(bases + 2 * kRows), inner, FromBfloat16(bases));
  _mm256_storeu_ps(keys, key);
  const __m256 hits = _mm256_cmp_ps(key, terms.threshold, _CMP_NLT_UQ);
  return static_cast<uint32_t>(_mm256_movemask_ps(hits));
}

uint64_t KeysOf32(const RowSums& sums, const uint8_t* bases, const KeyTerms& terms, float* keys) {
  const __m256i even = _mm256_sub_epi16(sums.all, _mm256_slli_epi16(sums.odd, 8));
  const __m256i low = _mm256_unpacklo_epi16(even, sums.odd);   // rows 0-7, 16-23
  const __m256i high = _mm256_unpackhi_epi16(even, sums.odd);  // rows 8-15, 24-31
  return KeysOfEight(_mm256_castsi256_si128(low), bases, terms, keys) |
         KeysOfEight(_mm256_castsi256_si128(high), bases + 16, terms, keys + 8) << 8 |
         KeysOfEight(_mm256_extracti128_si256(low, 1), bases + 32, terms, keys + 16) << 16 |
         KeysOfEight(_mm256_extracti128_si256(high, 1), bases + 48, terms, keys + 24) << 24;
}

// --- score_fine ---

constexpr size_t kStripe = 64;  // dimensions of 32 bytes of codes
constexpr size_t kHeader = 12;
constexpr size_t kStripesAtOnce = 4;  // 8 products of pairs, of at most 15 * 127 * 2, fit an int16

// Products of a stripe of codes, added up in 16 lanes of int16.
__m256i StripeDots(const uint8_t* codes, __m256i low_query, __m256i high_query) {
  const __m256i nibbles = Load(codes);
  return _mm256_add_epi16(_mm256_maddubs_epi16(LowNibbles(nibbles), low_query),
                          _mm256_maddubs_epi16(HighNibbles(nibbles), high_query));
}

__m256i Widen(__m256i sums, __m256i dots) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(dots, _mm256_set1_epi16(1)));
}

size_t StripesFrom(size_t stripe, size_t stripes) {
  return stripes - stripe < kStripesAtOnce ? stripes : stripe + kStripesAtOnce;
}

int32_t DotOne(const uint8_t* codes, size_t padded, const int8_t* query) {
  const size_t stripes = padded / kStripe;
  __m256i sums = _mm256_setzero_si256();
  for (size_t s = 0; s < stripes;) {
    __m256i dots = _mm256_setzero_si256();
    for (const size_t end = StripesFrom(s, stripes); s < end; ++s) {
      const int8_t* q = query + kStripe * s;
      dots = _mm256_add_epi16(dots, StripeDots(codes + 32 * s, Load(q), Load(q + 32)));
    }
    sums = Widen(sums, dots);
  }
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

// Four rows share the loads of the query, and keep four streams of bytes in flight.
__m128i DotFour(const uint8_t* codes, size_t stride, size_t padded, const int8_t* query) {
  const size_t stripes = padded / kStripe;
  const __m256i zero = _mm256_setzero_si256();
  __m256i a = zero, b = zero, c = zero, d = zero;
  for (size_t s = 0; s < stripes;) {
    __m256i da = zero, db = zero, dc = zero, dd = zero;
    for (const size_t end = StripesFrom(s, stripes); s < end; ++s) {
      const __m256i low = Load(query + kStripe * s), high = Load(query + kStripe * s + 32);
      const uint8_t* p = codes + 32 * s;
      Prefetch(codes + 128 * s);  // the four rows are likely side by side: 128 bytes per stripe
      Prefetch(codes + 128 * s + 64);
      da = _mm256_add_epi16(da, StripeDots(p, low, high));
      db = _mm256_add_epi16(db, StripeDots(p + stride, low, high));
      dc = _mm256_add_epi16(dc, StripeDots(p + 2 * stride, low, high));
      dd = _mm256_add_epi16(dd, StripeDots(p + 3 * stride, low, high));
    }
    a = Widen(a, da);
    b = Widen(b, db);
    c = Widen(c, dc);
    d = Widen(d, dd);
  }
  const __m256i abcd = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  return _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256(abcd, 1));
}

// The header and four bytes of codes after it.
__m128 LoadHeader(const uint8_t* row) {
  return _mm_castsi128_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row)));
}

}  // namespace

void Hadamard(float* values, size_t n) {
  for (size_t i = 0; i < n; i += 64) Transform64(values + i);
  size_t h = 64;
  for (; 4 * h <= n; h *= 4) TransformTwice(values, n, h);
  if (h < n) TransformLast(values, h);
}

void BuildTables(const float* t, size_t padded, float scale, uint8_t* tables) {
  const __m256 scales = _mm256_set1_ps(scale);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (size_t i = 0; i < padded; i += 8) {
    const __m256i both =
        _mm256_packus_epi16(GroupTable(t + i, scales), GroupTable(t + i + 4, scales));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(tables + 4 * i),
                        _mm256_permutevar8x32_epi32(both, order));
  }
}

uint64_t ScanBlock(const uint8_t* block, size_t padded, const uint8_t* tables, float scale,
                   float offset, float threshold, float* keys) {
  const __m256i zero = _mm256_setzero_si256();
  RowSums first = {zero, zero}, second = {zero, zero};
  const uint8_t* bases = block + 8 * padded;
  for (const uint8_t* p = block; p < bases;) {
    __m256i first_bytes = zero, second_bytes = zero;
    for (int i = 0; i < 4; ++i, p += kRows, tables += 32) {  // 4 * 62 fits a byte
      Prefetch(p);
      const __m256i low = Table(tables), high = Table(tables + 16);
      first_bytes = _mm256_add_epi8(first_bytes, LookUp(p, low, high));
      second_bytes = _mm256_add_epi8(second_bytes, LookUp(p + 32, low, high));
      KeepOrder(&first_bytes, &second_bytes);
    }
    first = AddBytes(first, first_bytes);
    second = AddBytes(second, second_bytes);
  }
  for (size_t i = 0; i < 4 * kRows; i += 64) Prefetch(bases + i);
  const KeyTerms terms = {_mm256_set1_ps(scale), _mm256_set1_ps(offset), _mm256_set1_ps(threshold)};
  return KeysOf32(first, bases, terms, keys) | KeysOf32(second, bases + kRows, terms, keys + 32)
                                                   << 32;
}

void ScoreFine(const uint8_t* rows, size_t stride, size_t row_count, size_t padded,
               const int8_t* query, float scale, float offset, float* estimates, float* errors) {
  const __m128 scales = _mm_set1_ps(scale), offsets = _mm_set1_ps(offset);
  size_t r = 0;
  for (; r + 4 <= row_count; r += 4) {
    const uint8_t* row = rows + r * stride;
    const __m128 dots = _mm_cvtepi32_ps(DotFour(row + kHeader, stride, padded, query));
    __m128 base = LoadHeader(row), delta = LoadHeader(row + stride);
    __m128 error = LoadHeader(row + 2 * stride), rest = LoadHeader(row + 3 * stride);
    _MM_TRANSPOSE4_PS(base, delta, error, rest);
    const __m128 inner = _mm_fmadd_ps(dots, scales, offsets);
    _mm_storeu_ps(estimates + r, _mm_fmadd_ps(delta, inner, base));
    _mm_storeu_ps(errors + r, error);
  }
  for (; r < row_count; ++r) {
    const uint8_t* row = rows + r * stride;
    const auto dot = static_cast<float>(DotOne(row + kHeader, padded, query));
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

}  // namespace vdb::index::avx2
