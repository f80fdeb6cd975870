// Level "scalar": plain C++, the reference of the exact order, and what other processors run.
#include "index/kernels/kernel_table.h"

namespace vdb::index {
namespace {

constexpr size_t kLanes = 8;    // of the exact order
constexpr size_t kChains = 16;  // of the screen

double AddLanes(const double* l) {
  return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

double DotExact(const float* a, const float* b, size_t dimension) {
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= dimension; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      lanes[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
    }
  }
  for (size_t j = 0; i + j < dimension; ++j) {
    lanes[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
  }
  return AddLanes(lanes);
}

double SquaredDifference(float u, double norm, float q) {
  const double difference = norm * static_cast<double>(u) - static_cast<double>(q);
  return difference * difference;
}

double SquaredL2Exact(const float* u, double norm, const float* q, size_t dimension) {
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= dimension; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] += SquaredDifference(u[i + j], norm, q[i + j]);
  }
  for (size_t j = 0; i + j < dimension; ++j) {
    lanes[j] += SquaredDifference(u[i + j], norm, q[i + j]);
  }
  return AddLanes(lanes);
}

double SumSquares(const float* a, size_t dimension) { return DotExact(a, a, dimension); }

float ScreenDot(const float* a, const float* b, size_t dimension) {
  float chains[kChains] = {};
  size_t i = 0;
  for (; i + kChains <= dimension; i += kChains) {
    for (size_t j = 0; j < kChains; ++j) chains[j] += a[i + j] * b[i + j];
  }
  for (size_t j = 0; i + j < dimension; ++j) chains[j] += a[i + j] * b[i + j];
  for (size_t width = kChains / 2; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) chains[j] += chains[j + width];
  }
  return chains[0];
}

void ScreenDots(const float* rows, size_t row_count, size_t dimension, const float* q, float* out) {
  for (size_t r = 0; r < row_count; ++r) out[r] = ScreenDot(rows + r * dimension, q, dimension);
}

// Few positions are found, so groups without any are passed over by one branch.
constexpr size_t kGroup = 16;

size_t FindAtLeast(const float* scores, size_t count, float threshold, uint32_t* out) {
  size_t found = 0;
  size_t i = 0;
  while (i < count) {
    if (i + kGroup <= count) {
      int any = 0;
      for (size_t j = 0; j < kGroup; ++j) any |= static_cast<int>(!(scores[i + j] < threshold));
      if (any == 0) {
        i += kGroup;
        continue;
      }
    }
    const size_t end = i + kGroup < count ? i + kGroup : count;
    for (; i < end; ++i) {
      out[found] = static_cast<uint32_t>(i);
      found += !(scores[i] < threshold) ? 1 : 0;
    }
  }
  return found;
}

size_t FindAtLeastAffine(const float* scores, const float* x, const float* y, size_t count, float a,
                         float b, float c, uint32_t* out) {
  size_t found = 0;
  for (size_t i = 0; i < count; ++i) {
    out[found] = static_cast<uint32_t>(i);
    found += !(scores[i] < a * x[i] + (b * y[i] + c)) ? 1 : 0;
  }
  return found;
}

void ScaleToFloat(const float* src, double scale, float* dst, size_t dimension) {
  for (size_t i = 0; i < dimension; ++i) {
    dst[i] = static_cast<float>(static_cast<double>(src[i]) * scale);
  }
}

size_t FindNotFinite(const float* values, size_t count) {
  constexpr uint32_t kExponent = 0x7f800000u;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    __builtin_memcpy(&bits, values + i, sizeof(bits));
    if ((bits & kExponent) == kExponent) return i;
  }
  return count;
}

}  // namespace

constexpr Kernels kScalarKernels = {
    "scalar",     DotExact,          SquaredL2Exact,      SumSquares,        ScreenDots,
    FindAtLeast,  FindAtLeastAffine, ScaleToFloat,        FindNotFinite,     scalar::Hadamard,
    scalar::BuildTables, scalar::ScanBlock,  scalar::ScoreFine,
    scalar::ScoreFineBatch, 0, nullptr};

}  // namespace vdb::index
