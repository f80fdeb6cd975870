// Header of a NumPy .npy file, versions 1.0, 2.0 and 3.0.
//
//   offset  size  what
//   0       6     "\x93NUMPY"
//   6       2     u8 major, u8 minor
//   8       2, 4  header_bytes: u16 little-endian in version 1.0, u32 in 2.0 and 3.0
//   10, 12        header_bytes of text: a Python dict {'descr': '<f4', 'fortran_order': False,
//                 'shape': (rows, dimension), } in any order, padded with spaces
//   then          rows x dimension elements
//
// An import takes it if and only if it is a matrix (2-D) of '<f4' or '<f8' in C order and the file
// holds exactly the elements that the header announces (ParseNpyHeader). Migrations take more:
// npy_matrix.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

struct NpyHeader {
  uint64_t data_offset = 0;
  uint64_t rows = 0;
  uint64_t dimension = 0;
  uint32_t element_bytes = 4;  // 4: float32, 8: float64
};

/// What a header says, whatever that is.
struct NpyDescription {
  uint64_t data_offset = 0;
  std::string descr;
  bool fortran_order = false;
  std::vector<uint64_t> shape;
};

/// `start` has the whole header in it.
/// Errors: kInvalidArgument names what was found and what is supported.
StatusOr<NpyDescription> DescribeNpy(std::string_view start);

/// "(4, 128)", as Python writes it.
std::string NpyShapeText(const std::vector<uint64_t>& shape);

/// `file` is the whole file, or its first bytes with the whole header in them; `file_bytes` is its
/// size.
/// Errors: kInvalidArgument names what was found and what is supported.
StatusOr<NpyHeader> ParseNpyHeader(std::string_view file, uint64_t file_bytes);

}  // namespace vdb::format
