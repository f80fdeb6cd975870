// Migration: someone else's cache of vectors (vemb, nndex, JSON by shape; docs/migration.md)
// becomes a database. Database::Open does it by itself; this header is for doing it by hand.
//
//   auto report = vdb::Migrate("photos", {});         // photos/.vemb -> photos/.vdb
//   if (!report.ok()) return fail(report.status());
//   if (report->outcome == vdb::MigrationOutcome::kRefused) return fail(report->refusal);
//
// The source is read only, and stays. The database is built beside its place, synced, closed,
// opened again, compared with the source entry by entry, and only then renamed to its place: killed
// at any moment there is either no database or the whole one, and the next run starts afresh.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/options.h"
#include "vdb/status.h"

namespace vdb {

enum class MigrationOutcome : uint8_t {
  kClean,    ///< every entry became a document
  kPartial,  ///< some entries were refused, or a torn source was salvaged
  kRefused,  ///< nothing was migrated; there is no database
};

/// For Migrate.
struct MigrateOptions {
  std::string to = {};       ///< the database; empty: ".vdb" in the source's folder
  bool dry_run = false;      ///< verdicts and predictions only; writes nothing
  bool salvage = false;      ///< take the complete leading entries of a torn source
  bool force = false;        ///< read an unknown version as the newest known one
  std::string key_field = {};     ///< of records; empty: found by name
  std::string vector_field = {};  ///< of records; empty: found by name and shape
  std::string report_path = {};   ///< every entry's verdict, a JSON object a line; empty: none
  uint32_t thread_count = 0;      ///< 0: all cores
  ProgressCallback progress = {};  ///< done and total count bytes of the source
  Logger logger = {};
};

/// A column that a migration made (or, dry, would make).
struct MigratedColumn {
  std::string name;
  std::string model;
  uint32_t dimension = 0;
  uint64_t vector_count = 0;
};

struct MigrationReport {
  MigrationOutcome outcome = MigrationOutcome::kClean;
  std::string format;         ///< e.g. "vemb-v1"; see docs/migration.md
  std::string source;
  std::string database;
  std::string refusal;        ///< kRefused: what, where, expected, found and what to do
  std::string refusal_reason; ///< kRefused: its code, e.g. "not_json"
  std::string taken;          ///< what was taken for key, vector and metadata
  uint64_t entry_count = 0;     ///< = migrated_count + refused_count
  uint64_t migrated_count = 0;  ///< documents
  uint64_t without_vector_count = 0;  ///< of them
  uint64_t refused_count = 0;
  uint64_t replaced_count = 0;  ///< entries that a later one of the same key replaced
  uint64_t deleted_count = 0;   ///< keys that a log deleted at last
  std::map<std::string, uint64_t> reasons;  ///< of refused entries, by code
  std::vector<MigratedColumn> columns;
  std::vector<std::string> warnings;
  uint64_t source_bytes = 0;
  uint64_t predicted_bytes = 0;  ///< of the database, by a dry run
  double predicted_seconds = 0;
  double seconds = 0;
  std::string entries_hash;  ///< order-independent, over (key, metadata, vectors) of all documents
};

/// Migrate `source`: a folder that holds `.vemb` or `.nndex`, a JSON cache file, or a folder of
/// nothing but .ajson logs, which are read as one. Already done, and the source unchanged since:
/// kAlreadyExists. A refused source is no error but an outcome.
/// Errors: kNotFound (no cache there), kUnsupportedFormat (recognised, not read; says what to do),
/// kAlreadyExists, kFailedPrecondition (at the database's place is something else, or its source
/// has changed since), kBusy (another process is at it), kCancelled, kIoError, kCorruption (the
/// source changed meanwhile, or the proof failed: nothing was published).
StatusOr<MigrationReport> Migrate(const std::string& source, const MigrateOptions& options = {});

/// Removes the database that a migration of `source` made (`to` as then), so that the source is all
/// there is, as it was. kFailedPrecondition if anything was written to the database since, if it is
/// open, or if it was not made by a migration. Returns the path removed.
StatusOr<std::string> RollbackMigration(const std::string& source, const std::string& to = {});

}  // namespace vdb
