// Any bytes as a vector file: .npy as imports and as migrations read it, .fvecs, .ivecs, .bvecs.
#include <cmath>
#include <algorithm>
#include <memory>

#include "format/npy.h"
#include "format/npy_matrix.h"
#include "format/segment_layout.h"
#include "format/vector_rows.h"
#include "tests/fuzz/fuzz_target.h"
#include "vdb/types.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

bool RunRows(VectorFormat kind, std::string_view bytes) {
  const auto rows = VectorRows::Parse(kind, bytes);
  const auto layout = ParseRowLayout(kind, bytes, bytes.size());
  Require(!rows.ok() || layout.ok());
  if (!rows.ok()) return false;
  Require(rows->rows() <= bytes.size() && rows->dimension() <= kDimensionMax);
  std::vector<float> scratch;
  float sum = 0;
  for (uint64_t i = 0; i < rows->rows(); ++i) {
    const auto row = rows->Row(i, &scratch);
    if (!row.ok()) continue;
    Require(row->size() == rows->dimension());
    for (const float value : *row) sum += value;
  }
  return !std::isnan(sum) || rows->rows() > 0;
}

bool RunMatrix(std::string_view bytes) {
  NpyMatrix matrix;
  LegacyReason reason{};
  std::string refusal;
  const Status opened = matrix.Open(std::make_shared<MemorySource>(bytes), &reason, &refusal);
  if (!opened.ok() || !refusal.empty()) return false;
  const uint64_t complete = matrix.complete_rows();
  Require(complete <= matrix.rows());
  if (matrix.dimension() == 0) return true;  // as many rows of nothing as the header says
  Require(complete <= bytes.size());
  const uint64_t at_once = matrix.RowsAtOnce();
  Require(at_once > 0);
  std::vector<double> values;
  for (uint64_t first = 0; first < complete; first += at_once) {
    const uint64_t count = std::min(at_once, complete - first);
    Require(matrix.ReadRows(first, count, &values).ok() &&
            values.size() == count * matrix.dimension());
  }
  return true;
}

bool Run(std::string_view bytes) {
  bool any = RunMatrix(bytes);
  for (const auto kind : {VectorFormat::kNpy, VectorFormat::kFvecs, VectorFormat::kIvecs,
                          VectorFormat::kBvecs}) {
    any = RunRows(kind, bytes) || any;
  }
  return any;
}

std::string Npy(const std::string& dict, size_t data_bytes) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes.push_back(static_cast<char>(dict.size()));
  bytes.push_back('\0');
  return bytes + dict + std::string(data_bytes, '\x3F');
}

std::vector<std::string> Seeds() {
  const std::string row("\2\0\0\0\0\0\x80\x3F\0\0\0\x40", 12);
  return {Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24),
          Npy("{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }\n", 48),
          Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (200, 2), }\n", 17),
          row + row, row, std::string("\2\0\0\0\1\xFF", 6)};
}

VDB_FUZZ_TARGET(vectors, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
