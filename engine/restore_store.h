// The documents of a backup become a new RocksDB directory, with the ledger that belongs to it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine_options.h"
#include "format/backup_record.h"
#include "storage/ledger.h"
#include "storage/rocksdb/document_store.h"

namespace vdb::engine {

/// Documents arrive in pieces, which may end anywhere. Everything is durable after Finish, but for
/// the names in the database's own directory.
class StoreRestorer {
 public:
  using Keep = std::function<bool(std::string_view key, std::string_view value)>;

  /// `root`: of the new database. `keep`: whether a key belongs into it.
  static StatusOr<std::unique_ptr<StoreRestorer>> Create(const EngineOptions& engine,
                                                         const std::string& root,
                                                         const format::BackupRecord& record,
                                                         Keep keep);
  ~StoreRestorer();

  Status Add(std::string_view piece);
  /// One entry, above all before it. Not beside Add.
  Status Put(std::string_view key, std::string_view value);
  Status Finish();

 private:
  class Watcher;
  StoreRestorer(const format::BackupRecord& record, Keep keep);
  Status PutEntries();
  Status WriteBatch();

  const format::BackupRecord& record_;
  const Keep keep_;
  std::unique_ptr<storage::Ledger> ledger_;
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<storage::DocumentStore> store_;
  std::string pending_;  // the beginning of an entry
  std::string last_key_;
  storage::StoreBatch batch_;
};

}  // namespace vdb::engine
