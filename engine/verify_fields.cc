#include "engine/verify_fields.h"

#include "engine/field_entries.h"
#include "format/field_entry.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

std::string Quoted(std::string_view key) {
  std::string text;
  AppendJsonString(&text, key.substr(0, 100));
  return text;
}

}  // namespace

std::string FieldVerifier::Name(const format::FieldIndexEntry& index) const {
  return "collection '" + collection_.name + "', field index '" +
         format::FieldPathText(index.path) + "'";
}

Status FieldVerifier::CheckDocument(std::string_view key, const format::DocumentRecord& record) {
  if (collection_.field_indexes.empty()) return Status::Ok();
  VDB_RETURN_IF_ERROR(text_.CheckDocument(key, record));
  VDB_ASSIGN_OR_RETURN(const auto lists, FieldEntriesOf(collection_, key, record));
  for (size_t i = 0; i < lists.size(); ++i) {
    for (const format::FieldEntry& entry : lists[i]) {
      VDB_RETURN_IF_ERROR(
          CheckEntry(i, format::FieldEntryKey(collection_.field_indexes[i].id, entry.value, key),
                     format::FieldEntryValue(record.docno, entry.cut)));
    }
  }
  return Status::Ok();
}

// While an index is not ready, entries of documents from before may be missing, but none may lie.
Status FieldVerifier::CheckEntry(size_t index, std::string_view store_key,
                                 std::string_view value) {
  const format::FieldIndexEntry& entry = collection_.field_indexes[index];
  VDB_ASSIGN_OR_RETURN(const auto found, view_.store->Get(store_key, view_.snapshot.get()));
  if (found) ++found_[index];
  if (found ? *found == value : !entry.ready) return Status::Ok();
  problem_(Name(entry), std::string(found ? "an entry has another docno or flag than its document: "
                                          : "an entry is missing: ") +
                            Quoted(store_key.substr(format::kFieldEntryPrefixBytes)) +
                            "; drop the index and add it again");
  return Status::Ok();
}

Status FieldVerifier::CheckSurplus() {
  VDB_RETURN_IF_ERROR(text_.CheckSurplus());
  for (size_t i = 0; i < found_.size(); ++i) {
    const format::FieldIndexEntry& index = collection_.field_indexes[i];
    if (index.kind != FieldIndexKind::kOrdered) continue;
    VDB_ASSIGN_OR_RETURN(auto cursor, view_.store->NewCursor(format::FieldIndexPrefix(index.id),
                                                             view_.snapshot.get()));
    uint64_t count = 0;
    for (; cursor->Valid(); cursor->Next()) ++count;
    VDB_RETURN_IF_ERROR(cursor->status());
    if (count != found_[i]) VDB_RETURN_IF_ERROR(NameSurplus(index));
  }
  return Status::Ok();
}

Status FieldVerifier::NameSurplus(const format::FieldIndexEntry& index) {
  VDB_ASSIGN_OR_RETURN(auto cursor, view_.store->NewCursor(format::FieldIndexPrefix(index.id),
                                                           view_.snapshot.get()));
  for (; cursor->Valid(); cursor->Next()) {
    VDB_ASSIGN_OR_RETURN(const bool good,
                         BelongsToDocument(index, cursor->key(), cursor->value()));
    if (good) continue;
    problem_(Name(index), "no document has the entry " +
                              Quoted(cursor->key().substr(format::kFieldEntryPrefixBytes)) +
                              "; drop the index and add it again");
  }
  return cursor->status();
}

StatusOr<bool> FieldVerifier::BelongsToDocument(const format::FieldIndexEntry& index,
                                                std::string_view store_key,
                                                std::string_view value) {
  format::FieldEntryView entry;
  if (!format::DecodeFieldEntry(store_key, value, &entry)) return false;
  VDB_ASSIGN_OR_RETURN(const auto bytes,
                       view_.store->Get(format::DocumentKey(collection_.id, entry.key),
                                        view_.snapshot.get()));
  if (!bytes) return false;
  const auto document = format::PeekDocument(collection_, entry.key, *bytes);
  if (!document.ok()) return true;  // reported as a damaged document
  const auto entries = format::FieldEntriesOf(index.path, entry.key, document->metadata);
  if (!entries.ok()) return true;
  for (const format::FieldEntry& one : *entries) {
    if (one.value == entry.encoded) return true;
  }
  return false;
}

}  // namespace vdb::engine
