// DocumentStore: the only user of RocksDB, behind a header without RocksDB's types.
//
// One column family; keys and values are those of format/document_record.h, though this class does
// not care. Writes go to the memtable and to a buffered log; SyncLog makes them durable.
// Threads: reads from any thread; Write, SyncLog and Flush from one at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/file_system.h"
#include "storage/rocksdb/rocks_watcher.h"
#include "vdb/options.h"
#include "vdb/status.h"

namespace vdb::storage {

/// The state of the store at one moment. Keeps what it needs alive; release before Close.
class StoreSnapshot;

/// Ordered puts and deletes.
class StoreBatch {
 public:
  StoreBatch();
  ~StoreBatch();
  StoreBatch(StoreBatch&&) noexcept;
  StoreBatch& operator=(StoreBatch&&) noexcept;
  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  void DeleteRange(std::string_view first, std::string_view past);
  /// The bytes RocksDB will log, for the running hash.
  std::string_view bytes() const;

 private:
  friend class DocumentStore;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Walks the keys of one range, in either direction.
class StoreCursor {
 public:
  ~StoreCursor();
  bool Valid() const;
  void Next();
  void Prev();  ///< not Valid() before the first key of the range
  void Seek(std::string_view key);
  /// At the last key below `key`, which may lie outside the range.
  void SeekBefore(std::string_view key);
  void SeekToLast();
  std::string_view key() const;
  std::string_view value() const;
  Status status() const;

 private:
  friend class DocumentStore;
  struct Impl;
  explicit StoreCursor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct DocumentStoreOptions {
  std::string directory;
  FileSystem* fs = nullptr;
  RocksWatcher* watcher = nullptr;  // null: open for reading only
  bool create = false;
  size_t write_buffer_bytes = 4u << 20;  // also bounds the WAL that every reader replays
  Logger logger;
  uint64_t block_cache_bytes = 32u << 20;
  // For repairs: what follows a damaged record of a log is replayed, too.
  bool skip_damaged_logs = false;
  // For repairs: filters only save reads, and a damaged one keeps its table from being opened.
  bool without_filters = false;
};

class DocumentStore {
 public:
  static StatusOr<std::unique_ptr<DocumentStore>> Open(const DocumentStoreOptions& options);

  /// Read-only: whether what was replayed is one state of the writer, without a gap. False: open
  /// again. Always true for writers.
  bool consistent() const { return consistent_; }

  ~DocumentStore();

  std::shared_ptr<const StoreSnapshot> GetSnapshot();
  /// Of keys in ascending order, each once: one value a key. Much cheaper than a Get each, above
  /// all for keys that are not there.
  StatusOr<std::vector<std::optional<std::string>>> MultiGet(
      std::span<const std::string_view> ascending_keys) const;
  /// The value of `key`, or nothing. `snapshot` null: the newest state.
  StatusOr<std::optional<std::string>> Get(std::string_view key,
                                           const StoreSnapshot* snapshot = nullptr) const;
  /// Starts at the first key with `prefix`.
  StatusOr<std::unique_ptr<StoreCursor>> NewCursor(std::string_view prefix,
                                                   const StoreSnapshot* snapshot = nullptr) const;
  /// Starts at the first key that is not below `first`, and ends below `past`.
  StatusOr<std::unique_ptr<StoreCursor>> NewCursor(std::string_view first, std::string_view past,
                                                   const StoreSnapshot* snapshot) const;
  /// About how many bytes the keys and values of a range take, in memory and in files; costs a few
  /// index lookups, reads none of them.
  uint64_t ApproximateBytes(std::string_view first, std::string_view past) const;

  /// Applies the batch to memory and to the log's buffer; not durable yet.
  Status Write(StoreBatch& batch);
  /// Everything written so far survives power loss.
  Status SyncLog();
  /// Memtable to table files, so that opens replay no log.
  Status Flush();
  /// Makes `directory`, empty and existing, a copy of the store as it is, without a log: tables are
  /// linked, the rest is copied and synced. The caller syncs the directory. The names of the files
  /// that are no tables, and of the tables, with sizes.
  struct CheckpointFile {
    std::string name;
    uint64_t size_bytes = 0;
    bool is_table = false;
  };
  StatusOr<std::vector<CheckpointFile>> Checkpoint(const std::string& directory);
  /// Merges all table files, so that what was deleted or replaced takes no more space; `force`:
  /// also those that hold nothing of the kind. Reads and writes go on. `go_on` is asked a few times
  /// a second; false: kCancelled.
  Status CompactAll(bool force, const std::function<bool()>& go_on);
  /// Checks the checksum of every block of every table file.
  Status VerifyChecksums() const;
  Status Close();

 private:
  StatusOr<size_t> GetByGaps(std::span<const std::string_view> ascending_keys,
                             std::vector<std::optional<std::string>>* found) const;

  struct Impl;
  explicit DocumentStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  bool consistent_ = true;
};

}  // namespace vdb::storage
