#include "engine/field_entries.h"

#include "format/field_entry.h"
#include "format/status_macros.h"
#include "format/text_entry.h"

namespace vdb::engine {

StatusOr<FieldEntryLists> FieldEntriesOf(const format::CollectionEntry& collection,
                                         std::string_view key,
                                         const format::DocumentRecord& record) {
  FieldEntryLists lists(collection.field_indexes.size());
  for (size_t i = 0; i < lists.size(); ++i) {
    const format::FieldIndexEntry& index = collection.field_indexes[i];
    if (index.kind != FieldIndexKind::kOrdered) continue;
    VDB_ASSIGN_OR_RETURN(lists[i], format::FieldEntriesOf(index.path, key, record.metadata));
  }
  return lists;
}

void DeleteFieldIndex(const format::FieldIndexEntry& index, storage::StoreBatch* batch) {
  const bool text = index.kind == FieldIndexKind::kText;
  const auto prefix = text ? format::TextIndexPrefix : format::FieldIndexPrefix;
  batch->DeleteRange(prefix(index.id), prefix(index.id + 1));
}

std::vector<FieldIndexInfo> FieldIndexInfos(const format::CollectionEntry& collection) {
  std::vector<FieldIndexInfo> infos;
  for (const format::FieldIndexEntry& index : collection.field_indexes) {
    infos.push_back({format::FieldPathText(index.path), index.kind, index.ready});
  }
  return infos;
}

namespace {

// Both lists ascend by value, so one walk over both finds what differs.
void PutDifference(uint32_t index_id, std::string_view key,
                   const std::vector<format::FieldEntry>& now, uint64_t docno,
                   const std::vector<format::FieldEntry>& before, uint64_t old_docno,
                   SortedChanges* changes, std::string* scratch) {
  const auto remove = [&](const format::FieldEntry& entry) {
    format::MakeFieldEntryKey(index_id, entry.value, key, scratch);
    changes->Delete(*scratch);
  };
  auto old = before.begin();
  for (const format::FieldEntry& entry : now) {
    for (; old != before.end() && old->value < entry.value; ++old) remove(*old);
    const bool same_value = old != before.end() && old->value == entry.value;
    const bool same = same_value && old->cut == entry.cut && old_docno == docno;
    if (same_value) ++old;
    if (same) continue;
    format::MakeFieldEntryKey(index_id, entry.value, key, scratch);
    changes->Put(*scratch, format::FieldEntryValue(docno, entry.cut));
  }
  for (; old != before.end(); ++old) remove(*old);
}

}  // namespace

void PutFieldEntries(const format::CollectionEntry& collection, std::string_view key,
                     const FieldEntryLists& entries, uint64_t docno,
                     const FieldEntryLists* old_entries, uint64_t old_docno,
                     SortedChanges* changes) {
  static const std::vector<format::FieldEntry> kNone;
  std::string scratch;
  for (size_t i = 0; i < collection.field_indexes.size(); ++i) {
    PutDifference(collection.field_indexes[i].id, key, entries.empty() ? kNone : entries[i], docno,
                  old_entries == nullptr ? kNone : (*old_entries)[i], old_docno,
                  changes, &scratch);
  }
}

}  // namespace vdb::engine
