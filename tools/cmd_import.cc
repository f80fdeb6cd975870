// vdbtool import: a file of documents or vectors, or a stream, into a collection, or a whole
// database into another; with progress on a terminal. Exit codes: 0 all rows, 3 some were left out.
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

constexpr int kSomeLeftOut = 3;

void PrintJson(const ImportArgs& args, const ImportReport& report, double seconds,
               const std::vector<std::string>& next) {
  JsonOut out;
  out.BeginObject();
  out.Key("documents").Uint(report.document_count).Key("batches").Uint(report.batch_count);
  out.Key("bytes").Uint(report.bytes_read).Key("seconds").Double(seconds);
  out.Key("rejected").Uint(report.rejected_count).Key("skipped").Uint(report.skipped_count);
  out.Key("resumed").Uint(report.resumed_count).Key("dry_run").Bool(args.dry_run);
  out.Key("taken").String(report.taken).Key("new_columns").BeginArray();
  for (const ColumnInfo& column : report.new_columns) {
    out.BeginObject().Key("name").String(column.name).Key("dimension").Uint(column.dimension);
    out.Key("metric").String(MetricName(column.metric)).Key("model").String(column.model);
    out.EndObject();
  }
  out.EndArray();
  AddNext(next, &out);
  out.EndObject();
  Print(out.text() + "\n");
}

std::string Counts(const ImportReport& report) {
  std::string text;
  const auto add = [&text](uint64_t count, const char* what) {
    if (count > 0) text += std::to_string(count) + what;
  };
  add(report.rejected_count, " rows left out, which are no documents\n");
  add(report.skipped_count, " documents left as they are, whose keys exist\n");
  add(report.resumed_count, " rows dealt with before\n");
  return text;
}

void PrintReport(const ImportArgs& args, const ImportReport& report, double seconds,
                 const std::vector<std::string>& next) {
  if (args.json) return PrintJson(args, report, seconds, next);
  if (!report.taken.empty()) Print("taken as " + Printable(report.taken) + "\n");
  char figures[160];
  const auto documents = static_cast<double>(report.document_count);
  snprintf(figures, sizeof(figures),
           "%s %llu documents (%.1f MB) in %.2f s, %.0f documents/s, %.1f MB/s\n",
           args.dry_run ? "would import" : "imported",
           static_cast<unsigned long long>(report.document_count),
           static_cast<double>(report.bytes_read) / 1e6, seconds, documents / seconds,
           static_cast<double>(report.bytes_read) / 1e6 / seconds);
  Print(figures + Counts(report));
  if (args.dry_run) {
    for (const ColumnInfo& column : report.new_columns) {
      Print("would make column " + Printable(column.name) + ": dimension " +
            std::to_string(column.dimension) + ", " + std::string(MetricName(column.metric)) +
            "\n");
    }
    return;
  }
  fputs(NextText(next).c_str(), stderr);  // advice, not part of the result
}

bool IsJsonLines(const ImportArgs& args) {
  if (!args.format.empty()) return args.format == "jsonl";
  return args.file.ends_with(".jsonl") || args.file.ends_with(".ndjson");
}

ImportFormat FormatFromName(const std::string& name) {
  constexpr std::pair<const char*, ImportFormat> kNames[] = {
      {"jsonl", ImportFormat::kJsonLines}, {"json", ImportFormat::kJson},
      {"csv", ImportFormat::kCsv},         {"npy", ImportFormat::kNpy},
      {"fvecs", ImportFormat::kFvecs},     {"ivecs", ImportFormat::kIvecs},
      {"bvecs", ImportFormat::kBvecs},     {"hdf5", ImportFormat::kHdf5}};
  for (const auto& [text, format] : kNames) {
    if (name == text) return format;
  }
  return ImportFormat::kAuto;
}

StatusOr<size_t> ReadStdin(char* out, size_t size) {
  const size_t got = fread(out, 1, size, stdin);
  if (got == 0 && ferror(stdin) != 0) return Status::IoError("stdin: cannot be read");
  return got;
}

// Whether the arguments go together; if not, says so on stderr.
bool AreConsistent(const ImportArgs& args) {
  std::string fault;
  if (!args.from_db.empty()) {
    if (!args.collection.empty()) fault = "--from-db imports all collections: name none";
    if (!args.quarantine.empty()) fault = "--quarantine goes with the import of one file";
  } else if (args.collection.empty() || args.file.empty()) {
    fault = "COLLECTION and FILE are required, or --from-db";
  } else if (args.column && IsJsonLines(args)) {
    fault = "--column goes with files of vectors and CSV; lines of '" + args.file +
            "' name their columns themselves";
  } else if (args.file == "-" && args.format.empty()) {
    fault = "stdin has no name to tell the format from; add --format";
  } else if (args.file == "-" && args.resume) {
    fault = "--resume goes with files; stdin cannot be read again";
  }
  if (!fault.empty()) PrintError(fault);
  return fault.empty();
}

ImportOptions OptionsOf(const ImportArgs& args) {
  ImportOptions options;
  options.format = FormatFromName(args.format);
  options.column = args.column.value_or("");
  options.metric = MetricFromName(args.metric.value_or("cosine"));
  options.model = args.model;
  options.keys_path = args.keys_file;
  options.key_field = args.key_field;
  options.vector_field = args.vector_field;
  options.dataset = args.dataset;
  options.batch_rows = args.batch_rows;
  options.dry_run = args.dry_run;
  options.if_absent = args.if_absent;
  options.skip_bad = args.skip_bad;
  options.quarantine_path = args.quarantine;
  options.resume = args.resume;
  options.thread_count = args.threads;
  return options;
}

StatusOr<ImportReport> Import(Database& db, const ImportArgs& args, const ImportOptions& options) {
  if (!args.from_db.empty()) return ImportDatabase(db, args.from_db, options);
  if (args.file == "-") return ImportStream(db, args.collection, ReadStdin, "stdin", options);
  return ImportFile(db, args.collection, args.file, options);
}

}  // namespace

StatusOr<int> RunImport(const ImportArgs& args) {
  if (!AreConsistent(args)) return kUsage;
  // A dry run takes no lock, and could not write if it would.
  auto db = args.dry_run ? OpenForReading(args.database) : OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  ImportOptions options = OptionsOf(args);
  const std::string column = args.column.value_or("vector");
  if (const Status same = CheckMetric(*db, args, column); !same.ok()) return same;

  const auto begin = std::chrono::steady_clock::now();
  StatusOr<ImportReport> report = ImportReport();
  {
    ProgressLine line(/*unit_bytes=*/true);
    options.progress = line.Callback();
    report = Import(*db, args, options);
  }
  StatusOr<std::vector<std::string>> next = std::vector<std::string>();
  if (args.from_db.empty() && !args.dry_run) next = NextCommands(*db, args);
  const Status closed = db->Close();
  if (!report.ok()) return report.status();
  if (!closed.ok()) return closed;
  if (!next.ok()) return next.status();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  PrintReport(args, *report, elapsed.count(), *next);
  return report->rejected_count > 0 ? kSomeLeftOut : kDone;
}

}  // namespace vdb::tools
