// Code kernels of level "scalar": the oracle of the others.
#include "index/kernels/kernel_table.h"

namespace vdb::index::scalar {
namespace {

constexpr size_t kRows = 64;

float FromBfloat16(const uint8_t* bytes) {
  uint16_t half;
  __builtin_memcpy(&half, bytes, sizeof(half));
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

float LoadFloat(const uint8_t* bytes) {
  float value;
  __builtin_memcpy(&value, bytes, sizeof(value));
  return value;
}

float Magnitude(float x) { return x < 0 ? -x : x; }

}  // namespace

void Hadamard(float* values, size_t n) {
  for (size_t h = 1; h < n; h *= 2) {
    for (size_t i = 0; i < n; i += 2 * h) {
      for (size_t j = i; j < i + h; ++j) {
        const float a = values[j], b = values[j + h];
        values[j] = a + b;
        values[j + h] = a - b;
      }
    }
  }
}

void BuildTables(const float* t, size_t padded, float scale, uint8_t* tables) {
  for (size_t g = 0; g < padded / 4; ++g) {
    const float* x = t + 4 * g;
    const float base = ((Magnitude(x[0]) + Magnitude(x[1])) + Magnitude(x[2])) + Magnitude(x[3]);
    for (unsigned v = 0; v < 16; ++v) {
      float sum = base;
      for (unsigned j = 0; j < 4; ++j) sum += (v >> j & 1) != 0 ? x[j] : -x[j];
      tables[16 * g + v] = static_cast<uint8_t>(sum * scale + 0.5f);
    }
  }
}

uint64_t ScanBlock(const uint8_t* block, size_t padded, const uint8_t* tables, float scale,
                   float offset, float threshold, float* keys) {
  const uint8_t* bases = block + 8 * padded;
  const uint8_t* factors = bases + 2 * kRows;
  uint64_t mask = 0;
  for (size_t row = 0; row < kRows; ++row) {
    unsigned sum = 0;
    for (size_t pair = 0; pair < padded / 8; ++pair) {
      const uint8_t nibbles = block[pair * kRows + row];
      sum += tables[32 * pair + (nibbles & 15)];
      sum += tables[32 * pair + 16 + (nibbles >> 4)];
    }
    const float inner =
        __builtin_fmaf(static_cast<float>(static_cast<uint16_t>(sum)), scale, offset);
    const float base = FromBfloat16(bases + 2 * row);
    keys[row] = __builtin_fmaf(FromBfloat16(factors + 2 * row), inner, base);
    if (!(keys[row] < threshold)) mask |= uint64_t{1} << row;
  }
  return mask;
}

void ScoreFine(const uint8_t* rows, size_t stride, size_t row_count, size_t padded,
               const int8_t* query, float scale, float offset, float* estimates, float* errors) {
  for (size_t r = 0; r < row_count; ++r) {
    const uint8_t* row = rows + r * stride;
    const uint8_t* codes = row + 12;
    int32_t dot = 0;
    for (size_t stripe = 0; stripe < padded / 64; ++stripe) {
      for (size_t j = 0; j < 32; ++j) {
        const uint8_t nibbles = codes[32 * stripe + j];
        dot += (nibbles & 15) * query[64 * stripe + j];
        dot += (nibbles >> 4) * query[64 * stripe + 32 + j];
      }
    }
    const float inner = __builtin_fmaf(static_cast<float>(dot), scale, offset);
    estimates[r] = __builtin_fmaf(LoadFloat(row + 4), inner, LoadFloat(row));
    errors[r] = LoadFloat(row + 8);
  }
}

void ScoreFineBatch(const FineBatch& batch, float* estimates, float* errors) {
  for (size_t q = 0; q < batch.query_count; ++q) {
    ScoreFine(batch.rows, batch.stride, batch.row_count, batch.padded,
              batch.queries + q * batch.padded, batch.scales[q], batch.offsets[q],
              estimates + q * batch.row_count, errors);
  }
}

}  // namespace vdb::index::scalar
