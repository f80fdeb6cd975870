// vdbtool import: a file of documents or vectors into a collection, with progress on a terminal.
#include <chrono>
#include <cstdio>
#include <utility>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/index_text.h"
#include "tools/json_out.h"
#include "vdb/database.h"
#include "vdb/import.h"

namespace vdb::tools {
namespace {

// A metric that was asked for and that an existing column does not have must not be passed over.
Status CheckMetric(const Database& db, const ImportArgs& args, const std::string& column) {
  if (!args.metric) return Status::Ok();
  const auto collection = db.OpenCollection(args.collection);
  if (!collection.ok()) return Status::Ok();  // the import makes it
  const auto columns = collection->Columns();
  if (!columns.ok()) return columns.status();
  for (const ColumnInfo& info : *columns) {
    if (info.name != column || MetricName(info.metric) == *args.metric) continue;
    return Status::InvalidArgument(
        "collection '" + args.collection + "', column '" + column + "': its metric is " +
        std::string(MetricName(info.metric)) + ", --metric asks for " + *args.metric +
        "; a metric is fixed: leave the option out, or name another column");
  }
  return Status::Ok();
}

// What to run now that the columns have grown.
StatusOr<std::vector<std::string>> NextCommands(const Database& db, const ImportArgs& args) {
  const auto collection = db.OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto stats = collection->Stats();
  if (!stats.ok()) return stats.status();
  std::vector<std::string> commands;
  for (const ColumnStats& column : stats->columns) {
    std::string command = NextCommand(args.database, args.collection, column);
    if (!command.empty()) commands.push_back(std::move(command));
  }
  return commands;
}

void PrintReport(const ImportArgs& args, const ImportReport& report, double seconds,
                 const std::vector<std::string>& next) {
  if (args.json) {
    JsonOut out;
    out.BeginObject();
    out.Key("documents").Uint(report.document_count).Key("batches").Uint(report.batch_count);
    out.Key("bytes").Uint(report.bytes_read).Key("seconds").Double(seconds);
    AddNext(next, &out);
    out.EndObject();
    Print(out.text() + "\n");
    return;
  }
  char figures[160];
  const auto documents = static_cast<double>(report.document_count);
  snprintf(figures, sizeof(figures),
           "imported %llu documents (%.1f MB) in %.2f s, %.0f documents/s, %.1f MB/s\n",
           static_cast<unsigned long long>(report.document_count),
           static_cast<double>(report.bytes_read) / 1e6, seconds, documents / seconds,
           static_cast<double>(report.bytes_read) / 1e6 / seconds);
  Print(figures);
  fputs(NextText(next).c_str(), stderr);  // advice, not part of the result
}

bool IsJsonLines(const std::string& file) {
  return file.ends_with(".jsonl") || file.ends_with(".ndjson");
}

}  // namespace

StatusOr<int> RunImport(const ImportArgs& args) {
  if (args.column && IsJsonLines(args.file)) {
    PrintError("--column goes with .npy and .fvecs; lines of '" + args.file +
               "' name their columns themselves");
    return kUsage;
  }
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  ImportOptions options;
  options.column = args.column.value_or("vector");
  options.metric = MetricFromName(args.metric.value_or("cosine"));
  options.model = args.model;
  options.keys_path = args.keys_file;
  options.batch_rows = args.batch_rows;
  if (const Status same = CheckMetric(*db, args, options.column); !same.ok()) return same;

  const auto begin = std::chrono::steady_clock::now();
  StatusOr<ImportReport> report = ImportReport();
  {
    ProgressLine line(/*unit_bytes=*/true);
    options.progress = line.Callback();
    report = ImportFile(*db, args.collection, args.file, options);
  }
  const auto next = NextCommands(*db, args);
  const Status closed = db->Close();
  if (!report.ok()) return report.status();
  if (!closed.ok()) return closed;
  if (!next.ok()) return next.status();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  PrintReport(args, *report, elapsed.count(), *next);
  return kDone;
}

}  // namespace vdb::tools
