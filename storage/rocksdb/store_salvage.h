// What a repair needs of RocksDB when its own list of files is gone.
#pragma once

#include <string>

#include "storage/file_system.h"
#include "vdb/options.h"
#include "vdb/status.h"

namespace vdb::storage {

/// Makes a store of the tables and logs that lie in `directory`, without its MANIFEST, which may be
/// damaged or gone. Changes the directory: for copies only. Tables that cannot be read whole are
/// moved to `lost/` in it. Records of a log are taken as far as they are whole.
Status RebuildStore(FileSystem& fs, const std::string& directory, const Logger& logger);

}  // namespace vdb::storage
