#include "engine/query_scope.h"

#include "format/document_record.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kDocumentsAfterStop = 1024;

uint64_t BytesOf(const Document& document) {
  uint64_t bytes = sizeof(QueryHit) + document.key.size() + document.metadata.size() +
                   (document.body ? document.body->size() : 0);
  for (const DocumentVector& vector : document.vectors) {
    bytes += sizeof(vector) + (vector.stored.unit.size() + vector.values.size()) * sizeof(float);
  }
  return bytes;
}

bool MayAppend(QueryScope* scope, bool record_is_kept, const QueryResult& result) {
  if (scope->GoOn()) return true;
  const Projection& projection = scope->request.projection;
  const bool needs_memory = !record_is_kept || projection.body || projection.vectors;
  if (scope->stop_reason() == StopReason::kMemory && needs_memory) return result.hits.empty();
  return scope->documents_after_stop++ < kDocumentsAfterStop;
}

}  // namespace

StatusOr<std::string> ReadRecord(QueryScope* scope, std::string_view key) {
  VDB_ASSIGN_OR_RETURN(auto record,
                       scope->view.store->Get(format::DocumentKey(scope->collection.id, key),
                                              scope->view.snapshot.get()));
  ++scope->explain.documents_read;
  if (record) return std::move(*record);
  std::string name;
  AppendJsonString(&name, key.substr(0, 100));
  return Status::Corruption("collection '" + scope->collection.name + "': an index names key " +
                            name + ", and there is no such document; run `vdbtool verify`");
}

StatusOr<bool> AppendHit(QueryScope* scope, std::string_view key, std::string_view record,
                         bool record_is_kept, QueryHit hit, QueryResult* result) {
  if (!MayAppend(scope, record_is_kept, *result)) return false;
  const Projection& projection = scope->request.projection;
  VDB_ASSIGN_OR_RETURN(const auto decoded, format::DecodeDocument(scope->collection, key, record));
  const bool metadata = projection.metadata || !projection.fields.empty();
  VDB_ASSIGN_OR_RETURN(hit.document,
                       scope->database.ReadDocument(
                           scope->view, scope->collection, key, decoded,
                           {metadata, projection.body, projection.vectors}));
  if (metadata) scope->explain.metadata_bytes += decoded.metadata.size();
  if (!projection.fields.empty()) {
    VDB_ASSIGN_OR_RETURN(hit.document.metadata,
                         ProjectMetadata(hit.document.metadata, scope->fields));
  }
  scope->budget->Reserve(BytesOf(hit.document));
  result->hits.push_back(std::move(hit));
  return true;
}

}  // namespace vdb::engine
