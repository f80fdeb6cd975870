// vdbtool list, stats: what is in a database.
#include <algorithm>
#include <utility>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/index_text.h"
#include "tools/json_out.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

void AddColumn(const ColumnStats& column, bool with_segments, JsonOut* out) {
  out->BeginObject().Key("name").String(column.info.name);
  out->Key("dimension").Uint(column.info.dimension);
  out->Key("metric").String(MetricName(column.info.metric));
  out->Key("model").String(column.info.model).Key("default").Bool(column.info.is_default);
  out->Key("vectors").Uint(column.vector_count);
  if (with_segments) {
    out->Key("rows").Uint(column.row_count).Key("segments").Uint(column.segment_count);
    out->Key("segment_bytes").Uint(column.segment_bytes).Key("index");
    AddIndex(column, out);
  }
  out->EndObject();
}

void AddCollections(const std::vector<CollectionStats>& collections, bool with_segments,
                    JsonOut* out) {
  out->Key("collections").BeginArray();
  for (const CollectionStats& collection : collections) {
    out->BeginObject().Key("name").String(collection.name);
    out->Key("documents").Uint(collection.document_count);
    out->Key("columns").BeginArray();
    for (const ColumnStats& column : collection.columns) AddColumn(column, with_segments, out);
    out->EndArray().EndObject();
  }
  out->EndArray();
}

std::string CollectionText(const CollectionStats& collection) {
  std::string text = Printable(collection.name) + ": " + std::to_string(collection.document_count) +
                     " documents\n";
  size_t width = 0;
  for (const ColumnStats& column : collection.columns) {
    width = std::max(width, Printable(column.info.name).size());
  }
  for (const ColumnStats& column : collection.columns) {
    text += "  " + Padded(Printable(column.info.name), width) + "  dimension " +
            std::to_string(column.info.dimension) + ", " +
            std::string(MetricName(column.info.metric)) + ", " +
            std::to_string(column.vector_count) + " vectors";
    if (!column.info.model.empty()) text += ", model " + Printable(column.info.model);
    if (column.info.is_default) text += " (default)";
    text += "\n";
  }
  return text;
}

std::string StatsText(const DatabaseStats& stats, const std::string& content_hash) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += Padded(name, 22) + value + "\n";
  };
  line("path", Printable(stats.path));
  line("uuid", stats.uuid);
  line("format version", std::to_string(stats.format_version));
  line("generation", std::to_string(stats.generation));
  line("batch number", std::to_string(stats.batch_number));
  line("tombstones", std::to_string(stats.tombstone_count));
  line("SIMD level", stats.simd_level);
  if (!content_hash.empty()) line("content hash", content_hash);
  for (const CollectionStats& collection : stats.collections) {
    text += CollectionText(collection);
    for (const ColumnStats& column : collection.columns) {
      text += "  " + Printable(column.info.name) + ": " + std::to_string(column.row_count) +
              " rows in " + std::to_string(column.segment_count) + " segments, " +
              std::to_string(column.segment_bytes) + " bytes\n";
      if (column.index) text += "    index: " + IndexSummary(*column.index) + "\n";
    }
  }
  return text;
}

std::string StatsJson(const DatabaseStats& stats, const std::string& content_hash) {
  JsonOut out;
  out.BeginObject().Key("path").String(stats.path).Key("uuid").String(stats.uuid);
  out.Key("format_version").Uint(stats.format_version).Key("generation").Uint(stats.generation);
  out.Key("batch_number").Uint(stats.batch_number);
  out.Key("durable_batch_number").Uint(stats.durable_batch_number);
  out.Key("tombstones").Uint(stats.tombstone_count);
  out.Key("sync_rounds").Uint(stats.sync_round_count);
  out.Key("simd_level").String(stats.simd_level);
  if (!content_hash.empty()) out.Key("content_hash").String(content_hash);
  AddCollections(stats.collections, /*with_segments=*/true, &out);
  out.EndObject();
  return out.text();
}

}  // namespace

StatusOr<int> RunList(const ListArgs& args) {
  auto db = OpenForReading(args.database, args.as_of);
  if (!db.ok()) return db.status();
  const auto stats = db->Stats();
  if (!stats.ok()) return stats.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  if (args.json) {
    JsonOut out;
    out.BeginObject();
    AddCollections(stats->collections, /*with_segments=*/false, &out);
    out.EndObject();
    Print(out.text() + "\n");
    return kDone;
  }
  for (const CollectionStats& collection : stats->collections) Print(CollectionText(collection));
  return kDone;
}

StatusOr<int> RunStats(const StatsArgs& args) {
  auto db = OpenForReading(args.database, args.as_of);
  if (!db.ok()) return db.status();
  if (args.prometheus) {
    const auto metrics = db->GetMetrics();
    if (!metrics.ok()) return metrics.status();
    Print(PrometheusText(*metrics));
    return kDone;
  }
  const auto stats = db->Stats();
  if (!stats.ok()) return stats.status();
  std::string content_hash;
  if (!args.no_hash) {
    ProgressLine line(/*unit_bytes=*/false);
    auto hash = db->ContentHash(line.Callback());
    if (!hash.ok()) return hash.status();
    content_hash = std::move(*hash);
  }
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  Print(args.json ? StatsJson(*stats, content_hash) + "\n" : StatsText(*stats, content_hash));
  return kDone;
}

}  // namespace vdb::tools
