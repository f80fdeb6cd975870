// Start here. A Database is one directory with one writer: documents in RocksDB, vectors in mapped
// segment files, both tied into consistent generations.
//
//   auto db = vdb::Database::Open("my.vdb", {.create_if_missing = true});
//   if (!db.ok()) return fail(db.status());
//   auto words = db->CreateCollection("words");
//   ...
//   auto closed = db->Close();
//
// Threads: every method of Database and Collection may be called from any thread at any time.
// Processes: one writer (an flock on LOCK), any number of read-only openers beside it, on a local
// file system. After fork() the child must not use a Database that the parent opened.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/collection.h"
#include "vdb/options.h"
#include "vdb/snapshot.h"
#include "vdb/status.h"

namespace vdb {

/// Figures of the whole database.
struct DatabaseStats {
  std::string path;
  std::string uuid;               ///< made at creation, 32 hex digits
  uint32_t format_version = 0;
  uint64_t generation = 0;        ///< of the live manifest
  uint64_t batch_number = 0;      ///< last batch visible
  uint64_t durable_batch_number = 0;  ///< last batch known to survive power loss (writers only)
  uint64_t tombstone_count = 0;   ///< deletes not yet folded into masks
  uint64_t sync_round_count = 0;  ///< commit rounds that synced since the open
  std::string simd_level;
  std::vector<CollectionStats> collections;
};

/// What Verify found wrong: one entry per damaged thing.
struct VerifyProblem {
  std::string file;     ///< relative to the database directory
  std::string where;    ///< block, row or key
  std::string message;  ///< expected and found
};

/// The result of Verify. `problems` empty means: everything checked is as it was written.
struct VerifyReport {
  uint64_t files_checked = 0;
  uint64_t bytes_checked = 0;
  uint64_t rows_checked = 0;
  uint64_t documents_checked = 0;
  std::vector<VerifyProblem> problems;  ///< at most 1,000 are kept
  uint64_t problem_count = 0;
};

class Database {
 public:
  /// Open, or with create_if_missing make, the database in directory `path`.
  /// Cost: independent of the number of rows. A writer runs recovery first: afterwards the state is
  /// a prefix of the committed batches that holds every synced one.
  /// A folder with a legacy cache, or a JSON file of one, is migrated to `.vdb` and opened from
  /// there (DatabaseOptions::migrate_legacy).
  /// Errors: kNotFound (no such directory, or nothing there), kUnsupportedFormat (no database, or
  /// written by a newer vdb), kFailedPrecondition (read-only, and a legacy cache is not migrated),
  /// kBusy (another writer; names its pid), kCorruption (names file and damage; nothing was
  /// changed), kIoError.
  static StatusOr<Database> Open(const std::string& path, const DatabaseOptions& options = {});

  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  /// Closes if Close was not called; an error then goes to the logger only.
  ~Database();

  /// Make everything durable, release the lock and the mappings. kFailedPrecondition while
  /// snapshots or iterators are alive (the database stays open then).
  Status Close();

  /// Names are 1 to kNameBytesMax bytes of UTF-8 without control characters.
  StatusOr<Collection> CreateCollection(std::string_view name);
  StatusOr<Collection> OpenCollection(std::string_view name) const;
  StatusOr<std::vector<std::string>> ListCollections() const;
  /// Drop a collection with all its documents and vectors. One durable step; open handles to it
  /// then report kNotFound. Snapshots taken before still see it.
  Status DropCollection(std::string_view name);

  /// The database as of now.
  StatusOr<Snapshot> GetSnapshot() const;

  /// Make every batch committed so far durable.
  Status Flush();

  /// Read-only databases: look again, and see what the writer has committed since. Running calls
  /// and snapshots keep their old view. kBusy if the writer was too busy for a consistent look.
  Status Refresh();

  StatusOr<DatabaseStats> Stats() const;

  /// XXH3-128 in hex over collections, columns, keys, metadata, bodies and stored vectors in a
  /// canonical order. Equal for equal contents, whatever the history: docnos, segments and versions
  /// are left out. Cost: reads everything.
  StatusOr<std::string> ContentHash(const ProgressCallback& progress = {}) const;

  /// Check every checksum of every file, and that documents and rows refer to each other exactly.
  /// Never writes. Runs on one view while reads and writes go on.
  StatusOr<VerifyReport> Verify(const ProgressCallback& progress = {}) const;

 private:
  friend class engine::DatabaseImpl;
  explicit Database(std::shared_ptr<engine::DatabaseImpl> impl);
  std::shared_ptr<engine::DatabaseImpl> impl_;
};

}  // namespace vdb
