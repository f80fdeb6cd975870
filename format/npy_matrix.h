// NpyMatrix: the rows of a .npy matrix as programs leave it behind, read as double through a
// ByteSource: '<f4' or '<f8', C or Fortran order, and possibly cut short or longer than its header
// says. (Imports are strict: vector_rows.h.)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "format/byte_source.h"
#include "format/legacy_cache.h"
#include "vdb/status.h"

namespace vdb::format {

class NpyMatrix {
 public:
  /// A matrix that cannot be read at all is no error: `refused` and `refusal` say why.
  /// Errors: kIoError.
  Status Open(std::shared_ptr<const ByteSource> source, LegacyReason* refused,
              std::string* refusal);

  uint64_t rows() const { return rows_; }  // as its header says
  /// Rows that the file holds whole: the first ones.
  uint64_t complete_rows() const { return complete_rows_; }
  uint32_t dimension() const { return dimension_; }
  /// Bytes after the last row that the header announces.
  uint64_t surplus_bytes() const { return surplus_bytes_; }

  /// Rows [first, first + count), all complete, one after the other. Holds them twice for a moment:
  /// see RowsAtOnce. Thread-safe. Errors: those of the source.
  Status ReadRows(uint64_t first, uint64_t count, std::vector<double>* values) const;
  /// How many rows to ask for in one call so that memory stays below a few MiB.
  uint64_t RowsAtOnce() const;

 private:
  bool Understand(std::string_view start, LegacyReason* refused, std::string* refusal);
  void CountCompleteRows();
  Status ReadColumns(uint64_t first, uint64_t count, std::vector<char>* bytes) const;

  std::shared_ptr<const ByteSource> source_;
  uint64_t data_offset_ = 0;
  uint64_t rows_ = 0, complete_rows_ = 0, surplus_bytes_ = 0;
  uint32_t dimension_ = 0;
  uint32_t element_bytes_ = 4;
  bool fortran_order_ = false;
};

}  // namespace vdb::format
