// ImportSource: a format that can be imported, as the import sees it: chunks read on one thread,
// each made into a batch on another. One implementation per family of formats.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/import_batch.h"
#include "engine/import_input.h"
#include "vdb/collection.h"
#include "vdb/import.h"

namespace vdb::engine {

/// A chunk ends where one of these is reached, so that memory stays bounded whatever a row holds.
struct ChunkLimits {
  uint64_t rows = 0;
  uint64_t vector_bytes = 32u << 20;  // of float32
  uint64_t text_bytes = 8u << 20;
};

class ImportSource {
 public:
  virtual ~ImportSource() = default;

  /// Fills `chunk` (cleared; `bytes` holds what an earlier one left) with what comes next. False at
  /// the end.
  virtual StatusOr<bool> Next(ImportChunk* chunk) = 0;
  /// On workers, several at once. Rows that are no documents are rejected in `batch`; an error is
  /// for what makes the rest unreadable.
  virtual Status Convert(const ImportChunk& chunk, ImportBatch* batch) const = 0;
  /// Before the first Next: go on behind `position`, the end of a chunk of the same source.
  virtual Status Resume(const ImportPosition& position) = 0;

  virtual uint64_t total_bytes() const = 0;            // 0: not known
  virtual std::string_view place_word() const = 0;     // "line", "row"
  /// Columns whose metric and model the source itself knows.
  const std::vector<ColumnInfo>& declared() const { return declared_; }
  /// The model of a column, if the source names one.
  std::string ModelOf(const std::string& column) const {
    const auto found = models_.find(column);
    return found == models_.end() ? std::string() : found->second;
  }
  const std::string& taken() const { return taken_; }  // what was found by shape, in words

 protected:
  std::vector<ColumnInfo> declared_;
  std::map<std::string, std::string> models_;  // by column
  std::string taken_;
};

/// Over an input, whose format is known.
StatusOr<std::unique_ptr<ImportSource>> NewRowsSource(std::unique_ptr<ImportInput> input,
                                                      ImportFormat format,
                                                      const ImportOptions& options,
                                                      const ChunkLimits& limits);
StatusOr<std::unique_ptr<ImportSource>> NewLinesSource(std::unique_ptr<ImportInput> input,
                                                       const ImportOptions& options,
                                                       const ChunkLimits& limits);

StatusOr<std::unique_ptr<ImportSource>> NewCsvSource(std::unique_ptr<ImportInput> input,
                                                     const ImportOptions& options,
                                                     const ChunkLimits& limits);

/// Of a file that is read by its path.
StatusOr<std::unique_ptr<ImportSource>> NewHdf5Source(const std::string& path, uint64_t file_bytes,
                                                      const ImportOptions& options,
                                                      const ChunkLimits& limits);
StatusOr<std::unique_ptr<ImportSource>> NewJsonSource(const std::string& path,
                                                      const ImportOptions& options,
                                                      const ChunkLimits& limits);

/// Whether JSON lines are documents as NewLinesSource takes them, by the names in the first line.
StatusOr<bool> LooksLikeDocuments(ImportInput* input);

/// The first line of a lossless export, which stays unread; empty if the input is none.
StatusOr<std::string> ReadExportHeaderLine(ImportInput* input);

/// The column of vectors that name none.
inline std::string ColumnOf(const ImportOptions& options) {
  return options.column.empty() ? "vector" : options.column;
}

inline Status Prefixed(const std::string& prefix, const Status& status) {
  return {status.code(), prefix + status.message()};
}

}  // namespace vdb::engine
