// Files around a migration: the place where a database is built, the lock on it, taking a database
// away again, and reports.
//
//   DB.migrating       being built; becomes DB by a rename
//   DB.migrating.lock  its builder's flock; removed at the end
//   DB.removing        was DB, is being removed
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "storage/file_system.h"
#include "vdb/status.h"

namespace vdb::engine {

/// The folder that `path` lies in; "." if it names none.
std::string FolderOf(const std::string& path);

inline std::string BuildPath(const std::string& database) { return database + ".migrating"; }
inline std::string RemovedPath(const std::string& database) { return database + ".removing"; }

/// One migration or rollback of a database at a time, across processes.
class MigrationLock {
 public:
  /// kBusy if another process is at it.
  static StatusOr<std::unique_ptr<MigrationLock>> Take(storage::FileSystem& fs,
                                                       const std::string& database);
  /// The same for whatever else is built beside its place, with a lock file of its own.
  static StatusOr<std::unique_ptr<MigrationLock>> TakeFile(storage::FileSystem& fs,
                                                           const std::string& path,
                                                           const std::string& busy);
  ~MigrationLock();  // removes the file
  MigrationLock(const MigrationLock&) = delete;
  MigrationLock& operator=(const MigrationLock&) = delete;

 private:
  MigrationLock(storage::FileSystem& fs, std::unique_ptr<storage::File> file,
                std::unique_ptr<storage::FileLock> lock)
      : fs_(fs), file_(std::move(file)), lock_(std::move(lock)) {}

  storage::FileSystem& fs_;
  std::unique_ptr<storage::File> file_;
  std::unique_ptr<storage::FileLock> lock_;
};

/// kFailedPrecondition, naming it, if the folder holds anything that no database has.
Status CheckOnlyDatabaseFiles(storage::FileSystem& fs, const std::string& folder);
/// Checks that, then removes the folder. False: it is not there.
StatusOr<bool> RemoveDatabaseFolder(storage::FileSystem& fs, const std::string& folder);

/// Whether a database stands at `path`.
StatusOr<bool> IsDatabase(storage::FileSystem& fs, const std::string& path);

/// A text file that appears under its name only when it is whole.
class ReportFile {
 public:
  static StatusOr<std::unique_ptr<ReportFile>> Open(storage::FileSystem& fs, std::string path);
  ~ReportFile();
  Status Append(std::string_view text);
  Status Finish();  // again: does nothing

 private:
  ReportFile(storage::FileSystem& fs, std::string path, std::unique_ptr<storage::File> file)
      : fs_(fs), path_(std::move(path)), file_(std::move(file)) {}

  storage::FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<storage::File> file_;  // null: finished
  uint64_t offset_ = 0;
};

}  // namespace vdb::engine
