// See upgrade_documents.h.
#include "engine/upgrade_documents.h"

#include "engine/verify_run.h"
#include "format/byte_io.h"
#include "format/document_record.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using format::CollectionEntry;

bool IsDocument(std::string_view store_key) {
  return store_key[0] == 'D' && store_key.size() > format::kDocumentPrefixBytes;
}

std::string_view UserKey(std::string_view store_key) {
  return store_key.substr(format::kDocumentPrefixBytes);
}

// Null: of a collection that was dropped; the next open would have removed it.
const CollectionEntry* CollectionOf(const format::Manifest& manifest, std::string_view store_key) {
  return manifest.FindCollection(format::ByteReader(store_key.substr(1)).BigU32());
}

StatusOr<std::string> BodyOf(const storage::DocumentStore& store,
                             const CollectionEntry& collection, std::string_view key) {
  VDB_ASSIGN_OR_RETURN(auto body, store.Get(format::BodyKey(collection.id, key)));
  if (body) return std::move(*body);
  return Status::Corruption("docs: collection '" + collection.name + "', key " + QuotedKey(key) +
                            ": its body is missing; run `vdbtool repair`");
}

Status CopyDocument(const storage::DocumentStore& from, const CollectionEntry& collection,
                    std::string_view store_key, std::string_view value, StoreRestorer* to) {
  const std::string_view key = UserKey(store_key);
  VDB_ASSIGN_OR_RETURN(format::DocumentRecord record,
                       format::DecodeDocument(collection, key, value));
  if (record.has_body) {
    VDB_ASSIGN_OR_RETURN(const std::string body, BodyOf(from, collection, key));
    VDB_RETURN_IF_ERROR(format::CheckBody(collection, key, record, body));
    record.body_checksum = format::BodyChecksum(body);
  }
  return to->Put(store_key, format::EncodeDocument(collection.id, key, record));
}

// Entries of a store in order, without those that an upgrade does not take as they are: the state,
// and documents of dropped collections.
class Walk {
 public:
  static StatusOr<Walk> Begin(const storage::DocumentStore& store,
                              const format::Manifest& manifest) {
    Walk walk(manifest);
    VDB_ASSIGN_OR_RETURN(walk.cursor_, store.NewCursor({}));
    walk.Skip();
    return walk;
  }
  bool Valid() const { return cursor_->Valid(); }
  Status status() const { return cursor_->status(); }
  std::string_view key() const { return cursor_->key(); }
  std::string_view value() const { return cursor_->value(); }
  void Next() {
    cursor_->Next();
    Skip();
  }

 private:
  explicit Walk(const format::Manifest& manifest) : manifest_(&manifest) {}
  void Skip() {
    while (Valid() && (key() == format::StateKey() ||
                       (IsDocument(key()) && CollectionOf(*manifest_, key()) == nullptr))) {
      cursor_->Next();
    }
  }

  const format::Manifest* manifest_;
  std::unique_ptr<storage::StoreCursor> cursor_;
};

bool SameRecord(const format::DocumentRecord& a, const format::DocumentRecord& b) {
  return a.docno == b.docno && a.version == b.version && a.has_body == b.has_body &&
         a.columns == b.columns && a.metadata == b.metadata;
}

// Of the same document.
StatusOr<bool> SameDocument(const Walk& old, const Walk& made, const storage::DocumentStore& to,
                            const CollectionEntry& collection) {
  const std::string_view key = UserKey(old.key());
  VDB_ASSIGN_OR_RETURN(const auto before, format::DecodeDocument(collection, key, old.value()));
  VDB_ASSIGN_OR_RETURN(const auto after, format::DecodeDocument(collection, key, made.value()));
  if (after.layout != kFormatVersion || !SameRecord(before, after)) return false;
  if (!after.has_body) return true;
  VDB_ASSIGN_OR_RETURN(const std::string body, BodyOf(to, collection, key));
  VDB_RETURN_IF_ERROR(format::CheckBody(collection, key, after, body));
  return true;
}

}  // namespace

Status CopyUpgraded(const storage::DocumentStore& from, const format::Manifest& manifest,
                    StoreRestorer* to, const UpgradeTick& tick) {
  VDB_ASSIGN_OR_RETURN(auto walk, Walk::Begin(from, manifest));
  uint64_t documents = 0;
  for (; walk.Valid(); walk.Next()) {
    if (!IsDocument(walk.key())) {
      VDB_RETURN_IF_ERROR(to->Put(walk.key(), walk.value()));
      continue;
    }
    VDB_RETURN_IF_ERROR(
        CopyDocument(from, *CollectionOf(manifest, walk.key()), walk.key(), walk.value(), to));
    if (++documents % 1024 == 0) VDB_RETURN_IF_ERROR(tick(documents));
  }
  return walk.status();
}

Status CompareUpgraded(const storage::DocumentStore& from, const storage::DocumentStore& to,
                       const format::Manifest& manifest, const UpgradeTick& tick) {
  VDB_ASSIGN_OR_RETURN(auto old, Walk::Begin(from, manifest));
  VDB_ASSIGN_OR_RETURN(auto made, Walk::Begin(to, manifest));
  uint64_t documents = 0;
  for (; old.Valid() && made.Valid(); old.Next(), made.Next()) {
    bool same = old.key() == made.key();
    if (same && IsDocument(old.key())) {
      VDB_ASSIGN_OR_RETURN(same, SameDocument(old, made, to, *CollectionOf(manifest, old.key())));
      if (++documents % 1024 == 0) VDB_RETURN_IF_ERROR(tick(documents));
    } else if (same) {
      same = old.value() == made.value();
    }
    if (!same) break;
  }
  VDB_RETURN_IF_ERROR(old.status());
  VDB_RETURN_IF_ERROR(made.status());
  if (!old.Valid() && !made.Valid()) return Status::Ok();
  const std::string_view key = old.Valid() ? old.key() : made.key();
  return Status::Corruption("upgrade: what was written is not what was read, at RocksDB's key " +
                            QuotedKey(key) + "; nothing was changed");
}

}  // namespace vdb::engine
