// One migration: look through, build beside its place, prove, publish by a rename.
#include "engine/migrate.h"

#include <algorithm>
#include <chrono>

#include "engine/migrate_convert.h"
#include "engine/migrate_files.h"
#include "engine/migrate_proof.h"
#include "engine/no_throw.h"
#include "format/file_names.h"
#include "format/row_record.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using Clock = std::chrono::steady_clock;
using format::LegacyReason;

// Reading back and syncing take about so long per byte stored; for predictions only.
constexpr double kStoredBytesPerSecond = 400e6;
constexpr uint64_t kEmptyDatabaseBytes = 100'000;
constexpr uint64_t kDocumentOverheadBytes = 40;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class Migration {
 public:
  Migration(const format::LegacyCache& cache, const LegacyPlace& place, const OpenedPlace& opened,
            std::string to, const MigrateOptions& options, const EngineOptions& engine)
      : cache_(cache), place_(place), opened_(opened), to_(std::move(to)), options_(options),
        engine_(engine), fs_(*engine.fs) {}

  StatusOr<MigrationReport> Run() {
    Describe();
    if (!options_.report_path.empty()) {
      VDB_ASSIGN_OR_RETURN(verdicts_, ReportFile::Open(fs_, options_.report_path));
    }
    if (cache_.refused() != LegacyReason::kNone) {
      VDB_RETURN_IF_ERROR(RefuseSource());
    } else {
      VDB_RETURN_IF_ERROR(options_.dry_run ? DryRun() : BuildAndPublish());
    }
    if (verdicts_ != nullptr) VDB_RETURN_IF_ERROR(verdicts_->Finish());
    report_.seconds = SecondsSince(begin_);
    return std::move(report_);
  }

 private:
  void Describe() {
    report_.format = cache_.format();
    report_.source = place_.source;
    report_.database = to_;
    report_.taken = cache_.taken();
    report_.replaced_count = cache_.replaced_count();
    report_.deleted_count = cache_.deleted_count();
    report_.warnings = place_.warnings;
    report_.warnings.insert(report_.warnings.end(), cache_.warnings().begin(),
                            cache_.warnings().end());
    report_.source_bytes = opened_.bytes;
  }

  // A root of the wrong shape or version is one refused entry; of a torn source nobody knows how
  // many there were.
  Status RefuseSource() {
    report_.outcome = MigrationOutcome::kRefused;
    report_.refusal = cache_.refusal();
    report_.refusal_reason = format::LegacyReasonCode(cache_.refused());
    if (cache_.refused() != LegacyReason::kTruncated &&
        cache_.refused() != LegacyReason::kNotJson) {
      report_.entry_count = report_.refused_count = 1;
      report_.reasons[report_.refusal_reason] = 1;
    }
    if (verdicts_ == nullptr) return Status::Ok();
    format::LegacyEntry whole;
    whole.reason = cache_.refused();
    whole.detail = cache_.refusal();
    return verdicts_->Append(ReportLine(whole, false));
  }

  Status Convert(Collection* docs) {
    ConvertOptions converting;
    converting.thread_count = options_.thread_count;
    converting.want_report = verdicts_ != nullptr;
    converting.progress = options_.progress;
    converting.source_bytes = opened_.bytes;
    const auto sink = [&](const WriteBatch& documents, std::string_view lines) -> Status {
      if (verdicts_ != nullptr) VDB_RETURN_IF_ERROR(verdicts_->Append(lines));
      if (docs == nullptr || documents.change_count() == 0) return Status::Ok();
      return docs->Write(documents, {.sync = false}).status();
    };
    VDB_ASSIGN_OR_RETURN(totals_, ConvertEntries(cache_, converting, sink));
    if (totals_.entries != cache_.entry_count() ||
        totals_.migrated + totals_.refused != totals_.entries ||
        totals_.hash.count != totals_.migrated) {
      return Status::Corruption("the proof failed: " + std::to_string(cache_.entry_count()) +
                                " entries, " + std::to_string(totals_.migrated) + " migrated, " +
                                std::to_string(totals_.refused) + " refused");
    }
    Count();
    return Status::Ok();
  }

  void Count() {
    report_.entry_count = totals_.entries;
    report_.migrated_count = totals_.migrated;
    report_.without_vector_count = totals_.without_vector;
    report_.refused_count = totals_.refused;
    for (const auto& [reason, count] : totals_.reasons) {
      report_.reasons[std::string(format::LegacyReasonCode(reason))] = count;
    }
    for (size_t i = 0; i < cache_.columns().size(); ++i) {
      const format::LegacyColumn& column = cache_.columns()[i];
      report_.columns.push_back({column.name, column.model, column.dimension, totals_.vectors[i]});
    }
    report_.entries_hash = format::Hex128(totals_.hash.sum);
    const bool partial = totals_.refused > 0 || cache_.torn();
    report_.outcome = partial ? MigrationOutcome::kPartial : MigrationOutcome::kClean;
    if (totals_.entries == 0 || totals_.migrated > 0) return;
    const auto commonest = std::max_element(
        report_.reasons.begin(), report_.reasons.end(),
        [](const auto& a, const auto& b) { return a.second < b.second; });
    report_.outcome = MigrationOutcome::kRefused;
    report_.refusal_reason = commonest->first;
    report_.refusal = "'" + place_.source + "': all " + std::to_string(totals_.entries) +
                      " entries are refused, most of them for " + commonest->first +
                      "; `vdbtool migrate --dry-run --report FILE` says why";
  }

  Status DryRun() {
    VDB_RETURN_IF_ERROR(Convert(nullptr));
    uint64_t bytes = kEmptyDatabaseBytes + totals_.text_bytes +
                     totals_.migrated * kDocumentOverheadBytes;
    for (size_t i = 0; i < totals_.vectors.size(); ++i) {
      const uint64_t row = cache_.columns()[i].dimension * sizeof(float);
      bytes += totals_.vectors[i] * (row + sizeof(format::RowRecord)) + totals_.key_bytes[i];
    }
    report_.predicted_bytes = bytes;
    report_.predicted_seconds =
        SecondsSince(begin_) + static_cast<double>(bytes) / kStoredBytesPerSecond;
    return Status::Ok();
  }

  Status BuildAndPublish() {
    VDB_ASSIGN_OR_RETURN(const auto lock, MigrationLock::Take(fs_, to_));
    VDB_ASSIGN_OR_RETURN(const bool there, IsDatabase(fs_, to_));
    if (there) return Status::AlreadyExists("'" + to_ + "' was made meanwhile");
    // What a killed run left. The lock says that nobody is at it.
    VDB_RETURN_IF_ERROR(RemoveDatabaseFolder(fs_, BuildPath(to_)).status());
    VDB_RETURN_IF_ERROR(RemoveDatabaseFolder(fs_, RemovedPath(to_)).status());
    Status built = Build();
    if (built.ok() && report_.outcome != MigrationOutcome::kRefused) {
      built = Prove();
      if (built.ok()) built = Publish();
      if (built.ok()) return built;
    }
    RemoveDatabaseFolder(fs_, BuildPath(to_)).status().IgnoreError("the next run removes it");
    return built;
  }

  Status Build() {
    EngineOptions building = engine_;
    building.user = {};
    building.user.create_if_missing = true;
    building.user.logger = options_.logger;
    VDB_ASSIGN_OR_RETURN(Database database, OpenDatabase(BuildPath(to_), building));
    VDB_ASSIGN_OR_RETURN(Collection docs, database.CreateCollection(kMigratedCollection));
    for (const format::LegacyColumn& column : cache_.columns()) {
      VDB_RETURN_IF_ERROR(
          docs.AddColumn(column.name, {.dimension = column.dimension, .model = column.model}));
    }
    VDB_RETURN_IF_ERROR(Convert(&docs));
    VDB_RETURN_IF_ERROR(database.Flush());
    return database.Close();
  }

  Status Prove() {
    VDB_ASSIGN_OR_RETURN(const StoredContents stored,
                         ReadBack(BuildPath(to_), engine_, CheckProgress()));
    VDB_RETURN_IF_ERROR(CompareContents(totals_.hash, stored));
    batch_ = stored.batch;
    return Status::Ok();
  }

  ProgressCallback CheckProgress() const {
    if (!options_.progress) return {};
    return [this](const Progress& progress) {
      return options_.progress({progress.stage,
                                opened_.bytes * progress.done_count / totals_.migrated,
                                opened_.bytes});
    };
  }

  StatusOr<std::string> EncodedRecord() const {
    format::MigrationRecord record;
    record.partial = report_.outcome == MigrationOutcome::kPartial;
    record.batch = batch_;
    record.entry_count = totals_.entries;
    record.migrated_count = totals_.migrated;
    record.without_vector_count = totals_.without_vector;
    record.refused_count = totals_.refused;
    record.replaced_count = cache_.replaced_count();
    record.deleted_count = cache_.deleted_count();
    record.entries_hash = totals_.hash.sum;
    record.format = cache_.format();
    record.source = RecordedPath(place_.source, to_);
    for (const auto& file : opened_.files) {
      VDB_ASSIGN_OR_RETURN(const format::Hash128 hash, file->Hash());
      record.files.push_back({RecordedPath(file->path(), to_), file->info().size_bytes,
                              file->info().mtime_ns, hash});
    }
    return format::EncodeMigrationRecord(record);
  }

  Status Publish() {
    VDB_ASSIGN_OR_RETURN(const std::string record, EncodedRecord());
    const std::string build = BuildPath(to_);
    VDB_RETURN_IF_ERROR(
        WriteSyncedFile(fs_, format::JoinPath(build, format::kMigratedFile), record));
    VDB_RETURN_IF_ERROR(fs_.SyncDir(build));
    for (const auto& file : opened_.files) VDB_RETURN_IF_ERROR(file->CheckUnchanged(fs_));
    if (verdicts_ != nullptr) VDB_RETURN_IF_ERROR(verdicts_->Finish());
    VDB_RETURN_IF_ERROR(fs_.Rename(build, to_));
    return fs_.SyncDir(FolderOf(to_));
  }

  const format::LegacyCache& cache_;
  const LegacyPlace& place_;
  const OpenedPlace& opened_;
  const std::string to_;
  const MigrateOptions& options_;
  const EngineOptions& engine_;
  storage::FileSystem& fs_;
  const Clock::time_point begin_ = Clock::now();
  std::unique_ptr<ReportFile> verdicts_;  // null: none is wanted
  ConvertTotals totals_;
  uint64_t batch_ = 0;
  MigrationReport report_;
};

// Nothing may stand at the database's place but an empty folder.
Status CheckPlaceIsFree(storage::FileSystem& fs, const LegacyPlace& place, const std::string& to) {
  VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(to));
  if (!there) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const bool database, IsDatabase(fs, to));
  if (!database) {
    VDB_ASSIGN_OR_RETURN(const bool is_dir, fs.IsDir(to));
    if (is_dir) {
      VDB_ASSIGN_OR_RETURN(const auto names, fs.List(to));
      if (names.empty()) return Status::Ok();
    }
    return Status::FailedPrecondition("'" + to + "' is in the way and is no database; move it "
                                      "away, or name another place with --to");
  }
  VDB_ASSIGN_OR_RETURN(const auto record, ReadMigrationRecord(fs, to));
  if (!record || !IsOfPlace(*record, place, to)) {
    return Status::FailedPrecondition(
        "'" + to + "' is a database that was not made from '" + place.source +
        (record ? "' but from '" + record->source : "") + "'; name another place with --to");
  }
  VDB_ASSIGN_OR_RETURN(const std::string change, ChangedSince(fs, *record, place, to));
  if (change.empty()) {
    return Status::AlreadyExists("'" + place.source + "' is migrated already, to '" + to +
                                 "', and has not changed since");
  }
  return Status::FailedPrecondition(
      "'" + to + "' was made from '" + place.source + "', which has changed since (" + change +
      "); to take it anew, remove the database first (`vdbtool migrate --rollback`), or name "
      "another place with --to");
}

StatusOr<LegacyPlace> RequirePlace(storage::FileSystem& fs, const std::string& source) {
  VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(source));
  if (!there) return Status::NotFound("'" + source + "' does not exist");
  VDB_ASSIGN_OR_RETURN(auto place, FindLegacy(fs, source, /*by_name=*/true));
  if (place) return std::move(*place);
  const std::string foreign = ForeignStore(fs, source);
  if (!foreign.empty()) return Status::UnsupportedFormat("'" + source + "': " + foreign);
  return Status::NotFound("'" + source + "' holds no cache that vdb knows: neither "
                          ".vemb/cache.json nor .vemb/manifest.json nor .nndex/metadata.json, and "
                          "it is no JSON file; export it to JSON lines, then `vdbtool import`");
}

}  // namespace

StatusOr<MigrationReport> MigrateCache(const format::LegacyCache& cache, const LegacyPlace& place,
                                       const OpenedPlace& opened, const std::string& to,
                                       const MigrateOptions& options,
                                       const EngineOptions& engine) {
  return Migration(cache, place, opened, to, options, engine).Run();
}

StatusOr<MigrationReport> MigrateWith(const std::string& source, const MigrateOptions& options,
                                      const EngineOptions& engine) {
  const auto begin = Clock::now();
  storage::FileSystem& fs = *engine.fs;
  VDB_ASSIGN_OR_RETURN(const LegacyPlace place, RequirePlace(fs, source));
  std::string to = options.to.empty() ? place.DefaultDatabase() : options.to;
  while (to.size() > 1 && to.back() == '/') to.pop_back();
  if (!options.dry_run) VDB_RETURN_IF_ERROR(CheckPlaceIsFree(fs, place, to));
  VDB_ASSIGN_OR_RETURN(const OpenedPlace opened, OpenPlace(fs, place));
  format::LegacyOptions reading;
  reading.key_field = options.key_field;
  reading.vector_field = options.vector_field;
  reading.salvage = options.salvage;
  reading.force = options.force;
  format::LegacyProgress progress;
  if (options.progress) {
    progress = [&](uint64_t done, uint64_t total) {
      return options.progress({"look through", done, total});
    };
  }
  VDB_ASSIGN_OR_RETURN(const auto cache,
                       format::LegacyCache::Open(opened.sources, reading, progress));
  VDB_ASSIGN_OR_RETURN(MigrationReport report,
                       MigrateCache(*cache, place, opened, to, options, engine));
  report.seconds = SecondsSince(begin);
  if (options.dry_run) {
    report.predicted_seconds = report.seconds + static_cast<double>(report.predicted_bytes) /
                                                    kStoredBytesPerSecond;
  }
  return report;
}

}  // namespace vdb::engine

namespace vdb {

StatusOr<MigrationReport> Migrate(const std::string& source, const MigrateOptions& options) {
  return engine::NoThrow([&] { return engine::MigrateWith(source, options, {}); });
}

StatusOr<std::string> RollbackMigration(const std::string& source, const std::string& to) {
  return engine::NoThrow([&] { return engine::RollbackWith(source, to, {}); });
}

}  // namespace vdb
