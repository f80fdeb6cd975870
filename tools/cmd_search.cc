// vdbtool search: nearest neighbours of vectors from a file or stdin, or of a document.
#include <algorithm>
#include <cstdio>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/explain_text.h"
#include "tools/json_out.h"
#include "tools/queries.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

// Queries per call: answers are printed and forgotten, so that many queries with a large k do not
// pile up in memory.
constexpr size_t kQueriesPerCall = 2048;

std::string StoppedText(StopReason stopped) {
  if (stopped == StopReason::kNone) return "";
  return ", incomplete: stopped by its limit (" + std::string(StopReasonName(stopped)) + ")";
}

// `explain` may be null.
void PrintJson(size_t query, const Answer& answer, const SearchExplain* explain) {
  JsonOut out;
  out.BeginObject().Key("query").Uint(query).Key("count").Uint(answer.hits.size());
  out.Key("exact").Bool(answer.exact).Key("hits").BeginArray();
  for (const Hit& hit : answer.hits) {
    out.BeginObject().Key("key").String(hit.key).Key("score").Double(hit.score).EndObject();
  }
  out.EndArray();
  if (answer.stopped != StopReason::kNone) {
    out.Key("stopped").String(StopReasonName(answer.stopped));
  }
  if (explain != nullptr) AddExplain(*explain, &out);
  out.EndObject();
  Print(out.text() + "\n");
}

void PrintText(size_t query, const Answer& answer, const SearchExplain* explain) {
  std::string text = "query " + std::to_string(query) + ": " + std::to_string(answer.hits.size()) +
                     (answer.hits.size() == 1 ? " hit, " : " hits, ") +
                     (answer.exact ? "exact" : "approximate") + StoppedText(answer.stopped) + "\n";
  char figures[64];
  for (size_t i = 0; i < answer.hits.size(); ++i) {
    snprintf(figures, sizeof(figures), "%6zu  %10.6f  ", i + 1, answer.hits[i].score);
    text += figures + Printable(answer.hits[i].key) + "\n";
  }
  if (explain != nullptr) text += ExplainText(*explain);
  Print(text);
}

// KEY itself is left out, wherever it ranks.
void LeaveOut(const std::string& key, size_t k, Answer* answer) {
  std::erase_if(answer->hits, [&](const Hit& hit) { return hit.key == key; });
  if (answer->hits.size() > k) answer->hits.resize(k);
}

SearchOptions OptionsOf(const SearchArgs& args, const Filter& filter) {
  SearchOptions options;
  options.k = std::min(args.k, kSearchKMax) + (args.like ? 1 : 0);
  if (args.recall) options.recall = *args.recall;
  options.exact = args.exact;
  options.nprobe = args.nprobe;
  options.explain = args.explain;
  options.column = args.column;
  options.thread_count = args.threads;
  options.filter = filter;
  if (args.min_score) options.min_score = *args.min_score;
  options.limits.deadline_ms = args.deadline_ms;
  return options;
}

Status SearchAll(const Collection& collection, const SearchArgs& args, const Filter& filter,
                 const VectorFile& queries) {
  const SearchOptions options = OptionsOf(args, filter);
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
      const SearchExplain* explain = i < result->explains.size() ? &result->explains[i] : nullptr;
      args.json ? PrintJson(begin + i, answer, explain) : PrintText(begin + i, answer, explain);
    }
  }
  return Status::Ok();
}

// The vector of the document that --like names.
StatusOr<VectorFile> LikeVector(const Collection& collection, const SearchArgs& args) {
  if (!args.column.empty()) return VectorOf(collection, *args.like, args.column);
  const auto column = FindColumn(collection, args.column);
  return column.ok() ? VectorOf(collection, *args.like, column->info.name) : column.status();
}

// What goes beyond one vector a query.
bool IsShaped(const SearchArgs& args) {
  return args.text || !args.group_by.empty() || args.diversity;
}

QueryRequest RequestOf(const SearchArgs& args, const Filter& filter) {
  QueryRequest request;
  request.filter = filter;
  request.limit = args.k;
  if (args.recall) request.recall = *args.recall;
  request.exact = args.exact;
  request.nprobe = args.nprobe;
  request.explain = args.explain;
  request.thread_count = args.threads;
  if (args.min_score) request.min_score = *args.min_score;
  request.limits.deadline_ms = args.deadline_ms;
  if (args.text) request.text = {.words = *args.text};
  request.group_by = {.field = args.group_by, .size = args.group_size};
  if (args.diversity) request.diversity_lambda = *args.diversity;
  request.projection.metadata = false;
  return request;
}

void PrintJson(size_t query, const QueryResult& result) {
  JsonOut out;
  out.BeginObject().Key("query").Uint(query).Key("count").Uint(result.hits.size());
  out.Key("exact").Bool(result.exact).Key("hits").BeginArray();
  for (const QueryHit& hit : result.hits) {
    out.BeginObject().Key("key").String(hit.document.key).Key("score").Double(hit.score);
    if (hit.clause_scores.size() > 1) {
      out.Key("clause_scores").BeginArray();
      for (const double score : hit.clause_scores) out.Double(score);
      out.EndArray();
    }
    if (!hit.group.empty()) out.Key("group").Raw(hit.group);
    out.EndObject();
  }
  out.EndArray();
  if (result.stopped != StopReason::kNone) {
    out.Key("stopped").String(StopReasonName(result.stopped));
  }
  if (result.explain) AddExplain(*result.explain, &out);
  Print(out.EndObject().text() + "\n");
}

void PrintText(size_t query, const QueryResult& result) {
  std::string text = "query " + std::to_string(query) + ": " +
                     std::to_string(result.hits.size()) +
                     (result.hits.size() == 1 ? " hit, " : " hits, ") +
                     (result.exact ? "exact" : "approximate") + StoppedText(result.stopped) + "\n";
  char figures[64];
  for (size_t i = 0; i < result.hits.size(); ++i) {
    const QueryHit& hit = result.hits[i];
    snprintf(figures, sizeof(figures), "%6zu  %10.6f  ", i + 1, hit.score);
    text += figures + Printable(hit.document.key) +
            (hit.group.empty() ? "" : "  in " + hit.group) + "\n";
  }
  if (result.explain) text += ExplainText(*result.explain);
  Print(text);
}

Status QueryAll(const Collection& collection, const SearchArgs& args, const Filter& filter) {
  VectorFile queries;
  if (args.queries_file) {
    auto read = ReadQueries(*args.queries_file);
    if (!read.ok()) return read.status();
    queries = std::move(*read);
  }
  const size_t count = args.queries_file ? queries.row_count : 1;
  for (size_t i = 0; i < count; ++i) {
    QueryRequest request = RequestOf(args, filter);
    if (args.queries_file || args.like) {
      VectorExample example;
      if (args.like) example.like = *args.like;
      if (args.queries_file) {
        example.values = {queries.values.data() + i * queries.dimension, queries.dimension};
      }
      request.vectors = {{.column = args.column, .examples = {example}}};
    }
    const auto result = collection.Query(request);
    if (!result.ok()) return result.status();
    args.json ? PrintJson(i, *result) : PrintText(i, *result);
  }
  return Status::Ok();
}

Status SearchVectors(const Collection& collection, const SearchArgs& args, const Filter& filter) {
  const auto queries = args.like ? LikeVector(collection, args) : ReadQueries(*args.queries_file);
  if (!queries.ok()) return queries.status();
  return SearchAll(collection, args, filter, *queries);
}

}  // namespace

StatusOr<int> RunSearch(const SearchArgs& args) {
  if (!IsOneGoal(args.recall.has_value(), args.nprobe > 0, args.exact)) return kUsage;
  if (!args.like && !args.queries_file && !args.text) {
    PrintError("expected one of --queries, --like and --text, found none");
    return kUsage;
  }
  const auto filter = ParseFilter(args.filter);
  if (!filter) return kUsage;
  auto db = OpenForReading(args.database, args.as_of);
  if (!db.ok()) return db.status();
  const auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const Status done = IsShaped(args) ? QueryAll(*collection, args, *filter)
                                     : SearchVectors(*collection, args, *filter);
  if (!done.ok()) return done;
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  return kDone;
}

}  // namespace vdb::tools
