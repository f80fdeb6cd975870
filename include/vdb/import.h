// Import of vectors and documents from files and streams: JSON lines, JSON by shape, CSV, .npy,
// .fvecs, .ivecs, .bvecs and HDF5 (docs/import.md); and of a whole database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/database.h"

namespace vdb {

enum class ImportFormat : uint8_t {
  kAuto,       ///< by the ending of the name; of JSON lines also by the first line
  kJsonLines,  ///< a document a line (see ImportFile)
  kJson,       ///< any other JSON, JSON lines or .ajson: key, vector and metadata found by shape
  kCsv,        ///< RFC 4180 with a header line
  kNpy,
  kFvecs,
  kIvecs,
  kBvecs,
  kHdf5,       ///< a dataset of rows, as in ann-benchmarks
};

/// For ImportFile, ImportStream and ImportDatabase.
struct ImportOptions {
  ImportFormat format = ImportFormat::kAuto;
  std::string column = {};           ///< of vectors that name none; empty: "vector"
  Metric metric = Metric::kCosine;   ///< of a column the import makes, where the source says none
  std::string model = {};            ///< likewise
  std::string keys_path = {};        ///< of files of vectors: a key a line, or a JSON string a line
  std::string key_field = {};        ///< CSV, JSON by shape; empty: found by name
  std::string vector_field = {};     ///< CSV, JSON by shape; empty: found by shape
  std::string dataset = "train";     ///< HDF5
  uint64_t batch_rows = 10000;       ///< committed and synced together; fewer if rows are large
  bool sync = true;
  bool dry_run = false;              ///< read and check everything, write nothing
  bool if_absent = false;            ///< keys that exist are skipped and counted, not replaced
  bool skip_bad = false;             ///< leave bad rows out, and count them
  std::string quarantine_path = {};  ///< with skip_bad: where bad rows go, with their reasons
  bool resume = false;               ///< go on where an interrupted import of the same file ended
  uint32_t thread_count = 0;         ///< 0: by the number of cores
  ProgressCallback progress = {};    ///< done and total count bytes of the file
};

struct ImportReport {
  uint64_t document_count = 0;  ///< written; of a dry run: that would be
  uint64_t batch_count = 0;
  uint64_t bytes_read = 0;
  uint64_t rejected_count = 0;  ///< bad rows that were left out (skip_bad)
  uint64_t skipped_count = 0;   ///< keys that existed (if_absent)
  uint64_t resumed_count = 0;   ///< rows that the interrupted import had dealt with
  bool collection_is_new = false;
  std::vector<ColumnInfo> new_columns = {};  ///< made, or that would be
  std::string taken = {};       ///< what was found by shape, in words; or empty
};

/// Read `path` into `collection` of `database`, making the collection and its columns where
/// missing. Documents replace those of the same key. Rows are committed in the order of the file,
/// so that the later of two rows of one key wins, and what an interrupted import leaves is a
/// beginning of the file. A bad row ends the import with kInvalidArgument naming file, row,
/// expected and found; batches committed before it stay, nothing of its own batch does. Run again
/// with `resume` an interrupted import goes on where it ended, if the file has the same size and
/// mtime. Without keys the key of a vector is its 0-based row number in decimal. Collection and
/// columns are made once the first batch that needs them has been found good.
///
/// A JSON line is {"id": "k1", "metadata": {...}, "body": "...", "vectors": {"column": [...]}}; id
/// may be an integer, a top-level "vector" is short for the column of that name, null means absent,
/// "version" is ignored, any other field refused. Empty lines are skipped. A vector is an array of
/// numbers, or {"unit": [...], "norm": x}, which is kept bit for bit. A file whose first line is no
/// such document is read by shape.
StatusOr<ImportReport> ImportFile(Database& database, const std::string& collection,
                                  const std::string& path, const ImportOptions& options = {});

/// Fills `out` with up to `size` bytes; 0: the end.
using ReadCallback = std::function<StatusOr<size_t>(char* out, size_t size)>;

/// The same from a stream: JSON lines, CSV, .fvecs, .ivecs or .bvecs, as options.format says. It is
/// read on the calling thread. `name` stands for it in messages. It cannot be resumed.
StatusOr<ImportReport> ImportStream(Database& database, const std::string& collection,
                                    const ReadCallback& read, const std::string& name,
                                    const ImportOptions& options);

/// All collections of `source`, a database directory (opened for reading) or a directory made by
/// ExportDatabase, with their columns, documents (vectors bit for bit) and field indexes.
StatusOr<ImportReport> ImportDatabase(Database& database, const std::string& source,
                                      const ImportOptions& options = {});

/// Vectors read from a file: row-major [row_count x dimension].
struct VectorFile {
  std::vector<float> values;
  size_t row_count = 0;
  size_t dimension = 0;  ///< 0 if there are no rows

  MatrixView matrix() const { return {values.data(), row_count, dimension}; }
};

/// All vectors of `path`: .fvecs, .ivecs, .bvecs, .npy, or (.jsonl .ndjson) a JSON array of numbers
/// a line. Errors: kInvalidArgument names file, row or line, expected and found; kNotFound;
/// kIoError.
StatusOr<VectorFile> ReadVectorFile(const std::string& path);

/// The same for text in memory: a JSON array of numbers a line, all of one length.
StatusOr<VectorFile> ParseVectorLines(std::string_view text);

}  // namespace vdb
