// ImportRecord: how far an import has come, in a small file in the database's directory, so that an
// interrupted one can go on (ImportOptions::resume). Written after each synced commit, never ahead
// of what is durable; if it is lost or old, rows are read again, which changes nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/database_impl.h"
#include "engine/import_batch.h"

namespace vdb::engine {

/// Which source, into what: another one must not go on where this one ended.
struct ImportRecord {
  std::string source;            // its path
  uint64_t size_bytes = 0;
  int64_t mtime_ns = 0;
  std::string options;           // those that change what rows mean
  uint32_t collection_id = 0;
  ImportPosition position;
  uint64_t row_count = 0;        // dealt with
  uint64_t quarantine_bytes = 0;

  bool IsSameImport(const ImportRecord& other) const {
    return source == other.source && size_bytes == other.size_bytes &&
           mtime_ns == other.mtime_ns && options == other.options;
  }
};

std::string EncodeImportRecord(const ImportRecord& record);
/// Nothing unless the bytes are exactly what EncodeImportRecord makes of it.
std::optional<ImportRecord> DecodeImportRecord(std::string_view bytes);

/// The file of one collection.
class ImportRecordFile {
 public:
  ImportRecordFile(const DatabaseImpl& database, const std::string& collection);

  /// Nothing if there is none, or it cannot be read.
  std::optional<ImportRecord> Read() const;
  Status Write(const ImportRecord& record) const;
  void Remove() const;

 private:
  storage::FileSystem& fs_;
  std::string path_;
};

}  // namespace vdb::engine
