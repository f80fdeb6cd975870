// Round: what a commit round writes, worked out from its batches before anything is written.
//
// Batches are resolved in commit order against the view, each later one seeing the earlier ones. A
// batch that is refused leaves no trace. Rows of document versions that are superseded within the
// round are never written.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/field_entries.h"
#include "engine/prepared_batch.h"
#include "engine/text_entries.h"
#include "engine/view.h"
#include "format/document_record.h"
#include "vdb/write_batch.h"

namespace vdb::engine {

struct RoundTombstone {
  uint64_t docno = 0;
  format::TombstoneRecord record;
};

class Round {
 public:
  /// `view` is the newest view; both must outlive the round.
  Round(const View& view, const storage::DocumentStore& store, uint64_t next_docno)
      : view_(view), store_(store), next_docno_(next_docno) {}

  /// Resolves one batch. Refused: the status says why, and nothing of it is in the round.
  Status Add(const PreparedBatch& batch, uint64_t batch_number, WriteResult* result);

  uint64_t next_docno() const { return next_docno_; }
  /// Rows to append, by column id, in order.
  std::map<uint32_t, std::vector<storage::NewRow>> RowsByColumn() const;
  const std::vector<RoundTombstone>& tombstones() const { return tombstones_; }
  /// Changes of counts: by collection id, then by column id; column id 0 counts documents.
  std::map<uint32_t, std::map<uint32_t, int64_t>> CountChanges() const;
  /// Appends the documents, bodies and field index entries to a store batch.
  Status EmitDocuments(storage::StoreBatch* batch) const;

 private:
  enum class BodyChange { kKeep, kSet, kDelete };
  // What the field indexes have of the stored document.
  struct StoredFields {
    uint64_t docno = 0;
    std::string metadata;
    uint64_t body_checksum = 0;
    FieldEntryLists entries;
  };
  struct Document {
    bool exists = false;
    bool stored = false;            // RocksDB has a record for this key
    bool stored_body = false;
    std::shared_ptr<const StoredFields> stored_fields;  // null: no entries to compare with
    Status metadata_damage;         // of the record's, as the field indexes walk it
    format::DocumentRecord record;  // if exists
    BodyChange body_change = BodyChange::kKeep;
    std::string_view body;
    std::map<uint32_t, size_t> pending;  // column id -> position in rows_, of record.docno
  };
  struct Row {
    uint32_t column_id = 0;
    storage::NewRow row;
    bool cancelled = false;
  };
  struct CountEvent {
    uint32_t collection_id, column_id;
    int64_t change;
  };

  Status Apply(const PreparedBatch& batch, const PreparedChange& change, uint64_t batch_number,
               WriteResult* result);
  Status ApplyPut(const PreparedChange& change, Document* document);
  Status ApplySetVector(const PreparedChange& change, Document* document);
  void ApplyDelete(Document* document, WriteResult* result);
  Status MoveOtherVectors(std::string_view key, uint32_t but_column, const Document& from,
                          std::vector<PreparedVector>* vectors) const;
  Status LoadFields(std::string_view store_key, Document* document) const;
  Status CheckColumns(const PreparedChange& change) const;
  StatusOr<Document*> Load(const std::string& store_key);
  Status LoadAll(const PreparedBatch& batch);
  Status Decode(std::string_view store_key, std::string_view value, Document* document) const;
  Status EmitFields(std::string_view store_key, const Document& document, SortedChanges* fields,
                    TextChanges* text) const;
  Status EmitText(const format::CollectionEntry& collection, std::string_view store_key,
                  const Document& document, TextChanges* text) const;
  void Retire(Document* document);
  void AddVector(std::string_view key, const PreparedVector& vector, Document* document);

  const View& view_;
  const storage::DocumentStore& store_;
  uint64_t next_docno_;
  std::vector<Row> rows_;
  std::vector<RoundTombstone> tombstones_;
  std::vector<CountEvent> count_events_;
  std::unordered_map<std::string, Document> documents_;  // by RocksDB key
  // Of the batch being added; merged when it is accepted.
  std::unordered_map<std::string, Document> staged_;
  std::vector<size_t> staged_cancels_;
  const format::CollectionEntry* collection_ = nullptr;
};

}  // namespace vdb::engine
