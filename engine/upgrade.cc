// Upgrade (include/vdb/upgrade.h): recovery, a new RocksDB directory, its proof, one rename.
//
// The marker UPGRADING is durable before the first new file and goes after the last old one, so
// that whoever opens the database for writing next knows which RocksDB directories are left over:
// one below the live one may also be what a repair was about to keep aside.
#include "engine/upgrade.h"

#include <algorithm>
#include <chrono>

#include "engine/migrate.h"
#include "engine/migrate_files.h"
#include "engine/no_throw.h"
#include "engine/open_checks.h"
#include "engine/repair_publish.h"
#include "engine/upgrade_documents.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using Clock = std::chrono::steady_clock;
using format::JoinPath;

constexpr uint64_t kSpareBytes = 4u << 20;   // manifests, ledger, RocksDB's small files
constexpr uint64_t kLogBytesMax = 64u << 20;  // RocksDB's, before its tables take their place
constexpr std::string_view kCopying = "upgrade: documents", kComparing = "upgrade: compare";
constexpr uint64_t kGrowthBytes = 24;         // of a document: checksums

class UpgradeRun {
 public:
  UpgradeRun(const std::string& path, const UpgradeOptions& options, const EngineOptions& engine)
      : path_(path), options_(options), engine_(engine), fs_(*engine.fs),
        repair_options_{.logger = options.logger}, shared_(fs_, path_, repair_options_) {
    engine_.user = {};
    engine_.user.logger = options.logger;
    report_.to_version = kFormatVersion;
  }

  StatusOr<UpgradeReport> Run() {
    VDB_RETURN_IF_ERROR(ReadLive());
    if (options_.dry_run) {
      VDB_RETURN_IF_ERROR(Look());
      return report_;
    }
    if (report_.needed) VDB_RETURN_IF_ERROR(Recover());
    VDB_ASSIGN_OR_RETURN(const WriterLock lock, TakeWriterLock(fs_, path_));
    VDB_RETURN_IF_ERROR(ReadLive());
    if (report_.needed) {
      VDB_RETURN_IF_ERROR(Look());
      VDB_RETURN_IF_ERROR(CheckSpace());
      const Status built = Build();
      if (!built.ok()) Discard();
      VDB_RETURN_IF_ERROR(built);
      VDB_RETURN_IF_ERROR(Publish());
    }
    const Status finished = FinishUpgrade(fs_, path_, live_);
    if (finished.ok()) return report_;
    return Status(finished.code(), "'" + path_ + "': it is of the new version, but old files could "
                                   "not be removed; run it again: " + finished.message());
  }

 private:
  std::string PathOf(std::string_view name) const { return JoinPath(path_, name); }

  Status ReadLive() {
    VDB_ASSIGN_OR_RETURN(const bool there, fs_.Exists(PathOf(format::kCurrentFile)));
    if (!there) return Status::NotFound("'" + path_ + "': there is no database");
    VDB_ASSIGN_OR_RETURN(
        const std::string bytes,
        storage::ReadWholeFile(fs_, PathOf(format::kCurrentFile), kCurrentBytesMax));
    VDB_ASSIGN_OR_RETURN(const auto current, format::DecodeCurrent(bytes));
    VDB_ASSIGN_OR_RETURN(auto decoded, ReadManifest(fs_, path_, current, options_.logger));
    if (!decoded.writable) {
      return Status::UnsupportedFormat("'" + path_ + "': written by a newer vdb; use that one");
    }
    live_ = std::move(decoded.manifest);
    report_.from_version = live_.format_version;
    report_.needed = live_.format_version < kFormatVersion;
    return Status::Ok();
  }

  StatusOr<Database> OpenToRead(std::string_view current_file) const {
    EngineOptions reading = engine_;
    reading.user.read_only = true;
    reading.current_file = current_file;
    return OpenDatabase(path_, reading);
  }

  // How much there is to do.
  Status Look() {
    VDB_ASSIGN_OR_RETURN(Database database, OpenToRead(format::kCurrentFile));
    VDB_ASSIGN_OR_RETURN(const DatabaseStats stats, database.Stats());
    for (const auto& one : stats.collections) report_.document_count += one.document_count;
    VDB_RETURN_IF_ERROR(database.Close());
    if (!report_.needed) return Status::Ok();
    const std::string docs = PathOf(format::DocsDirName(live_.docs_directory));
    VDB_ASSIGN_OR_RETURN(const auto names, fs_.List(docs));
    uint64_t docs_bytes = 0;
    for (const std::string& name : names) {
      VDB_ASSIGN_OR_RETURN(const auto info, fs_.Stat(JoinPath(docs, name)));
      docs_bytes += info.size_bytes;
    }
    report_.bytes_needed = docs_bytes + std::min(docs_bytes, kLogBytesMax) + kSpareBytes +
                           report_.document_count * kGrowthBytes;
    return Status::Ok();
  }

  Status CheckSpace() const {
    VDB_ASSIGN_OR_RETURN(const uint64_t free, fs_.FreeBytes(path_));
    if (free >= report_.bytes_needed) return Status::Ok();
    return Status::ResourceExhausted(
        "'" + path_ + "': an upgrade writes up to " + std::to_string(report_.bytes_needed) +
        " bytes, " + std::to_string(free) + " are free; make room, nothing was changed");
  }

  // After an unclean stop the files are brought to where an open for writing brings them.
  Status Recover() {
    VDB_ASSIGN_OR_RETURN(const auto ledger, ReadLedger());
    if (ledger.clean) return Status::Ok();
    EngineOptions recovering = engine_;
    recovering.recover_only = true;
    VDB_ASSIGN_OR_RETURN(Database database, OpenDatabase(path_, recovering));
    return database.Close();
  }

  StatusOr<format::LedgerRecord> ReadLedger() const {
    return storage::Ledger::Read(fs_, PathOf(format::LedgerName(live_.docs_directory)));
  }

  StatusOr<std::unique_ptr<storage::DocumentStore>> OpenStore(uint64_t docs_directory) const {
    storage::DocumentStoreOptions options;
    options.directory = PathOf(format::DocsDirName(docs_directory));
    options.fs = &fs_;
    options.logger = options_.logger;
    return storage::DocumentStore::Open(options);
  }

  UpgradeTick Tick(std::string_view stage) const {
    return [this, stage](uint64_t documents) {
      const bool go_on = !options_.progress ||
                         options_.progress({stage, documents, report_.document_count});
      return go_on ? Status::Ok()
                   : Status::Cancelled("upgrade: cancelled by the caller; nothing was changed");
    };
  }

  StatusOr<std::string> HashOf(std::string_view current_file) const {
    VDB_RETURN_IF_ERROR(Tick("content hash")(0));
    VDB_ASSIGN_OR_RETURN(Database database, OpenToRead(current_file));
    VDB_ASSIGN_OR_RETURN(std::string hash, database.ContentHash(options_.progress));
    VDB_RETURN_IF_ERROR(database.Close());
    return hash;
  }

  // Up to CURRENT.tmp: everything is durable and proven, and nothing refers to it.
  Status Build() {
    VDB_ASSIGN_OR_RETURN(const auto ledger, ReadLedger());
    if (!ledger.clean) return Status::Busy("'" + path_ + "' was written to meanwhile; try again");
    VDB_ASSIGN_OR_RETURN(report_.content_hash, HashOf(format::kCurrentFile));
    VDB_RETURN_IF_ERROR(WriteSyncedFile(fs_, PathOf(format::kUpgradingFile), "vdb\n"));
    VDB_RETURN_IF_ERROR(fs_.SyncDir(path_));
    VDB_RETURN_IF_ERROR(RemoveUnpublished());
    next_ = live_;
    next_.format_version = kFormatVersion;
    VDB_ASSIGN_OR_RETURN(next_.docs_directory, NewDocsDirectory(&shared_, live_.docs_directory));
    next_.generation = std::max(live_.generation, ledger.generation) + 1;
    VDB_RETURN_IF_ERROR(WriteDocuments(ledger));
    VDB_RETURN_IF_ERROR(fs_.SyncDir(path_));
    VDB_RETURN_IF_ERROR(CompareDocuments());
    VDB_RETURN_IF_ERROR(WriteGeneration(&shared_, next_));
    VDB_ASSIGN_OR_RETURN(const std::string after, HashOf(format::kCurrentTmpFile));
    if (after == report_.content_hash) return Status::Ok();
    return Status::Corruption("upgrade: expected content hash " + report_.content_hash +
                              ", read back " + after + "; nothing was changed");
  }

  Status WriteDocuments(const format::LedgerRecord& ledger) {
    VDB_RETURN_IF_ERROR(Tick(kCopying)(0));
    VDB_ASSIGN_OR_RETURN(const auto from, OpenStore(live_.docs_directory));
    VDB_ASSIGN_OR_RETURN(const auto bytes, from->Get(format::StateKey()));
    format::BackupRecord made;
    VDB_ASSIGN_OR_RETURN(made.state, format::DecodeState(bytes.value_or("")));
    VDB_RETURN_IF_ERROR(CheckBatches(ledger, made.state));
    next_.min_batch = made.state.batch;
    made.state.min_generation = next_.generation;
    made.uuid = next_.uuid;
    made.manifest = next_;
    const auto all = [](std::string_view, std::string_view) { return true; };
    VDB_ASSIGN_OR_RETURN(const auto to, StoreRestorer::Create(engine_, path_, made, all));
    VDB_RETURN_IF_ERROR(CopyUpgraded(*from, live_, to.get(), Tick(kCopying)));
    return to->Finish();
  }

  Status CompareDocuments() {
    VDB_RETURN_IF_ERROR(Tick(kComparing)(0));
    VDB_ASSIGN_OR_RETURN(const auto from, OpenStore(live_.docs_directory));
    VDB_ASSIGN_OR_RETURN(const auto to, OpenStore(next_.docs_directory));
    return CompareUpgraded(*from, *to, live_, Tick(kComparing));
  }

  Status Publish() {
    VDB_RETURN_IF_ERROR(PublishGeneration(&shared_));
    live_ = next_;
    return Status::Ok();
  }

  // Manifests that an interrupted run left: they go before the documents that they name, since a
  // repair would believe one that is whole.
  Status RemoveUnpublished() {
    VDB_ASSIGN_OR_RETURN(const auto names, fs_.List(path_));
    bool removed = false;
    for (const std::string& name : names) {
      const auto generation = format::ParseManifestName(name);
      if (!generation || *generation <= live_.generation) continue;
      VDB_RETURN_IF_ERROR(fs_.Remove(PathOf(name)));
      removed = true;
    }
    return removed ? fs_.SyncDir(path_) : Status::Ok();
  }

  // Whatever is left here, the next run removes.
  void Discard() {
    const Status removed = [&]() -> Status {
      VDB_ASSIGN_OR_RETURN(const bool marked, fs_.Exists(PathOf(format::kUpgradingFile)));
      if (!marked) return Status::Ok();
      VDB_RETURN_IF_ERROR(RemoveUnpublished());
      VDB_RETURN_IF_ERROR(NewDocsDirectory(&shared_, live_.docs_directory).status());
      VDB_ASSIGN_OR_RETURN(const bool tmp, fs_.Exists(PathOf(format::kCurrentTmpFile)));
      if (tmp) VDB_RETURN_IF_ERROR(fs_.Remove(PathOf(format::kCurrentTmpFile)));
      return fs_.Remove(PathOf(format::kUpgradingFile));
    }();
    if (!removed.ok()) shared_.Log(LogLevel::kWarning, "upgrade: " + removed.ToString());
  }

  const std::string path_;
  const UpgradeOptions& options_;
  EngineOptions engine_;
  storage::FileSystem& fs_;
  const RepairOptions repair_options_;
  RepairRun shared_;  // with repairs: numbers, publishing
  format::Manifest live_, next_;
  UpgradeReport report_;
};

// False: somebody reads this generation.
StatusOr<bool> RemoveManifest(storage::FileSystem& fs, const std::string& path,
                              uint64_t generation) {
  const std::string name = JoinPath(path, format::ManifestName(generation));
  auto file = fs.Open(name, storage::OpenMode::kRead);
  if (file.ok()) {
    const auto lock = (*file)->TryLock(storage::LockKind::kExclusive);
    if (lock.status().code() == StatusCode::kBusy) return false;
    VDB_RETURN_IF_ERROR(lock.status());
    VDB_RETURN_IF_ERROR(fs.Remove(name));
  } else if (file.status().code() != StatusCode::kNotFound) {
    return file.status();
  }
  const std::string twin = JoinPath(path, format::ManifestTwinName(generation));
  VDB_ASSIGN_OR_RETURN(const bool has_twin, fs.Exists(twin));
  if (has_twin) VDB_RETURN_IF_ERROR(fs.Remove(twin));
  return true;
}

}  // namespace

Status FinishUpgrade(storage::FileSystem& fs, const std::string& path,
                     const format::Manifest& live) {
  const std::string marker = JoinPath(path, format::kUpgradingFile);
  VDB_ASSIGN_OR_RETURN(const bool marked, fs.Exists(marker));
  if (!marked || live.format_version < kFormatVersion) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const auto names, fs.List(path));
  for (const std::string& name : names) {
    const auto generation = format::ParseManifestName(name);
    if (!generation || *generation == live.generation) continue;
    VDB_ASSIGN_OR_RETURN(const bool gone, RemoveManifest(fs, path, *generation));
    if (!gone) return Status::Ok();  // the next open for writing tries again
  }
  // No manifest may come back whose documents are gone.
  VDB_RETURN_IF_ERROR(fs.SyncDir(path));
  for (const std::string& name : names) {
    const uint64_t number = DocsNumber(name);
    if (number == 0 || number >= live.docs_directory) continue;
    VDB_RETURN_IF_ERROR(RemoveTree(fs, JoinPath(path, name)));
  }
  VDB_RETURN_IF_ERROR(fs.SyncDir(path));
  VDB_RETURN_IF_ERROR(fs.Remove(marker));
  return fs.SyncDir(path);
}

StatusOr<UpgradeReport> UpgradeDatabase(const std::string& path, const UpgradeOptions& options,
                                        const EngineOptions& engine) {
  const auto begin = Clock::now();
  storage::FileSystem& fs = *engine.fs;
  std::string place = path;
  VDB_ASSIGN_OR_RETURN(const bool current, fs.Exists(JoinPath(path, format::kCurrentFile)));
  const std::string inner = JoinPath(path, ".vdb");  // of a folder whose cache was migrated
  VDB_ASSIGN_OR_RETURN(const bool migrated, IsDatabase(fs, inner));
  if (!current && migrated) place = inner;
  VDB_ASSIGN_OR_RETURN(UpgradeReport report, UpgradeRun(place, options, engine).Run());
  report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return report;
}

}  // namespace vdb::engine

namespace vdb {

StatusOr<UpgradeReport> Upgrade(const std::string& path, const UpgradeOptions& options) {
  return engine::NoThrow([&] { return engine::UpgradeDatabase(path, options, {}); });
}

}  // namespace vdb
