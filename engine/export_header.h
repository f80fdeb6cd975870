// The first line of a lossless export: what a collection declares, so that an import can make it
// again. {"vdb_collection": {"name": ..., "columns": [...], "field_indexes": [...]}}
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vdb/collection.h"

namespace vdb::engine {

struct ExportHeader {
  std::string collection;
  std::vector<ColumnInfo> columns;
  std::vector<FieldIndexInfo> field_indexes;
};

inline constexpr std::string_view kExportHeaderStart = "{\"vdb_collection\":";
inline constexpr size_t kExportHeaderBytesMax = 64u << 20;

/// In the directory of an exported database, beside a file a collection:
/// {"vdb_export": 1, "collections": [{"name": ..., "file": ..., "documents": ...}]}
inline constexpr char kExportIndexName[] = "database.json";

/// Without a newline.
std::string ExportHeaderLine(const ExportHeader& header);

/// Whether a line (or its beginning) is one.
inline bool IsExportHeader(std::string_view line) { return line.starts_with(kExportHeaderStart); }

/// Errors: kInvalidArgument with byte offset, expected and found.
StatusOr<ExportHeader> ParseExportHeader(std::string_view line);

}  // namespace vdb::engine
