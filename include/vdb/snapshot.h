// Snapshot: the database as of one committed batch, documents and all vector columns together.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace vdb {

namespace engine {
class View;
class DatabaseImpl;
}  // namespace engine

/// Cheap to take (one pointer), cheap to copy, safe from any thread. While one lives, the files and
/// RocksDB versions it needs are kept. It may outlive Collection handles, but must be gone before
/// Database::Close, which otherwise fails with kFailedPrecondition.
class Snapshot {
 public:
  /// The last batch this snapshot contains.
  uint64_t batch_number() const;

  Snapshot(const Snapshot&) = default;
  Snapshot(Snapshot&&) = default;
  Snapshot& operator=(Snapshot other) noexcept;

 private:
  friend class Database;
  friend class Collection;
  friend class engine::DatabaseImpl;
  Snapshot(std::shared_ptr<const engine::DatabaseImpl> database,
           std::shared_ptr<const engine::View> view)
      : database_(std::move(database)), view_(std::move(view)) {}
  std::shared_ptr<const engine::DatabaseImpl> database_;  // must outlive the view
  std::shared_ptr<const engine::View> view_;
};

/// A named snapshot, kept on disk.
struct SnapshotInfo {
  std::string name;
  uint64_t batch_number = 0;
  uint64_t created_unix_ms = 0;
  uint64_t document_count = 0;
  std::string damage;  ///< not empty: its record is damaged; `name` then is good for DropSnapshot
};

enum class DocumentChange : uint8_t { kAdded, kChanged, kRemoved };

/// A document that is not the same in two snapshots. Contents decide, not versions: writing it
/// again as it was is no change. Nor is dropping a column, which no document is asked about.
struct SnapshotDiff {
  std::string collection;
  std::string key;
  DocumentChange change = DocumentChange::kChanged;
};

}  // namespace vdb
