// See repair_documents.h.
#include "engine/repair_documents.h"

#include <algorithm>
#include <utility>

#include "engine/verify_run.h"
#include "format/metadata.h"
#include "format/status_macros.h"

namespace vdb::engine {

Status RepairDocuments::Run() {
  for (const format::CollectionEntry& collection : source_->manifest.collections) {
    VDB_RETURN_IF_ERROR(TakeCollection(collection));
  }
  return Status::Ok();
}

Status RepairDocuments::TakeCollection(const format::CollectionEntry& collection) {
  format::CollectionEntry complete = collection;
  for (auto& index : complete.field_indexes) index.ready = true;
  bool gaps = false;
  const std::string docs = format::DocsDirName(source_->manifest.docs_directory);
  VDB_RETURN_IF_ERROR(WalkStore(
      *source_->store, format::DocumentPrefix(collection.id),
      [&](std::string_view key, std::string_view value) {
        return TakeDocument(complete, key.substr(format::kDocumentPrefixBytes), value);
      },
      [&](const std::string& after, const std::string& before) {
        gaps = source_->lossy = true;
        run_->Loss({docs, collection.name, "", "",
                    "a damaged block of a table: documents with keys after " + QuotedKey(after) +
                        (before.empty() ? "" : " and before " + QuotedKey(before)) +
                        " are lost"});
      }));
  return gaps ? NameBodiesWithoutDocument(collection) : Status::Ok();
}

Status RepairDocuments::TakeDocument(const format::CollectionEntry& collection,
                                     std::string_view key, std::string_view value) {
  VDB_RETURN_IF_ERROR(run_->Tick("repair: documents", run_->report().documents_kept, 0));
  const std::string docs = format::DocsDirName(source_->manifest.docs_directory);
  auto record = format::DecodeDocument(collection, key, value);
  if (!record.ok() || !format::MetadataToJson(record->metadata).ok()) {
    run_->Loss({docs, collection.name, "", std::string(key), "its record is damaged"});
    return Status::Ok();
  }
  docno_max_ = std::max(docno_max_, record->docno);
  std::vector<std::pair<RepairSegments::Claimed, std::string>> found;  // with the column's name
  std::vector<uint32_t> columns;
  bool superseded = source_->lossy;
  for (const format::ColumnEntry& column : collection.columns) {
    const auto& has = record->columns;
    if (!std::binary_search(has.begin(), has.end(), column.id)) continue;
    VDB_ASSIGN_OR_RETURN(const auto claimed, segments_->Find(column.id, key, record->docno));
    superseded &= claimed.claim == RepairSegments::Claim::kDead;
    if (claimed.claim != RepairSegments::Claim::kLost) columns.push_back(column.id);
    found.emplace_back(claimed, column.name);
  }
  if (superseded && !found.empty()) {
    run_->Loss({docs, collection.name, "", std::string(key),
                "what is left is a version that was replaced or deleted; it is left out"});
    return Status::Ok();
  }
  for (const auto& [claimed, column] : found) {
    if (claimed.claim == RepairSegments::Claim::kLost) {
      run_->Loss({claimed.file, collection.name, column, std::string(key),
                  "its vector is damaged or gone; the document stays without it"});
    } else {
      VDB_RETURN_IF_ERROR(segments_->Keep(claimed, key));
    }
  }
  std::sort(columns.begin(), columns.end());
  record->columns = std::move(columns);
  VDB_ASSIGN_OR_RETURN(const std::string body, TakeBody(collection, key, &*record));
  run_->report().documents_kept += 1;
  return writer_ == nullptr ? Status::Ok() : writer_->Put(collection, key, *record, body);
}

StatusOr<std::string> RepairDocuments::TakeBody(const format::CollectionEntry& collection,
                                                std::string_view key,
                                                format::DocumentRecord* record) {
  if (!record->has_body) return std::string();
  auto body = source_->store->Get(format::BodyKey(collection.id, key));
  if (body.ok() && body->has_value() &&
      format::CheckBody(collection, key, *record, **body).ok()) {
    if (record->layout == 1) record->body_checksum = format::BodyChecksum(**body);
    return std::move(**body);
  }
  if (!body.ok() && body.status().code() != StatusCode::kCorruption) return body.status();
  record->has_body = false;
  run_->Loss({format::DocsDirName(source_->manifest.docs_directory), collection.name, "",
              std::string(key), "its body is damaged or gone; the document stays without it"});
  return std::string();
}

// Documents without vectors can still be named by their bodies.
Status RepairDocuments::NameBodiesWithoutDocument(const format::CollectionEntry& collection) {
  return WalkStore(
      *source_->store, format::BodyPrefix(collection.id),
      [&](std::string_view store_key, std::string_view) {
        const auto key = store_key.substr(format::kDocumentPrefixBytes);
        const auto document = source_->store->Get(format::DocumentKey(collection.id, key));
        if (document.ok() && document->has_value()) return Status::Ok();
        run_->Loss({format::DocsDirName(source_->manifest.docs_directory), collection.name, "",
                    std::string(key), "the document is lost, its body is not kept"});
        return Status::Ok();
      },
      [](const std::string&, const std::string&) {});
}

}  // namespace vdb::engine
