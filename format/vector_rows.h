// Rows of a vector file, whichever its format: float32 row by row out of the mapped bytes of a .npy
// or .fvecs file.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

enum class VectorFormat { kNpy, kFvecs };

class VectorRows {
 public:
  /// Checks the structure of the whole file. `bytes` must outlive the object and be aligned to 4.
  /// Errors: kInvalidArgument, see npy.h and fvecs.h; also a dimension outside 1 to kDimensionMax.
  static StatusOr<VectorRows> Parse(VectorFormat format, std::string_view bytes);

  uint64_t rows() const { return rows_; }
  uint32_t dimension() const { return dimension_; }  // 0 only for an empty .fvecs file

  /// Row `i`, in the file or converted into `scratch`; valid while both stay as they are. Values
  /// may be NaN or infinite if they are so in the file. kInvalidArgument if a double overflows
  /// float32.
  StatusOr<std::span<const float>> Row(uint64_t i, std::vector<float>* scratch) const;

 private:
  const char* data_ = nullptr;    // of row 0
  uint64_t rows_ = 0;
  uint64_t row_bytes_ = 0;        // from row to row
  uint32_t dimension_ = 0;
  uint32_t element_bytes_ = 4;
};

}  // namespace vdb::format
