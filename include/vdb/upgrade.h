// Upgrade: a database of an older format version becomes one of the version that this library
// writes (docs/format.md, Versions). Such a database opens read-only as it is; writing needs this
// once.
//
//   auto report = vdb::Upgrade("my.vdb");
#pragma once

#include <cstdint>
#include <string>

#include "vdb/options.h"
#include "vdb/status.h"

namespace vdb {

/// For Upgrade.
struct UpgradeOptions {
  /// Say what would be done and how much room it takes, and write nothing.
  bool dry_run = false;
  ProgressCallback progress = {};  ///< done and total count documents
  Logger logger = {};
};

/// What an upgrade did, or (dry_run) would do.
struct UpgradeReport {
  bool needed = false;           ///< false: it is of `to_version` already, and nothing was done
  uint32_t from_version = 0;
  uint32_t to_version = 0;
  uint64_t document_count = 0;
  uint64_t bytes_needed = 0;     ///< free disk that it takes, at most
  std::string content_hash;      ///< before and after: they are equal; empty after a dry run
  double seconds = 0;
};

/// Upgrade the database at `path`, which nobody may have open for writing; readers keep what they
/// see. The documents are written anew beside the old ones, synced, read back and compared entry by
/// entry; the ContentHash of the reopened files must be that of the old ones. Then one rename makes
/// them the database, and the old files go. Vectors and indexes stay where they are, and named
/// snapshots and backups as they were. Killed at any moment, the old state or the new one is there,
/// and a second run ends in the same contents.
/// There is no way back but a backup: libraries that know only the older version cannot read it.
/// Errors: kNotFound, kBusy (open for writing), kUnsupportedFormat (newer than this library),
/// kResourceExhausted (says how much room it takes; nothing was written), kCorruption (it is
/// damaged: repair it, which upgrades it too; the old state stands), kCancelled (the old state
/// stands), kIoError.
StatusOr<UpgradeReport> Upgrade(const std::string& path, const UpgradeOptions& options = {});

}  // namespace vdb
