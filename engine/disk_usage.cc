// See disk_usage.h.
#include "engine/disk_usage.h"

#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {

StatusOr<uint64_t> DirectoryBytes(storage::FileSystem& fs, const std::string& directory) {
  uint64_t bytes = 0;
  VDB_ASSIGN_OR_RETURN(const auto names, fs.List(directory));
  for (const std::string& name : names) {
    const std::string path = format::JoinPath(directory, name);
    const auto info = fs.Stat(path);
    if (info.status().code() == StatusCode::kNotFound) continue;
    VDB_RETURN_IF_ERROR(info.status());
    if (!info->is_dir) {
      bytes += info->size_bytes;
      continue;
    }
    const auto below = DirectoryBytes(fs, path);
    if (below.status().code() == StatusCode::kNotFound) continue;
    VDB_RETURN_IF_ERROR(below.status());
    bytes += *below;
  }
  return bytes;
}

}  // namespace vdb::engine
