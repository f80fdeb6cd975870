// AddFieldIndex and DropFieldIndex.
//
// An index is published as not ready first: from then on every commit round keeps its entries up.
// The build then puts the entries of all documents, chunk by chunk under the commit mutex, each
// from the newest state; putting an entry twice changes nothing (and TextChanges puts none twice),
// so a build that was cut short simply begins again. Its chunks change no document, so they are no
// batches: they carry the state record as it is, and a crash may lose any tail of them. They are
// synced before the index is published as ready.
#include <chrono>
#include <thread>

#include "engine/clock.h"
#include "engine/database_impl.h"
#include "engine/field_entries.h"
#include "engine/no_throw.h"
#include "engine/text_entries.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

// A writer waits for at most one chunk: a few milliseconds. See EngineOptions, too.
constexpr size_t kChunkBytes = 1u << 20;

StatusOr<format::CollectionEntry*> FindIn(format::Manifest* manifest, uint32_t id) {
  for (format::CollectionEntry& collection : manifest->collections) {
    if (collection.id == id) return &collection;
  }
  return Status::NotFound("collection id " + std::to_string(id) + " was dropped");
}

format::FieldIndexEntry* FindId(format::CollectionEntry* collection, uint32_t id) {
  for (format::FieldIndexEntry& index : collection->field_indexes) {
    if (index.id == id) return &index;
  }
  return nullptr;
}

std::string Name(const format::FieldPath& path) {
  return "field index '" + format::FieldPathText(path) + "'";
}

Status CheckPath(const format::FieldPath& path, FieldIndexKind kind) {
  if (kind == FieldIndexKind::kText) {
    if (!path.is_key()) return Status::Ok();
    return Status::InvalidArgument(Name(path) + ": expected a field of the metadata, or $body");
  }
  if (kind != FieldIndexKind::kOrdered) {
    return Status::InvalidArgument(Name(path) + ": unknown kind " +
                                   std::to_string(static_cast<int>(kind)));
  }
  if (path.steps.empty()) {
    return Status::InvalidArgument(Name(path) + ": expected a field of the metadata; the key is "
                                                "in order without an index");
  }
  return Status::Ok();
}

}  // namespace

struct DatabaseImpl::FieldBuild {
  uint32_t collection_id = 0;
  uint32_t index_id = 0;
  std::string next;  // the document key in RocksDB to go on from
  bool done = false;
  uint64_t documents = 0;
  uint64_t entries = 0;
  uint64_t text_bytes = 0;  // looked at for words in this chunk
  uint64_t total = 0;  // documents in the collection
};

StatusOr<FieldIndexReport> DatabaseImpl::AddFieldIndex(uint32_t collection_id,
                                                       const FieldIndexOptions& options) {
  VDB_ASSIGN_OR_RETURN(const format::FieldPath path, format::ParseFieldPath(options.field));
  VDB_RETURN_IF_ERROR(CheckPath(path, options.kind));
  const auto start = std::chrono::steady_clock::now();
  VDB_ASSIGN_OR_RETURN(const uint32_t index_id,
                       BeginFieldBuild(collection_id, path, options.kind));
  FieldIndexReport report;
  const Status status = NoThrow(
      [&] { return BuildField(collection_id, index_id, options.progress, &report); });
  const std::lock_guard lock(commit_mutex_);
  building_fields_.erase(index_id);
  VDB_RETURN_IF_ERROR(status);
  report.build_ms = MillisecondsSince(start);
  return report;
}

// The id of the index, which is published and marked as being built.
StatusOr<uint32_t> DatabaseImpl::BeginFieldBuild(uint32_t collection_id,
                                                 const format::FieldPath& path,
                                                 FieldIndexKind kind) {
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  VDB_ASSIGN_OR_RETURN(format::CollectionEntry* const collection, FindIn(&next, collection_id));
  const std::string where = "collection '" + collection->name + "': " + Name(path);
  if (const auto* found = format::FindFieldIndex(*collection, path, kind)) {
    if (found->ready) return Status::AlreadyExists(where + " is there already");
    if (!building_fields_.insert(found->id).second) {
      return Status::FailedPrecondition(where + ": another build of it runs");
    }
    return found->id;
  }
  if (collection->field_indexes.size() >= format::kFieldIndexCountMax ||
      next.next_field_index_id == UINT32_MAX) {
    return Status::ResourceExhausted(where + ": a collection has at most " +
                                     std::to_string(format::kFieldIndexCountMax) +
                                     " field indexes");
  }
  const uint32_t id = next.next_field_index_id++;
  collection->field_indexes.push_back({id, path, kind, false});
  VDB_RETURN_IF_ERROR(PublishSchema(std::move(next)));
  building_fields_.insert(id);
  return id;
}

Status DatabaseImpl::BuildField(uint32_t collection_id, uint32_t index_id,
                                const ProgressCallback& progress, FieldIndexReport* report) {
  FieldBuild build;
  build.collection_id = collection_id;
  build.index_id = index_id;
  build.next = format::DocumentPrefix(collection_id);
  while (!build.done) {
    {
      const std::lock_guard lock(commit_mutex_);
      VDB_RETURN_IF_ERROR(BuildFieldChunk(&build));
    }
    if (progress && !progress({"field index", build.documents, build.total})) {
      return Status::Cancelled("field index: cancelled by the caller; add it again to go on");
    }
    // The mutex is not fair: without a pause this thread would take it again before a writer that
    // waits for it has woken up.
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  report->document_count = build.documents;
  report->entry_count = build.entries;
  return PublishFieldReady(collection_id, index_id);
}

// Under the commit mutex.
Status DatabaseImpl::BuildFieldChunk(FieldBuild* build) {
  VDB_ASSIGN_OR_RETURN(Manifest manifest, EditableManifest());
  VDB_ASSIGN_OR_RETURN(format::CollectionEntry* const found,
                       FindIn(&manifest, build->collection_id));
  format::CollectionEntry one = {found->id, found->name, 0, {}, {*FindId(found, build->index_id)}};
  VDB_ASSIGN_OR_RETURN(const auto counts, ReadCounts(*view_, build->collection_id));
  build->total = counts.documents;
  VDB_ASSIGN_OR_RETURN(auto cursor,
                       store_->NewCursor(build->next,
                                         format::DocumentPrefix(build->collection_id + 1),
                                         nullptr));
  SortedChanges fields;
  const bool text = HasTextIndex(one);
  TextChanges changes(*store_);
  build->text_bytes = 0;
  const size_t documents_max = options_.field_chunk_documents;
  for (size_t i = 0; cursor->Valid() && i < documents_max && fields.size_bytes() < kChunkBytes &&
                     changes.size_bytes() < kChunkBytes && build->text_bytes < kChunkBytes;
       ++i, cursor->Next()) {
    const auto key = cursor->key().substr(format::kDocumentPrefixBytes);
    VDB_ASSIGN_OR_RETURN(const auto record, format::DecodeDocument(one, key, cursor->value()));
    VDB_ASSIGN_OR_RETURN(const FieldEntryLists entries, FieldEntriesOf(one, key, record));
    PutFieldEntries(one, key, entries, record.docno, nullptr, 0, &fields);
    if (text) VDB_RETURN_IF_ERROR(BuildText(one, key, record, &changes, build));
    build->documents += 1;
    build->entries += entries.front().size();
    build->next.assign(cursor->key()).push_back('\0');
  }
  VDB_RETURN_IF_ERROR(cursor->status());
  build->done = !cursor->Valid();
  storage::StoreBatch batch;
  fields.EmitTo(&batch);
  VDB_RETURN_IF_ERROR(changes.Finish(&batch));
  return WriteWithState(&batch);
}

Status DatabaseImpl::BuildText(const format::CollectionEntry& one, std::string_view key,
                               const format::DocumentRecord& record, TextChanges* changes,
                               FieldBuild* build) {
  TextSource source = {record.docno, record.metadata, {}};
  std::optional<std::string> body;
  if (record.has_body && HasBodyIndex(one)) {
    VDB_ASSIGN_OR_RETURN(body, store_->Get(format::BodyKey(one.id, key)));
    if (body) {
      VDB_RETURN_IF_ERROR(format::CheckBody(one, key, record, *body));
      source.body = *body;
    }
  }
  build->text_bytes += source.metadata.size() + source.body.size();
  VDB_ASSIGN_OR_RETURN(const uint64_t postings,
                       changes->Build(one.field_indexes.front(), key, source));
  build->entries += postings;
  return Status::Ok();
}

// For changes that no document's batch makes. The store depends on this generation from here on.
Status DatabaseImpl::WriteWithState(storage::StoreBatch* batch) {
  state_.min_generation = manifest_->generation;
  batch->Put(format::StateKey(), format::EncodeState(state_));
  const Status written = store_->Write(*batch);
  if (!written.ok()) Fail(written);
  return written;
}

Status DatabaseImpl::PublishFieldReady(uint32_t collection_id, uint32_t index_id) {
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  VDB_ASSIGN_OR_RETURN(format::CollectionEntry* const collection, FindIn(&next, collection_id));
  FindId(collection, index_id)->ready = true;
  VDB_RETURN_IF_ERROR(MakeDurableLocked());
  const Status synced = store_->SyncLog();  // the chunks are no batches: nobody did
  if (!synced.ok()) {
    Fail(synced);
    return synced;
  }
  // Whoever sees the index ready must see its entries, which are newer than the last batch.
  auto view = std::make_shared<View>(*view_);
  view->snapshot = store_->GetSnapshot();
  SwapView(std::move(view));
  return PublishSchema(std::move(next));
}

// Published without it first; then its entries go. A crash between the two leaves entries of an
// unknown id, and the next open removes them.
Status DatabaseImpl::DropFieldIndex(uint32_t collection_id, std::string_view field,
                                    FieldIndexKind kind) {
  VDB_ASSIGN_OR_RETURN(const format::FieldPath path, format::ParseFieldPath(field));
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  VDB_ASSIGN_OR_RETURN(format::CollectionEntry* const collection, FindIn(&next, collection_id));
  const auto* found = format::FindFieldIndex(*collection, path, kind);
  const std::string where = "collection '" + collection->name + "': ";
  if (found == nullptr) return Status::NotFound(where + "there is no " + Name(path));
  const format::FieldIndexEntry dropped = *found;
  const uint32_t id = dropped.id;
  if (building_fields_.contains(id)) {
    return Status::FailedPrecondition(where + Name(path) + ": a build of it runs");
  }
  std::erase_if(collection->field_indexes, [id](const auto& index) { return index.id == id; });
  VDB_RETURN_IF_ERROR(PublishSchema(std::move(next)));
  storage::StoreBatch batch;
  DeleteFieldIndex(dropped, &batch);
  WriteWithState(&batch).IgnoreError("the drop itself is durable; the next open goes on");
  return Status::Ok();
}

}  // namespace vdb::engine
