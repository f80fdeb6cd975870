// Migration inside the engine: vdb/migrate.h with the engine's own options, and what opens use.
//
// Files: migrate.cc (one run from source to published database), migrate_open.cc (Database::Open on
// a legacy folder; rollback), migrate_convert.cc (entries to documents, in parallel),
// legacy_document.cc (normalisation, its check, hashes), migrate_proof.cc (reading back),
// migrate_source.cc (finding caches), migrate_files.cc (locks, leftovers, reports).
#pragma once

#include <string>

#include "engine/engine_options.h"
#include "engine/migrate_source.h"
#include "vdb/migrate.h"

namespace vdb::engine {

/// Migrate, on `engine.fs`.
StatusOr<MigrationReport> MigrateWith(const std::string& source, const MigrateOptions& options,
                                      const EngineOptions& engine);

/// The second half: `cache` has been looked through. `to` is the database.
StatusOr<MigrationReport> MigrateCache(const format::LegacyCache& cache, const LegacyPlace& place,
                                       const OpenedPlace& opened, const std::string& to,
                                       const MigrateOptions& options, const EngineOptions& engine);

StatusOr<std::string> RollbackWith(const std::string& source, const std::string& to,
                                   const EngineOptions& engine);

/// For an open of `path`, which exists and is no database: where the database is. Migrates what it
/// has to. `path` itself if it has to do with no legacy cache.
StatusOr<std::string> ResolveLegacy(const std::string& path, const EngineOptions& options);

}  // namespace vdb::engine
