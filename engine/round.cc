#include "engine/round.h"

#include <algorithm>

#include "format/byte_io.h"
#include "format/metadata_view.h"
#include "format/status_macros.h"
#include "query/filter_tree.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

using Kind = WriteBatch::Kind;

std::string Quoted(std::string_view key) {
  std::string text;
  AppendJsonString(&text, key.substr(0, 100));
  return text;
}

bool HasColumn(const format::CollectionEntry& collection, uint32_t id) {
  return std::any_of(collection.columns.begin(), collection.columns.end(),
                     [id](const auto& column) { return column.id == id; });
}

std::string_view UserKey(std::string_view store_key) {
  return store_key.substr(format::kDocumentPrefixBytes);
}

uint32_t CollectionId(std::string_view store_key) {
  return format::ByteReader(store_key.substr(1)).BigU32();
}

bool Holds(const std::vector<uint32_t>& ids, uint32_t id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

// Whether the text indexes can walk it.
Status CheckTexts(const format::CollectionEntry& collection, std::string_view metadata) {
  for (const format::FieldIndexEntry& index : collection.field_indexes) {
    if (index.kind != FieldIndexKind::kText || index.path.steps.empty()) continue;
    const auto walk = format::WalkField(metadata, index.path.steps,
                                        [](const format::MetadataValue&) { return true; });
    if (walk == format::Walk::kDamaged) return format::MetadataDamaged(metadata);
  }
  return Status::Ok();
}

}  // namespace

Status Round::Add(const PreparedBatch& batch, uint64_t batch_number, WriteResult* result) {
  collection_ = view_.manifest->FindCollection(batch.collection_id);
  if (collection_ == nullptr) {
    return Status::NotFound("collection id " + std::to_string(batch.collection_id) +
                            " was dropped");
  }
  const size_t rows = rows_.size(), tombs = tombstones_.size(), events = count_events_.size();
  staged_.clear();
  staged_cancels_.clear();
  *result = {};
  result->batch_number = batch_number;
  VDB_RETURN_IF_ERROR(LoadAll(batch));
  for (size_t i = 0; i < batch.changes.size(); ++i) {
    const Status applied = Apply(batch, batch.changes[i], batch_number, result);
    if (applied.ok()) continue;
    rows_.resize(rows);
    tombstones_.resize(tombs);
    count_events_.resize(events);
    return Status(applied.code(), "collection '" + collection_->name + "', change " +
                                      std::to_string(i) + ", key " +
                                      Quoted(batch.changes[i].key) + ": " + applied.message());
  }
  for (const size_t position : staged_cancels_) rows_[position].cancelled = true;
  if (documents_.empty()) {
    documents_.swap(staged_);
  } else {
    for (auto& [key, document] : staged_) documents_[key] = std::move(document);
  }
  return Status::Ok();
}

// The documents of a large batch are looked for in the order of their keys, which RocksDB answers
// at a third of the cost (an import's keys are new, and rarely in order).
Status Round::LoadAll(const PreparedBatch& batch) {
  constexpr size_t kWorthIt = 64;
  if (batch.changes.size() < kWorthIt) return Status::Ok();
  staged_.reserve(batch.changes.size());
  std::vector<decltype(staged_)::pointer> missing;
  missing.reserve(batch.changes.size());
  for (const PreparedChange& change : batch.changes) {
    const auto [at, is_new] =
        staged_.try_emplace(format::DocumentKey(batch.collection_id, change.key));
    if (!is_new) continue;
    const auto earlier = documents_.find(at->first);
    if (earlier != documents_.end()) {
      at->second = earlier->second;
    } else {
      missing.push_back(&*at);
    }
  }
  std::sort(missing.begin(), missing.end(), [](auto* a, auto* b) { return a->first < b->first; });
  std::vector<std::string_view> keys;
  keys.reserve(missing.size());
  for (const auto* document : missing) keys.push_back(document->first);
  VDB_ASSIGN_OR_RETURN(const auto values, store_.MultiGet(keys));
  for (size_t i = 0; i < missing.size(); ++i) {
    if (!values[i]) continue;
    VDB_RETURN_IF_ERROR(Decode(missing[i]->first, *values[i], &missing[i]->second));
  }
  return Status::Ok();
}

Status Round::Decode(std::string_view store_key, std::string_view value, Document* document) const {
  VDB_ASSIGN_OR_RETURN(document->record,
                       format::DecodeDocument(*collection_, UserKey(store_key), value));
  if (document->record.layout != 2) {  // it would be written anew, without its body's checksum
    return Status::Corruption("its record is of another format version than the database");
  }
  document->exists = document->stored = true;
  document->stored_body = document->record.has_body;
  if (collection_->field_indexes.empty()) return Status::Ok();
  return LoadFields(store_key, document);
}

StatusOr<Round::Document*> Round::Load(const std::string& store_key) {
  const auto staged = staged_.find(store_key);
  if (staged != staged_.end()) return &staged->second;
  Document document;
  const auto earlier = documents_.find(store_key);
  if (earlier != documents_.end()) {
    document = earlier->second;
  } else {
    VDB_ASSIGN_OR_RETURN(const auto value, store_.Get(store_key));
    if (value) VDB_RETURN_IF_ERROR(Decode(store_key, *value, &document));
  }
  return &(staged_[store_key] = std::move(document));
}

// Damaged metadata is taken for empty, so that the document can be replaced and deleted: what the
// indexes have of it stays, and verify names it.
Status Round::LoadFields(std::string_view store_key, Document* document) const {
  auto fields = std::make_shared<StoredFields>();
  fields->docno = document->record.docno;
  fields->body_checksum = document->record.body_checksum;
  const auto entries = [&](const format::DocumentRecord& record) -> StatusOr<FieldEntryLists> {
    VDB_RETURN_IF_ERROR(CheckTexts(*collection_, record.metadata));
    return FieldEntriesOf(*collection_, UserKey(store_key), record);
  };
  auto found = entries(document->record);
  if (found.ok()) {
    fields->metadata = document->record.metadata;
  } else if (found.status().code() == StatusCode::kCorruption) {
    document->metadata_damage = found.status();
    format::DocumentRecord empty;
    empty.docno = document->record.docno;
    found = entries(empty);
  }
  VDB_ASSIGN_OR_RETURN(fields->entries, std::move(found));
  document->stored_fields = std::move(fields);
  return Status::Ok();
}

Status Round::CheckColumns(const PreparedChange& change) const {
  for (const PreparedVector& vector : change.vectors) {
    if (!HasColumn(*collection_, vector.column_id)) {
      return Status::NotFound("its column was dropped meanwhile");
    }
  }
  return Status::Ok();
}

void Round::ApplyDelete(Document* document, WriteResult* result) {
  Retire(document);
  count_events_.push_back({collection_->id, 0, -1});
  document->exists = false;
  document->body_change = BodyChange::kDelete;
  result->deleted_count += 1;
}

Status Round::Apply(const PreparedBatch& batch, const PreparedChange& change,
                    uint64_t batch_number, WriteResult* result) {
  VDB_RETURN_IF_ERROR(CheckColumns(change));
  VDB_ASSIGN_OR_RETURN(Document* const document,
                       Load(format::DocumentKey(batch.collection_id, change.key)));
  switch (change.kind) {
    case Kind::kPutIfAbsent:
      if (document->exists) {
        return Status::AlreadyExists("it exists, version " +
                                     std::to_string(document->record.version));
      }
      break;
    case Kind::kReplaceIfVersion:
    case Kind::kDeleteIfVersion:
      if (document->exists && document->record.version != change.version) {
        return Status::FailedPrecondition("expected version " + std::to_string(change.version) +
                                          ", found " + std::to_string(document->record.version) +
                                          "; read it again");
      }
      [[fallthrough]];
    case Kind::kSetVector:
    case Kind::kSetMetadata:
      if (!document->exists) return Status::NotFound("no such document");
      break;
    case Kind::kPut: break;
    case Kind::kDelete:
      if (!document->exists) {
        if (batch.deletes_must_exist) return Status::NotFound("no such document");
        result->missing_count += 1;
        return Status::Ok();
      }
      if (batch.delete_condition != nullptr) {
        VDB_ASSIGN_OR_RETURN(const bool matches,
                             query::Matches(*batch.delete_condition, change.key,
                                            document->record.metadata));
        if (!matches) return Status::Ok();
      }
      ApplyDelete(document, result);
      return Status::Ok();
  }
  if (change.kind == Kind::kDeleteIfVersion) {
    ApplyDelete(document, result);
    return Status::Ok();
  }
  if (change.kind == Kind::kSetMetadata) {
    document->record.metadata = change.metadata;
    document->metadata_damage = Status::Ok();
  } else if (change.kind == Kind::kSetVector) {
    VDB_RETURN_IF_ERROR(ApplySetVector(change, document));
  } else {
    VDB_RETURN_IF_ERROR(ApplyPut(change, document));
  }
  document->record.version = batch_number;
  result->written_count += 1;
  return Status::Ok();
}

// The document's present version loses its rows: those of this round are not written, those of
// earlier rounds get a tombstone.
void Round::Retire(Document* document) {
  RoundTombstone tombstone = {document->record.docno, {collection_->id, {}}};
  for (const uint32_t column : document->record.columns) {
    const bool column_lives = HasColumn(*collection_, column);
    if (column_lives) count_events_.push_back({collection_->id, column, -1});
    if (!document->pending.contains(column) && column_lives) {
      tombstone.record.columns.push_back(column);
    }
  }
  for (const auto& [column, position] : document->pending) staged_cancels_.push_back(position);
  document->pending.clear();
  if (!tombstone.record.columns.empty()) tombstones_.push_back(std::move(tombstone));
}

void Round::AddVector(std::string_view key, const PreparedVector& vector, Document* document) {
  document->pending[vector.column_id] = rows_.size();
  rows_.push_back({vector.column_id,
                   {document->record.docno, vector.norm, vector.unit, key},
                   false});
  auto& columns = document->record.columns;
  columns.insert(std::lower_bound(columns.begin(), columns.end(), vector.column_id),
                 vector.column_id);
  count_events_.push_back({collection_->id, vector.column_id, 1});
}

Status Round::ApplyPut(const PreparedChange& change, Document* document) {
  if (document->exists) {
    Retire(document);
  } else {
    count_events_.push_back({collection_->id, 0, 1});
  }
  document->exists = true;
  document->record = {};
  document->metadata_damage = Status::Ok();
  document->record.docno = next_docno_++;
  document->record.metadata = change.metadata;
  document->record.has_body = change.body.has_value();
  document->record.body_checksum = change.body_checksum;
  document->body_change = change.body ? BodyChange::kSet : BodyChange::kDelete;
  document->body = change.body.value_or(std::string_view());
  for (const PreparedVector& vector : change.vectors) AddVector(change.key, vector, document);
  return Status::Ok();
}

Status Round::ApplySetVector(const PreparedChange& change, Document* document) {
  // It keeps its metadata: field entries would have to be made from it, for the whole round.
  VDB_RETURN_IF_ERROR(document->metadata_damage);
  const uint32_t column = change.vectors.front().column_id;
  if (!Holds(document->record.columns, column)) {
    AddVector(change.key, change.vectors.front(), document);
    return Status::Ok();
  }
  std::vector<PreparedVector> vectors = {change.vectors.front()};
  VDB_RETURN_IF_ERROR(MoveOtherVectors(change.key, column, *document, &vectors));
  Retire(document);
  document->record.docno = next_docno_++;
  document->record.columns.clear();
  for (const PreparedVector& vector : vectors) AddVector(change.key, vector, document);
  return Status::Ok();
}

Status Round::MoveOtherVectors(std::string_view key, uint32_t but_column, const Document& from,
                               std::vector<PreparedVector>* vectors) const {
  for (const uint32_t column : from.record.columns) {
    if (column == but_column || !HasColumn(*collection_, column)) continue;
    const auto pending = from.pending.find(column);
    if (pending != from.pending.end()) {
      const storage::NewRow& row = rows_[pending->second].row;
      vectors->push_back({column, row.unit, row.norm});
      continue;
    }
    VDB_ASSIGN_OR_RETURN(const RowAddress address,
                         FindRow(view_.FindColumn(column), from.record.docno));
    if (address.segment == nullptr) {
      return Status::Corruption("key " + Quoted(key) + ": its row in column id " +
                                std::to_string(column) + " is missing; run `vdbtool verify`");
    }
    const storage::Segment& segment = *address.segment->segment;
    VDB_RETURN_IF_ERROR(segment.CheckRow(address.row, address.segment->mark.key_bytes));
    vectors->push_back({column, segment.rows() + address.row * segment.identity().dimension,
                        segment.records()[address.row].norm});
  }
  return Status::Ok();
}

std::map<uint32_t, std::vector<storage::NewRow>> Round::RowsByColumn() const {
  std::map<uint32_t, std::vector<storage::NewRow>> by_column;
  for (const Row& row : rows_) {
    if (!row.cancelled) by_column[row.column_id].push_back(row.row);
  }
  return by_column;
}

std::map<uint32_t, std::map<uint32_t, int64_t>> Round::CountChanges() const {
  std::map<uint32_t, std::map<uint32_t, int64_t>> changes;
  for (const CountEvent& event : count_events_) {
    changes[event.collection_id][event.column_id] += event.change;
  }
  return changes;
}

// The stored body is read only if its words move to another docno, or go. Of a damaged one those go
// that are still to be read in it; it does not move.
Status Round::EmitText(const format::CollectionEntry& collection, std::string_view store_key,
                       const Document& document, TextChanges* text) const {
  const StoredFields* stored = document.stored_fields.get();
  TextSource before, now;
  if (stored != nullptr) before = {stored->docno, stored->metadata, {}};
  now = {document.record.docno, document.record.metadata, document.body};
  std::optional<std::string> body;
  if (HasBodyIndex(collection) && document.stored_body &&
      (!document.exists || before.docno != now.docno)) {
    std::string body_key(store_key);
    body_key[0] = 'Y';
    VDB_ASSIGN_OR_RETURN(body, store_.Get(body_key));
    const bool moves = document.exists && document.body_change == BodyChange::kKeep;
    if (body && moves && format::BodyChecksum(*body) != stored->body_checksum) {
      return Status::Corruption("docs: collection '" + collection.name + "', key " +
                                Quoted(UserKey(store_key)) +
                                ": its body is damaged; run `vdbtool verify`, or put it anew");
    }
    if (body) before.body = *body;
  }
  if (document.body_change == BodyChange::kKeep) now.body = before.body;
  return text->Change(collection, UserKey(store_key), stored == nullptr ? nullptr : &before,
                      document.exists ? &now : nullptr);
}

// Only what differs is written: an entry that keeps its value goes again if its docno changed.
Status Round::EmitFields(std::string_view store_key, const Document& document,
                         SortedChanges* fields, TextChanges* text) const {
  const format::CollectionEntry* collection =
      view_.manifest->FindCollection(CollectionId(store_key));
  if (collection == nullptr || collection->field_indexes.empty()) return Status::Ok();
  const StoredFields* stored = document.stored_fields.get();
  if (stored != nullptr && document.exists && stored->docno == document.record.docno &&
      stored->metadata == document.record.metadata) {
    return Status::Ok();
  }
  const std::string_view key = UserKey(store_key);
  FieldEntryLists entries;
  if (document.exists) {
    VDB_ASSIGN_OR_RETURN(entries, FieldEntriesOf(*collection, key, document.record));
  }
  PutFieldEntries(*collection, key, entries, document.record.docno,
                  stored == nullptr ? nullptr : &stored->entries,
                  stored == nullptr ? 0 : stored->docno, fields);
  if (!HasTextIndex(*collection)) return Status::Ok();
  return EmitText(*collection, store_key, document, text);
}

Status Round::EmitDocuments(storage::StoreBatch* batch) const {
  SortedChanges fields;
  TextChanges text(store_);
  // In the order of their keys: RocksDB's memtable takes neighbours at a fraction of the cost.
  std::vector<decltype(documents_)::const_pointer> sorted;
  sorted.reserve(documents_.size());
  for (const auto& entry : documents_) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->first < b->first; });
  for (const auto* entry : sorted) {
    const auto& [key, document] = *entry;
    std::string body_key = key;
    body_key[0] = 'Y';
    if (document.exists) {
      batch->Put(key, format::EncodeDocument(CollectionId(key), UserKey(key), document.record));
    } else if (document.stored) {
      batch->Delete(key);
    }
    if (document.body_change == BodyChange::kSet) {
      batch->Put(body_key, document.body);
    } else if (document.body_change == BodyChange::kDelete && document.stored_body) {
      batch->Delete(body_key);
    }
    VDB_RETURN_IF_ERROR(EmitFields(key, document, &fields, &text));
  }
  fields.EmitTo(batch);
  return text.Finish(batch);
}

}  // namespace vdb::engine
