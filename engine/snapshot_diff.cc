// DiffSnapshots: which documents differ between two states, found by walking both in the order of
// their keys. Documents that kept docno, columns, metadata and body are equal without a look at
// their rows; for the others contents decide, so that writing the same again is no change.
#include <set>

#include "engine/database_impl.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

// One side: a database with the view to look at.
struct Side {
  std::shared_ptr<const DatabaseImpl> database;
  std::shared_ptr<const View> view;
  const format::CollectionEntry* collection = nullptr;  // of the collection that is being compared
  std::unique_ptr<storage::StoreCursor> cursor;

  bool Valid() const { return cursor != nullptr && cursor->Valid(); }
  std::string_view key() const { return cursor->key().substr(format::kDocumentPrefixBytes); }
};

bool SameVectors(const Document& a, const Document& b) {
  if (a.vectors.size() != b.vectors.size()) return false;
  for (const DocumentVector& one : a.vectors) {
    bool found = false;
    for (const DocumentVector& other : b.vectors) {
      found |= one.column == other.column && one.stored.norm == other.stored.norm &&
               one.stored.unit == other.stored.unit;
    }
    if (!found) return false;
  }
  return true;
}

StatusOr<bool> SameDocument(const Side& a, const Side& b) {
  VDB_ASSIGN_OR_RETURN(const auto left, format::DecodeDocument(*a.collection, a.key(),
                                                               a.cursor->value()));
  VDB_ASSIGN_OR_RETURN(const auto right, format::DecodeDocument(*b.collection, b.key(),
                                                                b.cursor->value()));
  if (left.has_body != right.has_body) return false;
  const bool same_rows = left.docno == right.docno && left.columns == right.columns;
  const bool same_metadata = left.metadata == right.metadata;
  if (same_rows && same_metadata && left.version == right.version && !left.columns.empty()) {
    return true;  // the same write made both
  }
  DocumentParts parts;
  parts.vectors = !same_rows;
  parts.metadata = !same_metadata;
  VDB_ASSIGN_OR_RETURN(const Document one, a.database->ReadDocument(*a.view, *a.collection, a.key(),
                                                                    left, parts));
  VDB_ASSIGN_OR_RETURN(const Document other,
                       b.database->ReadDocument(*b.view, *b.collection, b.key(), right, parts));
  return one.metadata == other.metadata && one.body == other.body && SameVectors(one, other);
}

Status StartCollection(Side* side, uint32_t collection_id) {
  side->collection = side->view->manifest->FindCollection(collection_id);
  side->cursor = nullptr;
  if (side->collection == nullptr) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(side->cursor,
                       side->view->store->NewCursor(format::DocumentPrefix(collection_id),
                                                    side->view->snapshot.get()));
  return Status::Ok();
}

// False: the caller has seen enough.
StatusOr<bool> DiffCollection(Side* from, Side* to,
                              const std::function<bool(const SnapshotDiff&)>& entry) {
  SnapshotDiff diff;
  diff.collection = (to->collection != nullptr ? to : from)->collection->name;
  while (from->Valid() || to->Valid()) {
    const int order = !from->Valid() ? 1 : !to->Valid() ? -1 : from->key().compare(to->key());
    diff.key = order <= 0 ? from->key() : to->key();
    bool differs = true;
    if (order == 0) {
      VDB_ASSIGN_OR_RETURN(const bool same, SameDocument(*from, *to));
      differs = !same;
    }
    diff.change = order < 0    ? DocumentChange::kRemoved
                  : order > 0  ? DocumentChange::kAdded
                               : DocumentChange::kChanged;
    if (differs && !entry(diff)) return false;
    if (order <= 0) from->cursor->Next();
    if (order >= 0) to->cursor->Next();
  }
  if (from->cursor != nullptr) VDB_RETURN_IF_ERROR(from->cursor->status());
  if (to->cursor != nullptr) VDB_RETURN_IF_ERROR(to->cursor->status());
  return true;
}

}  // namespace

Status DatabaseImpl::DiffSnapshots(std::string_view from, std::string_view to,
                                   const std::function<bool(const SnapshotDiff&)>& entry) const {
  const auto side_of = [this](std::string_view name) -> StatusOr<Side> {
    Side side;
    if (name.empty()) {
      side.database = shared_from_this();
    } else {
      EngineOptions options = options_;
      options.user = {};
      options.user.read_only = true;
      options.user.as_of = name;
      options.user.logger = options_.user.logger;
      VDB_ASSIGN_OR_RETURN(side.database, Open(path_, options));
    }
    VDB_ASSIGN_OR_RETURN(side.view, side.database->CurrentView());
    return side;
  };
  VDB_ASSIGN_OR_RETURN(Side a, side_of(from));
  VDB_ASSIGN_OR_RETURN(Side b, side_of(to));
  std::set<uint32_t> ids;  // never reused: the same id is the same collection
  for (const Side* side : {&a, &b}) {
    for (const auto& collection : side->view->manifest->collections) ids.insert(collection.id);
  }
  for (const uint32_t id : ids) {
    VDB_RETURN_IF_ERROR(StartCollection(&a, id));
    VDB_RETURN_IF_ERROR(StartCollection(&b, id));
    VDB_ASSIGN_OR_RETURN(const bool more, DiffCollection(&a, &b, entry));
    if (!more) break;
  }
  return Status::Ok();
}

}  // namespace vdb::engine
