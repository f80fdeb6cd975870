// The keys of a file of vectors: of a keys file, or the row numbers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "format/keys_file.h"
#include "storage/file_system.h"
#include "vdb/status.h"

namespace vdb::engine {

class ImportKeys {
 public:
  /// `path` empty: row numbers. `source` and `row_count` (nothing if not known) are for messages
  /// and the check that there is one key a row.
  static StatusOr<ImportKeys> Open(const std::string& path, const std::string& source,
                                   std::optional<uint64_t> row_count);

  /// The key of a row, in the file or in `scratch`; nothing behind the last one.
  std::optional<std::string_view> KeyOf(uint64_t row, std::string* scratch) const;
  /// A stream ends after `row_count` rows.
  Status CheckEnd(uint64_t row_count) const;

 private:
  std::string path_, source_;
  std::unique_ptr<storage::File> file_;
  std::unique_ptr<storage::Mapping> mapping_;  // keys_ views it
  std::optional<format::KeysFile> keys_;
};

}  // namespace vdb::engine
