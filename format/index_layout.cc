// See index_layout.h. Every count is checked against limits and against the bytes that are there
// before anything is computed from it or read through it; nothing is allocated by counts from disk.
#include "format/index_layout.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/frame.h"
#include "format/status_macros.h"

namespace vdb::format {
namespace {

constexpr size_t kEpochDataOffset = 192;
constexpr uint64_t kPageBytes = 4096;
// Beyond these a scale times a float32 leaves the normal numbers.
constexpr int kScaleExponentMax = 100;

Status Damaged(std::string_view file, const char* what) {
  return Status::Corruption("'" + std::string(file) + "': " + what +
                            "; run `vdbtool verify`; the index can be built again from its rows");
}

uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

template <typename T>
void AppendArray(std::span<const T> values, std::string* out) {
  out->append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

template <typename T>
std::span<const T> ArrayAt(std::string_view bytes, uint64_t offset, uint64_t count) {
  return {reinterpret_cast<const T*>(bytes.data() + offset), count};
}

template <typename T>
T HeaderAt(std::string_view bytes) {
  T header;
  std::memcpy(&header, bytes.data() + kFrameBytes, sizeof(header));
  return header;
}

bool AllZero(std::string_view bytes) { return bytes.find_first_not_of('\0') == bytes.npos; }

bool AllFinite(std::span<const float> values) {
  // The exponent of all ones, sought without a branch per element.
  uint32_t found = 0;
  for (const float value : values) {
    found |= (std::bit_cast<uint32_t>(value) & 0x7F800000u) == 0x7F800000u ? 1 : 0;
  }
  return found == 0;
}

bool NotNegative(std::span<const float> values) {
  uint32_t found = 0;
  for (const float value : values) found |= value >= 0 ? 0 : 1;
  return found == 0 && AllFinite(values);
}

bool IsStatistic(double value) { return std::isfinite(value) && value >= 0; }

bool IsPadded(uint32_t padded) {
  return padded % 64 == 0 && padded > 0 && padded <= PaddedDimension(kDimensionMax);
}

bool IsScale(double scale) {
  int exponent = 0;
  return std::isfinite(scale) && std::frexp(scale, &exponent) == 0.5 &&
         std::abs(exponent - 1) <= kScaleExponentMax;
}

uint64_t CentroidBlocksBytes(const EpochHeader& header) {
  return uint64_t{(header.list_count + kBlockRows - 1) / kBlockRows} *
         BlockBytes(header.padded_dimension);
}

Status CheckEpochHeader(const EpochHeader& header, std::string_view file) {
  if (header.rotation_algorithm != kRotationHadamard) {
    return Status::UnsupportedFormat("'" + std::string(file) + "': rotation algorithm " +
                                     std::to_string(header.rotation_algorithm) +
                                     "; this library knows 1; use a newer vdb");
  }
  if (header.dimension == 0 || header.dimension > kDimensionMax ||
      header.padded_dimension != PaddedDimension(header.dimension)) {
    return Damaged(file, "its dimension makes no sense");
  }
  if (header.list_count == 0 || header.list_count > kListCountMax) {
    return Damaged(file, "its number of lists makes no sense");
  }
  if (header.metric < static_cast<uint32_t>(Metric::kCosine) ||
      header.metric > static_cast<uint32_t>(Metric::kL2) || !IsScale(header.scale) ||
      !IsStatistic(header.mean_residual) || !IsStatistic(header.imbalance) ||
      header.reserved != 0) {
    return Damaged(file, "its header makes no sense");
  }
  return Status::Ok();
}

Status CheckListHeader(const ListHeader& header, std::string_view file) {
  if (header.rows > UINT32_MAX || !IsPadded(header.padded_dimension) || header.list_count == 0 ||
      header.list_count > kListCountMax || header.has_fine_codes > 1 ||
      header.chunk_bytes != kIndexChunkBytes || !IsStatistic(header.base_max) ||
      !IsStatistic(header.residual_sum) || header.reserved != 0) {
    return Damaged(file, "its header makes no sense");
  }
  ListHeader expected = header;
  LayOutListFile(&expected);
  if (header.chunk_count != expected.chunk_count || header.data_offset != expected.data_offset ||
      header.fine_offset != expected.fine_offset || header.file_bytes != expected.file_bytes) {
    return Damaged(file, "its offsets do not follow from its rows");
  }
  return Status::Ok();
}

// Where the directory's parts are, from the start of the file.
uint64_t RadiusOffset(const ListHeader& header) {
  return kFrameBytes + sizeof(ListHeader) + 4 * (uint64_t{header.list_count} + 1);
}
uint64_t SumsOffset(const ListHeader& header) {
  return RoundUp(RadiusOffset(header) + 4 * uint64_t{header.list_count}, 8);
}

Status CheckDirectory(const ListView& view, std::string_view file) {
  uint32_t previous = 0;
  bool ascends = view.row_begin.front() == 0;
  for (const uint32_t begin : view.row_begin) {
    ascends &= begin >= previous;
    previous = begin;
  }
  if (!ascends || previous > view.header.rows) {
    return Damaged(file, "its lists do not ascend within its rows");
  }
  if (!NotNegative(view.radius)) return Damaged(file, "a radius makes no sense");
  return Status::Ok();
}

}  // namespace

std::string EncodeEpoch(const EpochParts& parts) {
  std::string payload(reinterpret_cast<const char*>(&parts.header), sizeof(parts.header));
  payload.reserve(kEpochDataOffset + parts.mean.size_bytes() + parts.centroids.size_bytes() +
                  parts.rho.size_bytes() + parts.centroid_blocks.size_bytes());
  payload.resize(kEpochDataOffset - kFrameBytes, '\0');
  AppendArray(parts.mean, &payload);
  AppendArray(parts.centroids, &payload);
  AppendArray(parts.rho, &payload);
  AppendArray(parts.centroid_blocks, &payload);
  return EncodeFrame(kEpochMagic, payload);
}

StatusOr<EpochView> DecodeEpoch(std::string_view bytes, std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(kEpochMagic, bytes, file));
  if (bytes.size() != kFrameBytes + frame.payload.size() || bytes.size() < kEpochDataOffset) {
    return Damaged(file, "its size is not what its header says");
  }
  EpochView view;
  view.header = HeaderAt<EpochHeader>(bytes);
  VDB_RETURN_IF_ERROR(CheckEpochHeader(view.header, file));
  // At most 2^20 lists of 2^16 dimensions: nothing overflows.
  const uint64_t d = view.header.padded_dimension, lists = view.header.list_count;
  const uint64_t centroids_at = kEpochDataOffset + 4 * d, rho_at = centroids_at + 4 * lists * d;
  const uint64_t blocks_at = rho_at + 4 * lists;
  const uint64_t blocks_bytes = CentroidBlocksBytes(view.header);
  constexpr size_t kHeaderEnd = kFrameBytes + sizeof(EpochHeader);
  if (bytes.size() != blocks_at + blocks_bytes ||
      !AllZero(bytes.substr(kHeaderEnd, kEpochDataOffset - kHeaderEnd))) {
    return Damaged(file, "its size does not follow from its lists");
  }
  view.mean = ArrayAt<float>(bytes, kEpochDataOffset, d);
  view.centroids = ArrayAt<float>(bytes, centroids_at, lists * d);
  view.rho = ArrayAt<float>(bytes, rho_at, lists);
  view.centroid_blocks = ArrayAt<uint8_t>(bytes, blocks_at, blocks_bytes);
  if (!AllFinite(view.mean) || !AllFinite(view.centroids) || !NotNegative(view.rho)) {
    return Damaged(file, "it has numbers that are not finite");
  }
  return view;
}

void LayOutListFile(ListHeader* header) {
  const uint64_t blocks = (header->rows + kBlockRows - 1) / kBlockRows;
  uint64_t data = blocks * BlockBytes(header->padded_dimension), fine = 0;
  if (header->has_fine_codes != 0) {
    fine = RoundUp(data, kIndexChunkBytes);
    data = fine + header->rows * FineRowBytes(header->padded_dimension);
  }
  header->chunk_bytes = kIndexChunkBytes;
  header->chunk_count = RoundUp(data, kIndexChunkBytes) / kIndexChunkBytes;
  header->data_offset = RoundUp(SumsOffset(*header) + 8 * header->chunk_count, kPageBytes);
  header->fine_offset = header->has_fine_codes != 0 ? header->data_offset + fine : 0;
  header->file_bytes = header->data_offset + data;
}

std::string EncodeListDirectory(const ListHeader& header, std::span<const uint32_t> row_begin,
                                std::span<const float> radius,
                                std::span<const uint64_t> chunk_sums, uint64_t* checksum) {
  std::string directory(reinterpret_cast<const char*>(&header), sizeof(header));
  AppendArray(row_begin, &directory);
  AppendArray(radius, &directory);
  directory.resize(SumsOffset(header) - kFrameBytes, '\0');
  AppendArray(chunk_sums, &directory);
  directory.resize(header.data_offset - kFrameBytes, '\0');
  std::string bytes =
      EncodeFrameHeader(kListMagic, header.file_bytes - kFrameBytes, Hash64(directory));
  bytes += directory;
  *checksum = Hash64(bytes);
  return bytes;
}

StatusOr<ListView> DecodeListFile(std::string_view bytes, uint64_t checksum,
                                  std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrameHeader(kListMagic, bytes, file));
  if (bytes.size() != kFrameBytes + frame.payload.size() ||
      frame.payload.size() < sizeof(ListHeader)) {
    return Damaged(file, "its size is not what its header says");
  }
  ListView view;
  view.header = HeaderAt<ListHeader>(bytes);
  const ListHeader& header = view.header;
  VDB_RETURN_IF_ERROR(CheckListHeader(header, file));
  if (header.file_bytes != bytes.size()) {
    return Damaged(file, "its size does not follow from its rows");
  }
  const std::string_view head = bytes.substr(0, header.data_offset);
  if (Hash64(head) != checksum || Hash64(head.substr(kFrameBytes)) != frame.payload_checksum) {
    return Damaged(file, "checksum mismatch in header or directory");
  }
  view.row_begin =
      ArrayAt<uint32_t>(bytes, kFrameBytes + sizeof(ListHeader), uint64_t{header.list_count} + 1);
  view.radius = ArrayAt<float>(bytes, RadiusOffset(header), header.list_count);
  view.chunk_sums = ArrayAt<uint64_t>(bytes, SumsOffset(header), header.chunk_count);
  VDB_RETURN_IF_ERROR(CheckDirectory(view, file));
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  view.blocks = data + header.data_offset;
  if (header.has_fine_codes != 0) view.fine_rows = data + header.fine_offset;
  return view;
}

}  // namespace vdb::format
