// ContentHash: one hash for what a database holds, whatever its history.
//
// XXH3-128 over, for each collection by name: its name; its columns by name (name, dimension,
// metric, model); its documents by key (key, metadata as canonical JSON, body, and by column name
// each stored vector: name, norm, unit vector). Every string is preceded by its length, and every
// list by a tag, so that no two contents give the same bytes.
#include <algorithm>

#include "engine/database_impl.h"
#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

class ContentHasher {
 public:
  void Text(std::string_view text) {
    Number(text.size());
    hash_.Update(text);
  }
  void Number(uint64_t value) { hash_.Update(&value, sizeof(value)); }
  void Bytes(const void* data, size_t size) { hash_.Update(data, size); }
  std::string Hex() const { return hash_.Digest128Hex(); }

 private:
  format::StreamingHash hash_;
};

void HashDocument(Document document, ContentHasher* hasher) {
  hasher->Number(1);  // a document follows
  hasher->Text(document.key);
  hasher->Text(document.metadata);
  hasher->Number(document.body ? 1 : 0);
  if (document.body) hasher->Text(*document.body);
  std::sort(document.vectors.begin(), document.vectors.end(),
            [](const auto& a, const auto& b) { return a.column < b.column; });
  hasher->Number(document.vectors.size());
  for (const DocumentVector& vector : document.vectors) {
    hasher->Text(vector.column);
    hasher->Bytes(&vector.stored.norm, sizeof(double));
    hasher->Number(vector.stored.unit.size());
    hasher->Bytes(vector.stored.unit.data(), vector.stored.unit.size() * sizeof(float));
  }
}

template <typename T>
std::vector<const T*> ByName(const std::vector<T>& items) {
  std::vector<const T*> sorted;
  for (const T& item : items) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(), [](const T* a, const T* b) { return a->name < b->name; });
  return sorted;
}

}  // namespace

StatusOr<std::string> DatabaseImpl::ContentHash(const ProgressCallback& progress) const {
  VDB_ASSIGN_OR_RETURN(const auto view, CurrentView());
  ContentHasher hasher;
  uint64_t done = 0;
  for (const auto* collection : ByName(view->manifest->collections)) {
    hasher.Number(2);  // a collection follows
    hasher.Text(collection->name);
    for (const auto* column : ByName(collection->columns)) {
      hasher.Number(3);  // a column follows
      hasher.Text(column->name);
      hasher.Number(column->dimension);
      hasher.Number(static_cast<uint64_t>(column->metric));
      hasher.Text(column->model);
    }
    VDB_ASSIGN_OR_RETURN(auto cursor,
                         view->store->NewCursor(format::DocumentPrefix(collection->id),
                                                view->snapshot.get()));
    for (; cursor->Valid(); cursor->Next()) {
      const auto key = cursor->key().substr(format::kDocumentPrefixBytes);
      VDB_ASSIGN_OR_RETURN(const auto record,
                           format::DecodeDocument(*collection, key, cursor->value()));
      VDB_ASSIGN_OR_RETURN(Document document,
                           ReadDocument(*view, *collection, key, record, DocumentParts{}));
      HashDocument(std::move(document), &hasher);
      if (++done % 4096 == 0 && progress && !progress({"content hash", done, 0})) {
        return Status::Cancelled("content hash: cancelled by the caller");
      }
    }
    VDB_RETURN_IF_ERROR(cursor->status());
  }
  return hasher.Hex();
}

}  // namespace vdb::engine
