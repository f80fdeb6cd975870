#include "engine/import_keys.h"

#include <utility>

#include "format/status_macros.h"

namespace vdb::engine {

StatusOr<ImportKeys> ImportKeys::Open(const std::string& path, const std::string& source,
                                      std::optional<uint64_t> row_count) {
  ImportKeys result;
  if (path.empty()) return result;
  result.path_ = path;
  result.source_ = source;
  VDB_ASSIGN_OR_RETURN(result.file_,
                       storage::PosixFileSystem()->Open(path, storage::OpenMode::kRead));
  VDB_ASSIGN_OR_RETURN(const uint64_t size, result.file_->Size());
  std::string_view text;
  if (size > 0) {
    VDB_ASSIGN_OR_RETURN(result.mapping_, result.file_->Map(size));
    text = {reinterpret_cast<const char*>(result.mapping_->data()), size};
  }
  auto keys = format::KeysFile::Parse(text);
  if (!keys.ok()) return Status(keys.status().code(), "'" + path + "': " + keys.status().message());
  result.keys_ = std::move(*keys);
  if (row_count) VDB_RETURN_IF_ERROR(result.CheckEnd(*row_count));
  return result;
}

std::optional<std::string_view> ImportKeys::KeyOf(uint64_t row, std::string* scratch) const {
  if (keys_) {
    if (row >= keys_->size()) return std::nullopt;
    return keys_->key(row);
  }
  *scratch = std::to_string(row);
  return *scratch;
}

Status ImportKeys::CheckEnd(uint64_t row_count) const {
  if (!keys_ || keys_->size() == row_count) return Status::Ok();
  return Status::InvalidArgument("'" + path_ + "': expected " + std::to_string(row_count) +
                                 " keys, one for each row of '" + source_ + "', found " +
                                 std::to_string(keys_->size()) +
                                 "; keys with newlines must be written as JSON strings");
}

}  // namespace vdb::engine
