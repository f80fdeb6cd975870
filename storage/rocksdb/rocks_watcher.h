// RocksWatcher: what the engine wants to know of RocksDB's file operations, without RocksDB's
// types.
#pragma once

#include "format/ledger_record.h"
#include "vdb/status.h"

namespace vdb::storage {

/// Called on RocksDB's threads and on callers' threads, several at once. A failure makes RocksDB's
/// operation fail, after which RocksDB accepts no more writes.
class RocksWatcher {
 public:
  virtual ~RocksWatcher() = default;
  /// Before bytes of a WAL or MANIFEST are handed to the operating system.
  virtual Status BeforeLogAppend() = 0;
  /// A prefix of a WAL or MANIFEST was fsynced; RocksDB learns of it when this returns.
  virtual Status FileSynced(const format::TrackedFile& file) = 0;
  /// Around an fsync of RocksDB's directory; the ticket of the one goes to the other.
  virtual uint64_t BeforeDirectorySync() = 0;
  virtual Status DirectorySynced(uint64_t ticket) = 0;
  /// Around the rename that makes RocksDB's CURRENT name this MANIFEST.
  virtual Status BeforeSwitch(uint64_t manifest_number) = 0;
  virtual void AfterSwitch() = 0;
  virtual Status BeforeRemove(format::TrackedKind kind, uint64_t number) = 0;
};

}  // namespace vdb::storage
