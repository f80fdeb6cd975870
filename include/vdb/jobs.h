// Jobs: the long work of a database. One runs at a time; the others wait by priority.
#pragma once

#include <cstdint>
#include <string>

#include "vdb/status.h"

namespace vdb {

/// Persisted in the job history: never renumber.
enum class JobKind : uint8_t {
  kIndexBuild = 1,
  kCompaction = 2,
  kFieldIndexBuild = 3,
  kBackup = 4,
};
/// "index build", "compaction", ...
std::string_view JobKindName(JobKind kind);

enum class JobState : uint8_t {
  kQueued = 1,
  kRunning = 2,
  kPaused = 3,     ///< by PauseJobs, or because the disk is full: see `message`
  kDone = 4,
  kFailed = 5,     ///< `message` says why
  kCancelled = 6,
};
std::string_view JobStateName(JobState state);

/// A job to be run in the background (Database::StartJob).
struct JobRequest {
  JobKind kind = JobKind::kCompaction;
  std::string collection = {};  ///< kCompaction: empty for all
  std::string column = {};      ///< of an index build or compaction; empty: the default, or all
  std::string field = {};       ///< of a field index build (an ordered one)
  std::string directory = {};   ///< of a backup
  int priority = 0;             ///< higher runs first; equal ones in the order of their start
};

/// A job, waiting, running or past.
struct JobInfo {
  uint64_t id = 0;              ///< of this database, ascending, never used again
  JobKind kind = JobKind::kCompaction;
  JobState state = JobState::kQueued;
  int priority = 0;
  bool background = false;      ///< started by StartJob or by the database itself
  std::string target;           ///< e.g. "words/vector"
  std::string stage;            ///< where it stands
  uint64_t done_count = 0, total_count = 0;  ///< in this stage; total 0: not known
  uint64_t queued_unix_ms = 0, started_unix_ms = 0, finished_unix_ms = 0;  ///< 0: not yet
  std::string message;          ///< why it failed or waits, or what it did
};

}  // namespace vdb
