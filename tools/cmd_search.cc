// vdbtool search: nearest neighbours of vectors from a file or stdin, or of a document.
#include <algorithm>
#include <cstdio>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/index_text.h"
#include "tools/json_out.h"
#include "tools/queries.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

// Queries per call: answers are printed and forgotten, so that many queries with a large k do not
// pile up in memory.
constexpr size_t kQueriesPerCall = 2048;

std::string Micros(double microseconds) { return Format("%.0f us", microseconds); }

void AddExplain(const SearchExplain& explain, JsonOut* out) {
  out->Key("explain").BeginObject().Key("plan").String(explain.plan);
  out->Key("reason").String(explain.reason).Key("lists").Uint(explain.list_count);
  out->Key("lists_probed").Uint(explain.lists_probed);
  out->Key("lists_skipped").Uint(explain.lists_skipped);
  out->Key("codes_scanned").Uint(explain.codes_scanned);
  out->Key("codes_refined").Uint(explain.codes_refined);
  out->Key("rows_scanned").Uint(explain.rows_scanned);
  out->Key("rows_reranked").Uint(explain.rows_reranked);
  out->Key("bytes_touched").Uint(explain.bytes_touched);
  out->Key("recall_target").Double(explain.recall_target);
  out->Key("margin").Double(explain.margin).Key("bound_slack").Double(explain.bound_slack);
  out->Key("prepare_us").Double(explain.prepare_us).Key("rank_us").Double(explain.rank_us);
  out->Key("scan_us").Double(explain.scan_us).Key("rerank_us").Double(explain.rerank_us);
  out->EndObject();
}

std::string ExplainText(const SearchExplain& explain) {
  const auto count = [](uint64_t value) { return std::to_string(value); };
  std::string text = "  explain\n    plan    " + explain.plan + ": " + explain.reason + "\n";
  if (explain.recall_target > 0) {
    text += Format("    goal    recall %g, margin %.3g, bound slack %.3g\n", explain.recall_target,
                   explain.margin, explain.bound_slack);
  }
  if (explain.list_count > 0) {
    text += "    lists   " + count(explain.lists_probed) + " probed and " +
            count(explain.lists_skipped) + " skipped by margin, of " + count(explain.list_count) +
            "\n    codes   " + count(explain.codes_scanned) + " scanned (1 bit), " +
            count(explain.codes_refined) + " refined (4 bits)\n";
  }
  text += "    rows    " + count(explain.rows_scanned) + " scanned (float32), " +
          count(explain.rows_reranked) + " scored exactly\n    bytes   " +
          BytesText(explain.bytes_touched) + " touched\n    time    prepare " +
          Micros(explain.prepare_us) + ", rank " + Micros(explain.rank_us) + ", scan " +
          Micros(explain.scan_us) + ", rerank " + Micros(explain.rerank_us) + "\n";
  return text;
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
  if (explain != nullptr) AddExplain(*explain, &out);
  out.EndObject();
  Print(out.text() + "\n");
}

void PrintText(size_t query, const Answer& answer, const SearchExplain* explain) {
  std::string text = "query " + std::to_string(query) + ": " + std::to_string(answer.hits.size()) +
                     (answer.hits.size() == 1 ? " hit, " : " hits, ") +
                     (answer.exact ? "exact" : "approximate") + "\n";
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

SearchOptions OptionsOf(const SearchArgs& args) {
  SearchOptions options;
  options.k = std::min(args.k, kSearchKMax) + (args.like ? 1 : 0);
  if (args.recall) options.recall = *args.recall;
  options.exact = args.exact;
  options.nprobe = args.nprobe;
  options.explain = args.explain;
  options.column = args.column;
  options.thread_count = args.threads;
  return options;
}

Status SearchAll(const Collection& collection, const SearchArgs& args, const VectorFile& queries) {
  const SearchOptions options = OptionsOf(args);
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

}  // namespace

StatusOr<int> RunSearch(const SearchArgs& args) {
  if (!IsOneGoal(args.recall.has_value(), args.nprobe > 0, args.exact)) return kUsage;
  auto db = OpenForReading(args.database);
  if (!db.ok()) return db.status();
  const auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto queries = args.like ? LikeVector(*collection, args) : ReadQueries(*args.queries_file);
  if (!queries.ok()) return queries.status();
  if (const Status done = SearchAll(*collection, args, *queries); !done.ok()) return done;
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  return kDone;
}

}  // namespace vdb::tools
