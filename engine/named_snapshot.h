// Named snapshots on disk: snapshots/NNNNNN/ holds the file SNAPSHOT, which names a state and has
// its manifest, and docs/, a checkpoint of RocksDB of the same batch. Segments, masks and epochs
// that the manifest names stay as long as the snapshot does (DatabaseImpl::CollectGarbage).
#pragma once

#include <string>
#include <vector>

#include "format/manifest.h"
#include "format/snapshot_record.h"
#include "storage/file_system.h"
#include "vdb/status.h"

namespace vdb::engine {

struct NamedSnapshot {
  uint64_t id = 0;
  std::string directory;
  Status readable;  // of its record; if it is damaged all that follows is empty
  format::SnapshotRecord record;
  format::Manifest manifest;
};

/// The snapshots of the database in `root`, by id; damaged ones too. Directories without a record
/// are left out.
StatusOr<std::vector<NamedSnapshot>> FindSnapshots(storage::FileSystem& fs,
                                                   const std::string& root);

/// kNotFound, or kCorruption if one is damaged and might be it.
StatusOr<NamedSnapshot> FindSnapshot(storage::FileSystem& fs, const std::string& root,
                                     std::string_view name);

/// Removes what a creation or a drop that was cut short left behind. Not while one runs.
Status RemoveSnapshotLeftovers(storage::FileSystem& fs, const std::string& root);

/// The size and, tables apart, the checksum of each file in its docs/.
Status CheckSnapshotFiles(storage::FileSystem& fs, const NamedSnapshot& snapshot);

}  // namespace vdb::engine
