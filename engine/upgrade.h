// Upgrade with the engine's own options: for tests; and what opens have to do with it.
#pragma once

#include "engine/engine_options.h"
#include "format/manifest.h"
#include "vdb/upgrade.h"

namespace vdb::engine {

StatusOr<UpgradeReport> UpgradeDatabase(const std::string& path, const UpgradeOptions& options,
                                        const EngineOptions& engine);

/// Removes what an upgrade replaced, which it may not have come to, or not while a reader needed
/// it. Under the writer's lock. `live`: of the database as it is.
Status FinishUpgrade(storage::FileSystem& fs, const std::string& path,
                     const format::Manifest& live);

}  // namespace vdb::engine
