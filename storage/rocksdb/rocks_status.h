// A RocksDB status as one of ours.
#pragma once

#include <rocksdb/status.h>

#include <string>

#include "vdb/status.h"

namespace vdb::storage {

/// `directory`: the database's, for the message. What RocksDB misses is kCorruption: it looks for
/// nothing that it has not written.
Status FromRocks(const rocksdb::Status& status, const std::string& directory);

}  // namespace vdb::storage
