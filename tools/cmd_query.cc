// vdbtool query: documents in the order of key or a field, page by page.
#include "tools/commands.h"
#include "tools/common.h"
#include "tools/explain_text.h"
#include "tools/json_out.h"
#include "vdb/database.h"
#include "vdb/json_text.h"

namespace vdb::tools {
namespace {

QueryRequest RequestOf(const QueryArgs& args, const Filter& filter) {
  QueryRequest request;
  request.filter = filter;
  request.order_by = {.field = args.order_by, .descending = args.descending};
  request.limit = args.limit;
  request.offset = args.offset;
  request.cursor = args.cursor;
  request.projection = {.metadata = true, .fields = args.fields, .body = args.body,
                        .vectors = args.vectors};
  request.limits.deadline_ms = args.deadline_ms;
  request.explain = args.explain;
  return request;
}

// What was not asked for is left out, so that a line that is imported does not clear it silently.
std::string JsonLine(const QueryArgs& args, const Document& document) {
  JsonOut out;
  out.BeginObject().Key("id").String(document.key).Key("version").Uint(document.version);
  out.Key("metadata").Raw(document.metadata);
  if (args.body) {
    out.Key("body");
    document.body ? out.String(*document.body) : out.Null();
  }
  if (args.vectors) {
    out.Key("vectors").BeginObject();
    for (const DocumentVector& vector : document.vectors) {
      out.Key(vector.column).BeginArray();
      for (const float value : vector.values) out.Float(value);
      out.EndArray();
    }
    out.EndObject();
  }
  return out.EndObject().text() + "\n";
}

std::string TextLine(const Document& document) {
  std::string line = Printable(document.key) + "  " + document.metadata;
  if (document.body) line += "  " + Printable(*document.body);
  for (const DocumentVector& vector : document.vectors) {
    line += "  " + Printable(vector.column) + "=";
    for (size_t i = 0; i < vector.values.size(); ++i) {
      if (i > 0) line += ",";
      AppendJsonFloat(&line, vector.values[i]);
    }
  }
  return line + "\n";
}

void PrintNotes(const QueryArgs& args, const QueryResult& result) {
  if (result.explain && args.json) {
    JsonOut out;
    AddExplain(*result.explain, &out.BeginObject());
    PrintNote(out.EndObject().text() + "\n");
  } else if (result.explain) {
    PrintNote(ExplainText(*result.explain));
  }
  if (result.stopped != StopReason::kNone) {
    PrintError("incomplete: stopped by its limit (" +
               std::string(StopReasonName(result.stopped)) + ")");
  }
  if (!result.cursor.empty()) PrintError("for the next page: --cursor " + result.cursor);
}

}  // namespace

StatusOr<int> RunQuery(const QueryArgs& args) {
  const auto filter = ParseFilter(args.filter);
  if (!filter) return kUsage;
  auto db = OpenForReading(args.database, args.as_of);
  if (!db.ok()) return db.status();
  const auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto result = collection->Query(RequestOf(args, *filter));
  if (!result.ok()) return result.status();
  for (const QueryHit& hit : result->hits) {
    Print(args.json ? JsonLine(args, hit.document) : TextLine(hit.document));
  }
  PrintNotes(args, *result);
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  return kDone;
}

}  // namespace vdb::tools
