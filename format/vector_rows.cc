#include "format/vector_rows.h"

#include <cmath>
#include <cstring>
#include <string>

#include "format/fvecs.h"
#include "format/npy.h"
#include "format/status_macros.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

// From here on a double rounds to an infinite float.
constexpr double kFloatOverflow = 0x1.ffffffp127;

}  // namespace

StatusOr<VectorRows> VectorRows::Parse(VectorFormat format, std::string_view bytes) {
  VectorRows result;
  if (format == VectorFormat::kFvecs) {
    VDB_ASSIGN_OR_RETURN(const FvecsFile file, FvecsFile::Parse(bytes));
    result.rows_ = file.rows();
    result.dimension_ = file.dimension();
    result.row_bytes_ = FvecsFile::RowBytes(file.dimension());
    result.data_ = bytes.data() + (bytes.empty() ? 0 : 4);
    return result;
  }
  VDB_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(bytes, bytes.size()));
  if (header.dimension < 1 || header.dimension > kDimensionMax) {
    return Status::InvalidArgument(".npy: expected a dimension of 1 to " +
                                   std::to_string(kDimensionMax) + ", found " +
                                   std::to_string(header.dimension));
  }
  result.rows_ = header.rows;
  result.dimension_ = static_cast<uint32_t>(header.dimension);
  result.element_bytes_ = header.element_bytes;
  result.row_bytes_ = header.dimension * header.element_bytes;
  result.data_ = bytes.data() + header.data_offset;
  return result;
}

StatusOr<std::span<const float>> VectorRows::Row(uint64_t i, std::vector<float>* scratch) const {
  const char* from = data_ + i * row_bytes_;
  const bool aligned = reinterpret_cast<uintptr_t>(from) % alignof(float) == 0;
  if (element_bytes_ == 4 && aligned) {
    return std::span<const float>(reinterpret_cast<const float*>(from), dimension_);
  }
  scratch->resize(dimension_);
  if (element_bytes_ == 4) {  // NumPy aligns its data, but its format does not ask for it
    std::memcpy(scratch->data(), from, row_bytes_);
    return std::span<const float>(*scratch);
  }
  for (uint32_t j = 0; j < dimension_; ++j) {
    double value = 0;
    std::memcpy(&value, from + j * sizeof(value), sizeof(value));
    if (std::isfinite(value) && std::fabs(value) >= kFloatOverflow) {
      return Status::InvalidArgument(
          "expected values that float32 can hold (at most 3.4e38), found " + std::to_string(value) +
          " at position " + std::to_string(j));
    }
    (*scratch)[j] = static_cast<float>(value);
  }
  return std::span<const float>(*scratch);
}

}  // namespace vdb::format
