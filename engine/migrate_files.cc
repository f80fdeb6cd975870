#include "engine/migrate_files.h"

#include <algorithm>
#include <array>
#include <vector>

#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using format::JoinPath;

bool IsDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool IsDocsFolder(std::string_view name) {
  return name.starts_with("docs-") && IsDigits(name.substr(5));
}

// NNNNNN.sst, NNNNNN.log, MANIFEST-NNNNNN, OPTIONS-NNNNNN; those that replace others are NAME.dbtmp
// first.
bool IsRocksFile(std::string_view name) {
  if (name.ends_with(".dbtmp")) name.remove_suffix(6);
  if (name.ends_with(".sst") || name.ends_with(".log")) name.remove_suffix(4);
  for (const std::string_view begin : {"MANIFEST-", "OPTIONS-"}) {
    if (name.starts_with(begin)) name.remove_prefix(begin.size());
  }
  return IsDigits(name) || name == "CURRENT" || name == "IDENTITY" || name == "LOCK";
}

bool IsRootFile(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kNames = {
      format::kLockFile,   format::kCreatingFile, format::kCurrentFile, format::kCurrentTmpFile,
      format::kLedgerFile, format::kMigratedFile, format::kJobsFile,    format::kJobsTmpFile,
      format::kUpgradingFile};
  const bool ledger = name.starts_with("ledger-") && IsDigits(name.substr(7));  // of a repair
  return ledger || std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         format::ParseManifestName(name).has_value();
}

bool IsRootFolder(std::string_view name) {
  return name == format::kSegmentsDir || name == format::kEpochsDir ||
         name == format::kSnapshotsDir || IsDocsFolder(name);
}

bool IsInner(std::string_view folder, std::string_view name) {
  if (folder == format::kSegmentsDir) return format::ParseSegmentName(name).has_value();
  if (folder == format::kEpochsDir) return format::ParseEpochName(name).has_value();
  if (folder == format::kSnapshotsDir) return false;  // somebody made it, and may want it
  return IsRocksFile(name);
}

// What a folder holds, files before the folders they are in.
struct Listing {
  std::vector<std::string> files, folders;
};

StatusOr<Listing> ListDatabase(storage::FileSystem& fs, const std::string& folder) {
  Listing listing;
  const auto foreign = [&](const std::string& path) {
    return Status::FailedPrecondition("'" + path + "' is no file of a database; move it away, "
                                      "then try again: nothing was removed");
  };
  VDB_ASSIGN_OR_RETURN(const auto names, fs.List(folder));
  for (const std::string& name : names) {
    const std::string path = JoinPath(folder, name);
    VDB_ASSIGN_OR_RETURN(const bool is_dir, fs.IsDir(path));
    if (is_dir ? !IsRootFolder(name) : !IsRootFile(name)) return foreign(path);
    if (!is_dir) {
      listing.files.push_back(path);
      continue;
    }
    VDB_ASSIGN_OR_RETURN(const auto inner, fs.List(path));
    for (const std::string& file : inner) {
      VDB_ASSIGN_OR_RETURN(const bool inner_dir, fs.IsDir(JoinPath(path, file)));
      if (inner_dir || !IsInner(name, file)) return foreign(JoinPath(path, file));
      listing.files.push_back(JoinPath(path, file));
    }
    listing.folders.push_back(path);
  }
  return listing;
}

}  // namespace

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

StatusOr<std::unique_ptr<MigrationLock>> MigrationLock::Take(storage::FileSystem& fs,
                                                             const std::string& database) {
  return TakeFile(fs, BuildPath(database) + ".lock",
                  "another process is migrating to '" + database + "'; wait for its end");
}

StatusOr<std::unique_ptr<MigrationLock>> MigrationLock::TakeFile(storage::FileSystem& fs,
                                                                 const std::string& path,
                                                                 const std::string& busy) {
  while (true) {
    auto file = fs.Open(path, storage::OpenMode::kOpenOrCreate);
    VDB_RETURN_IF_ERROR(file.status());
    auto lock = (*file)->TryLock(storage::LockKind::kExclusive);
    if (lock.status().code() == StatusCode::kBusy) return Status::Busy(busy);
    VDB_RETURN_IF_ERROR(lock.status());
    // Whoever held it may have removed the file meanwhile: then this lock is of no use.
    VDB_ASSIGN_OR_RETURN(const bool linked, (*file)->IsLinked());
    if (!linked) continue;
    return std::unique_ptr<MigrationLock>(
        new MigrationLock(fs, std::move(*file), std::move(*lock)));
  }
}

MigrationLock::~MigrationLock() {
  fs_.Remove(file_->path()).IgnoreError("an empty file is left behind, which the next run takes");
}

Status CheckOnlyDatabaseFiles(storage::FileSystem& fs, const std::string& folder) {
  return ListDatabase(fs, folder).status();
}

StatusOr<bool> RemoveDatabaseFolder(storage::FileSystem& fs, const std::string& folder) {
  VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(folder));
  if (!there) return false;
  VDB_ASSIGN_OR_RETURN(const Listing listing, ListDatabase(fs, folder));
  for (const std::string& file : listing.files) VDB_RETURN_IF_ERROR(fs.Remove(file));
  for (const std::string& inner : listing.folders) VDB_RETURN_IF_ERROR(fs.RemoveDir(inner));
  VDB_RETURN_IF_ERROR(fs.RemoveDir(folder));
  return true;
}

StatusOr<bool> IsDatabase(storage::FileSystem& fs, const std::string& path) {
  return fs.Exists(JoinPath(path, format::kCurrentFile));
}

StatusOr<std::unique_ptr<ReportFile>> ReportFile::Open(storage::FileSystem& fs, std::string path) {
  VDB_ASSIGN_OR_RETURN(auto file, fs.Open(path + ".tmp", storage::OpenMode::kCreate));
  return std::unique_ptr<ReportFile>(new ReportFile(fs, std::move(path), std::move(file)));
}

ReportFile::~ReportFile() {
  if (file_ == nullptr) return;
  fs_.Remove(path_ + ".tmp").IgnoreError("the call has failed; its error says why");
}

Status ReportFile::Append(std::string_view text) {
  if (text.empty()) return Status::Ok();
  VDB_RETURN_IF_ERROR(file_->WriteAt(offset_, std::as_bytes(std::span(text.data(), text.size()))));
  offset_ += text.size();
  return Status::Ok();
}

Status ReportFile::Finish() {
  if (file_ == nullptr) return Status::Ok();
  VDB_RETURN_IF_ERROR(file_->Sync());
  VDB_RETURN_IF_ERROR(fs_.Rename(path_ + ".tmp", path_));
  file_.reset();
  return fs_.SyncDir(FolderOf(path_));
}

}  // namespace vdb::engine
