// See backup_directory.h.
#include "engine/backup_directory.h"

#include <algorithm>

#include "engine/backup.h"
#include "engine/migrate_files.h"
#include "engine/no_throw.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using format::JoinPath;
using storage::LockKind;
using storage::OpenMode;

constexpr std::string_view kTmpEnding = ".tmp";
constexpr uint64_t kMarkerBytesMax = 4096;

std::string RecordPath(uint64_t id) {
  return JoinPath(format::kBackupRecordsDir, format::BackupRecordName(id));
}

// Names that making a backup directory makes in it before the marker.
bool IsOurs(std::string_view name) {
  return name == format::kLockFile || name == format::kBackupChunksDir ||
         name == format::kBackupRecordsDir ||
         name == std::string(format::kBackupMarkerFile) + std::string(kTmpEnding);
}

std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool ByHash(const format::Hash128& a, const format::Hash128& b) {
  return a.high != b.high ? a.high < b.high : a.low < b.low;
}

}  // namespace

BackupInfo InfoOf(const format::BackupRecord& record) {
  BackupInfo info;
  info.id = record.id;
  info.created_unix_ms = record.created_unix_ms;
  info.database_uuid = record.uuid;
  info.batch_number = record.state.batch;
  info.document_count = record.document_count;
  info.collections = record.collections;
  info.database_bytes = record.manifest_bytes.size() * 2;
  for (const format::BackupFile& file : record.files) info.database_bytes += file.file_bytes;
  return info;
}

BackupDirectory::BackupDirectory(storage::FileSystem& fs, std::string path)
    : fs_(fs), path_(WithoutSlashes(std::move(path))) {}

std::string BackupDirectory::PathOf(std::string_view name) const { return JoinPath(path_, name); }

Status BackupDirectory::CheckIsOne() const {
  VDB_ASSIGN_OR_RETURN(const bool marked, fs_.Exists(PathOf(format::kBackupMarkerFile)));
  if (marked) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const bool there, fs_.Exists(path_));
  if (!there) return Status::NotFound("'" + path_ + "': there is no backup directory");
  return Status::UnsupportedFormat("'" + path_ + "' is no backup directory: it has no file " +
                                   std::string(format::kBackupMarkerFile));
}

StatusOr<std::string> BackupDirectory::Uuid() const {
  const std::string path = PathOf(format::kBackupMarkerFile);
  VDB_ASSIGN_OR_RETURN(const std::string bytes,
                       storage::ReadWholeFile(fs_, path, kMarkerBytesMax));
  return format::DecodeBackupMarker(bytes, path);
}

Status BackupDirectory::Lock() {
  const std::string path = PathOf(format::kLockFile);
  auto file = fs_.Open(path, OpenMode::kOpenOrCreate);
  VDB_RETURN_IF_ERROR(file.status());
  auto lock = (*file)->TryLock(LockKind::kExclusive);
  if (lock.status().code() == StatusCode::kBusy) {
    return Status::Busy("'" + path_ + "': another backup or drop is at it; wait for its end");
  }
  VDB_RETURN_IF_ERROR(lock.status());
  lock_file_ = std::move(*file);
  lock_ = std::move(*lock);
  return Status::Ok();
}

Status BackupDirectory::OpenForBackups(const std::string& uuid) {
  VDB_ASSIGN_OR_RETURN(const bool there, fs_.Exists(path_));
  if (!there) {
    VDB_RETURN_IF_ERROR(fs_.CreateDir(path_));
    VDB_RETURN_IF_ERROR(fs_.SyncDir(FolderOf(path_)));
  }
  VDB_ASSIGN_OR_RETURN(bool marked, fs_.Exists(PathOf(format::kBackupMarkerFile)));
  if (!marked) {
    VDB_ASSIGN_OR_RETURN(const auto names, fs_.List(path_));
    for (const std::string& name : names) {
      if (IsOurs(name) || name == format::kBackupMarkerFile) continue;
      return Status::FailedPrecondition("'" + path_ + "' holds other files, as '" + name +
                                        "'; name a new or an empty directory for backups");
    }
  }
  VDB_RETURN_IF_ERROR(Lock());
  // Under the lock once more: another process may have made it since we looked.
  VDB_ASSIGN_OR_RETURN(marked, fs_.Exists(PathOf(format::kBackupMarkerFile)));
  if (!marked) return MakeMarker(uuid);
  VDB_ASSIGN_OR_RETURN(const std::string found, Uuid());
  if (found == uuid) return Status::Ok();
  return Status::FailedPrecondition("'" + path_ + "' holds backups of another database (uuid " +
                                    found + ", this one is " + uuid +
                                    "); name another directory");
}

// The marker comes last: without it nothing here is a backup.
Status BackupDirectory::MakeMarker(const std::string& uuid) {
  VDB_RETURN_IF_ERROR(fs_.CreateDir(PathOf(format::kBackupChunksDir)));
  VDB_RETURN_IF_ERROR(fs_.CreateDir(PathOf(format::kBackupRecordsDir)));
  VDB_RETURN_IF_ERROR(fs_.SyncDir(path_));
  const std::string path = PathOf(format::kBackupMarkerFile);
  const std::string tmp = path + std::string(kTmpEnding);
  VDB_RETURN_IF_ERROR(WriteSyncedFile(fs_, tmp, format::EncodeBackupMarker(uuid)));
  VDB_RETURN_IF_ERROR(fs_.Rename(tmp, path));
  return fs_.SyncDir(path_);
}

StatusOr<std::vector<uint64_t>> BackupDirectory::Ids() const {
  auto names = fs_.List(PathOf(format::kBackupRecordsDir));
  if (names.status().code() == StatusCode::kNotFound) {
    return Status::Corruption("'" + PathOf(format::kBackupRecordsDir) + "' is missing");
  }
  VDB_RETURN_IF_ERROR(names.status());
  std::vector<uint64_t> ids;
  for (const std::string& name : *names) {
    if (const auto id = format::ParseBackupRecordName(name)) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

StatusOr<format::BackupRecord> BackupDirectory::ReadRecord(uint64_t id) const {
  const std::string name = RecordPath(id);
  auto bytes = storage::ReadWholeFile(fs_, PathOf(name), format::kBackupRecordBytesMax);
  if (bytes.status().code() == StatusCode::kNotFound) {
    return Status::NotFound("'" + path_ + "' has no backup " + std::to_string(id) +
                            "; `vdbtool backups` shows what there is");
  }
  VDB_RETURN_IF_ERROR(bytes.status());
  VDB_ASSIGN_OR_RETURN(auto record, format::DecodeBackupRecord(*bytes, name));
  if (record.id == id) return record;
  return Status::Corruption("'" + name + "': it is the record of backup " +
                            std::to_string(record.id));
}

Status BackupDirectory::WriteRecord(const format::BackupRecord& record, uint64_t* bytes) {
  const std::string path = PathOf(RecordPath(record.id));
  const std::string tmp = path + std::string(kTmpEnding);
  const std::string encoded = format::EncodeBackupRecord(record);
  VDB_RETURN_IF_ERROR(WriteSyncedFile(fs_, tmp, encoded));
  VDB_RETURN_IF_ERROR(fs_.Rename(tmp, path));
  *bytes += encoded.size();
  return fs_.SyncDir(PathOf(format::kBackupRecordsDir));
}

StatusOr<BackupDirectory::Pin> BackupDirectory::PinRecord(uint64_t id, LockKind kind) const {
  auto file = fs_.Open(PathOf(RecordPath(id)), OpenMode::kRead);
  if (file.status().code() == StatusCode::kNotFound) {
    return Status::NotFound("'" + path_ + "' has no backup " + std::to_string(id) +
                            "; `vdbtool backups` shows what there is");
  }
  VDB_RETURN_IF_ERROR(file.status());
  Pin pin;
  pin.file = std::move(*file);
  auto lock = pin.file->TryLock(kind);
  if (lock.status().code() == StatusCode::kBusy) {
    return Status::Busy("'" + path_ + "': backup " + std::to_string(id) +
                        (kind == LockKind::kShared ? " is being dropped" : " is being read") +
                        " by another process");
  }
  VDB_RETURN_IF_ERROR(lock.status());
  pin.lock = std::move(*lock);
  VDB_ASSIGN_OR_RETURN(const bool linked, pin.file->IsLinked());
  if (linked) return pin;
  return Status::NotFound("'" + path_ + "': backup " + std::to_string(id) + " was just dropped");
}

StatusOr<std::string> BackupDirectory::ReadChunk(const format::BackupChunk& chunk) const {
  const std::string name = format::ChunkFileName(chunk.hash);
  auto bytes = storage::ReadWholeFile(fs_, PathOf(name), format::kChunkFileBytesMax);
  if (bytes.status().code() == StatusCode::kNotFound) {
    return Status::Corruption("'" + name + "' is missing");
  }
  VDB_RETURN_IF_ERROR(bytes.status());
  VDB_ASSIGN_OR_RETURN(std::string raw, format::DecodeChunk(*bytes, chunk.hash, name));
  if (raw.size() == chunk.raw_bytes) return raw;
  return Status::Corruption("'" + name + "': expected " + std::to_string(chunk.raw_bytes) +
                            " bytes, found " + std::to_string(raw.size()));
}

Status BackupDirectory::RemoveUnreferenced() const {
  std::vector<format::Hash128> needed;
  VDB_ASSIGN_OR_RETURN(const auto ids, Ids());
  for (const uint64_t id : ids) {
    VDB_ASSIGN_OR_RETURN(const auto record, ReadRecord(id));
    for (const auto& file : record.files) {
      for (const auto& chunk : file.chunks) needed.push_back(chunk.hash);
    }
    std::sort(needed.begin(), needed.end(), ByHash);
    needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
  }
  std::vector<std::string> names;
  for (const format::Hash128& hash : needed) names.push_back(format::Hex128(hash));
  const std::string chunks = PathOf(format::kBackupChunksDir);
  VDB_ASSIGN_OR_RETURN(const auto folders, fs_.List(chunks));
  for (const std::string& folder : folders) {
    VDB_ASSIGN_OR_RETURN(const auto files, fs_.List(JoinPath(chunks, folder)));
    for (const std::string& file : files) {
      if (std::binary_search(names.begin(), names.end(), file)) continue;
      VDB_RETURN_IF_ERROR(fs_.Remove(JoinPath(JoinPath(chunks, folder), file)));
    }
  }
  const std::string records = PathOf(format::kBackupRecordsDir);
  VDB_ASSIGN_OR_RETURN(const auto record_names, fs_.List(records));
  for (const std::string& name : record_names) {
    if (name.ends_with(kTmpEnding)) VDB_RETURN_IF_ERROR(fs_.Remove(JoinPath(records, name)));
  }
  return Status::Ok();
}

StatusOr<std::vector<BackupInfo>> ListBackupsIn(storage::FileSystem& fs,
                                                const std::string& path) {
  const BackupDirectory directory(fs, path);
  VDB_RETURN_IF_ERROR(directory.CheckIsOne());
  VDB_RETURN_IF_ERROR(directory.Uuid().status());
  VDB_ASSIGN_OR_RETURN(const auto ids, directory.Ids());
  std::vector<BackupInfo> infos;
  for (const uint64_t id : ids) {
    auto record = directory.ReadRecord(id);
    if (record.status().code() == StatusCode::kNotFound) continue;  // dropped meanwhile
    VDB_RETURN_IF_ERROR(record.status());
    infos.push_back(InfoOf(*record));
  }
  return infos;
}

// A record whose removal is not durable must not come back without its chunks.
Status DropBackupFrom(storage::FileSystem& fs, const std::string& path, uint64_t backup_id) {
  BackupDirectory directory(fs, path);
  VDB_RETURN_IF_ERROR(directory.CheckIsOne());
  VDB_RETURN_IF_ERROR(directory.Lock());
  {
    VDB_ASSIGN_OR_RETURN(const auto pin, directory.PinRecord(backup_id, LockKind::kExclusive));
    VDB_RETURN_IF_ERROR(fs.Remove(directory.PathOf(RecordPath(backup_id))));
    VDB_RETURN_IF_ERROR(fs.SyncDir(directory.PathOf(format::kBackupRecordsDir)));
  }
  directory.RemoveUnreferenced().IgnoreError("what is left goes with the next backup or drop");
  return Status::Ok();
}

}  // namespace vdb::engine

namespace vdb {

StatusOr<std::vector<BackupInfo>> ListBackups(const std::string& directory) {
  return engine::NoThrow(
      [&] { return engine::ListBackupsIn(*storage::PosixFileSystem(), directory); });
}

Status DropBackup(const std::string& directory, uint64_t backup_id) {
  return engine::NoThrow([&] {
    return engine::DropBackupFrom(*storage::PosixFileSystem(), directory, backup_id);
  });
}

}  // namespace vdb
