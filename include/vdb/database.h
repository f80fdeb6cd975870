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
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/backup.h"
#include "vdb/collection.h"
#include "vdb/compaction.h"
#include "vdb/jobs.h"
#include "vdb/metrics.h"
#include "vdb/options.h"
#include "vdb/snapshot.h"
#include "vdb/status.h"
#include "vdb/verify.h"

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
  double view_age_seconds = 0;  ///< read-only: since the open or the last Refresh; else 0
  std::string simd_level;
  std::vector<CollectionStats> collections;
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

  /// Look for damage, to the depth that `options` name. Never writes. Runs on one view while reads
  /// and writes go on.
  StatusOr<VerifyReport> Verify(const VerifyOptions& options = {}) const;

  // --- named snapshots: states that stay readable across opens, until they are dropped ---

  /// Keep the state of now under a name. Cost: hard links and a flush of what RocksDB keeps in RAM;
  /// from then on the files it needs stay. Names as those of collections. kAlreadyExists.
  Status CreateSnapshot(std::string_view name);
  StatusOr<std::vector<SnapshotInfo>> ListSnapshots() const;
  /// kNotFound; kBusy if someone has it open.
  Status DropSnapshot(std::string_view name);
  /// Every document that differs between two named snapshots, by collection, in the order of keys;
  /// an empty name means now. Ends early when `entry` returns false. Cost: one pass over the
  /// documents of both.
  Status DiffSnapshots(std::string_view from, std::string_view to,
                       const std::function<bool(const SnapshotDiff&)>& entry) const;

  // --- maintenance. Each is a job: it waits for its turn, runs on the caller's thread while reads
  // --- and writes go on, and is in Jobs(). Killed at any moment, the old state or the new stands.

  /// Merge small segments, drop dead rows, and give their space back, with the documents' too.
  /// Lists, codes and answers stay as they are. Before anything is published the new rows are
  /// proven equal to the live old ones. Needs free disk for a copy of what it rewrites, and says
  /// so before it begins. Errors: kNotFound, kFailedPrecondition (read-only), kResourceExhausted,
  /// kCancelled, kCorruption (a row is damaged, or the proof failed: the old state stands),
  /// kIoError.
  StatusOr<CompactionReport> Compact(const CompactionOptions& options = {});

  /// Add a backup of the state of now to a backup directory, which is made if it does not exist.
  /// What earlier backups of this database have is not copied again. Also of read-only databases.
  /// Killed at any moment the backup is whole or not there, and the earlier ones are.
  /// Errors: kFailedPrecondition (holds backups of another database), kBusy (someone writes to it),
  /// kResourceExhausted, kCancelled, kCorruption (a damaged file is not backed up), kIoError.
  StatusOr<BackupReport> Backup(const std::string& directory, const BackupOptions& options = {});

  // --- jobs in the background ---

  /// Queue a job and return its id at once. It runs on the database's own thread.
  StatusOr<uint64_t> StartJob(const JobRequest& request);
  /// Wait until a job ended, and return its status. kNotFound: there is none with this id.
  Status WaitForJob(uint64_t id);
  /// kNotFound: it ended, or never was. Returns before the job has stopped.
  Status CancelJob(uint64_t id);
  /// From now on jobs stand still, until ResumeJobs. Also those that callers wait for.
  Status PauseJobs();
  Status ResumeJobs();
  /// Jobs that wait, run, or ended (the last hundred, also of earlier opens), oldest first.
  StatusOr<std::vector<JobInfo>> Jobs() const;

  StatusOr<Metrics> GetMetrics() const;

 private:
  friend class engine::DatabaseImpl;
  explicit Database(std::shared_ptr<engine::DatabaseImpl> impl);
  std::shared_ptr<engine::DatabaseImpl> impl_;
};

}  // namespace vdb
