// Vector files whose rows stand one after the other: .npy and the .fvecs family.
//
//   .fvecs .ivecs .bvecs   rows of an int32 dimension and that many float32, int32 or uint8,
//                          little-endian, without a header. Every row announces the same dimension,
//                          1 to kDimensionMax; the file is a whole number of rows; none is fine.
//   .npy                   see npy.h
//
// A RowLayout is told from the first bytes, so that rows can be read piece by piece; VectorRows has
// a whole file in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

enum class VectorFormat { kNpy, kFvecs, kIvecs, kBvecs };

enum class ElementKind : uint8_t { kFloat32, kFloat64, kInt32, kUint8 };
uint32_t ElementBytes(ElementKind kind);

/// Where rows stand, and of what.
struct RowLayout {
  uint64_t data_offset = 0;     // of the first row
  uint64_t row_bytes = 0;       // from row to row; 0 if the file is empty
  uint32_t dimension = 0;       // 0 if the file is empty
  uint32_t prefix_bytes = 0;    // of a row before its elements: the dimension that it announces
  ElementKind element = ElementKind::kFloat32;
  std::optional<uint64_t> rows;  // of the whole file, where that is known
};

/// Bytes of a file's head that ParseRowLayout wants, or all of a shorter file.
inline constexpr size_t kRowLayoutHeadBytes = 1u << 17;

/// `file_bytes`: the size of the file, or nothing for a stream (not for .npy).
/// Errors: kInvalidArgument names what was expected and found. Rows are not looked at but the
/// first.
StatusOr<RowLayout> ParseRowLayout(VectorFormat format, std::string_view head,
                                   std::optional<uint64_t> file_bytes);

/// The dimension that row `number` announces must be the layout's.
Status CheckRowPrefix(const RowLayout& layout, const char* row, uint64_t number);

/// The values of a row, where it stands or converted into `scratch`; valid while both stay as they
/// are. They may be NaN or infinite if they are so in the file. kInvalidArgument if float32 cannot
/// hold one: a double that overflows, an integer that would be rounded.
StatusOr<std::span<const float>> RowValues(const RowLayout& layout, const char* row,
                                           std::vector<float>* scratch);

/// One value of a row, exactly as it stands there.
double RowNumber(const RowLayout& layout, const char* row, uint32_t at);

class VectorRows {
 public:
  /// Checks the structure of the whole file. `bytes` must outlive the object.
  /// Errors: kInvalidArgument; also a dimension outside 1 to kDimensionMax.
  static StatusOr<VectorRows> Parse(VectorFormat format, std::string_view bytes);

  uint64_t rows() const { return *layout_.rows; }
  uint32_t dimension() const { return layout_.dimension; }  // 0 only for an empty file
  StatusOr<std::span<const float>> Row(uint64_t i, std::vector<float>* scratch) const {
    return RowValues(layout_, data_ + i * layout_.row_bytes, scratch);
  }

 private:
  RowLayout layout_;
  const char* data_ = nullptr;  // of row 0
};

}  // namespace vdb::format
