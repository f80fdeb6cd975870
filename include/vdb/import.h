// Import of vectors and documents from files: JSON lines, .npy and .fvecs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/database.h"

namespace vdb {

/// For ImportFile.
struct ImportOptions {
  std::string column = "vector";     ///< for .npy and .fvecs; JSON lines name their columns
  Metric metric = Metric::kCosine;   ///< of a column the import makes
  std::string model = {};                 ///< of a column the import makes
  std::string keys_path = {};        ///< .npy and .fvecs: a key a line, or a JSON string a line
  uint64_t batch_rows = 1000;        ///< committed, and synced, together
  bool sync = true;
  ProgressCallback progress = {};         ///< done and total count bytes of the file
};

struct ImportReport {
  uint64_t document_count = 0;
  uint64_t batch_count = 0;
  uint64_t bytes_read = 0;
};

/// Read `path` (format by its ending: .jsonl .ndjson .npy .fvecs) into `collection` of `database`,
/// making the collection and its columns where missing. Documents replace those of the same key, so
/// an import that was interrupted can be run again. A bad row ends the import with kInvalidArgument
/// naming file, row, expected and found; batches committed before it stay, nothing of its own batch
/// does. Without keys_path the key of a vector is its 0-based row number in decimal. Collection and
/// columns are made once the first batch that needs them has been found good.
///
/// A JSON line is {"id": "k1", "metadata": {...}, "body": "...", "vectors": {"column": [...]}}; id
/// may be an integer, a top-level "vector" is short for the column of that name, null means absent,
/// "version" is ignored, any other field refused. Empty lines are skipped.
StatusOr<ImportReport> ImportFile(Database& database, const std::string& collection,
                                  const std::string& path, const ImportOptions& options = {});

/// Vectors read from a file: row-major [row_count x dimension].
struct VectorFile {
  std::vector<float> values;
  size_t row_count = 0;
  size_t dimension = 0;  ///< 0 if there are no rows

  MatrixView matrix() const { return {values.data(), row_count, dimension}; }
};

/// All vectors of `path`: .fvecs, .npy, or (.jsonl .ndjson) a JSON array of numbers a line.
/// Errors: kInvalidArgument names file, row or line, expected and found; kNotFound; kIoError.
StatusOr<VectorFile> ReadVectorFile(const std::string& path);

/// The same for text in memory: a JSON array of numbers a line, all of one length.
StatusOr<VectorFile> ParseVectorLines(std::string_view text);

}  // namespace vdb
