// One restore: build beside the place, check, publish by a rename.
//
//   TO.restoring       being built; becomes TO
//   TO.restoring.lock  its builder's flock; removed at the end
#include <algorithm>
#include <chrono>
#include <set>

#include "engine/backup.h"
#include "engine/backup_directory.h"
#include "engine/migrate_files.h"
#include "engine/no_throw.h"
#include "engine/restore_store.h"
#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using Clock = std::chrono::steady_clock;
using format::JoinPath;

constexpr uint64_t kSpareBytes = 4u << 20;  // manifests, ledger, RocksDB's small files
constexpr uint64_t kLogBytesMax = 64u << 20;  // RocksDB's, before its tables take their place

// What of a backup belongs to one collection.
class Selection {
 public:
  /// Empty: all of it.
  static StatusOr<Selection> Of(const format::BackupRecord& record, const std::string& name) {
    Selection selection;
    selection.manifest_ = record.manifest;
    if (name.empty()) {
      selection.all_ = true;
      return selection;
    }
    format::Manifest& manifest = selection.manifest_;
    const format::CollectionEntry* found = manifest.FindCollection(name);
    if (found == nullptr) {
      return Status::NotFound("backup " + std::to_string(record.id) + " has no collection '" +
                              name + "'");
    }
    selection.Narrow(format::CollectionEntry(*found));
    return selection;
  }

  bool all() const { return all_; }
  const format::Manifest& manifest() const { return manifest_; }

  bool HasFile(const std::string& name) const { return all_ || files_.contains(name); }

  bool HasKey(std::string_view key, std::string_view value) const {
    if (all_) return true;
    format::ByteReader reader(key.substr(1));
    switch (key[0]) {
      case 'D':
      case 'S':
      case 'Y': return reader.BigU32() == collection_;
      case 'F':
      case 'X': return field_indexes_.contains(reader.BigU32());
      case 'W': return segments_.contains(reader.BigU64());
      case 'T': {
        const auto tombstone = format::DecodeTombstone(value);
        return tombstone.ok() && tombstone->collection_id == collection_;
      }
      default: return false;
    }
  }

 private:
  void Narrow(format::CollectionEntry collection) {
    std::set<uint32_t> columns;
    for (const auto& column : collection.columns) columns.insert(column.id);
    for (const auto& index : collection.field_indexes) field_indexes_.insert(index.id);
    collection_ = collection.id;
    manifest_.collections = {std::move(collection)};
    const auto of_others = [&](const auto& entry) { return !columns.contains(entry.column_id); };
    std::erase_if(manifest_.segments, of_others);
    std::erase_if(manifest_.epochs, of_others);
    for (const auto& entry : manifest_.segments) segments_.insert(entry.id);
    for (std::string& name : format::BackupFileNames(manifest_)) files_.insert(std::move(name));
  }

  bool all_ = false;
  format::Manifest manifest_;
  uint32_t collection_ = 0;
  std::set<uint32_t> field_indexes_;
  std::set<uint64_t> segments_;
  std::set<std::string> files_;
};

class RestoreRun {
 public:
  RestoreRun(const BackupDirectory& directory, const format::BackupRecord& record,
             const Selection& selection, std::string to, const RestoreOptions& options,
             const EngineOptions& engine)
      : directory_(directory), record_(record), selection_(selection), to_(std::move(to)),
        build_(to_ + ".restoring"), options_(options), engine_(engine), fs_(*engine.fs) {}

  StatusOr<RestoreReport> Run() {
    VDB_RETURN_IF_ERROR(CheckPlaceIsFree());
    VDB_ASSIGN_OR_RETURN(
        const auto lock,
        MigrationLock::TakeFile(fs_, build_ + ".lock", "another process is restoring to '" + to_ +
                                                           "'; wait for its end"));
    VDB_RETURN_IF_ERROR(CheckPlaceIsFree());
    // What a killed run left. The lock says that nobody is at it.
    VDB_RETURN_IF_ERROR(RemoveDatabaseFolder(fs_, build_).status());
    VDB_RETURN_IF_ERROR(CheckSpace());
    Status status = Build();
    if (status.ok()) status = Check();
    if (status.ok()) status = fs_.Rename(build_, to_);
    if (!status.ok()) {
      RemoveDatabaseFolder(fs_, build_).status().IgnoreError("the next run removes it");
      return status;
    }
    VDB_RETURN_IF_ERROR(fs_.SyncDir(FolderOf(to_)));
    report_.info = InfoOf(record_);
    return std::move(report_);
  }

 private:
  // Nothing may stand there but an empty folder.
  Status CheckPlaceIsFree() const {
    VDB_ASSIGN_OR_RETURN(const bool there, fs_.Exists(to_));
    if (!there) return Status::Ok();
    VDB_ASSIGN_OR_RETURN(const bool is_dir, fs_.IsDir(to_));
    if (is_dir) {
      VDB_ASSIGN_OR_RETURN(const auto names, fs_.List(to_));
      if (names.empty()) return Status::Ok();
    }
    return Status::AlreadyExists("'" + to_ + "' exists; restore to a new or an empty directory");
  }

  // Of one collection, too, all documents are counted: which are its own only a read of them tells.
  Status CheckSpace() {
    uint64_t log_bytes = 0;
    for (const format::BackupFile& file : record_.files) {
      if (!selection_.HasFile(file.name)) continue;
      total_bytes_ += file.file_bytes;
      if (file.name == format::kBackupDocuments) {
        log_bytes = std::min(file.file_bytes, kLogBytesMax);
      }
    }
    const uint64_t needed = total_bytes_ + log_bytes + kSpareBytes;
    VDB_ASSIGN_OR_RETURN(const uint64_t free, fs_.FreeBytes(FolderOf(to_)));
    if (free >= needed) return Status::Ok();
    return Status::ResourceExhausted(
        "restore: up to " + std::to_string(needed) + " bytes of disk are needed for '" + to_ +
        "', " + std::to_string(free) + " are free; nothing was written, free some space");
  }

  Status Build() {
    VDB_RETURN_IF_ERROR(fs_.CreateDir(build_));
    const std::string segments = JoinPath(build_, format::kSegmentsDir);
    VDB_RETURN_IF_ERROR(fs_.CreateDir(segments));
    const std::string epochs = JoinPath(build_, format::kEpochsDir);
    const bool has_epochs = !selection_.manifest().epochs.empty();
    if (has_epochs) VDB_RETURN_IF_ERROR(fs_.CreateDir(epochs));
    for (const format::BackupFile& file : record_.files) {
      if (file.name == format::kBackupDocuments || !selection_.HasFile(file.name)) continue;
      VDB_RETURN_IF_ERROR(WriteFile(file));
    }
    VDB_RETURN_IF_ERROR(fs_.SyncDir(segments));
    if (has_epochs) VDB_RETURN_IF_ERROR(fs_.SyncDir(epochs));
    VDB_RETURN_IF_ERROR(WriteDocuments());
    return WriteManifest();
  }

  StatusOr<std::string> ReadChunk(const format::BackupFile& file,
                                  const format::BackupChunk& chunk) {
    auto raw = directory_.ReadChunk(chunk);
    if (!raw.ok()) {
      return Status(raw.status().code(), raw.status().message() + "; it is a part of '" +
                                             file.name + "' of backup " +
                                             std::to_string(record_.id));
    }
    report_.bytes_written += raw->size();
    if (options_.progress &&
        !options_.progress({"restore", report_.bytes_written, total_bytes_})) {
      return Status::Cancelled("restore: cancelled by the caller");
    }
    return raw;
  }

  Status WriteFile(const format::BackupFile& file) {
    VDB_ASSIGN_OR_RETURN(auto out,
                         fs_.Open(JoinPath(build_, file.name), storage::OpenMode::kCreate));
    uint64_t at = 0;
    for (const format::BackupChunk& chunk : file.chunks) {
      VDB_ASSIGN_OR_RETURN(const std::string raw, ReadChunk(file, chunk));
      VDB_RETURN_IF_ERROR(out->WriteAt(at, std::as_bytes(std::span(raw))));
      at += raw.size();
    }
    return out->Sync();
  }

  Status WriteDocuments() {
    const auto keep = [this](std::string_view key, std::string_view value) {
      return selection_.HasKey(key, value);
    };
    VDB_ASSIGN_OR_RETURN(const auto restorer,
                         StoreRestorer::Create(engine_, build_, record_, keep));
    for (const format::BackupFile& file : record_.files) {
      if (file.name != format::kBackupDocuments) continue;
      for (const format::BackupChunk& chunk : file.chunks) {
        VDB_ASSIGN_OR_RETURN(const std::string raw, ReadChunk(file, chunk));
        VDB_RETURN_IF_ERROR(restorer->Add(raw));
      }
    }
    return restorer->Finish();
  }

  Status WriteManifest() {
    const uint64_t generation = record_.manifest.generation;
    const std::string bytes = selection_.all() ? record_.manifest_bytes
                                               : format::EncodeManifest(selection_.manifest());
    for (const std::string& name :
         {format::ManifestName(generation), format::ManifestTwinName(generation)}) {
      VDB_RETURN_IF_ERROR(WriteSyncedFile(fs_, JoinPath(build_, name), bytes));
      report_.bytes_written += bytes.size();
    }
    VDB_RETURN_IF_ERROR(
        WriteSyncedFile(fs_, JoinPath(build_, format::kCurrentFile),
                        format::EncodeCurrent({generation, format::Hash64(bytes)})));
    return fs_.SyncDir(build_);
  }

  // Opened and read as anyone will read it.
  Status Check() {
    EngineOptions reading = engine_;
    reading.user = {};
    reading.user.read_only = true;
    reading.user.logger = options_.logger;
    VDB_ASSIGN_OR_RETURN(Database database, OpenDatabase(build_, reading));
    VerifyOptions verifying;
    verifying.level = VerifyLevel::kChecksums;
    verifying.progress = options_.progress;
    VDB_ASSIGN_OR_RETURN(const VerifyReport verified, database.Verify(verifying));
    if (verified.problem_count > 0) {
      const VerifyProblem& first = verified.problems[0];
      return Status::Corruption("backup " + std::to_string(record_.id) + " is not sound: '" +
                                first.file + "', " + first.where + ": " + first.message);
    }
    VDB_ASSIGN_OR_RETURN(const DatabaseStats stats, database.Stats());
    for (const CollectionStats& collection : stats.collections) {
      report_.document_count += collection.document_count;
      for (const ColumnStats& column : collection.columns) {
        report_.vector_count += column.vector_count;
      }
    }
    if (selection_.all() && report_.document_count != record_.document_count) {
      return Status::Corruption("backup " + std::to_string(record_.id) + ": expected " +
                                std::to_string(record_.document_count) + " documents, found " +
                                std::to_string(report_.document_count));
    }
    return database.Close();
  }

  const BackupDirectory& directory_;
  const format::BackupRecord& record_;
  const Selection& selection_;
  const std::string to_, build_;
  const RestoreOptions& options_;
  const EngineOptions& engine_;
  storage::FileSystem& fs_;
  RestoreReport report_;
  uint64_t total_bytes_ = 0;
};

}  // namespace

StatusOr<RestoreReport> RestoreWith(const std::string& path, const std::string& to,
                                    const RestoreOptions& options, const EngineOptions& engine) {
  const auto begin = Clock::now();
  const BackupDirectory directory(*engine.fs, path);
  VDB_RETURN_IF_ERROR(directory.CheckIsOne());
  uint64_t id = options.backup_id;
  if (id == 0) {
    VDB_ASSIGN_OR_RETURN(const auto ids, directory.Ids());
    if (ids.empty()) return Status::NotFound("'" + path + "' has no backup yet");
    id = ids.back();
  }
  VDB_ASSIGN_OR_RETURN(const auto pin, directory.PinRecord(id, storage::LockKind::kShared));
  VDB_ASSIGN_OR_RETURN(const auto record, directory.ReadRecord(id));
  VDB_ASSIGN_OR_RETURN(const auto selection, Selection::Of(record, options.collection));
  std::string place = to;
  while (place.size() > 1 && place.back() == '/') place.pop_back();
  VDB_ASSIGN_OR_RETURN(
      RestoreReport report,
      RestoreRun(directory, record, selection, place, options, engine).Run());
  report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return report;
}

}  // namespace vdb::engine

namespace vdb {

StatusOr<RestoreReport> Restore(const std::string& directory, const std::string& to,
                                const RestoreOptions& options) {
  return engine::NoThrow([&] {
    engine::EngineOptions engine;
    engine.user.logger = options.logger;
    return engine::RestoreWith(directory, to, options, engine);
  });
}

}  // namespace vdb
