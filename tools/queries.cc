#include "tools/queries.h"

#include <cstdio>
#include <utility>

#include "tools/common.h"

namespace vdb::tools {
namespace {

StatusOr<std::string> ReadStdin() {
  std::string text;
  char block[1 << 16];
  size_t count = 0;
  while ((count = fread(block, 1, sizeof(block), stdin)) > 0) text.append(block, count);
  if (ferror(stdin) != 0) return Status::IoError("stdin cannot be read");
  return text;
}

}  // namespace

StatusOr<VectorFile> ReadQueries(const std::string& file) {
  if (file != "-") return ReadVectorFile(file);
  const auto text = ReadStdin();
  if (!text.ok()) return text.status();
  auto queries = ParseVectorLines(*text);
  if (!queries.ok()) {
    return Status(queries.status().code(), "stdin: " + queries.status().message());
  }
  return queries;
}

StatusOr<ColumnStats> FindColumn(const Collection& collection, const std::string& name) {
  auto stats = collection.Stats();
  if (!stats.ok()) return stats.status();
  for (ColumnStats& column : stats->columns) {
    if (name.empty() ? column.info.is_default : column.info.name == name) return std::move(column);
  }
  const std::string about = "collection '" + collection.name() + "'";
  if (name.empty()) {
    return Status::NotFound(about + " has no default column; name one with --column");
  }
  return Status::NotFound(about + " has no column '" + name +
                          "'; `vdbtool list` shows what it has");
}

StatusOr<VectorFile> VectorOf(const Collection& collection, std::string_view key,
                              const std::string& column) {
  auto document = collection.Get(key, {}, {.metadata = false, .body = false});
  if (!document.ok()) return AboutKey(key, document.status());
  for (DocumentVector& vector : document->vectors) {
    if (vector.column != column) continue;
    // Where the vector itself overflows float32, only its direction is left to search with.
    std::vector<float>& values = vector.values.empty() ? vector.stored.unit : vector.values;
    const size_t dimension = values.size();
    return VectorFile{std::move(values), 1, dimension};
  }
  return AboutKey(key, Status::NotFound("collection '" + collection.name() + "', column '" +
                                        column + "': the document has no vector here; name "
                                        "another column with --column"));
}

}  // namespace vdb::tools
