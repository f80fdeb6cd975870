// Where query vectors come from: files, stdin, documents; and which column they are for.
#pragma once

#include <string>
#include <string_view>

#include "vdb/collection.h"
#include "vdb/import.h"
#include "vdb/status.h"

namespace vdb::tools {

/// The queries of a .fvecs, .npy or .jsonl file; "-": JSON arrays on stdin, one a line.
StatusOr<VectorFile> ReadQueries(const std::string& file);

/// Figures of column `name`; of the collection's default column if `name` is empty.
StatusOr<ColumnStats> FindColumn(const Collection& collection, const std::string& name);

/// The vector of document `key` in `column`. kNotFound: no such document, or it has none there.
StatusOr<VectorFile> VectorOf(const Collection& collection, std::string_view key,
                              const std::string& column);

}  // namespace vdb::tools
