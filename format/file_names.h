// The names of the files of a database directory: built and parsed here and nowhere else.
//
//   LOCK CREATING UPGRADING CURRENT CURRENT.tmp ledger manifest-000042.vdbm manifest-000042.twin
//   docs-000001/   segments/000007.{npy,rows,keys,sums,order,ivf}  segments/000007.del-000043
//   epochs/000003.vdbe  snapshots/000001/{SNAPSHOT,docs/}  MIGRATED
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vdb::format {

inline constexpr std::string_view kLockFile = "LOCK";
inline constexpr std::string_view kCurrentFile = "CURRENT";
inline constexpr std::string_view kCurrentTmpFile = "CURRENT.tmp";
inline constexpr std::string_view kLedgerFile = "ledger";
inline constexpr std::string_view kCreatingFile = "CREATING";  // only while a database is made
inline constexpr std::string_view kUpgradingFile = "UPGRADING";  // while old documents may go
inline constexpr std::string_view kMigratedFile = "MIGRATED";  // what a migration made it from
inline constexpr std::string_view kJobsFile = "jobs";  // history; nothing depends on it
inline constexpr std::string_view kJobsTmpFile = "jobs.new";
inline constexpr std::string_view kSegmentsDir = "segments";
inline constexpr std::string_view kEpochsDir = "epochs";  // made with the first epoch

inline constexpr std::string_view kSnapshotsDir = "snapshots";  // made with the first one
inline constexpr std::string_view kSnapshotFile = "SNAPSHOT";
inline constexpr std::string_view kSnapshotDocsDir = "docs";

/// The files of a segment.
enum class SegmentFile { kRows, kRecords, kKeys, kSums, kOrder, kIndex };

std::string ManifestName(uint64_t generation);
std::string ManifestTwinName(uint64_t generation);
std::string DocsDirName(uint64_t number);
/// The ledger of what is in that directory: "ledger" for the first one, "ledger-000002" and so on
/// for those of repairs, so that one rename of CURRENT swaps both.
std::string LedgerName(uint64_t docs_directory);
/// Relative to the segments directory.
std::string SegmentFileName(uint64_t segment_id, SegmentFile file);
std::string MaskFileName(uint64_t segment_id, uint64_t generation);
/// Relative to the epochs directory.
std::string EpochFileName(uint64_t epoch_id);

/// Relative to the snapshots directory.
std::string SnapshotDirName(uint64_t snapshot_id);
std::optional<uint64_t> ParseSnapshotDirName(std::string_view name);

/// Generation of a manifest or twin name; nullopt for any other name.
std::optional<uint64_t> ParseManifestName(std::string_view name);

/// Id of an epoch file's name; nullopt for any other name.
std::optional<uint64_t> ParseEpochName(std::string_view name);

struct SegmentName {
  uint64_t segment_id = 0;
  std::optional<uint64_t> mask_generation;  // of a mask file
  bool is_index = false;
};
/// Of any file in the segments directory; nullopt for foreign names.
std::optional<SegmentName> ParseSegmentName(std::string_view name);

inline std::string JoinPath(std::string_view dir, std::string_view name) {
  std::string path(dir);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

}  // namespace vdb::format
