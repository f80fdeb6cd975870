#include "storage/rocksdb/rocks_file_system.h"

#include <atomic>
#include <charconv>
#include <optional>
#include <vector>

#include "format/checksum.h"
#include "format/status_macros.h"

namespace vdb::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Seam = ::vdb::storage::FileSystem;  // RocksDB's class of that name hides it in its subclasses

struct RocksFileId {
  format::TrackedKind kind;
  uint64_t number;
};

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// The kind and number of a WAL ("000012.log") or MANIFEST ("MANIFEST-000011").
std::optional<RocksFileId> Identify(std::string_view path) {
  std::string_view name = BaseName(path);
  RocksFileId id = {format::TrackedKind::kLog, 0};
  if (name.starts_with("MANIFEST-")) {
    id.kind = format::TrackedKind::kManifest;
    name.remove_prefix(9);
  } else if (name.ends_with(".log")) {
    name.remove_suffix(4);
  } else {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id.number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return id;
}

// A file RocksDB writes. Kept apart from RocksDB's handle, which it may close at any time, because
// a later WAL may want to sync this one first.
class WrittenFile {
 public:
  WrittenFile(std::unique_ptr<File> file, RocksWatcher* watcher, std::optional<RocksFileId> id)
      : file_(std::move(file)), watcher_(watcher), id_(id) {}

  Status Append(const Slice& data) {
    VDB_RETURN_IF_ERROR(file_->WriteAt(size_, std::as_bytes(std::span(data.data(), data.size()))));
    const std::lock_guard lock(mutex_);
    if (id_) hash_.Update(data.data(), data.size());
    size_ += data.size();
    return Status::Ok();
  }

  // May run beside an Append; covers what was appended before.
  Status Sync() {
    const std::lock_guard sync_lock(sync_mutex_);
    if (retired_) return Status::Ok();
    format::TrackedFile before;
    {
      const std::lock_guard lock(mutex_);
      before.synced_bytes = size_;
      if (id_) before = {id_->kind, id_->number, size_, hash_.Digest64()};
    }
    VDB_RETURN_IF_ERROR(file_->Sync());
    {
      const std::lock_guard lock(mutex_);
      synced_ = before.synced_bytes;
    }
    return id_ ? watcher_->FileSynced(before) : Status::Ok();
  }

  // RocksDB is about to remove the file. No sync may speak of it afterwards: the ledger would wait
  // for a file that is gone.
  void Retire() {
    const std::lock_guard sync_lock(sync_mutex_);
    retired_ = true;
  }

  bool dirty() const {
    const std::lock_guard lock(mutex_);
    return synced_ < size_;
  }
  uint64_t size() const {
    const std::lock_guard lock(mutex_);
    return size_;
  }
  File& file() { return *file_; }

 private:
  const std::unique_ptr<File> file_;
  RocksWatcher* const watcher_;
  const std::optional<RocksFileId> id_;
  std::mutex sync_mutex_;  // one sync at a time, up to its report; guards retired_
  bool retired_ = false;
  mutable std::mutex mutex_;
  format::StreamingHash hash_;
  uint64_t size_ = 0;
  uint64_t synced_ = 0;
};

// The WALs that RocksDB has open. RocksDB hands bytes of a new WAL to the operating system before
// it syncs the one before; a power cut could then keep the new and lose the end of the old, and
// recovery would not notice the hole. So the older ones are synced before the first byte of a newer
// one.
class OpenLogs {
 public:
  void Add(uint64_t number, const std::shared_ptr<WrittenFile>& log) {
    const std::lock_guard lock(mutex_);
    logs_[number] = log;
  }
  void Retire(uint64_t number) {
    std::shared_ptr<WrittenFile> log;
    {
      const std::lock_guard lock(mutex_);
      const auto found = logs_.find(number);
      if (found == logs_.end()) return;
      log = std::move(found->second);
      logs_.erase(found);
    }
    log->Retire();
  }
  Status SyncBefore(uint64_t number) {
    std::vector<std::shared_ptr<WrittenFile>> older;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [other, log] : logs_) {
        if (other < number) older.push_back(log);
      }
    }
    for (const auto& log : older) {
      if (log->dirty()) VDB_RETURN_IF_ERROR(log->Sync());
    }
    return Status::Ok();
  }

 private:
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<WrittenFile>> logs_;  // until they are removed
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::shared_ptr<WrittenFile> file, RocksWatcher* watcher, OpenLogs* logs,
               std::optional<RocksFileId> id)
      : file_(std::move(file)), watcher_(watcher), logs_(logs), id_(id) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    if (id_) {
      Status status = watcher_->BeforeLogAppend();
      if (status.ok() && id_->kind == format::TrackedKind::kLog && size_ == 0) {
        status = logs_->SyncBefore(id_->number);
      }
      if (!status.ok()) return ToRocks(status);
    }
    const Status written = file_->Append(data);
    size_ = file_->size();
    return ToRocks(written);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    // RocksDB cuts preallocated space at close; there is none here.
    if (file_ == nullptr || size == size_) return IOStatus::OK();
    return ToRocks(file_->file().Truncate(size));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override {
    file_.reset();
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return file_ == nullptr ? IOStatus::OK() : ToRocks(file_->Sync());
  }
  bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  std::shared_ptr<WrittenFile> file_;
  RocksWatcher* watcher_;
  OpenLogs* logs_;
  std::optional<RocksFileId> id_;
  std::atomic<uint64_t> size_ = 0;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(FileSystem* fs, std::string path, RocksWatcher* watcher)
      : fs_(fs), path_(std::move(path)), watcher_(watcher) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const uint64_t ticket = watcher_->BeforeDirectorySync();
    Status synced = fs_->SyncDir(path_);
    if (synced.ok()) synced = watcher_->DirectorySynced(ticket);
    return ToRocks(synced);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  FileSystem* fs_;
  std::string path_;
  RocksWatcher* watcher_;
};

class CountingSequentialFile final : public rocksdb::FSSequentialFile {
 public:
  CountingSequentialFile(std::unique_ptr<FSSequentialFile> file, std::string path,
                         std::shared_ptr<LogReadCounter> counter)
      : file_(std::move(file)), path_(std::move(path)), counter_(std::move(counter)) {}
  IOStatus Read(size_t n, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* dbg) override {
    const IOStatus status = file_->Read(n, options, result, scratch, dbg);
    if (status.ok()) counter_->Add(path_, result->size());
    return status;
  }
  IOStatus Skip(uint64_t n) override {
    counter_->Add(path_, n);
    return file_->Skip(n);
  }

 private:
  std::unique_ptr<FSSequentialFile> file_;
  std::string path_;
  std::shared_ptr<LogReadCounter> counter_;
};

IOStatus ReadOnly(const std::string& path) {
  return IOStatus::IOError("'" + path + "': the database is open for reading only");
}

class RocksFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  RocksFileSystem(Seam* fs, RocksWatcher* watcher, std::shared_ptr<LogReadCounter> counter)
      : FileSystemWrapper(rocksdb::FileSystem::Default()),
        fs_(fs), watcher_(watcher), counter_(std::move(counter)) {}

  static const char* kClassName() { return "vdb"; }
  const char* Name() const override { return kClassName(); }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions& options,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext* dbg) override {
    const IOStatus status = target()->NewSequentialFile(path, options, result, dbg);
    if (status.ok() && counter_ != nullptr && path.ends_with(".log")) {
      *result = std::make_unique<CountingSequentialFile>(std::move(*result), path, counter_);
    }
    return status;
  }

  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    if (watcher_ == nullptr) return ReadOnly(path);
    auto file = fs_->Open(path, OpenMode::kCreate);
    if (!file.ok()) return ToRocks(file.status());
    const auto id = Identify(path);
    auto written = std::make_shared<WrittenFile>(std::move(*file), watcher_, id);
    if (id && id->kind == format::TrackedKind::kLog) logs_.Add(id->number, written);
    *result = std::make_unique<WritableFile>(std::move(written), watcher_, &logs_, id);
    return IOStatus::OK();
  }
  // Files are never reopened for appending or recycled (recycle_log_file_num = 0).
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>*,
                              IODebugContext*) override {
    return IOStatus::NotSupported("reopen", path);
  }
  IOStatus ReuseWritableFile(const std::string& path, const std::string&, const FileOptions&,
                             std::unique_ptr<rocksdb::FSWritableFile>*,
                             IODebugContext*) override {
    return IOStatus::NotSupported("reuse", path);
  }
  IOStatus NewRandomRWFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSRandomRWFile>*, IODebugContext*) override {
    return IOStatus::NotSupported("random read-write", path);
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* dbg) override {
    if (watcher_ == nullptr) return target()->NewDirectory(path, options, result, dbg);
    *result = std::make_unique<Directory>(fs_, path, watcher_);
    return IOStatus::OK();
  }

  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    if (watcher_ == nullptr) return ReadOnly(to);
    if (BaseName(to) != "CURRENT") return ToRocks(fs_->Rename(from, to));
    Status status = BeforeSwitch(from);
    if (status.ok()) status = fs_->Rename(from, to);
    if (status.ok()) watcher_->AfterSwitch();
    return ToRocks(status);
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    if (watcher_ == nullptr) return ReadOnly(path);
    if (const auto id = Identify(path)) {
      if (id->kind == format::TrackedKind::kLog) logs_.Retire(id->number);
      const Status told = watcher_->BeforeRemove(id->kind, id->number);
      if (!told.ok()) return ToRocks(told);
    }
    return ToRocks(fs_->Remove(path));
  }

  IOStatus LinkFile(const std::string& from, const std::string&, const IOOptions&,
                    IODebugContext*) override {
    return IOStatus::NotSupported("link", from);
  }
  IOStatus Truncate(const std::string& path, size_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::NotSupported("truncate", path);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return watcher_ == nullptr ? ReadOnly(path) : ToRocks(fs_->CreateDir(path));
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& options,
                              IODebugContext* dbg) override {
    if (watcher_ == nullptr) return FileExists(path, options, dbg);
    return ToRocks(fs_->CreateDir(path));
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return watcher_ == nullptr ? ReadOnly(path) : ToRocks(fs_->RemoveDir(path));
  }

 private:
  // `temporary` holds the one line "MANIFEST-000005".
  Status BeforeSwitch(const std::string& temporary) {
    VDB_ASSIGN_OR_RETURN(std::string line, ReadWholeFile(*fs_, temporary, 4096));
    while (!line.empty() && line.back() == '\n') line.pop_back();
    const auto id = Identify(line);
    if (!id || id->kind != format::TrackedKind::kManifest) {
      return Status::Corruption("'" + temporary + "': expected the name of a MANIFEST");
    }
    return watcher_->BeforeSwitch(id->number);
  }

  Seam* fs_;
  RocksWatcher* watcher_;
  std::shared_ptr<LogReadCounter> counter_;
  OpenLogs logs_;
};

}  // namespace

void LogReadCounter::Add(const std::string& path, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  counts_[path] += bytes;
}

std::map<std::string, uint64_t> LogReadCounter::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::shared_ptr<rocksdb::FileSystem> NewRocksFileSystem(FileSystem* fs, RocksWatcher* watcher,
                                                        std::shared_ptr<LogReadCounter> counter) {
  return std::make_shared<RocksFileSystem>(fs, watcher, std::move(counter));
}

IOStatus ToRocks(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk: return IOStatus::OK();
    case StatusCode::kNotFound: return IOStatus::PathNotFound(status.message());
    case StatusCode::kResourceExhausted: return IOStatus::NoSpace(status.message());
    case StatusCode::kCorruption: return IOStatus::Corruption(status.message());
    default: return IOStatus::IOError(status.message());
  }
}

}  // namespace vdb::storage
