#include "storage/rocksdb/rocks_status.h"

namespace vdb::storage {

Status FromRocks(const rocksdb::Status& status, const std::string& directory) {
  if (status.ok()) return Status::Ok();
  std::string message = "'" + directory + "': RocksDB: " + status.ToString();
  if (status.IsNoSpace()) return Status::ResourceExhausted(std::move(message));
  if (status.IsCorruption()) return Status::Corruption(std::move(message));
  if (status.IsNotFound() || status.IsPathNotFound()) return Status::Corruption(std::move(message));
  return Status::IoError(std::move(message));
}

}  // namespace vdb::storage
