// Import of vectors and documents from files: JSON lines, .npy and .fvecs.
#pragma once

#include <cstdint>
#include <string>

#include "vdb/database.h"

namespace vdb {

/// For ImportFile.
struct ImportOptions {
  std::string column = "vector";     ///< for .npy and .fvecs; JSON lines name their columns
  Metric metric = Metric::kCosine;   ///< of a column the import makes
  std::string model;                 ///< of a column the import makes
  std::string keys_path;             ///< .npy and .fvecs: a key a line, or a JSON string a line
  uint64_t batch_rows = 1000;        ///< committed, and synced, together
  bool sync = true;
  ProgressCallback progress;         ///< done and total count bytes of the file
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
/// does. Without keys_path the key of a vector is its 0-based row number in decimal.
StatusOr<ImportReport> ImportFile(Database& database, const std::string& collection,
                                  const std::string& path, const ImportOptions& options = {});

}  // namespace vdb
