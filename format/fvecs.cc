#include "format/fvecs.h"

#include <string>

#include "format/byte_io.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

Status Refuse(uint64_t row, const std::string& expected, const std::string& found) {
  return Status::InvalidArgument(".fvecs: row " + std::to_string(row) + ": expected " + expected +
                                 ", found " + found);
}

}  // namespace

StatusOr<FvecsFile> FvecsFile::Parse(std::string_view bytes) {
  if (bytes.empty()) return FvecsFile(bytes, 0, 0);
  const auto dimension_at = [bytes](uint64_t offset) {
    return static_cast<int32_t>(LoadU32(bytes.data() + offset));
  };
  if (bytes.size() < 4) return Refuse(0, "a dimension of 4 bytes", "the end of the file");
  const int32_t first = dimension_at(0);
  if (first < 1 || first > static_cast<int32_t>(kDimensionMax)) {
    return Refuse(0, "a dimension of 1 to " + std::to_string(kDimensionMax),
                  std::to_string(first));
  }
  const auto dimension = static_cast<uint32_t>(first);
  const uint64_t row_bytes = RowBytes(dimension);
  const uint64_t rows = bytes.size() / row_bytes;
  for (uint64_t row = 0; row < rows; ++row) {
    const int32_t found = dimension_at(row * row_bytes);
    if (found != first) {
      return Refuse(row, "dimension " + std::to_string(first) + " as in row 0",
                    std::to_string(found));
    }
  }
  const uint64_t rest = bytes.size() - rows * row_bytes;
  if (rest != 0) {
    return Refuse(rows, std::to_string(row_bytes) + " bytes (dimension " + std::to_string(first) +
                            ")",
                  "the end of the file after " + std::to_string(rest));
  }
  return FvecsFile(bytes, rows, dimension);
}

}  // namespace vdb::format
