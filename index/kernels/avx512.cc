// Level "avx512": F, BW, DQ, VL. Tails are masked loads, which never touch bytes past the end.
// Level "avx512vnni" is the same but for fine scores.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace vdb::index {
namespace {

// The first n of 8 (n <= 8), the first n of 16 (n <= 16).
__mmask8 First8(size_t n) { return static_cast<__mmask8>((1u << n) - 1u); }
__mmask16 First16(size_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

__m512d Load8(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
__m512d LoadTail(const float* p, size_t n) {
  return _mm512_cvtps_pd(_mm256_maskz_loadu_ps(First8(n), p));
}

// ((l0+l4)+(l2+l6)) + ((l1+l5)+(l3+l7))
double AddLanes(__m512d lanes) {
  const __m256d four =
      _mm256_add_pd(_mm512_castpd512_pd256(lanes), _mm512_extractf64x4_pd(lanes, 1));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

double DotExact(const float* a, const float* b, size_t dimension) {
  __m512d lanes = _mm512_setzero_pd();
  size_t i = 0;
  for (; i + 8 <= dimension; i += 8) lanes = _mm512_fmadd_pd(Load8(a + i), Load8(b + i), lanes);
  // Lanes past the end add +0, which changes nothing: a lane starts at +0 and is never -0.
  if (const size_t rest = dimension - i; rest > 0) {
    lanes = _mm512_fmadd_pd(LoadTail(a + i, rest), LoadTail(b + i, rest), lanes);
  }
  return AddLanes(lanes);
}

__m512d AddSquaredDifference(__m512d lanes, __m512d u, __m512d norm, __m512d q) {
  const __m512d difference = _mm512_sub_pd(_mm512_mul_pd(norm, u), q);
  return _mm512_add_pd(lanes, _mm512_mul_pd(difference, difference));
}

double SquaredL2Exact(const float* u, double norm, const float* q, size_t dimension) {
  const __m512d norms = _mm512_set1_pd(norm);
  __m512d lanes = _mm512_setzero_pd();
  size_t i = 0;
  for (; i + 8 <= dimension; i += 8) {
    lanes = AddSquaredDifference(lanes, Load8(u + i), norms, Load8(q + i));
  }
  if (const size_t rest = dimension - i; rest > 0) {
    lanes = AddSquaredDifference(lanes, LoadTail(u + i, rest), norms, LoadTail(q + i, rest));
  }
  return AddLanes(lanes);
}

double SumSquares(const float* a, size_t dimension) { return DotExact(a, a, dimension); }

// The sums of four accumulators, in order.
__m128 AddLanesOfFour(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512 abcd = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}

// Of four load streams, 4 KiB ahead into the second level: +4 to +10 % of the bandwidth over
// leaving it to the hardware, which stops at page borders (bench/exact_search_bench.cc, 200,000 x
// 768 and 1,000,000 x 128).
void Prefetch(const float* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p) + 4096, _MM_HINT_T1);
}

// Four rows at once: four load streams keep more cache lines in flight than one, and share the
// loads of q.
__m128 ScreenFour(const float* r0, size_t dimension, const float* q) {
  const float* r1 = r0 + dimension;
  const float* r2 = r1 + dimension;
  const float* r3 = r2 + dimension;
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 16 <= dimension; i += 16) {
    const __m512 x = _mm512_loadu_ps(q + i);
    Prefetch(r0 + i);
    Prefetch(r1 + i);
    Prefetch(r2 + i);
    Prefetch(r3 + i);
    s0 = _mm512_fmadd_ps(_mm512_loadu_ps(r0 + i), x, s0);
    s1 = _mm512_fmadd_ps(_mm512_loadu_ps(r1 + i), x, s1);
    s2 = _mm512_fmadd_ps(_mm512_loadu_ps(r2 + i), x, s2);
    s3 = _mm512_fmadd_ps(_mm512_loadu_ps(r3 + i), x, s3);
  }
  if (const size_t rest = dimension - i; rest > 0) {
    const __mmask16 mask = First16(rest);
    const __m512 x = _mm512_maskz_loadu_ps(mask, q + i);
    s0 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, r0 + i), x, s0);
    s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, r1 + i), x, s1);
    s2 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, r2 + i), x, s2);
    s3 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, r3 + i), x, s3);
  }
  return AddLanesOfFour(s0, s1, s2, s3);
}

float ScreenOne(const float* row, size_t dimension, const float* q) {
  __m512 sum = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= dimension; i += 16) {
    sum = _mm512_fmadd_ps(_mm512_loadu_ps(row + i), _mm512_loadu_ps(q + i), sum);
  }
  if (const size_t rest = dimension - i; rest > 0) {
    const __mmask16 mask = First16(rest);
    sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, row + i), _mm512_maskz_loadu_ps(mask, q + i),
                          sum);
  }
  return _mm_cvtss_f32(AddLanesOfFour(sum, sum, sum, sum));
}

void ScreenDots(const float* rows, size_t row_count, size_t dimension, const float* q, float* out) {
  size_t r = 0;
  for (; r + 4 <= row_count; r += 4) {
    _mm_storeu_ps(out + r, ScreenFour(rows + r * dimension, dimension, q));
  }
  for (; r < row_count; ++r) out[r] = ScreenOne(rows + r * dimension, dimension, q);
}

__m512i Positions(size_t first) {
  const __m512i step = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  return _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(first)), step);
}

size_t Append(__mmask16 hits, size_t first, uint32_t* out) {
  if (hits == 0) return 0;
  _mm512_mask_compressstoreu_epi32(out, hits, Positions(first));
  return static_cast<size_t>(__builtin_popcount(hits));
}

size_t FindAtLeast(const float* scores, size_t count, float threshold, uint32_t* out) {
  const __m512 limit = _mm512_set1_ps(threshold);
  size_t found = 0;
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    found +=
        Append(_mm512_cmp_ps_mask(_mm512_loadu_ps(scores + i), limit, _CMP_NLT_UQ), i, out + found);
  }
  if (i < count) {
    const __mmask16 mask = First16(count - i);
    const __m512 score = _mm512_maskz_loadu_ps(mask, scores + i);
    found += Append(_mm512_mask_cmp_ps_mask(mask, score, limit, _CMP_NLT_UQ), i, out + found);
  }
  return found;
}

size_t FindAtLeastAffine(const float* scores, const float* x, const float* y, size_t count, float a,
                         float b, float c, uint32_t* out) {
  const __m512 va = _mm512_set1_ps(a), vb = _mm512_set1_ps(b), vc = _mm512_set1_ps(c);
  size_t found = 0;
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 mask = First16(count - i < 16 ? count - i : 16);
    const __m512 vx = _mm512_maskz_loadu_ps(mask, x + i);
    const __m512 vy = _mm512_maskz_loadu_ps(mask, y + i);
    const __m512 limit = _mm512_fmadd_ps(va, vx, _mm512_fmadd_ps(vb, vy, vc));
    const __m512 score = _mm512_maskz_loadu_ps(mask, scores + i);
    found += Append(_mm512_mask_cmp_ps_mask(mask, score, limit, _CMP_NLT_UQ), i, out + found);
  }
  return found;
}

void ScaleToFloat(const float* src, double scale, float* dst, size_t dimension) {
  const __m512d factor = _mm512_set1_pd(scale);
  for (size_t i = 0; i < dimension; i += 8) {
    const __mmask8 mask = First8(dimension - i < 8 ? dimension - i : 8);
    const __m512d value = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(mask, src + i));
    _mm256_mask_storeu_ps(dst + i, mask, _mm512_cvtpd_ps(_mm512_mul_pd(value, factor)));
  }
}

size_t FindNotFinite(const float* values, size_t count) {
  const __m512i exponent = _mm512_set1_epi32(0x7f800000);
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 mask = First16(count - i < 16 ? count - i : 16);
    const __m512i bits = _mm512_maskz_loadu_epi32(mask, values + i);
    const __mmask16 hits = _mm512_cmpeq_epi32_mask(_mm512_and_si512(bits, exponent), exponent);
    if (hits != 0) return i + static_cast<size_t>(__builtin_ctz(hits));
  }
  return count;
}

}  // namespace

constexpr Kernels kAvx512Kernels = {
    "avx512",          DotExact,         SquaredL2Exact,      SumSquares,
    ScreenDots,        FindAtLeast,      FindAtLeastAffine,   ScaleToFloat,
    FindNotFinite,     avx512::Hadamard, avx512::BuildTables, avx512::ScanBlock,
    avx512::ScoreFine, avx512::ScoreFineBatch, 0, nullptr};

constexpr Kernels kAvx512VnniKernels = {
    "avx512vnni",          DotExact,         SquaredL2Exact,      SumSquares,
    ScreenDots,            FindAtLeast,      FindAtLeastAffine,   ScaleToFloat,
    FindNotFinite,         avx512::Hadamard, avx512::BuildTables, avx512::ScanBlock,
    avx512vnni::ScoreFine, avx512vnni::ScoreFineBatch, 24, nullptr};

constexpr Kernels kAmxKernels = {
    "amx",                 DotExact,         SquaredL2Exact,      SumSquares,
    ScreenDots,            FindAtLeast,      FindAtLeastAffine,   ScaleToFloat,
    FindNotFinite,         avx512::Hadamard, avx512::BuildTables, avx512::ScanBlock,
    avx512vnni::ScoreFine, amx::ScoreFineBatch, 12, amx::MultiplySplit};

}  // namespace vdb::index
