// VerifyBackups: every byte that a restore could need.
#include <map>
#include <vector>

#include "engine/backup.h"
#include "engine/backup_directory.h"
#include "engine/no_throw.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr size_t kProblemsKept = 1000;

class BackupVerifier {
 public:
  BackupVerifier(storage::FileSystem& fs, const std::string& path,
                 const ProgressCallback& progress)
      : directory_(fs, path), progress_(progress) {}

  StatusOr<VerifyReport> Run() {
    VDB_RETURN_IF_ERROR(directory_.CheckIsOne());
    report_.files_checked += 1;
    const auto uuid = directory_.Uuid();
    const std::string marker(format::kBackupMarkerFile);
    if (!uuid.ok()) Problem(marker, "whole file", uuid.status());
    const auto ids = directory_.Ids();
    if (!ids.ok()) {
      Problem(std::string(format::kBackupRecordsDir), "whole folder", ids.status());
      return std::move(report_);
    }
    for (const uint64_t id : *ids) {
      VDB_RETURN_IF_ERROR(TakeRecord(id, uuid.ok() ? *uuid : std::string()));
    }
    VDB_RETURN_IF_ERROR(CheckChunks());
    return std::move(report_);
  }

 private:
  struct ChunkUse {
    format::BackupChunk chunk;
    std::string file;  // that it is a part of, in the first backup that has it
    std::vector<uint64_t> backups;

    // Names them all: the next backup reads the file anew only when none of them is left.
    std::string Where() const {
      std::string text = "a part of '" + file + "' of backup";
      for (const uint64_t id : backups) {
        text += (id == backups.front() ? " " : ", ") + std::to_string(id);
      }
      return text;
    }
  };

  void Problem(const std::string& file, const std::string& where, const Status& status) {
    report_.problem_count += 1;
    if (report_.problems.size() < kProblemsKept) {
      report_.problems.push_back({file, where, status.message()});
    }
  }

  Status TakeRecord(uint64_t id, const std::string& uuid) {
    auto pin = directory_.PinRecord(id, storage::LockKind::kShared);
    const StatusCode code = pin.status().code();
    if (code == StatusCode::kNotFound || code == StatusCode::kBusy) return Status::Ok();  // dropped
    const std::string name =
        format::JoinPath(format::kBackupRecordsDir, format::BackupRecordName(id));
    report_.files_checked += 1;
    auto record = pin.ok() ? directory_.ReadRecord(id) : pin.status();
    if (!record.ok()) {
      Problem(name, "whole file", record.status());
      return Status::Ok();
    }
    if (!uuid.empty() && record->uuid != uuid) {
      Problem(name, "uuid", Status::Corruption("expected " + uuid + ", found " + record->uuid));
    }
    VDB_ASSIGN_OR_RETURN(const uint64_t size, pin->file->Size());
    report_.bytes_checked += size;
    for (const format::BackupFile& file : record->files) {
      for (const format::BackupChunk& chunk : file.chunks) {
        auto& use = chunks_.try_emplace({chunk.hash.high, chunk.hash.low},
                                        ChunkUse{chunk, file.name, {}}).first->second;
        if (use.backups.empty() || use.backups.back() != id) use.backups.push_back(id);
      }
    }
    pins_.push_back(std::move(*pin));
    return Status::Ok();
  }

  Status CheckChunks() {
    uint64_t done = 0;
    for (const auto& [hash, use] : chunks_) {
      report_.files_checked += 1;
      const auto raw = directory_.ReadChunk(use.chunk);
      if (raw.ok()) {
        report_.bytes_checked += use.chunk.stored_bytes;
      } else {
        Problem(format::ChunkFileName(use.chunk.hash), use.Where(), raw.status());
      }
      if (progress_ && !progress_({"verify backups", ++done, chunks_.size()})) {
        return Status::Cancelled("verify: cancelled by the caller");
      }
    }
    return Status::Ok();
  }

  const BackupDirectory directory_;
  const ProgressCallback& progress_;
  VerifyReport report_;
  std::vector<BackupDirectory::Pin> pins_;
  std::map<std::pair<uint64_t, uint64_t>, ChunkUse> chunks_;
};

}  // namespace

StatusOr<VerifyReport> VerifyBackupsIn(storage::FileSystem& fs, const std::string& directory,
                                       const ProgressCallback& progress) {
  return BackupVerifier(fs, directory, progress).Run();
}

}  // namespace vdb::engine

namespace vdb {

StatusOr<VerifyReport> VerifyBackups(const std::string& directory,
                                     const ProgressCallback& progress) {
  return engine::NoThrow([&] {
    return engine::VerifyBackupsIn(*storage::PosixFileSystem(), directory, progress);
  });
}

}  // namespace vdb
