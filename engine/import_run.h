// One source into one collection: what ImportFile, ImportStream and ImportDatabase share.
#pragma once

#include <optional>
#include <string>

#include "engine/import_source.h"
#include "storage/file_system.h"

namespace vdb::engine {

/// `name` stands for the source in messages; `info` of a file that can be resumed.
StatusOr<ImportReport> RunImport(Database& database, const std::string& collection,
                                 const std::string& name, ImportSource* source,
                                 const ImportOptions& options,
                                 const std::optional<storage::FileInfo>& info);

/// What ImportFile does.
StatusOr<ImportReport> ImportPath(Database& database, const std::string& collection,
                                  const std::string& path, const ImportOptions& options);

}  // namespace vdb::engine
