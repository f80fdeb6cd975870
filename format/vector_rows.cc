#include "format/vector_rows.h"

#include <cmath>
#include <cstring>
#include <string>

#include "format/byte_io.h"
#include "format/npy.h"
#include "format/status_macros.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

// From here on a double rounds to an infinite float.
constexpr double kFloatOverflow = 0x1.ffffffp127;

constexpr uint32_t kPrefixBytes = 4;

Status Refuse(uint64_t row, const std::string& expected, const std::string& found) {
  return Status::InvalidArgument("row " + std::to_string(row) + ": expected " + expected +
                                 ", found " + found);
}

StatusOr<RowLayout> NpyLayout(std::string_view head, uint64_t file_bytes) {
  VDB_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(head, file_bytes));
  if (header.dimension < 1 || header.dimension > kDimensionMax) {
    return Status::InvalidArgument(".npy: expected a dimension of 1 to " +
                                   std::to_string(kDimensionMax) + ", found " +
                                   std::to_string(header.dimension));
  }
  RowLayout layout;
  layout.data_offset = header.data_offset;
  layout.dimension = static_cast<uint32_t>(header.dimension);
  layout.element = header.element_bytes == 4 ? ElementKind::kFloat32 : ElementKind::kFloat64;
  layout.row_bytes = header.dimension * header.element_bytes;
  layout.rows = header.rows;
  return layout;
}

StatusOr<RowLayout> VecsLayout(ElementKind element, std::string_view head,
                               std::optional<uint64_t> file_bytes) {
  RowLayout layout;
  layout.element = element;
  layout.prefix_bytes = kPrefixBytes;
  if (file_bytes) layout.rows = 0;
  if (head.empty()) {
    layout.rows = 0;
    return layout;
  }
  if (head.size() < kPrefixBytes) return Refuse(0, "a dimension of 4 bytes", "the end of the file");
  const auto dimension = static_cast<int32_t>(LoadU32(head.data()));
  if (dimension < 1 || dimension > static_cast<int32_t>(kDimensionMax)) {
    return Refuse(0, "a dimension of 1 to " + std::to_string(kDimensionMax),
                  std::to_string(dimension));
  }
  layout.dimension = static_cast<uint32_t>(dimension);
  layout.row_bytes = kPrefixBytes + uint64_t{layout.dimension} * ElementBytes(element);
  if (!file_bytes) return layout;
  layout.rows = *file_bytes / layout.row_bytes;
  return layout;
}

// Says of a file of dimension-prefixed rows that it is no whole number of them.
Status CheckRest(const RowLayout& layout, uint64_t file_bytes) {
  if (layout.row_bytes == 0) return Status::Ok();
  const uint64_t rest = file_bytes - layout.data_offset - *layout.rows * layout.row_bytes;
  if (rest == 0) return Status::Ok();
  return Refuse(*layout.rows, std::to_string(layout.row_bytes) + " bytes (dimension " +
                                  std::to_string(layout.dimension) + ")",
                "the end of the file after " + std::to_string(rest));
}

template <typename T>
T Load(const char* from, uint32_t j) {
  T value;
  std::memcpy(&value, from + j * sizeof(T), sizeof(T));
  return value;
}

Status Unfit(const std::string& expected, double value, uint32_t at) {
  return Status::InvalidArgument("expected " + expected + ", found " + std::to_string(value) +
                                 " at position " + std::to_string(at));
}

}  // namespace

uint32_t ElementBytes(ElementKind kind) {
  switch (kind) {
    case ElementKind::kFloat32:
    case ElementKind::kInt32: return 4;
    case ElementKind::kFloat64: return 8;
    case ElementKind::kUint8: return 1;
  }
  return 0;
}

StatusOr<RowLayout> ParseRowLayout(VectorFormat format, std::string_view head,
                                   std::optional<uint64_t> file_bytes) {
  switch (format) {
    case VectorFormat::kNpy: return NpyLayout(head, file_bytes.value_or(0));
    case VectorFormat::kFvecs: return VecsLayout(ElementKind::kFloat32, head, file_bytes);
    case VectorFormat::kIvecs: return VecsLayout(ElementKind::kInt32, head, file_bytes);
    case VectorFormat::kBvecs: return VecsLayout(ElementKind::kUint8, head, file_bytes);
  }
  return Status::InvalidArgument("no such format");
}

Status CheckRowPrefix(const RowLayout& layout, const char* row, uint64_t number) {
  if (layout.prefix_bytes == 0) return Status::Ok();
  const uint32_t found = LoadU32(row);
  if (found == layout.dimension) return Status::Ok();
  return Refuse(number, "dimension " + std::to_string(layout.dimension) + " as in row 0",
                std::to_string(static_cast<int32_t>(found)));
}

StatusOr<std::span<const float>> RowValues(const RowLayout& layout, const char* row,
                                           std::vector<float>* scratch) {
  const char* from = row + layout.prefix_bytes;
  const bool aligned = reinterpret_cast<uintptr_t>(from) % alignof(float) == 0;
  if (layout.element == ElementKind::kFloat32 && aligned) {
    return std::span<const float>(reinterpret_cast<const float*>(from), layout.dimension);
  }
  scratch->resize(layout.dimension);
  for (uint32_t j = 0; j < layout.dimension; ++j) {
    float& out = (*scratch)[j];
    switch (layout.element) {
      case ElementKind::kFloat32: out = Load<float>(from, j); break;
      case ElementKind::kUint8: out = Load<uint8_t>(from, j); break;
      case ElementKind::kInt32: {
        const auto value = Load<int32_t>(from, j);
        out = static_cast<float>(value);
        if (static_cast<double>(out) == value) break;
        return Unfit("integers that float32 can hold (up to 2^24 all of them)", value, j);
      }
      case ElementKind::kFloat64: {
        const auto value = Load<double>(from, j);
        if (std::isfinite(value) && std::fabs(value) >= kFloatOverflow) {
          return Unfit("values that float32 can hold (at most 3.4e38)", value, j);
        }
        out = static_cast<float>(value);
        break;
      }
    }
  }
  return std::span<const float>(*scratch);
}

double RowNumber(const RowLayout& layout, const char* row, uint32_t at) {
  const char* from = row + layout.prefix_bytes;
  switch (layout.element) {
    case ElementKind::kFloat32: return Load<float>(from, at);
    case ElementKind::kFloat64: return Load<double>(from, at);
    case ElementKind::kInt32: return Load<int32_t>(from, at);
    case ElementKind::kUint8: return Load<uint8_t>(from, at);
  }
  return 0;
}

StatusOr<VectorRows> VectorRows::Parse(VectorFormat format, std::string_view bytes) {
  VectorRows result;
  VDB_ASSIGN_OR_RETURN(result.layout_, ParseRowLayout(format, bytes, bytes.size()));
  const RowLayout& layout = result.layout_;
  result.data_ = bytes.data() + layout.data_offset;
  for (uint64_t row = 0; row < *layout.rows; ++row) {
    VDB_RETURN_IF_ERROR(CheckRowPrefix(layout, result.data_ + row * layout.row_bytes, row));
  }
  VDB_RETURN_IF_ERROR(CheckRest(layout, bytes.size()));
  return result;
}

}  // namespace vdb::format
