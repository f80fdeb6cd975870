// Reads: documents, counts and figures, all on one view.
#include <cmath>

#include "engine/database_impl.h"
#include "engine/field_entries.h"
#include "engine/index_stats.h"
#include "format/metadata.h"
#include "format/status_macros.h"
#include "index/kernels/kernels.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

std::string Quoted(std::string_view key) {
  std::string text;
  AppendJsonString(&text, key.substr(0, 100));
  return text;
}

// norm x unit, each product rounded once from double. Empty if one overflows float32.
std::vector<float> OriginalValues(const StoredVector& stored) {
  std::vector<float> values(stored.unit.size());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(stored.norm * static_cast<double>(stored.unit[i]));
    if (!std::isfinite(values[i])) return {};
  }
  return values;
}

StatusOr<StoredVector> ReadRow(const RowAddress& at) {
  const SegmentView& view = *at.segment;
  const storage::Segment& segment = *view.segment;
  VDB_RETURN_IF_ERROR(segment.CheckRow(at.row, view.mark.key_bytes));
  const uint32_t dimension = segment.identity().dimension;
  const float* row = segment.rows() + at.row * dimension;
  return StoredVector{{row, row + dimension}, segment.records()[at.row].norm};
}

}  // namespace

StatusOr<std::shared_ptr<const View>> DatabaseImpl::CurrentView() const {
  const std::lock_guard lock(view_mutex_);
  if (view_ == nullptr) return Status::FailedPrecondition("'" + path_ + "' is closed");
  return view_;
}

StatusOr<Document> DatabaseImpl::ReadDocument(const View& view,
                                              const format::CollectionEntry& collection,
                                              std::string_view key,
                                              const format::DocumentRecord& record,
                                              DocumentParts parts) const {
  Document document;
  document.key = key;
  document.version = record.version;
  if (parts.metadata) {
    auto metadata = format::MetadataToJson(record.metadata);
    if (!metadata.ok()) {
      return Status(metadata.status().code(), "collection '" + collection.name + "', key " +
                                                  Quoted(key) + ": " +
                                                  metadata.status().message());
    }
    document.metadata = std::move(*metadata);
  }
  if (parts.body && record.has_body) {
    VDB_ASSIGN_OR_RETURN(document.body,
                         view.store->Get(format::BodyKey(collection.id, key), view.snapshot.get()));
    if (!document.body) {
      return Status::Corruption("collection '" + collection.name + "', key " + Quoted(key) +
                                ": its body is missing; run `vdbtool verify`");
    }
    VDB_RETURN_IF_ERROR(format::CheckBody(collection, key, record, *document.body));
  }
  if (!parts.vectors) return document;
  for (const format::ColumnEntry& column : collection.columns) {
    if (!std::binary_search(record.columns.begin(), record.columns.end(), column.id)) continue;
    VDB_ASSIGN_OR_RETURN(const RowAddress at, FindRow(view.FindColumn(column.id), record.docno));
    if (at.segment == nullptr) {
      return Status::Corruption("collection '" + collection.name + "', key " + Quoted(key) +
                                ": its row in column '" + column.name +
                                "' is missing; run `vdbtool verify`");
    }
    DocumentVector vector;
    vector.column = column.name;
    VDB_ASSIGN_OR_RETURN(vector.stored, ReadRow(at));
    vector.values = OriginalValues(vector.stored);
    document.vectors.push_back(std::move(vector));
  }
  return document;
}

StatusOr<std::optional<Document>> DatabaseImpl::Get(const View& view,
                                                    const format::CollectionEntry& collection,
                                                    std::string_view key,
                                                    DocumentParts parts) const {
  VDB_ASSIGN_OR_RETURN(const auto value, view.store->Get(format::DocumentKey(collection.id, key),
                                                         view.snapshot.get()));
  if (!value) return std::optional<Document>();
  VDB_ASSIGN_OR_RETURN(const auto record, format::DecodeDocument(collection, key, *value));
  VDB_ASSIGN_OR_RETURN(Document document, ReadDocument(view, collection, key, record, parts));
  return std::optional<Document>(std::move(document));
}

StatusOr<format::CountsRecord> DatabaseImpl::ReadCounts(const View& view,
                                                        uint32_t collection_id) const {
  VDB_ASSIGN_OR_RETURN(const auto value,
                       view.store->Get(format::CountsKey(collection_id), view.snapshot.get()));
  if (!value) return format::CountsRecord();
  return format::DecodeCounts(*value);
}

StatusOr<CollectionStats> DatabaseImpl::Stats(const View& view,
                                              const format::CollectionEntry& collection) const {
  VDB_ASSIGN_OR_RETURN(const auto counts, ReadCounts(view, collection.id));
  CollectionStats stats;
  stats.name = collection.name;
  stats.document_count = counts.documents;
  stats.field_indexes = FieldIndexInfos(collection);
  for (const format::ColumnEntry& column : collection.columns) {
    ColumnStats figures;
    figures.info = {column.name, column.dimension, column.metric, column.model,
                    column.id == collection.default_column};
    const auto count = counts.vectors.find(column.id);
    figures.vector_count = count == counts.vectors.end() ? 0 : count->second;
    if (const ColumnView* view_of = view.FindColumn(column.id)) {
      for (const SegmentView& segment : view_of->segments) {
        figures.segment_count += 1;
        figures.row_count += segment.mark.rows;
        figures.segment_bytes += format::RowsFileBytes(segment.mark.rows, column.dimension) +
                                 format::RecordsFileBytes(segment.mark.rows) +
                                 format::KeysFileBytes(segment.mark.key_bytes);
      }
      if (view_of->epoch != nullptr) {
        figures.index = IndexStatsOf(*view_of);
        const std::lock_guard lock(shadow_.mutex);
        const auto observed = shadow_.recalls.find(column.id);
        if (observed != shadow_.recalls.end()) {
          figures.index->shadow_query_count = observed->second.queries;
          figures.index->shadow_recall =
              observed->second.sum / static_cast<double>(observed->second.queries);
        }
      }
    }
    stats.columns.push_back(std::move(figures));
  }
  return stats;
}

StatusOr<DatabaseStats> DatabaseImpl::Stats() const {
  VDB_ASSIGN_OR_RETURN(const auto view, CurrentView());
  VDB_ASSIGN_OR_RETURN(const index::Kernels* kernels, index::ActiveKernels());
  DatabaseStats stats;
  stats.path = path_;
  stats.uuid = view->manifest->uuid;
  stats.format_version = view->manifest->format_version;
  stats.generation = view->manifest->generation;
  stats.batch_number = view->batch;
  stats.durable_batch_number = durable_batch_;
  stats.tombstone_count = view->tombstones;
  stats.sync_round_count = sync_rounds_;
  if (read_only()) {
    const std::chrono::duration<double> age = std::chrono::steady_clock::now() - view->looked_at;
    stats.view_age_seconds = age.count();
  }
  stats.simd_level = kernels->name;
  for (const format::CollectionEntry& collection : view->manifest->collections) {
    VDB_ASSIGN_OR_RETURN(auto figures, Stats(*view, collection));
    stats.collections.push_back(std::move(figures));
  }
  return stats;
}

}  // namespace vdb::engine
