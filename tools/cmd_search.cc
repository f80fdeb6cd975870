// vdbtool search: nearest neighbours of vectors from a file or stdin, or of a document.
#include <algorithm>
#include <cstdio>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/database.h"
#include "vdb/import.h"

namespace vdb::tools {
namespace {

// Queries per call: answers are printed and forgotten, so that many queries with a large k do not
// pile up in memory.
constexpr size_t kQueriesPerCall = 2048;

StatusOr<std::string> ReadStdin() {
  std::string text;
  char block[1 << 16];
  size_t count = 0;
  while ((count = fread(block, 1, sizeof(block), stdin)) > 0) text.append(block, count);
  if (ferror(stdin) != 0) return Status::IoError("stdin cannot be read");
  return text;
}

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

// The column to search: the one that was named, or the collection's default.
StatusOr<std::string> ColumnName(const Collection& collection, const SearchArgs& args) {
  if (!args.column.empty()) return args.column;
  const auto columns = collection.Columns();
  if (!columns.ok()) return columns.status();
  for (const ColumnInfo& info : *columns) {
    if (info.is_default) return info.name;
  }
  return Status::NotFound("collection '" + args.collection +
                          "' has no default column; name one with --column");
}

// The vector of the document that --like names.
StatusOr<VectorFile> VectorOf(const Collection& collection, const SearchArgs& args) {
  const auto column = ColumnName(collection, args);
  if (!column.ok()) return column.status();
  auto document = collection.Get(*args.like, {}, {.metadata = false, .body = false});
  if (!document.ok()) return AboutKey(*args.like, document.status());
  for (DocumentVector& vector : document->vectors) {
    if (vector.column != *column) continue;
    // Where the vector itself overflows float32, only its direction is left to search with.
    std::vector<float>& values = vector.values.empty() ? vector.stored.unit : vector.values;
    const size_t dimension = values.size();
    return VectorFile{std::move(values), 1, dimension};
  }
  return AboutKey(*args.like, Status::NotFound("collection '" + args.collection + "', column '" +
                                               *column + "': the document has no vector here; name "
                                               "another column with --column"));
}

void PrintJson(size_t query, const Answer& answer) {
  JsonOut out;
  out.BeginObject().Key("query").Uint(query).Key("count").Uint(answer.hits.size());
  out.Key("exact").Bool(answer.exact).Key("hits").BeginArray();
  for (const Hit& hit : answer.hits) {
    out.BeginObject().Key("key").String(hit.key).Key("score").Double(hit.score).EndObject();
  }
  out.EndArray().EndObject();
  Print(out.text() + "\n");
}

void PrintText(size_t query, const Answer& answer) {
  std::string text = "query " + std::to_string(query) + ": " + std::to_string(answer.hits.size()) +
                     (answer.hits.size() == 1 ? " hit, " : " hits, ") +
                     (answer.exact ? "exact" : "approximate") + "\n";
  char figures[64];
  for (size_t i = 0; i < answer.hits.size(); ++i) {
    snprintf(figures, sizeof(figures), "%6zu  %10.6f  ", i + 1, answer.hits[i].score);
    text += figures + Printable(answer.hits[i].key) + "\n";
  }
  Print(text);
}

// KEY itself is left out, wherever it ranks.
void LeaveOut(const std::string& key, size_t k, Answer* answer) {
  std::erase_if(answer->hits, [&](const Hit& hit) { return hit.key == key; });
  if (answer->hits.size() > k) answer->hits.resize(k);
}

Status SearchAll(const Collection& collection, const SearchArgs& args, const VectorFile& queries) {
  SearchOptions options;
  options.k = std::min(args.k, kSearchKMax) + (args.like ? 1 : 0);
  options.column = args.column;
  options.thread_count = args.threads;
  for (size_t begin = 0; begin < queries.row_count; begin += kQueriesPerCall) {
    const size_t count = std::min(kQueriesPerCall, queries.row_count - begin);
    const MatrixView part(queries.values.data() + begin * queries.dimension, count,
                          queries.dimension);
    auto result = collection.Search(part, options);
    if (!result.ok()) {
      const std::string from =
          begin == 0 ? "" : "of the queries from " + std::to_string(begin) + ": ";
      return {result.status().code(), from + result.status().message()};
    }
    for (size_t i = 0; i < result->answers.size(); ++i) {
      Answer& answer = result->answers[i];
      if (args.like) LeaveOut(*args.like, args.k, &answer);
      args.json ? PrintJson(begin + i, answer) : PrintText(begin + i, answer);
    }
  }
  return Status::Ok();
}

}  // namespace

StatusOr<int> RunSearch(const SearchArgs& args) {
  auto db = OpenForReading(args.database);
  if (!db.ok()) return db.status();
  const auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto queries = args.like ? VectorOf(*collection, args) : ReadQueries(*args.queries_file);
  if (!queries.ok()) return queries.status();
  if (const Status done = SearchAll(*collection, args, *queries); !done.ok()) return done;
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  return kDone;
}

}  // namespace vdb::tools
