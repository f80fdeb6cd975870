// Reads a recorded log and says where the order of writes and syncs breaks the design: what must be
// durable before what. A SIGKILL keeps the page cache and so cannot see a missing sync; this can.
#pragma once

#include <string>
#include <vector>

#include "tests/support/recording_file_system.h"

namespace vdb::testing {

/// The rules, each at its place in the log:
///  - before a write to a WAL: every row written is synced, and segment files are named durably
///  - at the acknowledgement of a synced step N: its WAL write is synced, and so is the WAL's name;
///    the ledger was written since "begin N", and its records from before "begin N" are synced
///  - at the rename to CURRENT: CURRENT.tmp, manifest and twin are synced and named durably, all
///    rows and masks are synced and named durably, and so is the WAL
///  - after the rename: its directory is synced before any WAL write, removal or acknowledgement
/// Empty: all kept. At most 20 findings.
std::vector<std::string> OrderProblems(const Log& log);

/// What a log has: a check of a log without publishes, say, checks nothing.
struct LogCounts {
  size_t synced_steps = 0;
  size_t wal_writes = 0;
  size_t publishes = 0;
  size_t seals = 0;       ///< files of sums written
  size_t store_flushes = 0;  ///< RocksDB table files written
};
LogCounts CountLog(const Log& log);

bool IsWal(const std::string& path);
bool IsSegmentData(const std::string& path);  ///< .npy .rows .keys
bool EndsWith(const std::string& path, const std::string& suffix);

}  // namespace vdb::testing
