// Collections and columns: each change is one publish.
#include <algorithm>

#include "engine/database_impl.h"
#include "engine/field_entries.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

std::string ListNames(const format::CollectionEntry& collection) {
  std::string names;
  for (const auto& column : collection.columns) {
    names += (names.empty() ? "'" : ", '") + column.name + "'";
  }
  return names.empty() ? "none" : names;
}

StatusOr<format::CollectionEntry*> FindIn(format::Manifest* manifest, uint32_t id) {
  for (format::CollectionEntry& collection : manifest->collections) {
    if (collection.id == id) return &collection;
  }
  return Status::NotFound("collection id " + std::to_string(id) + " was dropped");
}

Status NoColumn(const format::CollectionEntry& collection, std::string_view name) {
  return Status::NotFound("collection '" + collection.name + "' has no column '" +
                          std::string(name) + "'; it has " + ListNames(collection));
}

}  // namespace

// A copy of the live manifest to change, if this database takes changes. Under the commit mutex.
StatusOr<format::Manifest> DatabaseImpl::EditableManifest() const {
  if (read_only()) return Status::FailedPrecondition("'" + path_ + "' is open for reading only");
  VDB_RETURN_IF_ERROR(CurrentView().status());
  VDB_RETURN_IF_ERROR(Refused());
  return *manifest_;
}

// Publishes a manifest whose collections, columns or segments changed, and makes the view follow.
Status DatabaseImpl::PublishSchema(Manifest next) {
  VDB_RETURN_IF_ERROR(MakeDurableLocked());
  VDB_RETURN_IF_ERROR(Publish(std::move(next)));
  auto view = std::make_shared<View>(*view_);
  ShowManifest(view.get());
  std::erase_if(view->columns,
                [this](const auto& item) { return manifest_->FindColumn(item.first) == nullptr; });
  for (auto& [id, column] : view->columns) {
    if (column->epoch == nullptr || manifest_->EpochOf(id) != nullptr) continue;
    auto without = std::make_shared<ColumnView>(*column);  // its index was dropped
    without->epoch = nullptr;
    for (SegmentView& segment : without->segments) segment.index = nullptr;
    column = std::move(without);
  }
  std::erase_if(open_, [this](const auto& item) {
    const bool gone = manifest_->FindColumn(item.first) == nullptr;
    if (gone) stale_watermarks_.insert(item.second.segment->id());
    return gone;
  });
  ReplaceSyncable();
  SwapView(std::move(view));
  CollectGarbage();
  return Status::Ok();
}

StatusOr<uint32_t> DatabaseImpl::CreateCollection(std::string_view name) {
  VDB_RETURN_IF_ERROR(format::CheckName("collection", name));
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  if (next.FindCollection(name) != nullptr) {
    return Status::AlreadyExists("collection '" + std::string(name) + "' exists");
  }
  if (next.collections.size() >= kCollectionCountMax || next.next_collection_id == UINT32_MAX) {
    return Status::ResourceExhausted("a database has at most " +
                                     std::to_string(kCollectionCountMax) + " collections");
  }
  const uint32_t id = next.next_collection_id++;
  next.collections.push_back({id, std::string(name), 0, {}});
  VDB_RETURN_IF_ERROR(PublishSchema(std::move(next)));
  return id;
}

// Published without the id first; then the keys go. A crash between the two leaves keys that nobody
// sees, and the next open removes them.
Status DatabaseImpl::DropCollection(std::string_view name) {
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  const format::CollectionEntry* found = next.FindCollection(name);
  if (found == nullptr) {
    return Status::NotFound("there is no collection '" + std::string(name) + "'");
  }
  const uint32_t id = found->id;
  const std::vector<format::FieldIndexEntry> field_indexes = found->field_indexes;
  std::set<uint32_t> columns;
  for (const auto& column : found->columns) columns.insert(column.id);
  std::erase_if(next.segments,
                [&](const auto& segment) { return columns.contains(segment.column_id); });
  std::erase_if(next.epochs, [&](const auto& epoch) { return columns.contains(epoch.column_id); });
  std::erase_if(next.collections, [id](const auto& collection) { return collection.id == id; });
  VDB_RETURN_IF_ERROR(PublishSchema(std::move(next)));

  storage::StoreBatch batch;
  batch.DeleteRange(format::DocumentPrefix(id), format::DocumentPrefix(id + 1));
  batch.DeleteRange(format::BodyPrefix(id), format::BodyPrefix(id + 1));
  for (const auto& index : field_indexes) DeleteFieldIndex(index, &batch);
  batch.Delete(format::CountsKey(id));
  for (const auto& [docno, record] : tombstones_) {
    if (record.collection_id == id) batch.Delete(format::TombstoneKey(docno));
  }
  for (const uint64_t segment : stale_watermarks_) batch.Delete(format::WatermarkKey(segment));
  state_.min_generation = manifest_->generation;
  batch.Put(format::StateKey(), format::EncodeState(state_));
  const Status written = store_->Write(batch);
  if (!written.ok()) {
    Fail(written);
    return Status::Ok();  // the drop itself is durable
  }
  stale_watermarks_.clear();
  std::erase_if(tombstones_, [id](const auto& item) { return item.second.collection_id == id; });
  return Status::Ok();
}

Status DatabaseImpl::AddColumn(uint32_t collection_id, std::string_view name,
                               const ColumnOptions& options) {
  VDB_RETURN_IF_ERROR(format::CheckName("column", name));
  if (options.dimension < 1 || options.dimension > kDimensionMax) {
    return Status::InvalidArgument("column '" + std::string(name) + "': expected dimension 1 to " +
                                   std::to_string(kDimensionMax) + ", found " +
                                   std::to_string(options.dimension));
  }
  if (options.metric < Metric::kCosine || options.metric > Metric::kL2 ||
      options.model.size() > kModelBytesMax) {
    return Status::InvalidArgument("column '" + std::string(name) +
                                   "': unknown metric, or a model tag above " +
                                   std::to_string(kModelBytesMax) + " bytes");
  }
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  VDB_ASSIGN_OR_RETURN(format::CollectionEntry* const collection, FindIn(&next, collection_id));
  if (format::FindColumn(*collection, name) != nullptr) {
    return Status::AlreadyExists("collection '" + collection->name + "' has a column '" +
                                 std::string(name) + "' already");
  }
  if (collection->columns.size() >= kColumnCountMax || next.next_column_id == UINT32_MAX) {
    return Status::ResourceExhausted("a collection has at most " +
                                     std::to_string(kColumnCountMax) + " columns");
  }
  const uint32_t id = next.next_column_id++;
  if (collection->columns.empty()) collection->default_column = id;
  collection->columns.push_back(
      {id, std::string(name), options.dimension, options.metric, options.model});
  return PublishSchema(std::move(next));
}

Status DatabaseImpl::DropColumn(uint32_t collection_id, std::string_view name) {
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  VDB_ASSIGN_OR_RETURN(format::CollectionEntry* const collection, FindIn(&next, collection_id));
  const format::ColumnEntry* column = format::FindColumn(*collection, name);
  if (column == nullptr) return NoColumn(*collection, name);
  const uint32_t id = column->id;
  std::erase_if(collection->columns, [id](const auto& c) { return c.id == id; });
  std::erase_if(next.segments, [id](const auto& segment) { return segment.column_id == id; });
  std::erase_if(next.epochs, [id](const auto& epoch) { return epoch.column_id == id; });
  if (collection->default_column == id) {
    collection->default_column =
        collection->columns.size() == 1 ? collection->columns.front().id : 0;
  }
  return PublishSchema(std::move(next));
}

Status DatabaseImpl::SetDefaultColumn(uint32_t collection_id, std::string_view name) {
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  VDB_ASSIGN_OR_RETURN(format::CollectionEntry* const collection, FindIn(&next, collection_id));
  const format::ColumnEntry* column = format::FindColumn(*collection, name);
  if (column == nullptr) return NoColumn(*collection, name);
  if (collection->default_column == column->id) return Status::Ok();
  collection->default_column = column->id;
  return PublishSchema(std::move(next));
}

}  // namespace vdb::engine
