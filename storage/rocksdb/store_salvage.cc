#include "storage/rocksdb/store_salvage.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <memory>

#include "storage/rocksdb/rocks_file_system.h"
#include "storage/rocksdb/rocks_status.h"

namespace vdb::storage {
namespace {

// Nobody relies on a copy, so nobody keeps a record of its files.
class NoWatcher final : public RocksWatcher {
 public:
  Status BeforeLogAppend() override { return Status::Ok(); }
  Status FileSynced(const format::TrackedFile&) override { return Status::Ok(); }
  uint64_t BeforeDirectorySync() override { return 0; }
  Status DirectorySynced(uint64_t) override { return Status::Ok(); }
  Status BeforeSwitch(uint64_t) override { return Status::Ok(); }
  void AfterSwitch() override {}
  Status BeforeRemove(format::TrackedKind, uint64_t) override { return Status::Ok(); }
};

// With RocksDB's own logger a full disk would abort the process.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

Status RebuildStore(FileSystem& fs, const std::string& directory, const Logger& logger) {
  NoWatcher watcher;
  const auto rocks_fs = NewRocksFileSystem(&fs, &watcher, nullptr);
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(rocks_fs);
  rocksdb::Options options;
  options.env = env.get();
  options.info_log = std::make_shared<SilentLogger>();
  const rocksdb::Status status = rocksdb::RepairDB(directory, options);
  if (status.ok()) return Status::Ok();
  if (logger) logger(LogLevel::kError, "repair: RocksDB: " + status.ToString());
  return FromRocks(status, directory);
}

}  // namespace vdb::storage
