// vdbtool export: a collection to a file or to stdout, or all collections to a directory.
#include <chrono>
#include <cstdio>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/export.h"

namespace vdb::tools {
namespace {

ExportFormat FormatFromName(const std::string& name) {
  if (name == "npy") return ExportFormat::kNpy;
  if (name == "fvecs") return ExportFormat::kFvecs;
  return name.empty() ? ExportFormat::kAuto : ExportFormat::kJsonLines;
}

Status WriteToStdout(std::string_view bytes) {
  if (fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size()) return Status::Ok();
  return Status::IoError("stdout: not everything could be written");
}

void PrintReport(const ExportArgs& args, const ExportReport& report, double seconds) {
  if (args.json) {
    JsonOut out;
    out.BeginObject().Key("documents").Uint(report.document_count);
    out.Key("left_out").Uint(report.left_out_count).Key("bytes").Uint(report.bytes_written);
    out.Key("seconds").Double(seconds).Key("files").BeginArray();
    for (const std::string& file : report.files) out.String(file);
    out.EndArray().EndObject();
    Print(out.text() + "\n");
    return;
  }
  char figures[160];
  snprintf(figures, sizeof(figures), "exported %llu documents (%.1f MB) in %.2f s\n",
           static_cast<unsigned long long>(report.document_count),
           static_cast<double>(report.bytes_written) / 1e6, seconds);
  Print(figures);
  if (report.left_out_count > 0) {
    Print("left out " + std::to_string(report.left_out_count) + " documents without a vector\n");
  }
}

StatusOr<ExportReport> Export(const Database& db, const ExportArgs& args,
                              const ExportOptions& options) {
  const std::string& place = args.places.back();
  if (args.places.size() == 1) return ExportDatabase(db, place, options);
  if (place == "-") return ExportStream(db, args.places[0], WriteToStdout, options);
  return ExportFile(db, args.places[0], place, options);
}

}  // namespace

StatusOr<int> RunExport(const ExportArgs& args) {
  const std::string& place = args.places.back();
  const bool to_stdout = place == "-";
  if (to_stdout && args.places.size() == 1) {
    PrintError("a whole database goes to a directory, not to stdout; name a collection");
    return kUsage;
  }
  if (to_stdout && args.json) {
    PrintError("--json would stand amid the documents on stdout; export to a file");
    return kUsage;
  }
  ExportOptions options;
  options.format = FormatFromName(args.format);
  options.column = args.column;
  options.plain_vectors = args.plain_vectors;
  if (args.filter) {
    auto filter = ParseFilter(*args.filter);
    if (!filter) return kUsage;
    options.filter = std::move(*filter);
  }
  auto db = OpenForReading(args.database, args.as_of);
  if (!db.ok()) return db.status();
  const auto begin = std::chrono::steady_clock::now();
  StatusOr<ExportReport> report = ExportReport();
  {
    ProgressLine line(/*unit_bytes=*/false);
    options.progress = line.Callback();
    report = Export(*db, args, options);
  }
  const Status closed = db->Close();
  if (!report.ok()) return report.status();
  if (!closed.ok()) return closed;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  if (!to_stdout) PrintReport(args, *report, elapsed.count());
  return kDone;
}

}  // namespace vdb::tools
