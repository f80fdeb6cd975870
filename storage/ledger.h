// Ledger: our record, outside RocksDB, of what must be there (format/ledger_record.h).
//
// It tracks, for RocksDB's MANIFEST and WALs, how many bytes are durable and their checksum. A file
// enters once it was synced and its directory entry is durable; it leaves only at its removal, by a
// ledger record that is durable before the unlink. So at any moment, also after a power cut, every
// file of the newest durable record must exist and begin with the recorded bytes.
// Threads: safe; RocksDB's background threads call the hooks.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "format/ledger_record.h"
#include "storage/file_system.h"

namespace vdb::storage {

class Ledger {
 public:
  /// Makes the ledger file of a new database; durable but for its directory entry.
  static Status Create(FileSystem& fs, const std::string& path, const std::string& uuid);

  /// The newest record of the file at `path`.
  static StatusOr<format::LedgerRecord> Read(FileSystem& fs, const std::string& path);

  /// Checks RocksDB's files in `docs_dir` against `record`. kCorruption names the first file that
  /// falls short.
  static Status CheckFiles(FileSystem& fs, const std::string& docs_dir,
                           const format::LedgerRecord& record);

  /// After an unclean stop: cuts the live MANIFEST to the prefix that was synced. A power cut may
  /// have torn what follows, and RocksDB refuses a MANIFEST with a torn end although nothing that
  /// counted is missing.
  static Status CutManifest(FileSystem& fs, const std::string& docs_dir,
                            const format::LedgerRecord& record);

  /// Opens the file for writing; `record` is its newest record.
  static StatusOr<std::unique_ptr<Ledger>> Open(FileSystem& fs, const std::string& path,
                                                format::LedgerRecord record);

  // --- what the engine calls ---

  /// Write (not sync) a record of these values.
  struct Values {
    uint64_t batch = 0;
    uint64_t running_hash = 0;
    uint64_t durable_batch = 0;
    uint64_t generation = 0;
  };
  Status Write(const Values& values, bool clean = false);
  /// A crash while a record was written tears its slot; the records before it count. Empties such
  /// slots (durable with the next Sync), so that Verify does not take them for damage for ever.
  StatusOr<size_t> ClearDamagedSlots();
  /// Make the last record written durable, if it is not.
  Status Sync();

  // --- what storage/rocksdb/rocks_file_system.cc calls ---

  /// A prefix of a file was fsynced. Of a MANIFEST this is made durable here at once, so that what
  /// follows the recorded prefix is known never to have counted; see CutManifest.
  Status FileSynced(const format::TrackedFile& file);
  /// RocksDB's directory was fsynced: what happened before the fsync began is durable.
  uint64_t BeforeDirectorySync();
  Status DirectorySynced(uint64_t ticket);
  /// Before RocksDB's CURRENT is renamed to name this MANIFEST.
  Status BeforeSwitch(uint64_t manifest_number);
  void AfterSwitch();
  /// Before a MANIFEST or WAL is removed.
  Status BeforeRemove(format::TrackedKind kind, uint64_t number);

 private:
  using FileId = std::pair<format::TrackedKind, uint64_t>;
  struct Tracked {
    format::TrackedFile file;
    uint64_t since = 0;  // clock_ when it was first heard of
    bool name_durable = false;
  };

  Ledger(std::unique_ptr<File> file, format::LedgerRecord record);
  Status WriteLocked();
  Status SyncLocked();

  std::mutex mutex_;
  std::unique_ptr<File> file_;
  format::LedgerRecord last_;  // values of the newest record; its files come from tracked_
  std::map<FileId, Tracked> tracked_;
  bool dirty_ = false;
  Status failure_;  // final: a sync tried again after a failure would say what is not so
  uint64_t durable_sequence_ = 0;  // its slot is not written until a later record is durable
  uint64_t clock_ = 0;             // counts what happens in RocksDB's directory
  uint64_t switched_at_ = 0;       // 0: no rename of CURRENT waits to become durable
};

}  // namespace vdb::storage
