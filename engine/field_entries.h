// The entries that a document has in the field indexes of its collection, and what a store batch
// must say when they change.
#pragma once

#include <string_view>
#include <vector>

#include "engine/sorted_changes.h"
#include "format/document_record.h"
#include "format/field_value.h"
#include "format/manifest.h"
#include "storage/rocksdb/document_store.h"
#include "vdb/collection.h"

namespace vdb::engine {

/// By position in CollectionEntry::field_indexes; empty lists for kinds that have no such entries.
using FieldEntryLists = std::vector<std::vector<format::FieldEntry>>;

StatusOr<FieldEntryLists> FieldEntriesOf(const format::CollectionEntry& collection,
                                         std::string_view key,
                                         const format::DocumentRecord& record);

/// Deletes all that an index has, of either kind.
void DeleteFieldIndex(const format::FieldIndexEntry& index, storage::StoreBatch* batch);

/// The indexes as they are declared.
std::vector<FieldIndexInfo> FieldIndexInfos(const format::CollectionEntry& collection);

/// Takes the index from `old_entries` (null: none are stored) to `entries`.
void PutFieldEntries(const format::CollectionEntry& collection, std::string_view key,
                     const FieldEntryLists& entries, uint64_t docno,
                     const FieldEntryLists* old_entries, uint64_t old_docno,
                     SortedChanges* changes);

}  // namespace vdb::engine
