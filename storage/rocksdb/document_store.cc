#include "storage/rocksdb/document_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <system_error>
#include <thread>

#include "format/file_names.h"
#include "format/status_macros.h"
#include "storage/rocksdb/rocks_file_system.h"
#include "storage/rocksdb/rocks_status.h"

namespace vdb::storage {
namespace {

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view FromSlice(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// RocksDB's own log lines. An own logger is a must: with the default one a full disk aborts the
// process by an assertion in its log file's writer. Only warnings and errors reach the caller.
class RocksLogger final : public rocksdb::Logger {
 public:
  explicit RocksLogger(vdb::Logger sink)
      : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), sink_(std::move(sink)) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments);
  }
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (!sink_ || level < rocksdb::InfoLogLevel::WARN_LEVEL ||
        level > rocksdb::InfoLogLevel::FATAL_LEVEL) {
      return;
    }
    char line[512];
    std::vsnprintf(line, sizeof(line), format, arguments);
    sink_(level >= rocksdb::InfoLogLevel::ERROR_LEVEL ? LogLevel::kError : LogLevel::kDebug,
          std::string("RocksDB: ") + line);
  }

 private:
  vdb::Logger sink_;
};

rocksdb::Options MakeOptions(const DocumentStoreOptions& from, rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = from.create;
  options.error_if_exists = from.create;
  options.info_log = std::make_shared<RocksLogger>(from.logger);
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_open_files = -1;            // a reader's files must stay open (design, section 4)
  options.max_file_opening_threads = 1;   // the default starts 15 threads for one table
  options.wal_recovery_mode = from.skip_damaged_logs
                                  ? rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords
                                  : rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.manual_wal_flush = true;        // the engine says when; the barrier guards the rest
  options.write_buffer_size = from.write_buffer_bytes;
  options.max_write_buffer_number = 4;
  options.memtable_whole_key_filtering = true;  // most keys of an import are new
  options.memtable_prefix_bloom_size_ratio = 0.1;
  // Compactions of a few small tables into a level of 256 MiB would write everything many times.
  options.level0_file_num_compaction_trigger = 8;
  options.max_bytes_for_level_base = 64u << 20;
  options.max_background_jobs = 2;
  options.compression = rocksdb::kZSTD;
  options.compression_opts.level = 1;
  options.target_file_size_base = 32u << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  rocksdb::BlockBasedTableOptions table;
  // Few shards and filters in partitions: a filter block larger than a shard of the cache would be
  // read again by every Get (measured: 25 times slower puts past 600,000 documents).
  table.block_cache = rocksdb::NewLRUCache(from.block_cache_bytes, /*num_shard_bits=*/2);
  table.cache_index_and_filter_blocks = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = !from.without_filters;
  table.metadata_block_size = 32 << 10;  // few partitions: finding one costs more than asking it
  if (!from.without_filters) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// What must not change while a reader opens: RocksDB's CURRENT and the size of its MANIFEST.
StatusOr<std::string> ManifestState(FileSystem& fs, const std::string& directory) {
  VDB_ASSIGN_OR_RETURN(std::string current,
                       ReadWholeFile(fs, format::JoinPath(directory, "CURRENT"), 4096));
  const std::string name = current.substr(0, current.find('\n'));
  VDB_ASSIGN_OR_RETURN(auto file, fs.Open(format::JoinPath(directory, name), OpenMode::kRead));
  VDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  return name + " " + std::to_string(size);
}

// Every log but the last that held anything must have been read to its present end: otherwise it
// grew after it was read, and batches between it and the next log are missing.
bool LogsWereWhole(FileSystem& fs, const std::map<std::string, uint64_t>& read) {
  // In order of their numbers: a longer name is a larger number.
  std::vector<std::pair<std::string, uint64_t>> logs(read.begin(), read.end());
  std::sort(logs.begin(), logs.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.size(), a.first) < std::pair(b.first.size(), b.first);
  });
  std::string last;
  for (const auto& [path, bytes] : logs) {
    if (bytes > 0) last = path;
  }
  for (const auto& [path, bytes] : logs) {
    if (path == last) break;
    auto file = fs.Open(path, OpenMode::kRead);
    if (!file.ok()) return false;
    auto size = (*file)->Size();
    if (!size.ok() || *size != bytes) return false;
  }
  return true;
}

}  // namespace

struct StoreBatch::Impl {
  rocksdb::WriteBatch batch;
};
StoreBatch::StoreBatch() : impl_(new Impl) {}
StoreBatch::~StoreBatch() = default;
StoreBatch::StoreBatch(StoreBatch&&) noexcept = default;
StoreBatch& StoreBatch::operator=(StoreBatch&&) noexcept = default;

// WriteBatch's calls fail only past size limits that are not set.
void StoreBatch::Put(std::string_view key, std::string_view value) {
  impl_->batch.Put(ToSlice(key), ToSlice(value)).PermitUncheckedError();
}
void StoreBatch::Delete(std::string_view key) {
  impl_->batch.Delete(ToSlice(key)).PermitUncheckedError();
}
void StoreBatch::DeleteRange(std::string_view first, std::string_view past) {
  impl_->batch.DeleteRange(ToSlice(first), ToSlice(past)).PermitUncheckedError();
}
std::string_view StoreBatch::bytes() const { return impl_->batch.Data(); }

class StoreSnapshot {
 public:
  StoreSnapshot(rocksdb::DB* db, const rocksdb::Snapshot* snapshot)
      : db_(db), snapshot_(snapshot) {}
  ~StoreSnapshot() {
    if (snapshot_ != nullptr) db_->ReleaseSnapshot(snapshot_);
  }
  StoreSnapshot(const StoreSnapshot&) = delete;
  StoreSnapshot& operator=(const StoreSnapshot&) = delete;
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  rocksdb::DB* db_;
  const rocksdb::Snapshot* snapshot_;
};

struct StoreCursor::Impl {
  std::string first;
  std::string past;  // empty: no end
  rocksdb::Slice first_slice, past_slice;
  std::string directory;
  std::unique_ptr<rocksdb::Iterator> it;
};
StoreCursor::StoreCursor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StoreCursor::~StoreCursor() = default;
bool StoreCursor::Valid() const { return impl_->it->Valid(); }
void StoreCursor::Next() { impl_->it->Next(); }
void StoreCursor::Prev() { impl_->it->Prev(); }
void StoreCursor::SeekToLast() { impl_->it->SeekToLast(); }
void StoreCursor::Seek(std::string_view key) {
  impl_->it->Seek(ToSlice(key < impl_->first ? std::string_view(impl_->first) : key));
}
void StoreCursor::SeekBefore(std::string_view key) {
  if (!impl_->past.empty() && key >= impl_->past) return SeekToLast();
  impl_->it->SeekForPrev(ToSlice(key));
  if (Valid() && this->key() == key) Prev();
}
std::string_view StoreCursor::key() const { return FromSlice(impl_->it->key()); }
std::string_view StoreCursor::value() const { return FromSlice(impl_->it->value()); }
Status StoreCursor::status() const { return FromRocks(impl_->it->status(), impl_->directory); }

struct DocumentStore::Impl {
  DocumentStoreOptions options;
  std::shared_ptr<rocksdb::FileSystem> rocks_fs;
  std::unique_ptr<rocksdb::Env> env;
  std::unique_ptr<rocksdb::DB> db;

  Status From(const rocksdb::Status& status) const { return FromRocks(status, options.directory); }
};

DocumentStore::DocumentStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DocumentStore::~DocumentStore() = default;

StatusOr<std::unique_ptr<DocumentStore>> DocumentStore::Open(const DocumentStoreOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  const bool read_only = options.watcher == nullptr;
  auto counter = read_only ? std::make_shared<LogReadCounter>() : nullptr;
  impl->rocks_fs = NewRocksFileSystem(options.fs, options.watcher, counter);
  impl->env = rocksdb::NewCompositeEnv(impl->rocks_fs);
  const rocksdb::Options rocks_options = MakeOptions(options, impl->env.get());
  rocksdb::DB* db = nullptr;
  if (!read_only) {
    VDB_RETURN_IF_ERROR(impl->From(rocksdb::DB::Open(rocks_options, options.directory, &db)));
    impl->db.reset(db);
    return std::unique_ptr<DocumentStore>(new DocumentStore(std::move(impl)));
  }
  VDB_ASSIGN_OR_RETURN(const std::string before, ManifestState(*options.fs, options.directory));
  VDB_RETURN_IF_ERROR(
      impl->From(rocksdb::DB::OpenForReadOnly(rocks_options, options.directory, &db)));
  impl->db.reset(db);
  VDB_ASSIGN_OR_RETURN(const std::string after, ManifestState(*options.fs, options.directory));
  auto store = std::unique_ptr<DocumentStore>(new DocumentStore(std::move(impl)));
  store->consistent_ = before == after && LogsWereWhole(*options.fs, counter->counts());
  return store;
}

std::shared_ptr<const StoreSnapshot> DocumentStore::GetSnapshot() {
  return std::make_shared<const StoreSnapshot>(impl_->db.get(), impl_->db->GetSnapshot());
}

StatusOr<std::optional<std::string>> DocumentStore::Get(std::string_view key,
                                                        const StoreSnapshot* snapshot) const {
  rocksdb::ReadOptions options;
  if (snapshot != nullptr) options.snapshot = snapshot->get();
  std::string value;
  const rocksdb::Status status = impl_->db->Get(options, ToSlice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  VDB_RETURN_IF_ERROR(impl_->From(status));
  return std::optional<std::string>(std::move(value));
}

// New keys mostly fall into few gaps between those that are there (numbers in order, paths, an
// empty collection): one look at the next key that is there then answers for all before it. Gives
// up where that does not pay; returns how many of the keys it has answered.
StatusOr<size_t> DocumentStore::GetByGaps(std::span<const std::string_view> ascending_keys,
                                          std::vector<std::optional<std::string>>* found) const {
  constexpr size_t kLooks = 32, kKeysPerLook = 4;
  const std::string past = std::string(ascending_keys.back()) + '\0';
  const rocksdb::Slice bound(past);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  options.max_skippable_internal_keys = 1000;  // deleted keys are no reason to wait
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(options));
  size_t at = 0, window = 0;
  for (size_t looks = 1; at < ascending_keys.size(); ++looks) {
    it->Seek(ToSlice(ascending_keys[at]));
    if (!it->Valid()) {
      if (it->status().IsIncomplete()) return at;
      VDB_RETURN_IF_ERROR(impl_->From(it->status()));
      return ascending_keys.size();
    }
    const std::string_view next = FromSlice(it->key());
    while (at < ascending_keys.size() && ascending_keys[at] < next) ++at;
    if (at < ascending_keys.size() && ascending_keys[at] == next) {
      (*found)[at++].emplace(FromSlice(it->value()));
    }
    if (looks % kLooks != 0) continue;
    if (at - window < kLooks * kKeysPerLook) return at;
    window = at;
  }
  return at;
}

StatusOr<std::vector<std::optional<std::string>>> DocumentStore::MultiGet(
    std::span<const std::string_view> ascending_keys) const {
  constexpr size_t kAtOnce = 256;  // bounds what is pinned; RocksDB itself goes by 32
  std::vector<std::optional<std::string>> found(ascending_keys.size());
  if (ascending_keys.empty()) return found;
  VDB_ASSIGN_OR_RETURN(const size_t answered, GetByGaps(ascending_keys, &found));
  std::vector<rocksdb::Slice> keys(kAtOnce);
  std::vector<rocksdb::PinnableSlice> values(kAtOnce);
  std::vector<rocksdb::Status> statuses(kAtOnce);
  for (size_t first = answered; first < ascending_keys.size(); first += kAtOnce) {
    const size_t count = std::min(kAtOnce, ascending_keys.size() - first);
    for (size_t i = 0; i < count; ++i) {
      keys[i] = ToSlice(ascending_keys[first + i]);
      values[i].Reset();
    }
    impl_->db->MultiGet(rocksdb::ReadOptions(), impl_->db->DefaultColumnFamily(), count,
                        keys.data(), values.data(), statuses.data(), /*sorted_input=*/true);
    for (size_t i = 0; i < count; ++i) {
      if (statuses[i].IsNotFound()) continue;
      VDB_RETURN_IF_ERROR(impl_->From(statuses[i]));
      found[first + i].emplace(FromSlice(values[i]));
    }
  }
  return found;
}

StatusOr<std::unique_ptr<StoreCursor>> DocumentStore::NewCursor(
    std::string_view prefix, const StoreSnapshot* snapshot) const {
  std::string past(prefix);  // the smallest key beyond the prefix
  while (!past.empty() && static_cast<uint8_t>(past.back()) == 0xFF) past.pop_back();
  if (!past.empty()) ++past.back();
  return NewCursor(prefix, past, snapshot);
}

StatusOr<std::unique_ptr<StoreCursor>> DocumentStore::NewCursor(
    std::string_view first, std::string_view past, const StoreSnapshot* snapshot) const {
  auto cursor = std::make_unique<StoreCursor::Impl>();
  cursor->first = first;
  cursor->past = past;
  cursor->first_slice = cursor->first;
  cursor->past_slice = cursor->past;
  cursor->directory = impl_->options.directory;
  rocksdb::ReadOptions options;
  if (snapshot != nullptr) options.snapshot = snapshot->get();
  if (!cursor->first.empty()) options.iterate_lower_bound = &cursor->first_slice;
  if (!cursor->past.empty()) options.iterate_upper_bound = &cursor->past_slice;
  cursor->it.reset(impl_->db->NewIterator(options));
  cursor->it->Seek(ToSlice(cursor->first));
  return std::unique_ptr<StoreCursor>(new StoreCursor(std::move(cursor)));
}

uint64_t DocumentStore::ApproximateBytes(std::string_view first, std::string_view past) const {
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  options.include_files = true;
  const rocksdb::Range range(ToSlice(first), ToSlice(past));
  uint64_t bytes = 0;
  const rocksdb::Status status = impl_->db->GetApproximateSizes(
      options, impl_->db->DefaultColumnFamily(), &range, 1, &bytes);
  return status.ok() ? bytes : 0;  // only an estimate
}

Status DocumentStore::Write(StoreBatch& batch) {
  return impl_->From(impl_->db->Write(rocksdb::WriteOptions(), &batch.impl_->batch));
}
Status DocumentStore::SyncLog() { return impl_->From(impl_->db->FlushWAL(/*sync=*/true)); }
Status DocumentStore::Flush() { return impl_->From(impl_->db->Flush(rocksdb::FlushOptions())); }

Status DocumentStore::CompactAll(bool force, const std::function<bool()>& go_on) {
  constexpr auto kAskEvery = std::chrono::milliseconds(50);
  std::atomic<bool> cancelled{false};
  rocksdb::CompactRangeOptions options;
  options.canceled = &cancelled;
  if (force) {
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  }
  std::mutex mutex;
  std::condition_variable done_wake;
  bool done = false;
  rocksdb::Status status;
  const auto run = [&] {
    try {
      status = impl_->db->CompactRange(options, nullptr, nullptr);
    } catch (const std::exception& error) {  // out of memory, on a thread of ours
      status = rocksdb::Status::Aborted(error.what());
    }
    const std::lock_guard lock(mutex);
    done = true;
    done_wake.notify_all();
  };
  std::thread worker;
  try {
    worker = std::thread(run);
  } catch (const std::system_error&) {  // without a thread of its own it cannot be cancelled
    run();
  }
  {
    std::unique_lock lock(mutex);
    while (!done_wake.wait_for(lock, kAskEvery, [&] { return done; })) {
      lock.unlock();
      if (!cancelled && go_on && !go_on()) cancelled = true;
      lock.lock();
    }
  }
  if (worker.joinable()) worker.join();
  if (cancelled) return Status::Cancelled("compaction of documents: cancelled by the caller");
  return impl_->From(status);
}

// RocksDB opens the table files by name for this. Beside a writer some may have been compacted
// away; then every block is read through the files that are open.
StatusOr<std::vector<DocumentStore::CheckpointFile>> DocumentStore::Checkpoint(
    const std::string& directory) {
  FileSystem& fs = *impl_->options.fs;
  VDB_RETURN_IF_ERROR(impl_->From(impl_->db->DisableFileDeletions()));
  std::vector<CheckpointFile> made;
  const auto copy = [&]() -> Status {
    std::vector<rocksdb::LiveFileStorageInfo> files;
    // The default flushes what is in memory first, so that no log is needed.
    VDB_RETURN_IF_ERROR(impl_->From(impl_->db->GetLiveFilesStorageInfo({}, &files)));
    for (const rocksdb::LiveFileStorageInfo& file : files) {
      if (file.file_type == rocksdb::kWalFile) continue;
      const std::string from = format::JoinPath(file.directory, file.relative_filename);
      const std::string to = format::JoinPath(directory, file.relative_filename);
      const bool is_table = file.file_type == rocksdb::kTableFile;
      if (is_table) {
        VDB_RETURN_IF_ERROR(fs.Link(from, to));
      } else if (file.replacement_contents.empty()) {
        VDB_RETURN_IF_ERROR(CopyFile(fs, from, to, file.size));
      } else {
        VDB_ASSIGN_OR_RETURN(auto out, fs.Open(to, OpenMode::kCreate));
        VDB_RETURN_IF_ERROR(out->WriteAt(0, std::as_bytes(std::span(file.replacement_contents))));
        VDB_RETURN_IF_ERROR(out->Sync());
      }
      made.push_back({file.relative_filename, file.size, is_table});
    }
    return Status::Ok();
  };
  const Status copied = copy();
  const Status enabled = impl_->From(impl_->db->EnableFileDeletions(/*force=*/false));
  VDB_RETURN_IF_ERROR(copied);
  VDB_RETURN_IF_ERROR(enabled);
  return made;
}

Status DocumentStore::VerifyChecksums() const {
  const rocksdb::Status status = impl_->db->VerifyChecksum();
  if (!status.IsPathNotFound() || impl_->options.watcher != nullptr) return impl_->From(status);
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(options));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  return impl_->From(it->status());
}

Status DocumentStore::Close() {
  if (impl_->db == nullptr) return Status::Ok();
  const Status closed = impl_->From(impl_->db->Close());
  impl_->db.reset();
  return closed;
}

}  // namespace vdb::storage
