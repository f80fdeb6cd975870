// vdbtool index build, drop, stats: the vector index of a column.
#include <optional>
#include <utility>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/index_text.h"
#include "tools/json_out.h"
#include "tools/queries.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

std::string Name(const IndexArgs& args, const ColumnStats& column) {
  return Printable(args.collection) + ", column " + Printable(column.info.name);
}

// An empty file must not mean what no file means; and the message names the file.
Status CheckQueries(const IndexArgs& args, const ColumnStats& column, const VectorFile& queries) {
  const std::string file = "--queries '" + args.queries_file + "': ";
  if (queries.row_count == 0) {
    return Status::InvalidArgument(
        file + "no vectors in it; leave the option out to calibrate on stored rows");
  }
  if (queries.dimension != column.info.dimension) {
    return Status::InvalidArgument(file + "expected dimension " +
                                   std::to_string(column.info.dimension) + " as column '" +
                                   column.info.name + "' has, found " +
                                   std::to_string(queries.dimension));
  }
  return Status::Ok();
}

double BytesPerRow(const IndexReport& report) {
  return report.row_count == 0
             ? 0
             : static_cast<double>(report.index_bytes) / static_cast<double>(report.row_count);
}

std::string BuildJson(const ColumnStats& column, const IndexReport& report) {
  JsonOut out;
  out.BeginObject().Key("column").String(column.info.name).Key("epoch").Uint(report.epoch_id);
  out.Key("trained").Bool(report.trained).Key("lists").Uint(report.list_count);
  out.Key("rows").Uint(report.row_count).Key("segments").Uint(report.segment_count);
  out.Key("index_bytes").Uint(report.index_bytes);
  out.Key("bytes_per_row").Double(BytesPerRow(report));
  out.Key("memory_bytes_peak").Uint(report.memory_bytes_peak);
  out.Key("train_ms").Double(report.train_ms).Key("assign_ms").Double(report.assign_ms);
  out.Key("write_ms").Double(report.write_ms).Key("sync_ms").Double(report.sync_ms);
  out.Key("calibrate_ms").Double(report.calibrate_ms);
  AddRecalls(report.recalls_proven, &out);
  out.EndObject();
  return out.text() + "\n";
}

std::string BuildText(const IndexArgs& args, const ColumnStats& column,
                      const IndexReport& report) {
  if (report.epoch_id == 0) return "no vectors in " + Name(args, column) + ": nothing to index\n";
  const char* how = report.trained          ? ", newly trained\n"
                    : report.row_count == 0 ? ", kept; no new rows\n"
                                            : ", kept; new rows taken in\n";
  std::string text = "built the index of " + Name(args, column) + ": epoch " +
                     std::to_string(report.epoch_id) + how;
  text += "  lists           " + std::to_string(report.list_count) + "\n";
  text += "  rows written    " + std::to_string(report.row_count) + " in " +
          std::to_string(report.segment_count) + " segments\n";
  text += "  index bytes     " + BytesText(report.index_bytes) +
          Format(", %.1f per row\n", BytesPerRow(report));
  text += "  peak memory     " + BytesText(report.memory_bytes_peak) + "\n";
  text += Format("  seconds         train %.2f, assign %.2f, write %.2f, sync %.2f, "
                 "calibrate %.2f\n",
                 report.train_ms / 1e3, report.assign_ms / 1e3, report.write_ms / 1e3,
                 report.sync_ms / 1e3, report.calibrate_ms / 1e3);
  return text + "  recalls proven  " + RecallsText(report.recalls_proven) +
         " (beyond them searches are exact)\n";
}

StatusOr<IndexReport> Build(Collection& collection, const IndexArgs& args,
                            const std::optional<VectorFile>& queries) {
  ProgressLine line(/*unit_bytes=*/false);
  IndexOptions options;
  options.column = args.column;
  options.list_count = args.list_count;
  options.retrain = args.retrain;
  options.thread_count = args.threads;
  if (queries) options.queries = queries->matrix();
  options.progress = line.Callback();
  return collection.BuildIndex(options);
}

std::string StatsJson(const IndexArgs& args, const ColumnStats& column,
                      const std::vector<std::string>& next) {
  JsonOut out;
  out.BeginObject().Key("collection").String(args.collection);
  out.Key("column").String(column.info.name).Key("vectors").Uint(column.vector_count);
  out.Key("index");
  AddIndex(column, &out);
  AddNext(next, &out);
  out.EndObject();
  return out.text() + "\n";
}

std::string StatsText(const IndexStats& index) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += "  " + Padded(name, 18) + value + "\n";
  };
  line("epoch", std::to_string(index.epoch_id) + ", trained when there were " +
                    std::to_string(index.trained_row_count) + " rows");
  line("lists", std::to_string(index.list_count));
  line("rows indexed", std::to_string(index.indexed_row_count));
  line("rows not indexed", std::to_string(index.unindexed_row_count) +
                               " (searched by brute force until the next build)");
  line("bytes", BytesText(index.index_bytes));
  line("imbalance", Format("%.2f (1: all lists equally long)", index.imbalance_ratio));
  line("residual ratio", Format("%.2f (1: new rows lie as close as those trained on)",
                                index.residual_ratio));
  line("recalls proven", RecallsText(index.recalls_proven) + " (on " +
                             std::to_string(index.calibration_query_count) +
                             " queries; beyond them searches are exact)");
  line("damaged segments", std::to_string(index.damaged_segment_count) +
                               " found since the open; `vdbtool verify` checks every byte");
  if (index.shadow_query_count > 0) {
    line("live recall", Format("%.4f on ", index.shadow_recall) +
                            std::to_string(index.shadow_query_count) + " queries");
  }
  line("state", index.stale ? "stale" : "fresh");
  if (!index.advice.empty()) line("advice", Printable(index.advice));
  return text;
}

}  // namespace

StatusOr<int> RunIndexBuild(const IndexArgs& args) {
  std::optional<VectorFile> queries;
  if (!args.queries_file.empty()) {
    auto read = ReadQueries(args.queries_file);
    if (!read.ok()) return read.status();
    queries = std::move(*read);
  }
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto column = FindColumn(*collection, args.column);
  if (!column.ok()) return column.status();
  const Status good = queries ? CheckQueries(args, *column, *queries) : Status::Ok();
  if (!good.ok()) return good;
  const auto report = Build(*collection, args, queries);
  const Status closed = db->Close();
  if (!report.ok()) return report.status();
  if (!closed.ok()) return closed;
  Print(args.json ? BuildJson(*column, *report) : BuildText(args, *column, *report));
  return kDone;
}

StatusOr<int> RunIndexDrop(const IndexArgs& args) {
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto column = FindColumn(*collection, args.column);
  if (!column.ok()) return column.status();
  const Status dropped = collection->DropIndex(args.column);
  const Status closed = db->Close();
  if (!dropped.ok()) return dropped;
  if (!closed.ok()) return closed;
  if (!args.json) {
    Print("dropped the index of " + Name(args, *column) + "; its searches are exact again\n");
    return kDone;
  }
  JsonOut out;
  out.BeginObject().Key("done").String("dropped index").Key("collection").String(args.collection);
  out.Key("column").String(column->info.name).EndObject();
  Print(out.text() + "\n");
  return kDone;
}

StatusOr<int> RunIndexStats(const IndexArgs& args) {
  auto db = OpenForReading(args.database);
  if (!db.ok()) return db.status();
  const auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto column = FindColumn(*collection, args.column);
  if (!column.ok()) return column.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  const std::string command = NextCommand(args.database, args.collection, *column);
  const std::vector<std::string> next(command.empty() ? 0 : 1, command);
  if (args.json) {
    Print(StatsJson(args, *column, next));
    return kDone;
  }
  Print(Name(args, *column) + ": " + std::to_string(column->vector_count) + " vectors, " +
        (column->index ? "indexed\n" : "no index: every search is exact\n"));
  if (column->index) Print(StatsText(*column->index));
  Print(NextText(next));
  return kDone;
}

}  // namespace vdb::tools
