// See verify_documents.h.
#include "engine/verify_documents.h"

#include <algorithm>

#include "format/metadata.h"
#include "format/status_macros.h"

namespace vdb::engine {

using format::SegmentFile;

void DocumentVerifier::CheckVector(const format::ColumnEntry& column, std::string_view key,
                                   uint64_t docno) {
  const std::string where = "key " + QuotedKey(key) + ", column '" + column.name + "'";
  vectors_found_[column.id] += 1;
  auto at = FindRow(view_.FindColumn(column.id), docno);
  if (!at.ok()) return run_->Problem("docs", where, at.status().message());
  if (at->segment == nullptr) {
    return run_->Problem("docs", where, "no row has its docno " + std::to_string(docno));
  }
  const SegmentView& segment = *at->segment;
  const std::string file = SegmentPath(segment.segment->id(), SegmentFile::kRows);
  if (segment.mask != nullptr) {
    auto dead = segment.mask->Test(at->row);
    if (!dead.ok() || *dead) {
      run_->Problem(file, "row " + std::to_string(at->row),
              dead.ok() ? "it is masked as dead, but belongs to " + where
                        : dead.status().message());
    }
  }
  if (segment.segment->KeyOf(at->row, segment.mark.key_bytes) != key) {
    run_->Problem(file, "row " + std::to_string(at->row), "it has another key than " + where);
  }
}

// Its checksum, and its body's.
std::optional<format::DocumentRecord> DocumentVerifier::CheckRecord(
    const format::CollectionEntry& collection, std::string_view key, std::string_view value) {
  const std::string where = "collection '" + collection.name + "', key " + QuotedKey(key);
  run_->report().documents_checked += 1;
  auto record = format::DecodeDocument(collection, key, value);
  if (!record.ok()) {
    run_->Problem("docs", where, record.status().message());
    return std::nullopt;
  }
  if (record->layout != view_.manifest->format_version) {
    run_->Problem("docs", where, "its record is of format version " +
                                     std::to_string(record->layout) + ", the database of " +
                                     std::to_string(view_.manifest->format_version));
  }
  const auto body =
      view_.store->Get(format::BodyKey(collection.id, key), view_.snapshot.get());
  if (!body.ok() || body->has_value() != record->has_body) {
    run_->Problem("docs", where, body.ok() ? "body and record contradict each other"
                                     : body.status().message());
  } else if (record->has_body) {
    const Status whole = format::CheckBody(collection, key, *record, **body);
    if (!whole.ok()) run_->Problem("docs", where, whole.message());
  }
  return std::move(*record);
}

void DocumentVerifier::CheckDocument(const format::CollectionEntry& collection,
                                     std::string_view key, std::string_view value,
                                     FieldVerifier* fields) {
  const std::string where = "collection '" + collection.name + "', key " + QuotedKey(key);
  const auto record = CheckRecord(collection, key, value);
  if (!record) return;
  if (record->docno == 0 || record->docno >= next_docno_) {
    run_->Problem("docs", where, "its docno " + std::to_string(record->docno) +
                                     " is not below the next, " + std::to_string(next_docno_));
  }
  const auto metadata = format::MetadataToJson(record->metadata);
  if (!metadata.ok()) run_->Problem("docs", where, metadata.status().message());
  const Status entries = metadata.ok() ? fields->CheckDocument(key, *record) : Status::Ok();
  if (!entries.ok()) run_->Problem("docs", where, entries.message());
  for (const format::ColumnEntry& column : collection.columns) {
    if (std::binary_search(record->columns.begin(), record->columns.end(), column.id)) {
      CheckVector(column, key, record->docno);
    }
  }
}

// More live rows than documents account for: name the rows.
Status DocumentVerifier::CheckOrphans(const format::CollectionEntry& collection,
                              const format::ColumnEntry& column) {
  const ColumnView* segments = view_.FindColumn(column.id);
  if (segments == nullptr) return Status::Ok();
  for (const SegmentView& segment : segments->segments) {
    const std::string file = SegmentPath(segment.segment->id(), SegmentFile::kRows);
    for (uint64_t row = 0; row < segment.mark.rows; ++row) {
      if (segment.mask != nullptr) {
        VDB_ASSIGN_OR_RETURN(const bool dead, segment.mask->Test(row));
        if (dead) continue;
      }
      const auto key = segment.segment->KeyOf(row, segment.mark.key_bytes);
      VDB_ASSIGN_OR_RETURN(const auto value,
                           view_.store->Get(format::DocumentKey(collection.id, key),
                                             view_.snapshot.get()));
      auto record = format::DecodeDocument(collection, key, value.value_or(""));
      if (record.ok() && record->docno == segment.segment->records()[row].docno &&
          std::binary_search(record->columns.begin(), record->columns.end(), column.id)) {
        continue;
      }
      run_->Problem(file, "row " + std::to_string(row),
              "no document refers to it (key " + QuotedKey(key) + ", docno " +
                  std::to_string(segment.segment->records()[row].docno) + ")");
    }
  }
  return Status::Ok();
}

Status DocumentVerifier::CheckCollection(const format::CollectionEntry& collection) {
  VDB_ASSIGN_OR_RETURN(auto cursor, view_.store->NewCursor(format::DocumentPrefix(collection.id),
                                                            view_.snapshot.get()));
  const uint64_t before = run_->report().documents_checked;
  const bool all = run_->Does(VerifyLevel::kReferences);
  FieldVerifier fields(view_, collection, [this](const auto& where, const auto& message) {
    run_->Problem("docs", where, message);
  });
  for (; cursor->Valid(); cursor->Next()) {
    const auto key = cursor->key().substr(format::kDocumentPrefixBytes);
    if (all) {
      CheckDocument(collection, key, cursor->value(), &fields);
    } else {
      CheckRecord(collection, key, cursor->value());
    }
    if (run_->report().documents_checked % 4096 == 0) {
      VDB_RETURN_IF_ERROR(run_->Tick("verify documents", run_->report().documents_checked, 0));
    }
  }
  if (!cursor->status().ok()) run_->Problem("docs", "documents", cursor->status().message());
  if (!all) return Status::Ok();
  VDB_RETURN_IF_ERROR(fields.CheckSurplus());
  return CheckCounts(collection, run_->report().documents_checked - before);
}

Status DocumentVerifier::CheckCounts(const format::CollectionEntry& collection,
                                     uint64_t found) {
  VDB_ASSIGN_OR_RETURN(const auto counts_bytes,
                       view_.store->Get(format::CountsKey(collection.id), view_.snapshot.get()));
  format::CountsRecord counts;
  if (counts_bytes) {
    VDB_ASSIGN_OR_RETURN(counts, format::DecodeCounts(*counts_bytes));
  }
  const std::string where = "collection '" + collection.name + "'";
  if (counts.documents != found) {
    run_->Problem("docs", where, "counted " + std::to_string(counts.documents) +
                                     " documents, found " + std::to_string(found));
  }
  for (const format::ColumnEntry& column : collection.columns) {
    uint64_t live = 0;
    if (const ColumnView* segments = view_.FindColumn(column.id)) {
      for (const SegmentView& segment : segments->segments) {
        live += segment.mark.rows - (segment.mask ? segment.mask->dead_count() : 0);
      }
    }
    const uint64_t referred = vectors_found_[column.id];
    if (live != referred) VDB_RETURN_IF_ERROR(CheckOrphans(collection, column));
    if (live != referred || counts.vectors[column.id] != referred) {
      run_->Problem("docs", where + ", column '" + column.name + "'",
              "documents have " + std::to_string(referred) + " vectors, live rows are " +
                  std::to_string(live) + ", counted are " +
                  std::to_string(counts.vectors[column.id]));
    }
  }
  return Status::Ok();
}

Status DocumentVerifier::Check() {
  if (!run_->Does(VerifyLevel::kReferences) && view_.manifest->format_version < 2) {
    return Status::Ok();  // records without checksums: RocksDB's blocks have been read already
  }
  for (const auto& collection : view_.manifest->collections) {
    const Status checked = CheckCollection(collection);
    if (checked.code() == StatusCode::kCancelled) return checked;
    if (!checked.ok()) {
      run_->Problem("docs", "collection '" + collection.name + "'", checked.message());
    }
  }
  return Status::Ok();
}

}  // namespace vdb::engine
