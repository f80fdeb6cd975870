// DeleteWhere: deletes what matches, in batches. The commit round itself looks at each document
// again, in the state that the delete changes, so one that was changed meanwhile goes only if it
// still matches.
#include "engine/database_impl.h"
#include "engine/filter_reader.h"
#include "engine/filter_run.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kDeletesPerBatch = 2000;

}  // namespace

class DatabaseImpl::DeleteChunks {
 public:
  DeleteChunks(DatabaseImpl* database, const format::CollectionEntry& collection,
               const Filter& filter, const WriteOptions& options)
      : database_(database), collection_(collection), filter_(filter), options_(options) {}

  Status Add(std::string_view key) {
    batch_.Delete(key);
    return ++pending_ < kDeletesPerBatch ? Status::Ok() : Commit();
  }
  Status Commit() {
    if (pending_ == 0) return Status::Ok();
    VDB_ASSIGN_OR_RETURN(PreparedBatch prepared, Prepare(collection_, batch_));
    prepared.delete_condition = filter_.root();
    VDB_ASSIGN_OR_RETURN(const WriteResult result, database_->WritePrepared(prepared, options_));
    deleted_ += result.deleted_count;
    batch_ = {};
    pending_ = 0;
    return Status::Ok();
  }
  uint64_t deleted() const { return deleted_; }

 private:
  DatabaseImpl* const database_;
  const format::CollectionEntry& collection_;
  const Filter& filter_;
  const WriteOptions& options_;
  WriteBatch batch_;
  uint64_t pending_ = 0;
  uint64_t deleted_ = 0;
};

StatusOr<uint64_t> DatabaseImpl::DeleteWhere(const View& view,
                                             const format::CollectionEntry& collection,
                                             const Filter& filter, const WriteOptions& options) {
  if (read_only()) {
    return Status::FailedPrecondition("'" + path_ + "' is open for reading only");
  }
  VDB_RETURN_IF_ERROR(filter.status());
  query::Budget unlimited;
  FilterMatches matches;
  matches.complement = true;  // all
  DocnoKeys keys;
  bool keys_complete = false;
  if (!filter.matches_all()) {
    VDB_ASSIGN_OR_RETURN(matches, RunFilterForKeys(view, collection, filter, &unlimited, &keys,
                                                   &keys_complete));
    if (matches.match_count == 0) return uint64_t{0};
  }
  DeleteChunks chunks(this, collection, filter, options);
  if (keys_complete && !matches.complement) {
    VDB_RETURN_IF_ERROR(keys.ForEach([&](uint64_t docno, std::string_view key) {
      return matches.docnos.Contains(docno) ? chunks.Add(key) : Status::Ok();
    }));
  } else {
    VDB_ASSIGN_OR_RETURN(auto cursor, view.store->NewCursor(format::DocumentPrefix(collection.id),
                                                            view.snapshot.get()));
    for (; cursor->Valid(); cursor->Next()) {
      const auto key = cursor->key().substr(format::kDocumentPrefixBytes);
      VDB_ASSIGN_OR_RETURN(const auto document,
                           format::PeekDocument(collection, key, cursor->value()));
      if (matches.docnos.Contains(document.docno) == matches.complement) continue;
      VDB_RETURN_IF_ERROR(chunks.Add(key));
    }
    VDB_RETURN_IF_ERROR(cursor->status());
  }
  VDB_RETURN_IF_ERROR(chunks.Commit());
  return chunks.deleted();
}

}  // namespace vdb::engine
