// How much disk a directory's files take.
#pragma once

#include <cstdint>
#include <string>

#include "storage/file_system.h"

namespace vdb::engine {

/// The sizes of all files below `directory`, summed. Files that come and go meanwhile may count or
/// not.
StatusOr<uint64_t> DirectoryBytes(storage::FileSystem& fs, const std::string& directory);

}  // namespace vdb::engine
