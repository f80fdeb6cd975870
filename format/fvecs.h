// .fvecs files: rows of an int32 dimension and that many float32, little-endian, without a header.
//
// Valid if and only if every row announces the same dimension, 1 to kDimensionMax, and the file is
// a whole number of rows. An empty file has no rows.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "vdb/status.h"

namespace vdb::format {

class FvecsFile {
 public:
  /// Looks at the dimension of every row. `bytes` must outlive the object and be aligned to 4.
  /// Errors: kInvalidArgument names the row, expected and found.
  static StatusOr<FvecsFile> Parse(std::string_view bytes);

  uint64_t rows() const { return rows_; }
  uint32_t dimension() const { return dimension_; }  // 0 if there are no rows
  std::span<const float> row(uint64_t i) const {
    return {reinterpret_cast<const float*>(bytes_.data() + i * RowBytes(dimension_) + 4),
            dimension_};
  }
  static uint64_t RowBytes(uint32_t dimension) { return 4 + uint64_t{4} * dimension; }

 private:
  FvecsFile(std::string_view bytes, uint64_t rows, uint32_t dimension)
      : bytes_(bytes), rows_(rows), dimension_(dimension) {}

  std::string_view bytes_;
  uint64_t rows_;
  uint32_t dimension_;
};

}  // namespace vdb::format
