// WalkStore: reading past damaged blocks of RocksDB's tables.
#include "engine/repair_source.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using storage::StoreCursor;

constexpr size_t kKeyBytesTried = 64;  // of a key, behind the prefix: where a step forward is made

// Puts the cursor on a readable key behind `last`, by ever larger steps: the last byte of the key
// counted up, then the one before it, and so on. False: no step led to a readable key.
bool StepForward(const std::string& last, size_t prefix_bytes, StoreCursor* cursor) {
  const size_t from = std::min(last.size(), prefix_bytes + kKeyBytesTried);
  for (size_t at = from; at > prefix_bytes; --at) {
    std::string target = last.substr(0, at);
    while (static_cast<uint8_t>(target.back()) != 0xFF) {
      ++target.back();
      cursor->Seek(target);
      if (cursor->Valid()) return true;
      if (cursor->status().ok()) return false;  // nothing lies behind the damage but it
    }
  }
  return false;
}

// The first readable key of the run of readable ones that the cursor is in. Empty: none behind
// `last`.
std::string BackToDamage(const std::string& last, StoreCursor* cursor) {
  std::string first;
  for (; cursor->Valid() && cursor->key() > last; cursor->Prev()) first.assign(cursor->key());
  return first;
}

}  // namespace

Status WalkStore(const storage::DocumentStore& store, const std::string& prefix,
                 const std::function<Status(std::string_view key, std::string_view value)>& visit,
                 const std::function<void(const std::string& after, const std::string& before)>&
                     lost) {
  VDB_ASSIGN_OR_RETURN(auto cursor, store.NewCursor(prefix));
  std::string last = prefix;
  while (true) {
    for (; cursor->Valid(); cursor->Next()) {
      last.assign(cursor->key());
      VDB_RETURN_IF_ERROR(visit(cursor->key(), cursor->value()));
    }
    if (cursor->status().ok()) return Status::Ok();
    if (cursor->status().code() != StatusCode::kCorruption) return cursor->status();
    if (!StepForward(last, prefix.size(), cursor.get())) cursor->SeekToLast();
    const std::string first = BackToDamage(last, cursor.get());
    lost(last.substr(prefix.size()), first.empty() ? "" : first.substr(prefix.size()));
    if (first.empty()) return Status::Ok();
    // A cursor that met damage on its way back keeps the error, wherever it is put (RocksDB 7.8.3).
    VDB_ASSIGN_OR_RETURN(cursor, store.NewCursor(prefix));
    cursor->Seek(first);
    if (!cursor->Valid()) return cursor->status();
  }
}

}  // namespace vdb::engine
