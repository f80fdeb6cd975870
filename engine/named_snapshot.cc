// See named_snapshot.h. Here too: making, listing and dropping them, and opening as of one.
#include "engine/named_snapshot.h"

#include <algorithm>
#include <chrono>

#include "engine/clock.h"
#include "engine/database_impl.h"
#include "format/checksum.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using format::JoinPath;
using storage::OpenMode;

std::string SnapshotsDir(const std::string& root) { return JoinPath(root, format::kSnapshotsDir); }

// The ids of the directories there are, with or without a record.
StatusOr<std::vector<uint64_t>> SnapshotIds(storage::FileSystem& fs, const std::string& root) {
  std::vector<uint64_t> ids;
  auto names = fs.List(SnapshotsDir(root));
  if (names.status().code() == StatusCode::kNotFound) return ids;
  VDB_RETURN_IF_ERROR(names.status());
  for (const std::string& name : *names) {
    if (const auto id = format::ParseSnapshotDirName(name)) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Status ReadRecord(storage::FileSystem& fs, NamedSnapshot* snapshot) {
  const std::string path = JoinPath(snapshot->directory, format::kSnapshotFile);
  VDB_ASSIGN_OR_RETURN(const std::string bytes,
                       storage::ReadWholeFile(fs, path, format::kSnapshotRecordBytesMax));
  VDB_ASSIGN_OR_RETURN(snapshot->record, format::DecodeSnapshotRecord(bytes, path));
  VDB_ASSIGN_OR_RETURN(auto decoded, format::DecodeManifest(snapshot->record.manifest, path));
  snapshot->manifest = std::move(decoded.manifest);
  return Status::Ok();
}

// The record goes first: without it the rest is a leftover, whatever happens.
Status RemoveSnapshotDir(storage::FileSystem& fs, const std::string& directory) {
  const std::string record = JoinPath(directory, format::kSnapshotFile);
  VDB_ASSIGN_OR_RETURN(const bool has_record, fs.Exists(record));
  if (has_record) {
    VDB_RETURN_IF_ERROR(fs.Remove(record));
    VDB_RETURN_IF_ERROR(fs.SyncDir(directory));
  }
  return RemoveTree(fs, directory);
}

Status WriteRecord(storage::FileSystem& fs, const std::string& directory,
                   const format::SnapshotRecord& record) {
  const std::string path = JoinPath(directory, format::kSnapshotFile), tmp = path + ".tmp";
  VDB_RETURN_IF_ERROR(WriteSyncedFile(fs, tmp, format::EncodeSnapshotRecord(record)));
  VDB_RETURN_IF_ERROR(fs.Rename(tmp, path));
  return fs.SyncDir(directory);
}

StatusOr<uint64_t> HashFile(storage::FileSystem& fs, const std::string& path) {
  VDB_ASSIGN_OR_RETURN(const std::string bytes, storage::ReadWholeFile(fs, path, UINT32_MAX));
  return format::Hash64(bytes);
}

Status NoSuchSnapshot(const std::string& root, std::string_view name) {
  return Status::NotFound("'" + root + "' has no snapshot '" + std::string(name) +
                          "'; `vdbtool snapshot list` shows what there is");
}

}  // namespace

StatusOr<std::vector<NamedSnapshot>> FindSnapshots(storage::FileSystem& fs,
                                                   const std::string& root) {
  std::vector<NamedSnapshot> found;
  VDB_ASSIGN_OR_RETURN(const auto ids, SnapshotIds(fs, root));
  for (const uint64_t id : ids) {
    NamedSnapshot snapshot;
    snapshot.id = id;
    snapshot.directory = JoinPath(SnapshotsDir(root), format::SnapshotDirName(id));
    Status status = ReadRecord(fs, &snapshot);
    if (status.code() == StatusCode::kNotFound) continue;
    if (!status.ok() && status.code() != StatusCode::kCorruption) return status;
    snapshot.readable = std::move(status);
    found.push_back(std::move(snapshot));
  }
  return found;
}

StatusOr<NamedSnapshot> FindSnapshot(storage::FileSystem& fs, const std::string& root,
                                     std::string_view name) {
  VDB_ASSIGN_OR_RETURN(auto snapshots, FindSnapshots(fs, root));
  Status damaged;
  for (NamedSnapshot& snapshot : snapshots) {
    if (snapshot.readable.ok() && snapshot.record.name == name) return std::move(snapshot);
    if (!snapshot.readable.ok()) damaged = snapshot.readable;
  }
  VDB_RETURN_IF_ERROR(damaged);
  return NoSuchSnapshot(root, name);
}

Status RemoveSnapshotLeftovers(storage::FileSystem& fs, const std::string& root) {
  VDB_ASSIGN_OR_RETURN(const auto ids, SnapshotIds(fs, root));
  for (const uint64_t id : ids) {
    const std::string directory = JoinPath(SnapshotsDir(root), format::SnapshotDirName(id));
    VDB_ASSIGN_OR_RETURN(const bool whole, fs.Exists(JoinPath(directory, format::kSnapshotFile)));
    if (!whole) VDB_RETURN_IF_ERROR(RemoveSnapshotDir(fs, directory));
  }
  return Status::Ok();
}

Status CheckSnapshotFiles(storage::FileSystem& fs, const NamedSnapshot& snapshot) {
  const std::string docs = JoinPath(snapshot.directory, format::kSnapshotDocsDir);
  for (const format::SnapshotFile& file : snapshot.record.files) {
    const std::string path = JoinPath(docs, file.name);
    VDB_ASSIGN_OR_RETURN(const auto info, fs.Stat(path));
    if (info.size_bytes != file.size_bytes) {
      return Status::Corruption("'" + path + "': expected " + std::to_string(file.size_bytes) +
                                " bytes, found " + std::to_string(info.size_bytes) +
                                "; drop the snapshot");
    }
    if (file.checksum == 0) continue;
    VDB_ASSIGN_OR_RETURN(const uint64_t found, HashFile(fs, path));
    if (found == file.checksum) continue;
    return Status::Corruption("'" + path + "': expected checksum " + format::Hex64(file.checksum) +
                              ", found " + format::Hex64(found) + "; drop the snapshot");
  }
  return Status::Ok();
}

// Under the commit mutex: no batch and no publish between the manifest and the checkpoint. Writers
// wait for as long as flushing RocksDB's memory takes.
Status DatabaseImpl::CreateSnapshot(std::string_view name) {
  VDB_RETURN_IF_ERROR(format::CheckName("snapshot", name));
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  VDB_ASSIGN_OR_RETURN(const auto others, FindSnapshots(fs(), path_));
  for (const NamedSnapshot& other : others) {
    if (other.readable.ok() && other.record.name == name) {
      return Status::AlreadyExists("'" + path_ + "' has a snapshot '" + std::string(name) + "'");
    }
  }
  VDB_RETURN_IF_ERROR(MakeDurableLocked());
  if (!next.named_snapshots) {  // before there is one, no older writer may come near
    next.named_snapshots = true;
    VDB_RETURN_IF_ERROR(PublishSchema(std::move(next)));
  }
  VDB_RETURN_IF_ERROR(fs().CreateDir(SnapshotsDir(path_)));
  VDB_RETURN_IF_ERROR(RemoveSnapshotLeftovers(fs(), path_));
  const uint64_t id = others.empty() ? 1 : others.back().id + 1;
  const std::string directory = JoinPath(SnapshotsDir(path_), format::SnapshotDirName(id));
  const Status written = WriteSnapshot(directory, name);
  if (!written.ok()) {
    RemoveSnapshotDir(fs(), directory).IgnoreError("the next creation or open tries again");
  }
  return written;
}

Status DatabaseImpl::WriteSnapshot(const std::string& directory, std::string_view name) {
  const std::string docs = JoinPath(directory, format::kSnapshotDocsDir);
  VDB_RETURN_IF_ERROR(fs().CreateDir(directory));
  VDB_RETURN_IF_ERROR(fs().CreateDir(docs));
  format::SnapshotRecord record;
  record.name = name;
  record.batch = state_.batch;
  record.created_unix_ms = UnixMilliseconds();
  record.manifest = format::EncodeManifest(*manifest_);
  for (const format::CollectionEntry& collection : manifest_->collections) {
    VDB_ASSIGN_OR_RETURN(const auto counts, ReadCounts(*view_, collection.id));
    record.document_count += counts.documents;
  }
  VDB_ASSIGN_OR_RETURN(const auto files, store_->Checkpoint(docs));
  for (const auto& file : files) {
    uint64_t checksum = 0;
    if (!file.is_table) {
      VDB_ASSIGN_OR_RETURN(checksum, HashFile(fs(), JoinPath(docs, file.name)));
    }
    record.files.push_back({file.name, file.size_bytes, checksum});
  }
  // What RocksDB made is looked at before it counts.
  VDB_ASSIGN_OR_RETURN(auto copy, storage::DocumentStore::Open({docs, &fs(), nullptr, false,
                                                                options_.write_buffer_bytes,
                                                                options_.user.logger}));
  VDB_ASSIGN_OR_RETURN(const auto bytes, copy->Get(format::StateKey()));
  VDB_ASSIGN_OR_RETURN(const auto state, format::DecodeState(bytes.value_or("")));
  if (state.batch != state_.batch) {
    return Status::Corruption("'" + docs + "': expected batch " + std::to_string(state_.batch) +
                              ", found " + std::to_string(state.batch));
  }
  VDB_RETURN_IF_ERROR(copy->Close());
  VDB_RETURN_IF_ERROR(fs().SyncDir(docs));
  VDB_RETURN_IF_ERROR(fs().SyncDir(directory));
  VDB_RETURN_IF_ERROR(fs().SyncDir(SnapshotsDir(path_)));
  VDB_RETURN_IF_ERROR(fs().SyncDir(path_));
  return WriteRecord(fs(), directory, record);
}

StatusOr<std::vector<SnapshotInfo>> DatabaseImpl::ListSnapshots() const {
  VDB_RETURN_IF_ERROR(CurrentView().status());
  VDB_ASSIGN_OR_RETURN(const auto found, FindSnapshots(fs(), path_));
  std::vector<SnapshotInfo> infos;
  for (const NamedSnapshot& one : found) {
    SnapshotInfo info;
    info.name = one.record.name;
    info.batch_number = one.record.batch;
    info.created_unix_ms = one.record.created_unix_ms;
    info.document_count = one.record.document_count;
    if (!one.readable.ok()) {
      info.name = JoinPath(format::kSnapshotsDir, format::SnapshotDirName(one.id));
      info.damage = one.readable.message();
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

Status DatabaseImpl::DropSnapshot(std::string_view name) {
  const std::lock_guard lock(commit_mutex_);
  VDB_RETURN_IF_ERROR(EditableManifest().status());
  VDB_ASSIGN_OR_RETURN(const auto found, FindSnapshots(fs(), path_));
  for (const NamedSnapshot& one : found) {
    const auto damaged_name = JoinPath(format::kSnapshotsDir, format::SnapshotDirName(one.id));
    const bool is_it =
        one.readable.ok() ? one.record.name == name : damaged_name == name;
    if (!is_it) continue;
    VDB_ASSIGN_OR_RETURN(auto file, fs().Open(JoinPath(one.directory, format::kSnapshotFile),
                                              OpenMode::kRead));
    auto lock_of_it = file->TryLock(storage::LockKind::kExclusive);
    if (lock_of_it.status().code() == StatusCode::kBusy) {
      return Status::Busy("snapshot '" + std::string(name) + "' is open (as_of); close it first");
    }
    VDB_RETURN_IF_ERROR(lock_of_it.status());
    VDB_RETURN_IF_ERROR(RemoveSnapshotDir(fs(), one.directory));
    CollectGarbage();
    return Status::Ok();
  }
  return NoSuchSnapshot(path_, name);
}

// Nothing of a named snapshot changes, so one look is enough.
Status DatabaseImpl::OpenAsOf() {
  VDB_ASSIGN_OR_RETURN(const NamedSnapshot found, FindSnapshot(fs(), path_, options_.user.as_of));
  auto pin = std::make_shared<ViewPin>();
  VDB_ASSIGN_OR_RETURN(pin->file, fs().Open(JoinPath(found.directory, format::kSnapshotFile),
                                            OpenMode::kRead));
  VDB_ASSIGN_OR_RETURN(pin->lock, pin->file->TryLock(storage::LockKind::kShared));
  VDB_ASSIGN_OR_RETURN(const bool linked, pin->file->IsLinked());
  if (!linked) return NoSuchSnapshot(path_, options_.user.as_of);
  VDB_RETURN_IF_ERROR(CheckSnapshotFiles(fs(), found));
  auto view = std::make_shared<View>();
  view->token = view_token_;
  view->pin = pin;
  const std::string docs = JoinPath(found.directory, format::kSnapshotDocsDir);
  VDB_ASSIGN_OR_RETURN(view->store, storage::DocumentStore::Open({docs, &fs(), nullptr, false,
                                                                  options_.write_buffer_bytes,
                                                                  options_.user.logger}));
  VDB_ASSIGN_OR_RETURN(const auto state_bytes, view->store->Get(format::StateKey()));
  VDB_ASSIGN_OR_RETURN(const auto state, format::DecodeState(state_bytes.value_or("")));
  if (state.batch != found.record.batch) {
    return Status::Corruption("'" + docs + "': expected batch " +
                              std::to_string(found.record.batch) + ", found " +
                              std::to_string(state.batch) + "; drop the snapshot");
  }
  VDB_RETURN_IF_ERROR(CheckPair(state, found.manifest));
  view->batch = state.batch;
  view->manifest = std::make_shared<const Manifest>(found.manifest);
  view->manifest_checksum = format::Hash64(found.record.manifest);
  VDB_RETURN_IF_ERROR(OpenSegments(found.manifest, nullptr, view.get(), /*append=*/false));
  VDB_RETURN_IF_ERROR(ApplyTombstones(view.get()));
  AttachIndexes(view.get());
  view->snapshot = view->store->GetSnapshot();
  SwapView(std::move(view));
  return Status::Ok();
}

}  // namespace vdb::engine
