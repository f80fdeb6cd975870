// Backups: a directory that holds any number of backups of one database, each a consistent state,
// sharing what did not change between them (docs/backup.md).
//
//   auto report = db->Backup("/mnt/backups/my.vdb");        // while reads and writes go on
//   auto restored = vdb::Restore("/mnt/backups/my.vdb", "my-restored.vdb");
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vdb/options.h"
#include "vdb/status.h"
#include "vdb/verify.h"

namespace vdb {

/// For Database::Backup.
struct BackupOptions {
  int compression_level = 3;  ///< zstd, 1 to 19
  ProgressCallback progress = {};  ///< done and total count bytes
};

/// One backup in a backup directory.
struct BackupInfo {
  uint64_t id = 0;             ///< 1, 2, 3 ... in the order of their making
  uint64_t created_unix_ms = 0;
  std::string database_uuid;
  uint64_t batch_number = 0;   ///< the last batch it holds
  uint64_t document_count = 0;
  uint64_t database_bytes = 0; ///< what a restore writes, about
  std::vector<std::string> collections;
};

/// What a backup did.
struct BackupReport {
  BackupInfo info;
  uint64_t bytes_read = 0;      ///< of the database
  uint64_t bytes_written = 0;   ///< new in the backup directory, compressed
  uint64_t chunk_count = 0;     ///< pieces that the backup consists of
  uint64_t new_chunk_count = 0; ///< of them, those that no earlier backup had
  double seconds = 0;
};

/// For Restore.
struct RestoreOptions {
  uint64_t backup_id = 0;       ///< 0: the newest
  std::string collection = {};  ///< only this one; empty: all
  ProgressCallback progress = {};
  Logger logger = {};
};

/// What a restore wrote.
struct RestoreReport {
  BackupInfo info;
  uint64_t document_count = 0;
  uint64_t vector_count = 0;
  uint64_t bytes_written = 0;
  double seconds = 0;
};

/// The backups in `directory`, oldest first. kNotFound, kUnsupportedFormat (it is none),
/// kCorruption.
StatusOr<std::vector<BackupInfo>> ListBackups(const std::string& directory);

/// Check every byte of every backup in `directory`. Never writes.
StatusOr<VerifyReport> VerifyBackups(const std::string& directory,
                                     const ProgressCallback& progress = {});

/// Remove a backup and what only it used. The others are not touched; killed at any moment each
/// other backup is whole.
Status DropBackup(const std::string& directory, uint64_t backup_id);

/// Make a database at `to`, which must not exist or be an empty directory, from a backup. It
/// appears there by one rename when everything was written, synced and checked. Vectors come back
/// bit for bit, with their indexes; ContentHash equals that of the state that was backed up.
/// Errors: kNotFound (no such backup or collection), kAlreadyExists, kCorruption (names what is
/// damaged; nothing is left at `to`), kResourceExhausted, kCancelled, kIoError.
StatusOr<RestoreReport> Restore(const std::string& directory, const std::string& to,
                                const RestoreOptions& options = {});

}  // namespace vdb
