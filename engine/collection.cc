// Collection, Snapshot and DocumentIterator: the public faces of the engine's reads and writes.
#include "vdb/collection.h"

#include <algorithm>

#include "engine/database_impl.h"
#include "engine/field_entries.h"
#include "engine/filter_run.h"
#include "engine/iterator_impl.h"
#include "engine/no_throw.h"
#include "format/status_macros.h"

namespace vdb {

using engine::NoThrow;

namespace {

struct Look {
  std::shared_ptr<const engine::View> view;
  const format::CollectionEntry* collection = nullptr;
};

// The view to read and the collection in it.
StatusOr<Look> LookAt(const engine::DatabaseImpl& impl, const engine::SnapshotParts& snapshot,
                      uint32_t id, const std::string& name) {
  Look look;
  VDB_ASSIGN_OR_RETURN(look.view, impl.CurrentView());  // also says "closed"
  if (snapshot.view != nullptr) {
    if (snapshot.database != &impl) {
      return Status::InvalidArgument("the snapshot is of another database than collection '" +
                                     name + "'");
    }
    look.view = snapshot.view;
  }
  look.collection = look.view->manifest->FindCollection(id);
  if (look.collection == nullptr) {
    return Status::NotFound("collection '" + name + "' was dropped, or is not in this snapshot");
  }
  return look;
}

}  // namespace

uint64_t Snapshot::batch_number() const { return view_->batch; }

// The old view must go before the database it refers to.
Snapshot& Snapshot::operator=(Snapshot other) noexcept {
  std::swap(view_, other.view_);
  std::swap(database_, other.database_);
  return *this;
}

engine::SnapshotParts Collection::PartsOf(const Snapshot* snapshot) {
  if (snapshot == nullptr) return {};
  return {snapshot->database_.get(), snapshot->view_};
}

Status Collection::AddColumn(std::string_view column, const ColumnOptions& options) {
  return NoThrow([&] { return impl_->AddColumn(id_, column, options); });
}
Status Collection::DropColumn(std::string_view column) {
  return NoThrow([&] { return impl_->DropColumn(id_, column); });
}
Status Collection::SetDefaultColumn(std::string_view column) {
  return NoThrow([&] { return impl_->SetDefaultColumn(id_, column); });
}

StatusOr<std::vector<ColumnInfo>> Collection::Columns() const {
  return NoThrow([&]() -> StatusOr<std::vector<ColumnInfo>> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, {}, id_, name_));
    std::vector<ColumnInfo> columns;
    for (const format::ColumnEntry& c : look.collection->columns) {
      columns.push_back(
          {c.name, c.dimension, c.metric, c.model, c.id == look.collection->default_column});
    }
    return columns;
  });
}

StatusOr<WriteResult> Collection::Write(const WriteBatch& batch, const WriteOptions& options) {
  return NoThrow([&] { return impl_->Write(id_, batch, options, false); });
}

StatusOr<WriteResult> Collection::Put(const DocumentView& document, const WriteOptions& options) {
  return NoThrow([&] {
    WriteBatch batch;
    batch.Put(document);
    return impl_->Write(id_, batch, options, false);
  });
}

StatusOr<WriteResult> Collection::PutIfAbsent(const DocumentView& document,
                                              const WriteOptions& options) {
  return NoThrow([&] {
    WriteBatch batch;
    batch.PutIfAbsent(document);
    return impl_->Write(id_, batch, options, false);
  });
}

StatusOr<WriteResult> Collection::ReplaceIfVersion(const DocumentView& document, uint64_t version,
                                                   const WriteOptions& options) {
  return NoThrow([&] {
    WriteBatch batch;
    batch.ReplaceIfVersion(document, version);
    return impl_->Write(id_, batch, options, false);
  });
}

StatusOr<WriteResult> Collection::SetVector(std::string_view key, std::string_view column,
                                            VectorView values, const WriteOptions& options) {
  return NoThrow([&] {
    WriteBatch batch;
    batch.SetVector(key, column, values);
    return impl_->Write(id_, batch, options, false);
  });
}

StatusOr<WriteResult> Collection::SetMetadata(std::string_view key, std::string_view metadata,
                                              const WriteOptions& options) {
  return NoThrow([&] {
    WriteBatch batch;
    batch.SetMetadata(key, metadata);
    return impl_->Write(id_, batch, options, false);
  });
}

StatusOr<WriteResult> Collection::Delete(std::string_view key, const WriteOptions& options) {
  return NoThrow([&] {
    WriteBatch batch;
    batch.Delete(key);
    return impl_->Write(id_, batch, options, true);
  });
}

StatusOr<Document> Collection::Get(std::string_view key, const ReadOptions& options,
                                   DocumentParts parts) const {
  return NoThrow([&]() -> StatusOr<Document> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, PartsOf(options.snapshot), id_, name_));
    const auto start = std::chrono::steady_clock::now();
    auto found = impl_->Get(*look.view, *look.collection, key, parts);
    impl_->CountCall(&impl_->metrics().read, std::chrono::steady_clock::now() - start,
                     found.status());
    VDB_ASSIGN_OR_RETURN(auto document, std::move(found));
    if (!document) {
      return Status::NotFound("collection '" + name_ + "' has no document of this key");
    }
    return std::move(*document);
  });
}

StatusOr<std::vector<std::optional<Document>>> Collection::MultiGet(
    std::span<const std::string_view> keys, const ReadOptions& options,
    DocumentParts parts) const {
  return NoThrow([&]() -> StatusOr<std::vector<std::optional<Document>>> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, PartsOf(options.snapshot), id_, name_));
    std::vector<std::optional<Document>> documents;
    documents.reserve(keys.size());
    for (const std::string_view key : keys) {
      VDB_ASSIGN_OR_RETURN(auto document, impl_->Get(*look.view, *look.collection, key, parts));
      documents.push_back(std::move(document));
    }
    return documents;
  });
}

StatusOr<SearchResult> Collection::Search(MatrixView queries, const SearchOptions& options) const {
  return NoThrow([&]() -> StatusOr<SearchResult> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, PartsOf(options.snapshot), id_, name_));
    engine::ResultCache& cache = impl_->result_cache();
    if (!cache.enabled() || !engine::IsCacheable(queries, options)) {
      return impl_->ObservedSearch(*look.view, *look.collection, queries, options);
    }
    std::string key = engine::ResultCacheKey(*look.view, id_, queries, options);
    if (const auto found = cache.Find(key)) return *found;
    VDB_ASSIGN_OR_RETURN(SearchResult result,
                         impl_->ObservedSearch(*look.view, *look.collection, queries, options));
    cache.Insert(std::move(key), result);
    return result;
  });
}

StatusOr<QueryResult> Collection::Query(const QueryRequest& request) const {
  return NoThrow([&]() -> StatusOr<QueryResult> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, PartsOf(request.snapshot), id_, name_));
    return impl_->ObservedQuery(*look.view, *look.collection, request);
  });
}

StatusOr<IndexReport> Collection::BuildIndex(const IndexOptions& options) {
  return NoThrow([&] { return impl_->BuildIndexJob(id_, name_, options); });
}
Status Collection::DropIndex(std::string_view column) {
  return NoThrow([&] { return impl_->DropIndex(id_, column); });
}

StatusOr<FieldIndexReport> Collection::AddFieldIndex(const FieldIndexOptions& options) {
  return NoThrow([&] { return impl_->AddFieldIndexJob(id_, name_, options); });
}
Status Collection::DropFieldIndex(std::string_view field, FieldIndexKind kind) {
  return NoThrow([&] { return impl_->DropFieldIndex(id_, field, kind); });
}

StatusOr<std::vector<FieldIndexInfo>> Collection::FieldIndexes() const {
  return NoThrow([&]() -> StatusOr<std::vector<FieldIndexInfo>> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, {}, id_, name_));
    return engine::FieldIndexInfos(*look.collection);
  });
}

StatusOr<uint64_t> Collection::Count(const Filter& filter, const ReadOptions& options) const {
  if (filter.matches_all()) return Count(options);
  return NoThrow([&]() -> StatusOr<uint64_t> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, PartsOf(options.snapshot), id_, name_));
    query::Budget unlimited;
    VDB_ASSIGN_OR_RETURN(const auto matches, engine::RunFilter(*look.view, *look.collection,
                                                               filter, &unlimited));
    return matches.match_count;
  });
}

StatusOr<uint64_t> Collection::DeleteWhere(const Filter& filter, const WriteOptions& options) {
  return NoThrow([&]() -> StatusOr<uint64_t> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, {}, id_, name_));
    return impl_->DeleteWhere(*look.view, *look.collection, filter, options);
  });
}

StatusOr<uint64_t> Collection::Count(const ReadOptions& options) const {
  return NoThrow([&]() -> StatusOr<uint64_t> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, PartsOf(options.snapshot), id_, name_));
    VDB_ASSIGN_OR_RETURN(const auto counts, impl_->ReadCounts(*look.view, id_));
    return counts.documents;
  });
}

StatusOr<CollectionStats> Collection::Stats(const ReadOptions& options) const {
  return NoThrow([&]() -> StatusOr<CollectionStats> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, PartsOf(options.snapshot), id_, name_));
    return impl_->Stats(*look.view, *look.collection);
  });
}

StatusOr<DocumentIterator> Collection::NewIterator(const ReadOptions& options) const {
  return NoThrow([&]() -> StatusOr<DocumentIterator> {
    VDB_ASSIGN_OR_RETURN(const Look look, LookAt(*impl_, PartsOf(options.snapshot), id_, name_));
    auto iterator = std::make_unique<engine::IteratorImpl>();
    iterator->database = impl_;
    iterator->view = look.view;
    iterator->collection = look.collection;
    VDB_ASSIGN_OR_RETURN(iterator->cursor,
                         look.view->store->NewCursor(format::DocumentPrefix(id_),
                                                     look.view->snapshot.get()));
    return DocumentIterator(std::move(iterator));
  });
}

DocumentIterator::DocumentIterator(std::unique_ptr<engine::IteratorImpl> impl)
    : impl_(std::move(impl)) {}
DocumentIterator::DocumentIterator(DocumentIterator&&) noexcept = default;
DocumentIterator& DocumentIterator::operator=(DocumentIterator&&) noexcept = default;
DocumentIterator::~DocumentIterator() = default;

void DocumentIterator::SeekToFirst() { Seek({}); }

void DocumentIterator::Seek(std::string_view key) {
  impl_->cursor->Seek(format::DocumentKey(impl_->collection->id, key));
  impl_->positioned = true;
}

void DocumentIterator::Next() {
  if (Valid()) impl_->cursor->Next();
}

bool DocumentIterator::Valid() const { return impl_->positioned && impl_->cursor->Valid(); }
Status DocumentIterator::status() const { return impl_->cursor->status(); }

std::string_view DocumentIterator::key() const {
  return impl_->cursor->key().substr(format::kDocumentPrefixBytes);
}

StatusOr<bool> DocumentIterator::HasVector(std::string_view column) const {
  return NoThrow([&]() -> StatusOr<bool> {
    const format::ColumnEntry* entry = format::FindColumn(*impl_->collection, column);
    if (entry == nullptr) return false;
    VDB_ASSIGN_OR_RETURN(const auto record, format::DecodeDocument(*impl_->collection, key(),
                                                                   impl_->cursor->value()));
    return std::binary_search(record.columns.begin(), record.columns.end(), entry->id);
  });
}

StatusOr<Document> DocumentIterator::document(DocumentParts parts) const {
  return NoThrow([&]() -> StatusOr<Document> {
    VDB_ASSIGN_OR_RETURN(const auto record, format::DecodeDocument(*impl_->collection, key(),
                                                                   impl_->cursor->value()));
    return impl_->database->ReadDocument(*impl_->view, *impl_->collection, key(), record, parts);
  });
}

}  // namespace vdb
