// RocksDB's file system: its writes go through our seam, with three duties on the way.
//
//  - The barrier. Before any byte of a WAL or MANIFEST reaches the operating system, RocksWatcher::
//    BeforeLogAppend makes every segment row durable, so that no document survives without its
//    rows.
//  - The ledger learns of every sync, and is told before a switch of CURRENT and before a removal.
//  - Readers count the bytes read from each WAL, to notice a WAL that grew while it was replayed.
#pragma once

#include <rocksdb/file_system.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "storage/file_system.h"
#include "storage/rocksdb/rocks_watcher.h"

namespace vdb::storage {

/// Bytes read from each WAL of one read-only open, by file name.
class LogReadCounter {
 public:
  void Add(const std::string& path, uint64_t bytes);
  std::map<std::string, uint64_t> counts() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> counts_;
};

/// `watcher` null: reads only; every mutating call fails. `counter` may be null.
std::shared_ptr<rocksdb::FileSystem> NewRocksFileSystem(FileSystem* fs, RocksWatcher* watcher,
                                                        std::shared_ptr<LogReadCounter> counter);

/// RocksDB's word for a failure of ours, and back.
rocksdb::IOStatus ToRocks(const Status& status);

}  // namespace vdb::storage
