#include "format/npy_matrix.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "format/npy.h"
#include "format/status_macros.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

// Headers that NumPy writes for a matrix take 128 bytes.
constexpr uint64_t kHeaderBytesMax = 64 * 1024;
constexpr uint64_t kBytesAtOnce = 1 << 20;

template <typename Element>
void Convert(const char* from, uint64_t count, double* to) {
  for (uint64_t i = 0; i < count; ++i) {
    Element value;
    std::memcpy(&value, from + i * sizeof(value), sizeof(value));
    to[i] = static_cast<double>(value);
  }
}

// Whether a file ends within its header.
bool IsCut(std::string_view start) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (!kMagic.starts_with(start.substr(0, kMagic.size()))) return false;
  if (start.size() < 12) return true;
  const auto byte = [start](size_t at) { return size_t{static_cast<unsigned char>(start[at])}; };
  return start.size() < kHeaderBytesMax && 10 + (byte(8) | byte(9) << 8) > start.size();
}

}  // namespace

Status NpyMatrix::Open(std::shared_ptr<const ByteSource> source, LegacyReason* refused,
                       std::string* refusal) {
  source_ = std::move(source);
  std::string start(std::min(source_->size(), kHeaderBytesMax), '\0');
  VDB_RETURN_IF_ERROR(source_->ReadAt(0, start));
  if (Understand(start, refused, refusal)) CountCompleteRows();
  return Status::Ok();
}

bool NpyMatrix::Understand(std::string_view start, LegacyReason* refused, std::string* refusal) {
  const auto refuse = [&](LegacyReason reason, std::string why) {
    *refused = reason;
    *refusal = std::move(why);
    return false;
  };
  const auto header = DescribeNpy(start);
  if (!header.ok()) {
    return refuse(IsCut(start) ? LegacyReason::kTruncated : LegacyReason::kWrongShape,
                  header.status().message());
  }
  if (header->descr != "<f4" && header->descr != "<f8") {
    return refuse(LegacyReason::kWrongType,
                  ".npy: expected elements '<f4' (float32) or '<f8' (float64), found '" +
                      header->descr.substr(0, 40) + "'; convert with array.astype('<f4')");
  }
  const bool empty = header->shape.size() == 1 && header->shape[0] == 0;  // np.array([])
  if (header->shape.size() != 2 && !empty) {
    return refuse(LegacyReason::kWrongShape,
                  ".npy: expected two dimensions (rows, dimension), found shape " +
                      NpyShapeText(header->shape));
  }
  if (!empty && header->shape[1] > kDimensionMax) {
    return refuse(LegacyReason::kTooLarge,
                  ".npy: expected a dimension of at most " + std::to_string(kDimensionMax) +
                      ", found shape " + NpyShapeText(header->shape));
  }
  rows_ = header->shape[0];
  dimension_ = empty ? 0 : static_cast<uint32_t>(header->shape[1]);
  data_offset_ = header->data_offset;
  element_bytes_ = header->descr == "<f4" ? 4 : 8;
  fortran_order_ = header->fortran_order;
  return true;
}

void NpyMatrix::CountCompleteRows() {
  const uint64_t bytes = source_->size() - data_offset_;  // the header was read from it
  const uint64_t elements = bytes / element_bytes_;
  if (dimension_ == 0) {
    complete_rows_ = rows_;
    surplus_bytes_ = bytes;
    return;
  }
  __extension__ typedef unsigned __int128 Wide;  // rows are any number below 2^64
  const Wide announced = Wide{rows_} * dimension_;
  if (elements >= announced) {
    complete_rows_ = rows_;
    surplus_bytes_ = bytes - static_cast<uint64_t>(announced) * element_bytes_;
  } else if (fortran_order_) {
    // Row r is whole if its element of the last column is there.
    const Wide before_last = Wide{rows_} * (dimension_ - 1);
    complete_rows_ = elements > before_last ? static_cast<uint64_t>(elements - before_last) : 0;
  } else {
    complete_rows_ = elements / dimension_;
  }
}

uint64_t NpyMatrix::RowsAtOnce() const {
  return std::max<uint64_t>(1, kBytesAtOnce / (uint64_t{std::max(dimension_, 1u)} * 8));
}

Status NpyMatrix::ReadRows(uint64_t first, uint64_t count, std::vector<double>* values) const {
  if (first > complete_rows_ || count > complete_rows_ - first) {
    return Status::InvalidArgument(".npy: rows " + std::to_string(first) + " to " +
                                   std::to_string(first + count) + " of " +
                                   std::to_string(complete_rows_));
  }
  const uint64_t elements = count * dimension_;
  std::vector<char> bytes(elements * element_bytes_);
  if (fortran_order_) {
    VDB_RETURN_IF_ERROR(ReadColumns(first, count, &bytes));
  } else {
    VDB_RETURN_IF_ERROR(
        source_->ReadAt(data_offset_ + first * dimension_ * element_bytes_, bytes));
  }
  values->resize(elements);
  if (element_bytes_ == 4) {
    Convert<float>(bytes.data(), elements, values->data());
  } else {
    Convert<double>(bytes.data(), elements, values->data());
  }
  return Status::Ok();
}

// Column by column, which is how they lie in the file, and turned round in memory.
Status NpyMatrix::ReadColumns(uint64_t first, uint64_t count, std::vector<char>* bytes) const {
  std::vector<char> column(count * element_bytes_);
  for (uint64_t c = 0; c < dimension_; ++c) {
    VDB_RETURN_IF_ERROR(
        source_->ReadAt(data_offset_ + (c * rows_ + first) * element_bytes_, column));
    for (uint64_t r = 0; r < count; ++r) {
      std::memcpy(bytes->data() + (r * dimension_ + c) * element_bytes_,
                  column.data() + r * element_bytes_, element_bytes_);
    }
  }
  return Status::Ok();
}

}  // namespace vdb::format
