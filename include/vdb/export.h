// Export of documents and vectors to files: JSON lines that an import takes back bit for bit, .npy
// and .fvecs for other programs (docs/import.md); and of a whole database into a directory.
//
// An export reads one snapshot, so writes go on beside it. Files are written under another name,
// synced, and renamed: an export that fails or is killed leaves what was there before.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/database.h"

namespace vdb {

enum class ExportFormat : uint8_t {
  kAuto,       ///< by the ending of the name
  kJsonLines,  ///< everything: see ExportFile
  kNpy,        ///< one column; keys and the rest in files beside it
  kFvecs,      ///< likewise
};

/// For ExportFile, ExportStream and ExportDatabase.
struct ExportOptions {
  ExportFormat format = ExportFormat::kAuto;
  std::string column = {};       ///< .npy, .fvecs; empty: the default column
  Filter filter = {};            ///< only documents that match; costs a look at every document
  /// JSON lines: vectors as arrays of numbers, norm x unit rounded once to float32, and no line
  /// that declares the columns: what other programs read. An import of it gives the same directions
  /// up to that rounding, not the same bits.
  bool plain_vectors = false;
  const Snapshot* snapshot = nullptr;  ///< null: as of now
  ProgressCallback progress = {};      ///< counts documents
};

struct ExportReport {
  uint64_t document_count = 0;
  uint64_t left_out_count = 0;  ///< .npy, .fvecs: documents without a vector in the column
  uint64_t bytes_written = 0;
  std::vector<std::string> files = {};
};

/// Export a collection, ordered by key. JSON lines are those of ImportFile; the first one declares
/// the collection's columns (and its field indexes), so that an import makes them again. NAME.npy
/// and NAME.fvecs hold the vectors of one column, norm x unit rounded once to float32, NAME.keys
/// their keys (a JSON string a line) and NAME.metadata.jsonl ids, metadata and bodies; documents
/// without such a vector are left out and counted. Existing files are replaced.
/// Errors: kNotFound, kInvalidArgument, kIoError, kResourceExhausted (disk full), kCancelled,
/// kCorruption.
StatusOr<ExportReport> ExportFile(const Database& database, const std::string& collection,
                                  const std::string& path, const ExportOptions& options = {});

/// Takes all bytes it is given.
using WriteCallback = std::function<Status(std::string_view bytes)>;

/// The same into a stream: JSON lines (the default) or .fvecs.
StatusOr<ExportReport> ExportStream(const Database& database, const std::string& collection,
                                    const WriteCallback& write, const ExportOptions& options = {});

/// All collections, as JSON lines, into a directory that must not exist yet or be empty. See
/// ImportDatabase.
StatusOr<ExportReport> ExportDatabase(const Database& database, const std::string& directory,
                                      const ExportOptions& options = {});

}  // namespace vdb
