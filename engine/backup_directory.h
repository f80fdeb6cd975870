// A backup directory (docs/format.md, "Backups"): its lock, marker, records and chunk files.
//
// One process writes to it (an flock on LOCK). Whoever reads a backup holds a shared flock on its
// record, which a drop needs exclusively; a new backup disturbs nobody.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "format/backup_chunk.h"
#include "format/backup_record.h"
#include "storage/file_system.h"
#include "vdb/backup.h"

namespace vdb::engine {

class BackupDirectory {
 public:
  BackupDirectory(storage::FileSystem& fs, std::string path);

  storage::FileSystem& fs() const { return fs_; }
  const std::string& path() const { return path_; }
  std::string PathOf(std::string_view name) const;

  /// kNotFound: there is nothing; kUnsupportedFormat: it is something else.
  Status CheckIsOne() const;
  /// The uuid that the marker has.
  StatusOr<std::string> Uuid() const;

  /// Takes the writer's lock. kBusy.
  Status Lock();
  /// Makes it where there is nothing, or an empty directory; takes the writer's lock.
  /// kFailedPrecondition: it is for another database, or holds other files.
  Status OpenForBackups(const std::string& uuid);

  StatusOr<std::vector<uint64_t>> Ids() const;  // ascending
  StatusOr<format::BackupRecord> ReadRecord(uint64_t id) const;
  /// Makes the record durable under its name.
  Status WriteRecord(const format::BackupRecord& record, uint64_t* bytes);

  /// Keeps a backup from being dropped.
  struct Pin {
    std::unique_ptr<storage::File> file;
    std::unique_ptr<storage::FileLock> lock;
  };
  /// kNotFound: it was dropped meanwhile. kBusy: someone is dropping it.
  StatusOr<Pin> PinRecord(uint64_t id, storage::LockKind kind) const;

  StatusOr<std::string> ReadChunk(const format::BackupChunk& chunk) const;

  /// Removes chunks that no record names, and what killed writers left. Does nothing if a record
  /// cannot be read: nobody knows what it needs. Failures only delay this until the next time.
  Status RemoveUnreferenced() const;

 private:
  Status MakeMarker(const std::string& uuid);

  storage::FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<storage::File> lock_file_;
  std::unique_ptr<storage::FileLock> lock_;
};

BackupInfo InfoOf(const format::BackupRecord& record);

}  // namespace vdb::engine
