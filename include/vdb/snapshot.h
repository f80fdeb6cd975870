// Snapshot: the database as of one committed batch, documents and all vector columns together.
#pragma once

#include <cstdint>
#include <memory>

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

}  // namespace vdb
