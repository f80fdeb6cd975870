// Every option there is, grouped by when it is chosen: at open, at column creation, per write, per
// read. The defaults are right for almost everyone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "vdb/types.h"

namespace vdb {

class Snapshot;

/// How loud a log line is.
enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Receives one line (no newline at its end) per event. Called from any thread, must not call back
/// into vdb and must not throw. Without a logger the library is silent: it never prints.
using Logger = std::function<void(LogLevel level, std::string_view line)>;

/// Where a long call stands.
struct Progress {
  std::string_view stage;     ///< e.g. "import", "verify documents"
  uint64_t done_count = 0;    ///< rows, documents or blocks finished so far in this stage
  uint64_t total_count = 0;   ///< 0: not known
};

/// Called now and then by long calls, on the calling thread. Return false to cancel: the call ends
/// with kCancelled, and what it had committed stays.
using ProgressCallback = std::function<bool(const Progress&)>;

/// For Database::Open.
struct DatabaseOptions {
  /// Create the directory and an empty database if there is none. Without it a missing database is
  /// kNotFound. Never turns a directory that holds other things into a database.
  bool create_if_missing = false;

  /// With create_if_missing: an existing database is kAlreadyExists.
  bool error_if_exists = false;

  /// A path that is no database but a folder with a known legacy cache (`.vemb`, `.nndex`), or a
  /// JSON cache file, is migrated to `.vdb` in that folder and opened from there (vdb/migrate.h).
  /// false: it is kUnsupportedFormat. A read-only open never migrates.
  bool migrate_legacy = true;

  /// Open for reading only: needs no write permission, takes no lock, writes nothing, works beside
  /// a writer in another process and sees the database as of the open (or the last Refresh).
  bool read_only = false;

  /// Upper bound on how long an unsynced write (WriteOptions::sync = false) stays volatile, in
  /// milliseconds; the flush begins at the latest then. Range 1 to 60,000.
  uint32_t unsynced_ms_max = 500;

  /// Read-only: open the named snapshot of this name (Database::CreateSnapshot), not the newest
  /// state. Empty: the newest.
  std::string as_of = {};

  /// Keep the database in shape by itself: a background thread builds a column's index when it has
  /// grown past what brute force answers quickly, takes new rows in as they pile up, merges small
  /// segments and drops dead rows. Off: only BuildIndex, Compact and StartJob do.
  bool background_jobs = false;

  /// Memory that caches, write buffers and jobs of this database share, mapped files left out.
  /// Range 64 MiB and up; 0: no limit but the defaults of each. A job that cannot do with its share
  /// is refused with kResourceExhausted, before it begins.
  uint64_t memory_limit_bytes = 0;

  /// The database's files may take so many bytes. Beyond it writes are refused with
  /// kResourceExhausted and jobs wait; reads, deletes and compactions go on. 0: no limit but the
  /// disk's.
  uint64_t disk_limit_bytes = 0;

  /// A query that takes this long is counted and logged with its plan (LogLevel::kWarning), in
  /// milliseconds. 0: none.
  uint32_t slow_query_ms = 0;

  /// Run one in so many approximate queries again exactly, and report the recall seen in
  /// IndexStats. 0: never.
  uint32_t shadow_every = 0;

  /// Memory for the masks of filters, kept between queries (an answer never depends on it).
  uint64_t mask_cache_bytes = 64u << 20;

  /// Memory for answers of Collection::Search, kept between calls and used again for the very same
  /// request on the same state: one query, no limits, no explain. 0: none are kept.
  uint64_t result_cache_bytes = 0;

  Logger logger = {};
};

/// For Collection::AddColumn. Dimension and metric are fixed for the life of the column.
struct ColumnOptions {
  uint32_t dimension = 0;           ///< 1 to kDimensionMax
  Metric metric = Metric::kCosine;
  std::string model = {};           ///< free text: which model made the vectors
};

/// For everything that writes.
struct WriteOptions {
  /// true: when the call returns OK the batch survives power loss. false: it is visible at once and
  /// becomes durable, in order, within DatabaseOptions::unsynced_ms_max or at Database::Flush;
  /// after a crash the state is still a prefix of the committed batches.
  bool sync = true;
};

/// For everything that reads.
struct ReadOptions {
  /// Read as of this snapshot; null: as of now. Must outlive the call.
  const Snapshot* snapshot = nullptr;
};

}  // namespace vdb
