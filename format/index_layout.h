// Bytes of the vector index: the epoch (codebook of a column) and the index file of a segment.
// What the numbers mean is the business of index/; here is only where they are.
//
// epochs/000003.vdbe: a frame (magic VDBEPOCH, payload checksum over the whole payload), payload:
//   EpochHeader (88 bytes), zeros up to file offset 192, then without gaps, D = padded_dimension,
//   L = list_count:
//   mean         f32 [D]
//   centroids    f32 [L x D]
//   rho          f32 [L]     root mean square residual of the list's rows when trained
//   centroid codes           plane A blocks of the centroids about the mean [ceil(L/64) blocks]
//
// segments/000007.ivf: a frame (magic VDB-LIST; its payload is all the rest, its payload checksum
// is over the directory only), then
//   directory: ListHeader (96 bytes), u32 row_begin [L + 1], f32 radius [L], zeros to 8 bytes,
//              u64 XXH3-64 per chunk of kIndexChunkBytes of the data (the last may be shorter),
//              zeros up to the next multiple of 4,096 of the file: where the data begins
//   data:      plane A blocks [ceil(rows/64)], each 8 * D bytes of codes + 256 bytes of factors;
//              with plane B: zeros up to a multiple of kIndexChunkBytes of data, so that no chunk
//              has bytes of both; plane B rows [rows], each 12 bytes + D / 2
//   Rows row_begin[i] to row_begin[i+1]-1 of the segment are list i; rows from row_begin[L] on are
//   loose: they have no meaningful code and are always scored. A list's radius bounds its
//   rows' |residual| and |reconstructed residual|.
//
// D is the dimension rounded up to a multiple of 64. Plane A block of 64 rows: for each 8
// dimensions 64 bytes, byte i of row i: bit j set where the rotated residual's dimension j is
// positive (low nibble: the first four); then bf16 base [64], bf16 factor [64]. Plane B row:
// f32 base, f32 delta, f32 error, then per 64 dimensions 32 bytes: byte j has dimension j in the
// low and dimension 32 + j in the high nibble. Little-endian.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "vdb/status.h"
#include "vdb/types.h"

namespace vdb::format {

inline constexpr uint32_t kIndexChunkBytes = 64 * 1024;
inline constexpr uint32_t kBlockRows = 64;
inline constexpr uint32_t kRotationHadamard = 1;  // index/rotation.h
inline constexpr uint32_t kListCountMax = 1u << 20;

inline constexpr uint32_t PaddedDimension(uint32_t dimension) { return (dimension + 63) / 64 * 64; }
inline constexpr size_t BlockBytes(uint32_t padded) { return size_t{8} * padded + 256; }
inline constexpr size_t FineRowBytes(uint32_t padded) { return size_t{12} + padded / 2; }

struct EpochHeader {
  uint64_t epoch_id = 0;
  uint32_t column_id = 0;
  uint32_t dimension = 0;
  uint32_t padded_dimension = 0;
  uint32_t metric = 0;              // vdb::Metric
  uint32_t rotation_algorithm = 0;
  uint32_t list_count = 0;
  uint64_t rotation_seed = 0;
  double scale = 0;                 // a power of two: coded vectors are scale * rotation(row)
  uint64_t trained_rows = 0;
  uint64_t sample_rows = 0;
  double mean_residual = 0;         // mean |residual| of the rows trained on, in coded units
  double imbalance = 0;
  uint64_t reserved = 0;
};
static_assert(sizeof(EpochHeader) == 88);

/// A decoded epoch file; spans point into the bytes given, which must be 64-byte aligned.
struct EpochView {
  EpochHeader header;
  std::span<const float> mean;              // [D]
  std::span<const float> centroids;         // [L x D]
  std::span<const float> rho;               // [L]
  std::span<const uint8_t> centroid_blocks;
};

struct EpochParts {
  EpochHeader header;
  std::span<const float> mean, centroids, rho;
  std::span<const uint8_t> centroid_blocks;
};
std::string EncodeEpoch(const EpochParts& parts);
/// Checks frame, checksum, sizes, and that every float is finite.
StatusOr<EpochView> DecodeEpoch(std::string_view bytes, std::string_view file);

struct ListHeader {
  uint64_t segment_id = 0;
  uint64_t epoch_id = 0;
  uint64_t rows = 0;
  uint32_t padded_dimension = 0;
  uint32_t list_count = 0;
  uint32_t has_fine_codes = 1;      // plane B is there
  uint32_t chunk_bytes = kIndexChunkBytes;
  uint64_t chunk_count = 0;
  uint64_t data_offset = 0;         // from the start of the file
  uint64_t fine_offset = 0;         // of plane B, from the start of the file; 0 without it
  uint64_t file_bytes = 0;
  double base_max = 0;              // largest |base| of plane B
  double residual_sum = 0;          // sum of |residual| over the rows, in coded units
  uint64_t reserved = 0;
};
static_assert(sizeof(ListHeader) == 96);

struct ListView {
  ListHeader header;
  std::span<const uint32_t> row_begin;  // [L + 1]
  std::span<const float> radius;        // [L]
  std::span<const uint64_t> chunk_sums;
  const uint8_t* blocks = nullptr;
  const uint8_t* fine_rows = nullptr;   // null: no plane B
};

/// Fills in the header's offsets, sizes and counts from rows, padded_dimension, list_count and
/// has_fine_codes. The directory may then be written last, when the chunk sums are known.
void LayOutListFile(ListHeader* header);
/// Frame and directory, to data_offset. `checksum` gets the XXH3-64 of frame and directory,
/// which the manifest records.
std::string EncodeListDirectory(const ListHeader& header, std::span<const uint32_t> row_begin,
                                std::span<const float> radius,
                                std::span<const uint64_t> chunk_sums, uint64_t* checksum);
/// Checks frame, directory (against `checksum`), offsets, sizes and that row_begin ascends within
/// the rows. Does not read the data. `bytes` is the whole file, 64-byte aligned.
StatusOr<ListView> DecodeListFile(std::string_view bytes, uint64_t checksum,
                                  std::string_view file);

}  // namespace vdb::format
