// Making a database, so that an interrupted creation is known for what it is and a directory that
// holds anything else is never touched.
#include <random>

#include "engine/database_impl.h"
#include "format/checksum.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using format::JoinPath;

std::string NewUuid() {
  std::random_device random;
  std::string uuid;
  for (int i = 0; i < 4; ++i) uuid += format::Hex64(random()).substr(8);
  return uuid;
}

std::string ParentOf(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const size_t slash = trimmed.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : trimmed.substr(0, slash);
}

// Names that creating a database makes in its directory.
bool IsOurs(std::string_view name) {
  return name == format::kLockFile || name == format::kCreatingFile ||
         name == format::kLedgerFile || name == format::kCurrentTmpFile ||
         name == format::kSegmentsDir || name == format::DocsDirName(1) ||
         format::ParseManifestName(name).has_value();
}

}  // namespace

// A directory without CURRENT: empty, or left by a creation that was interrupted, is fine. Anything
// else must not be touched.
StatusOr<bool> DatabaseImpl::ReadyToCreate() {
  VDB_ASSIGN_OR_RETURN(const auto names, fs().List(path_));
  bool creating = false, ours = false, foreign = false;
  for (const std::string& name : names) {
    creating |= name == format::kCreatingFile;
    (IsOurs(name) ? ours : foreign) = true;
  }
  if (foreign && !ours) {
    return Status::UnsupportedFormat("'" + path_ + "' is no database: it holds other files, and no "
                                     "CURRENT; name an empty or a new directory");
  }
  const bool only_lock = names.size() == 1 && names[0] == format::kLockFile;
  if (names.empty() || only_lock || (creating && !foreign)) return true;
  return Status::Corruption("'" + PathOf(format::kCurrentFile) +
                            "' is missing beside other files of a database; run `vdbtool repair`, "
                            "or restore it from a copy");
}

Status DatabaseImpl::RemoveHalfMade() {
  VDB_ASSIGN_OR_RETURN(const auto names, fs().List(path_));
  for (const std::string& name : names) {
    if (name == format::kLockFile || name == format::kCreatingFile) continue;
    VDB_RETURN_IF_ERROR(RemoveTree(fs(), PathOf(name)));
  }
  return Status::Ok();
}

// The marker CREATING is durable before anything else and goes last, so that a directory without
// CURRENT is known for what it is.
Status DatabaseImpl::CreateFiles() {
  VDB_RETURN_IF_ERROR(fs().CreateDir(path_));
  VDB_RETURN_IF_ERROR(TakeLock());
  // Under the lock once more: another process may have made the database since we looked.
  VDB_ASSIGN_OR_RETURN(const bool made, fs().Exists(PathOf(format::kCurrentFile)));
  if (made) return Status::Ok();
  VDB_RETURN_IF_ERROR(ReadyToCreate().status());
  VDB_RETURN_IF_ERROR(WriteSyncedFile(fs(), PathOf(format::kCreatingFile), "vdb\n"));
  VDB_RETURN_IF_ERROR(fs().SyncDir(path_));
  VDB_RETURN_IF_ERROR(fs().SyncDir(ParentOf(path_)));
  VDB_RETURN_IF_ERROR(RemoveHalfMade());

  Manifest manifest;
  manifest.uuid = options_.uuid.empty() ? NewUuid() : options_.uuid;
  const std::string ledger_path = PathOf(format::LedgerName(manifest.docs_directory));
  VDB_RETURN_IF_ERROR(storage::Ledger::Create(fs(), ledger_path, manifest.uuid));
  VDB_RETURN_IF_ERROR(fs().CreateDir(SegmentsDir()));
  const std::string docs = PathOf(format::DocsDirName(manifest.docs_directory));
  VDB_RETURN_IF_ERROR(fs().CreateDir(docs));
  VDB_ASSIGN_OR_RETURN(auto record, storage::Ledger::Read(fs(), ledger_path));
  VDB_ASSIGN_OR_RETURN(ledger_, storage::Ledger::Open(fs(), ledger_path, std::move(record)));
  VDB_ASSIGN_OR_RETURN(auto store,
                       storage::DocumentStore::Open({docs, &fs(), this, /*create=*/true,
                                                     options_.write_buffer_bytes,
                                                     options_.user.logger}));
  storage::StoreBatch batch;
  batch.Put(format::StateKey(), format::EncodeState({}));
  VDB_RETURN_IF_ERROR(store->Write(batch));
  VDB_RETURN_IF_ERROR(store->SyncLog());
  VDB_RETURN_IF_ERROR(store->Close());
  VDB_RETURN_IF_ERROR(ledger_->Write({}, /*clean=*/true));
  VDB_RETURN_IF_ERROR(ledger_->Sync());
  VDB_RETURN_IF_ERROR(fs().SyncDir(path_));
  manifest_ = std::make_shared<Manifest>(manifest);
  VDB_RETURN_IF_ERROR(Publish(manifest));
  VDB_RETURN_IF_ERROR(fs().Remove(PathOf(format::kCreatingFile)));
  VDB_RETURN_IF_ERROR(fs().SyncDir(path_));
  ledger_.reset();
  return Status::Ok();
}

}  // namespace vdb::engine
