// vdbtool compact: fewer and smaller files, the same contents.
#include "tools/commands.h"
#include "tools/common.h"
#include "tools/index_text.h"
#include "tools/json_out.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

std::string Json(const CompactionReport& report) {
  JsonOut out;
  out.BeginObject().Key("columns").Uint(report.column_count);
  out.Key("segments_before").Uint(report.segment_count_before);
  out.Key("segments_after").Uint(report.segment_count_after);
  out.Key("rows_rewritten").Uint(report.rows_read);
  out.Key("rows_dropped").Uint(report.rows_dropped);
  out.Key("bytes_before").Uint(report.bytes_before);
  out.Key("bytes_after").Uint(report.bytes_after);
  out.Key("bytes_written").Uint(report.bytes_written);
  out.Key("memory_bytes_peak").Uint(report.memory_bytes_peak);
  out.Key("probe_queries").Uint(report.probe_query_count);
  out.Key("rewrite_ms").Double(report.rewrite_ms).Key("prove_ms").Double(report.prove_ms);
  out.Key("documents_ms").Double(report.documents_ms).EndObject();
  return out.text() + "\n";
}

std::string Text(const CompactionReport& report) {
  std::string text = "compacted " + std::to_string(report.column_count) +
                     (report.column_count == 1 ? " column" : " columns") + " and the documents\n";
  text += "  segments        " + std::to_string(report.segment_count_before) + " before, " +
          std::to_string(report.segment_count_after) + " after\n";
  text += "  rows            " + std::to_string(report.rows_read) + " rewritten, " +
          std::to_string(report.rows_dropped) + " dead rows dropped\n";
  text += "  bytes on disk   " + BytesText(report.bytes_before) + " before, " +
          BytesText(report.bytes_after) + " after\n";
  if (report.column_count > 0) {
    text += "  bytes written   " + BytesText(report.bytes_written) + "\n";
    text += "  proof           every row read back, " + std::to_string(report.probe_query_count) +
            " queries answered alike\n";
    text += "  peak memory     " + BytesText(report.memory_bytes_peak) + "\n";
  }
  text += Format("  seconds         rewrite %.2f, proof %.2f, documents %.2f\n",
                 report.rewrite_ms / 1e3, report.prove_ms / 1e3, report.documents_ms / 1e3);
  return text;
}

}  // namespace

StatusOr<int> RunCompact(const CompactArgs& args) {
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  StatusOr<CompactionReport> report = CompactionReport();
  {
    ProgressLine line(/*unit_bytes=*/false);
    CompactionOptions options;
    options.collection = args.collection;
    options.column = args.column;
    options.full = args.full;
    options.bytes_per_second_max = args.bytes_per_second_max;
    options.progress = line.Callback();
    report = db->Compact(options);
  }
  const Status closed = db->Close();
  if (!report.ok()) return report.status();
  if (!closed.ok()) return closed;
  Print(args.json ? Json(*report) : Text(*report));
  return kDone;
}

}  // namespace vdb::tools
