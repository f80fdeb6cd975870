// Repair with the engine's own options: for tests.
#pragma once

#include "engine/engine_options.h"
#include "vdb/verify.h"

namespace vdb::engine {

StatusOr<RepairReport> RepairDatabase(storage::FileSystem& fs, const std::string& path,
                                      const RepairOptions& options);

}  // namespace vdb::engine
