// Backup and restore (include/vdb/backup.h) with the engine's own options: for tests.
//
//   backup.cc             one backup: which files, in which order, the record last
//   backup_source.cc      what a view's files hold, checked, in pieces
//   backup_chunks.cc      pieces into chunk files, on several threads
//   backup_directory.cc   the directory: lock, marker, records, chunks; list, drop
//   backup_verify.cc, restore.cc, restore_store.cc
#pragma once

#include <string>
#include <vector>

#include "engine/engine_options.h"
#include "vdb/backup.h"

namespace vdb::engine {

StatusOr<std::vector<BackupInfo>> ListBackupsIn(storage::FileSystem& fs,
                                                const std::string& directory);
StatusOr<VerifyReport> VerifyBackupsIn(storage::FileSystem& fs, const std::string& directory,
                                       const ProgressCallback& progress);
Status DropBackupFrom(storage::FileSystem& fs, const std::string& directory, uint64_t backup_id);
StatusOr<RestoreReport> RestoreWith(const std::string& directory, const std::string& to,
                                    const RestoreOptions& options, const EngineOptions& engine);

}  // namespace vdb::engine
