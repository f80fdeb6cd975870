// Level "avx2": AVX2 and FMA. Tails are masked loads, which never touch bytes past the end.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace vdb::index {
namespace {

constexpr int kTailMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

// The first n of 8 (n <= 8).
__m256i First(size_t n) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kTailMasks + 8 - n));
}

// Eight floats as doubles: lanes 0..3 and 4..7.
struct Eight {
  __m256d low, high;
};

Eight Widen(__m256 v) {
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}
Eight Load8(const float* p) { return Widen(_mm256_loadu_ps(p)); }
Eight LoadTail(const float* p, size_t n) { return Widen(_mm256_maskload_ps(p, First(n))); }

// ((l0+l4)+(l2+l6)) + ((l1+l5)+(l3+l7))
double AddLanes(const Eight& lanes) {
  const __m256d four = _mm256_add_pd(lanes.low, lanes.high);
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

void AddProducts(Eight* lanes, const Eight& a, const Eight& b) {
  lanes->low = _mm256_fmadd_pd(a.low, b.low, lanes->low);
  lanes->high = _mm256_fmadd_pd(a.high, b.high, lanes->high);
}

double DotExact(const float* a, const float* b, size_t dimension) {
  Eight lanes = {_mm256_setzero_pd(), _mm256_setzero_pd()};
  size_t i = 0;
  for (; i + 8 <= dimension; i += 8) AddProducts(&lanes, Load8(a + i), Load8(b + i));
  // Lanes past the end add +0, which changes nothing: a lane starts at +0 and is never -0.
  if (const size_t rest = dimension - i; rest > 0) {
    AddProducts(&lanes, LoadTail(a + i, rest), LoadTail(b + i, rest));
  }
  return AddLanes(lanes);
}

__m256d AddSquaredDifference(__m256d lanes, __m256d u, __m256d norm, __m256d q) {
  const __m256d difference = _mm256_sub_pd(_mm256_mul_pd(norm, u), q);
  return _mm256_add_pd(lanes, _mm256_mul_pd(difference, difference));
}

double SquaredL2Exact(const float* u, double norm, const float* q, size_t dimension) {
  const __m256d norms = _mm256_set1_pd(norm);
  Eight lanes = {_mm256_setzero_pd(), _mm256_setzero_pd()};
  size_t i = 0;
  for (; i < dimension; i += 8) {
    const bool whole = i + 8 <= dimension;
    const Eight a = whole ? Load8(u + i) : LoadTail(u + i, dimension - i);
    const Eight b = whole ? Load8(q + i) : LoadTail(q + i, dimension - i);
    lanes.low = AddSquaredDifference(lanes.low, a.low, norms, b.low);
    lanes.high = AddSquaredDifference(lanes.high, a.high, norms, b.high);
  }
  return AddLanes(lanes);
}

double SumSquares(const float* a, size_t dimension) { return DotExact(a, a, dimension); }

// The sums of four accumulators, in order.
__m128 AddLanesOfFour(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m256 abcd = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1));
}

// One of the two accumulators of each row (see ScreenFour) takes eight elements of four rows.
struct Four {
  __m256 s0, s1, s2, s3;
};

void AddEight(Four* sums, const float* row, size_t dimension, const float* q) {
  const __m256 x = _mm256_loadu_ps(q);
  sums->s0 = _mm256_fmadd_ps(_mm256_loadu_ps(row), x, sums->s0);
  sums->s1 = _mm256_fmadd_ps(_mm256_loadu_ps(row + dimension), x, sums->s1);
  sums->s2 = _mm256_fmadd_ps(_mm256_loadu_ps(row + 2 * dimension), x, sums->s2);
  sums->s3 = _mm256_fmadd_ps(_mm256_loadu_ps(row + 3 * dimension), x, sums->s3);
}

void AddTail(Four* sums, const float* row, size_t dimension, const float* q, size_t rest) {
  const __m256i mask = First(rest);
  const __m256 x = _mm256_maskload_ps(q, mask);
  sums->s0 = _mm256_fmadd_ps(_mm256_maskload_ps(row, mask), x, sums->s0);
  sums->s1 = _mm256_fmadd_ps(_mm256_maskload_ps(row + dimension, mask), x, sums->s1);
  sums->s2 = _mm256_fmadd_ps(_mm256_maskload_ps(row + 2 * dimension, mask), x, sums->s2);
  sums->s3 = _mm256_fmadd_ps(_mm256_maskload_ps(row + 3 * dimension, mask), x, sums->s3);
}

// One cache line of each of four streams, 4 KiB ahead, into the second level; see avx512.cc.
void PrefetchFour(const float* row, size_t dimension) {
  const char* p = reinterpret_cast<const char*>(row) + 4096;
  const size_t stride = dimension * sizeof(float);
  _mm_prefetch(p, _MM_HINT_T1);
  _mm_prefetch(p + stride, _MM_HINT_T1);
  _mm_prefetch(p + 2 * stride, _MM_HINT_T1);
  _mm_prefetch(p + 3 * stride, _MM_HINT_T1);
}

// Four rows at once: four load streams keep more cache lines in flight than one. Two accumulators
// a row make the 16 chains of the contract.
__m128 ScreenFour(const float* rows, size_t dimension, const float* q) {
  const __m256 zero = _mm256_setzero_ps();
  Four even = {zero, zero, zero, zero};
  Four odd = even;
  size_t i = 0;
  for (; i + 16 <= dimension; i += 16) {
    PrefetchFour(rows + i, dimension);
    AddEight(&even, rows + i, dimension, q + i);
    AddEight(&odd, rows + i + 8, dimension, q + i + 8);
  }
  if (i + 8 <= dimension) {
    AddEight(&even, rows + i, dimension, q + i);
    i += 8;
    if (i < dimension) AddTail(&odd, rows + i, dimension, q + i, dimension - i);
  } else if (i < dimension) {
    AddTail(&even, rows + i, dimension, q + i, dimension - i);
  }
  return AddLanesOfFour(_mm256_add_ps(even.s0, odd.s0), _mm256_add_ps(even.s1, odd.s1),
                        _mm256_add_ps(even.s2, odd.s2), _mm256_add_ps(even.s3, odd.s3));
}

__m256 LoadUpTo8(const float* p, size_t n) {
  return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, First(n));
}

float ScreenOne(const float* row, size_t dimension, const float* q) {
  __m256 even = _mm256_setzero_ps();
  __m256 odd = even;
  for (size_t i = 0; i < dimension; i += 16) {
    const size_t rest = dimension - i;
    even = _mm256_fmadd_ps(LoadUpTo8(row + i, rest), LoadUpTo8(q + i, rest), even);
    if (rest > 8) {
      odd = _mm256_fmadd_ps(LoadUpTo8(row + i + 8, rest - 8), LoadUpTo8(q + i + 8, rest - 8), odd);
    }
  }
  const __m256 sum = _mm256_add_ps(even, odd);
  return _mm_cvtss_f32(AddLanesOfFour(sum, sum, sum, sum));
}

void ScreenDots(const float* rows, size_t row_count, size_t dimension, const float* q, float* out) {
  size_t r = 0;
  for (; r + 4 <= row_count; r += 4) {
    _mm_storeu_ps(out + r, ScreenFour(rows + r * dimension, dimension, q));
  }
  for (; r < row_count; ++r) out[r] = ScreenOne(rows + r * dimension, dimension, q);
}

size_t Append(unsigned hits, size_t first, uint32_t* out) {
  size_t found = 0;
  for (; hits != 0; hits &= hits - 1) {
    out[found++] = static_cast<uint32_t>(first + static_cast<size_t>(__builtin_ctz(hits)));
  }
  return found;
}

unsigned NotLess(__m256 scores, __m256 limit) {
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(scores, limit, _CMP_NLT_UQ)));
}

size_t FindAtLeast(const float* scores, size_t count, float threshold, uint32_t* out) {
  const __m256 limit = _mm256_set1_ps(threshold);
  size_t found = 0;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    found += Append(NotLess(_mm256_loadu_ps(scores + i), limit), i, out + found);
  }
  if (i < count) {
    const unsigned valid = (1u << (count - i)) - 1u;
    const __m256 tail = _mm256_maskload_ps(scores + i, First(count - i));
    found += Append(NotLess(tail, limit) & valid, i, out + found);
  }
  return found;
}

size_t FindAtLeastAffine(const float* scores, const float* x, const float* y, size_t count, float a,
                         float b, float c, uint32_t* out) {
  const __m256 va = _mm256_set1_ps(a), vb = _mm256_set1_ps(b), vc = _mm256_set1_ps(c);
  size_t found = 0;
  for (size_t i = 0; i < count; i += 8) {
    const size_t rest = count - i < 8 ? count - i : 8;
    const __m256 vx = LoadUpTo8(x + i, rest);
    const __m256 vy = LoadUpTo8(y + i, rest);
    const __m256 limit = _mm256_fmadd_ps(va, vx, _mm256_fmadd_ps(vb, vy, vc));
    const unsigned valid = (1u << rest) - 1u;
    found += Append(NotLess(LoadUpTo8(scores + i, rest), limit) & valid, i, out + found);
  }
  return found;
}

void ScaleToFloat(const float* src, double scale, float* dst, size_t dimension) {
  const __m256d factor = _mm256_set1_pd(scale);
  for (size_t i = 0; i < dimension; i += 8) {
    const size_t rest = dimension - i;
    const Eight value = Widen(LoadUpTo8(src + i, rest));
    const __m256 scaled = _mm256_set_m128(_mm256_cvtpd_ps(_mm256_mul_pd(value.high, factor)),
                                          _mm256_cvtpd_ps(_mm256_mul_pd(value.low, factor)));
    if (rest >= 8) {
      _mm256_storeu_ps(dst + i, scaled);
    } else {
      _mm256_maskstore_ps(dst + i, First(rest), scaled);
    }
  }
}

size_t FindNotFinite(const float* values, size_t count) {
  const __m256i exponent = _mm256_set1_epi32(0x7f800000);
  for (size_t i = 0; i < count; i += 8) {
    const __m256i bits = _mm256_castps_si256(LoadUpTo8(values + i, count - i));
    const __m256i equal = _mm256_cmpeq_epi32(_mm256_and_si256(bits, exponent), exponent);
    const unsigned hits = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(equal)));
    if (hits != 0) return i + static_cast<size_t>(__builtin_ctz(hits));
  }
  return count;
}

}  // namespace

constexpr Kernels kAvx2Kernels = {
    "avx2",         DotExact,       SquaredL2Exact,    SumSquares,
    ScreenDots,     FindAtLeast,    FindAtLeastAffine, ScaleToFloat,
    FindNotFinite,  avx2::Hadamard, avx2::BuildTables, avx2::ScanBlock,
    avx2::ScoreFine, avx2::ScoreFineBatch, 0, nullptr};

}  // namespace vdb::index
