// vdbtool recall: how many of the true nearest an approximate search finds, measured against exact
// search on a file of queries or on documents of the collection, and what it costs.
#include <algorithm>
#include <utility>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/index_text.h"
#include "tools/json_out.h"
#include "tools/queries.h"
#include "tools/recall_meter.h"
#include "tools/recall_stats.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

StatusOr<QuerySet> FromFile(const RecallArgs& args) {
  auto vectors = ReadQueries(args.queries_file);
  if (!vectors.ok()) return vectors.status();
  if (vectors->row_count == 0) {
    return Status::InvalidArgument("--queries '" + args.queries_file +
                                   "': no vectors in it; leave the option out to take documents "
                                   "of the collection");
  }
  return QuerySet{std::move(*vectors), {}};
}

struct RecallReport {
  std::string column;
  bool own_queries = false;
  size_t k = 0;
  double target = 0;  ///< 0: an explicit nprobe
  Interval recall;
  Measured measured;
  std::vector<std::string> next;
};

std::string ReportJson(const RecallArgs& args, const RecallReport& report) {
  const Measured& measured = report.measured;
  JsonOut out;
  out.BeginObject().Key("column").String(report.column);
  out.Key("queries").Uint(measured.recalls.size()).Key("own_queries").Bool(report.own_queries);
  out.Key("k").Uint(report.k).Key("recall_target");
  report.target > 0 ? out.Double(report.target) : out.Null();
  out.Key("nprobe").Uint(args.nprobe).Key("recall").Double(report.recall.mean);
  out.Key("recall_low").Double(report.recall.low).Key("recall_high").Double(report.recall.high);
  out.Key("exact_answers").Uint(measured.exact_count);
  out.Key("p50_ms").Double(Quantile(measured.latencies_ms, 0.5));
  out.Key("p99_ms").Double(Quantile(measured.latencies_ms, 0.99));
  out.Key("lists").Double(measured.lists).Key("lists_probed").Double(measured.lists_probed);
  out.Key("codes_scanned").Double(measured.codes_scanned);
  out.Key("codes_refined").Double(measured.codes_refined);
  out.Key("rows_scanned").Double(measured.rows_scanned);
  out.Key("rows_reranked").Double(measured.rows_reranked);
  AddNext(report.next, &out);
  out.EndObject();
  return out.text() + "\n";
}

std::string ReportText(const RecallArgs& args, const RecallReport& report) {
  const Measured& measured = report.measured;
  const size_t count = measured.recalls.size();
  std::string text = Printable(args.collection) + ", column " + Printable(report.column) + "\n";
  const auto line = [&](const std::string& name, const std::string& value) {
    text += "  " + Padded(name, 15) + value + "\n";
  };
  line("queries", std::to_string(count) +
                      (report.own_queries ? " of " + Printable(args.queries_file)
                                          : " documents, each left out of its own answer"));
  line("goal", report.target > 0 ? Format("recall %g", report.target)
                                 : Format("%u lists probed", args.nprobe));
  line(Format("recall@%zu", report.k), Format("%.4f, 95 %% interval %.4f to %.4f",
                                              report.recall.mean, report.recall.low,
                                              report.recall.high));
  line("answers", std::to_string(count - measured.exact_count) + " approximate, " +
                      std::to_string(measured.exact_count) + " exact" +
                      (measured.exact_reason.empty() ? "" : " (" + measured.exact_reason + ")"));
  line("latency", Format("p50 %.3f ms, p99 %.3f ms (warm, a query at a time)",
                         Quantile(measured.latencies_ms, 0.5),
                         Quantile(measured.latencies_ms, 0.99)));
  line("lists", Format("%.1f probed of %.0f", measured.lists_probed, measured.lists));
  line("codes", Format("%.0f scanned, %.0f refined", measured.codes_scanned,
                       measured.codes_refined));
  line("rows", Format("%.0f scanned, %.0f scored exactly", measured.rows_scanned,
                      measured.rows_reranked));
  return text + NextText(report.next);
}

// A goal that was clearly missed calls for a calibration on these queries, or for a new epoch.
std::string NextAfter(const RecallArgs& args, const ColumnStats& column, const Interval& recall,
                      double target) {
  if (target > 0 && recall.high < target) {
    const ColumnPlace place{args.database, args.collection,
                            column.info.is_default ? "" : column.info.name};
    if (args.queries_file.empty() || args.queries_file == "-") {
      return CommandLine("index build", place, "--retrain");
    }
    return CommandLine("index build", place, "--queries=" + ShellWord(args.queries_file));
  }
  return NextCommand(args.database, args.collection, column);
}

Status CheckColumn(const RecallArgs& args, const ColumnStats& column) {
  const std::string about = "collection '" + args.collection + "', column '" + column.info.name +
                            "': ";
  if (!column.index) {
    return Status::FailedPrecondition(
        about + "no index, so every search is exact; `" +
        CommandLine("index build", {args.database, args.collection, args.column}) +
        "` makes one");
  }
  if (column.vector_count < 2) {
    return Status::FailedPrecondition(about + "recall needs at least 2 vectors, found " +
                                      std::to_string(column.vector_count));
  }
  return Status::Ok();
}

SearchOptions OptionsOf(const RecallArgs& args) {
  SearchOptions options;
  options.k = std::min(args.k, kSearchKMax - 1);
  options.column = args.column;
  if (args.recall) options.recall = *args.recall;
  options.nprobe = args.nprobe;
  return options;
}

StatusOr<RecallReport> Measure(const Collection& collection, const RecallArgs& args) {
  const auto column = FindColumn(collection, args.column);
  if (!column.ok()) return column.status();
  if (const Status good = CheckColumn(args, *column); !good.ok()) return good;
  const bool own_queries = !args.queries_file.empty();
  const auto queries = own_queries ? FromFile(args)
                                   : SampleDocuments(collection, *column, args.samples);
  if (!queries.ok()) return queries.status();
  const SearchOptions options = OptionsOf(args);
  auto measured = MeasureSearch(collection, options, *queries);
  if (!measured.ok()) return measured.status();

  RecallReport report;
  report.column = column->info.name;
  report.own_queries = own_queries;
  report.k = options.k;
  report.target = args.nprobe > 0 ? 0 : options.recall;
  report.recall = MeanRecall(measured->recalls, measured->true_hits);
  const std::string next = NextAfter(args, *column, report.recall, report.target);
  if (!next.empty()) report.next.push_back(next);
  report.measured = std::move(*measured);
  return report;
}

}  // namespace

StatusOr<int> RunRecall(const RecallArgs& args) {
  if (!IsOneGoal(args.recall.has_value(), args.nprobe > 0, /*exact=*/false)) return kUsage;
  auto db = OpenForReading(args.database, args.as_of);
  if (!db.ok()) return db.status();
  const auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto report = Measure(*collection, args);
  if (!report.ok()) return report.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  Print(args.json ? ReportJson(args, *report) : ReportText(args, *report));
  return kDone;
}

}  // namespace vdb::tools
