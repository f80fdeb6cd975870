// Database::Open on a folder with a legacy cache; and rolling a migration back.
#include "engine/migrate.h"

#include <cstdio>

#include "engine/migrate_files.h"
#include "engine/migrate_proof.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using format::JoinPath;

void Log(const EngineOptions& options, LogLevel level, const std::string& line) {
  if (options.user.logger) options.user.logger(level, line);
}

// Of a database that a migration made: one line if its source has changed since. Nothing here is a
// reason not to open it.
void WarnIfChanged(const LegacyPlace& place, const std::string& database,
                   const EngineOptions& options) {
  const auto record = ReadMigrationRecord(*options.fs, database);
  if (!record.ok()) {
    return Log(options, LogLevel::kWarning,
               record.status().message() + "; whether its source changed is not known");
  }
  if (!*record || !IsOfPlace(**record, place, database)) return;
  const auto change = ChangedSince(*options.fs, **record, place, database);
  if (!change.ok() || change->empty()) return;
  Log(options, LogLevel::kWarning,
      "'" + database + "' was made from '" + place.source + "', which has changed since: " +
          *change + "; `vdbtool migrate` with --to takes it again, beside what is there");
}

std::string Advice(const std::string& path) {
  return "; `vdbtool migrate '" + path + "' --dry-run` shows what it holds, --salvage takes the "
         "complete leading entries of a torn one";
}

Status RefusalOf(const MigrationReport& report, const std::string& path) {
  std::string message = report.refusal;
  if (message.find("--salvage") == std::string::npos) message += Advice(path);
  const bool torn = report.refusal_reason == "truncated" || report.refusal_reason == "not_json";
  return torn ? Status::Corruption(std::move(message))
              : Status::UnsupportedFormat(std::move(message));
}

void LogReport(const MigrationReport& report, const EngineOptions& options) {
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.2f s", report.seconds);
  std::string line = "migrated '" + report.source + "' (" + report.format + ") to '" +
                     report.database + "': " + std::to_string(report.migrated_count) +
                     " documents in " + seconds;
  if (report.refused_count > 0) {
    line += ", " + std::to_string(report.refused_count) + " entries refused (`vdbtool migrate "
            "--dry-run --report FILE` says which and why)";
  }
  Log(options, LogLevel::kInfo, line);
}

Status MigrateAtOpen(const std::string& path, const EngineOptions& options) {
  if (options.user.read_only) {
    return Status::FailedPrecondition("'" + path + "' holds a legacy cache that is not migrated "
                                      "yet, and a read-only open writes nothing; open it for "
                                      "writing once, or run `vdbtool migrate`");
  }
  if (!options.user.migrate_legacy) {
    return Status::UnsupportedFormat("'" + path + "' holds a legacy cache; `vdbtool migrate` makes "
                                     "a database of it (migrate_legacy is off)");
  }
  if (options.user.create_if_missing && options.user.error_if_exists) {
    return Status::AlreadyExists("'" + path + "' holds a legacy cache already");
  }
  MigrateOptions migrating;
  migrating.logger = options.user.logger;
  const auto report = MigrateWith(path, migrating, options);
  if (report.status().code() == StatusCode::kAlreadyExists) return Status::Ok();  // by another
  VDB_RETURN_IF_ERROR(report.status());
  if (report->outcome == MigrationOutcome::kRefused) return RefusalOf(*report, path);
  LogReport(*report, options);
  return Status::Ok();
}

// Locks that keep everyone out of a database: its writer's, and of the readers' pins.
struct Locks {
  std::vector<std::unique_ptr<storage::File>> files;
  std::vector<std::unique_ptr<storage::FileLock>> locks;

  Status Take(storage::FileSystem& fs, const std::string& path) {
    VDB_ASSIGN_OR_RETURN(auto file, fs.Open(path, storage::OpenMode::kRead));
    VDB_ASSIGN_OR_RETURN(auto lock, file->TryLock(storage::LockKind::kExclusive));
    files.push_back(std::move(file));
    locks.push_back(std::move(lock));
    return Status::Ok();
  }
  ~Locks() { locks.clear(); }
};

Status TakeAlone(storage::FileSystem& fs, const std::string& database, Locks* locks) {
  VDB_ASSIGN_OR_RETURN(const auto names, fs.List(database));
  for (const std::string& name : names) {
    if (name != format::kLockFile && !format::ParseManifestName(name)) continue;
    const Status taken = locks->Take(fs, JoinPath(database, name));
    if (taken.code() == StatusCode::kBusy) {
      return Status::FailedPrecondition("'" + database + "' is open; close it first");
    }
    VDB_RETURN_IF_ERROR(taken);
  }
  return Status::Ok();
}

Status CheckUntouched(const format::MigrationRecord& record, const std::string& database,
                      const EngineOptions& engine) {
  const auto stored = ReadBack(database, engine, {});
  const std::string end = "; it is not removed (remove the folder by hand if that is wanted)";
  if (!stored.ok()) {
    return Status(stored.status().code(),
                  "'" + database + "' cannot be compared with what the migration wrote: " +
                      stored.status().message() + end);
  }
  if (stored->batch == record.batch && stored->alone &&
      stored->hash == EntriesHash{record.entries_hash, record.migrated_count}) {
    return Status::Ok();
  }
  return Status::FailedPrecondition("'" + database + "' was written to since its migration" + end);
}

}  // namespace

StatusOr<std::string> ResolveLegacy(const std::string& path, const EngineOptions& options) {
  storage::FileSystem& fs = *options.fs;
  VDB_ASSIGN_OR_RETURN(const bool is_dir, fs.IsDir(path));
  VDB_ASSIGN_OR_RETURN(const auto place, FindLegacy(fs, path, /*by_name=*/false));
  const std::string inner = place ? place->DefaultDatabase() : JoinPath(path, ".vdb");
  VDB_ASSIGN_OR_RETURN(bool there, IsDatabase(fs, inner));
  if (!there && !place) {
    const std::string foreign = ForeignStore(fs, path);
    if (!foreign.empty()) {
      return Status::UnsupportedFormat("'" + path + "' is no database: " + foreign);
    }
    return path;
  }
  if (!there) {
    VDB_RETURN_IF_ERROR(MigrateAtOpen(path, options));
    there = true;
  } else if (place) {
    WarnIfChanged(*place, inner, options);
  }
  if (is_dir) return inner;
  VDB_ASSIGN_OR_RETURN(const auto record, ReadMigrationRecord(fs, inner));
  if (record && IsOfPlace(*record, *place, inner)) return inner;
  return Status::FailedPrecondition(
      "'" + path + "': the database of its folder, '" + inner + "', was not made from it; migrate "
      "it with `vdbtool migrate '" + path + "' --to DB`, then open that");
}

StatusOr<std::string> RollbackWith(const std::string& source, const std::string& given,
                                   const EngineOptions& engine) {
  storage::FileSystem& fs = *engine.fs;
  VDB_ASSIGN_OR_RETURN(const auto place, FindLegacy(fs, source, /*by_name=*/true));
  if (!place) return Status::NotFound("'" + source + "' holds no cache that was migrated");
  std::string to = given.empty() ? place->DefaultDatabase() : given;
  while (to.size() > 1 && to.back() == '/') to.pop_back();
  VDB_ASSIGN_OR_RETURN(const auto lock, MigrationLock::Take(fs, to));
  VDB_ASSIGN_OR_RETURN(const bool building, RemoveDatabaseFolder(fs, BuildPath(to)));
  VDB_ASSIGN_OR_RETURN(const bool removing, RemoveDatabaseFolder(fs, RemovedPath(to)));
  VDB_ASSIGN_OR_RETURN(const bool there, IsDatabase(fs, to));
  if (!there && (building || removing)) return to;  // what a killed run left
  if (!there) return Status::NotFound("'" + to + "': there is no database to remove");

  VDB_ASSIGN_OR_RETURN(const auto record, ReadMigrationRecord(fs, to));
  if (!record || !IsOfPlace(*record, *place, to)) {
    return Status::FailedPrecondition("'" + to + "' was not made by a migration of '" +
                                      place->source + "'; it is not removed");
  }
  VDB_RETURN_IF_ERROR(CheckOnlyDatabaseFiles(fs, to));
  Locks locks;
  VDB_RETURN_IF_ERROR(TakeAlone(fs, to, &locks));
  locks.locks.clear();  // reading back pins a manifest itself
  VDB_RETURN_IF_ERROR(CheckUntouched(*record, to, engine));
  Locks alone;
  VDB_RETURN_IF_ERROR(TakeAlone(fs, to, &alone));
  VDB_RETURN_IF_ERROR(fs.Rename(to, RemovedPath(to)));
  VDB_RETURN_IF_ERROR(fs.SyncDir(FolderOf(to)));
  VDB_RETURN_IF_ERROR(RemoveDatabaseFolder(fs, RemovedPath(to)).status());
  return to;
}

}  // namespace vdb::engine
