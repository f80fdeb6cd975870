// The commands of vdbtool: their arguments, and one function each. args_*.cc fill the arguments
// from the command line. A function returns the exit code, or the Status that main prints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vdb/status.h"

namespace vdb::tools {

/// What every command has.
struct CommonArgs {
  std::string database;
  std::string as_of;  // a named snapshot, of commands that read
  bool json = false;
};

struct CreateArgs : CommonArgs {};
StatusOr<int> RunCreate(const CreateArgs& args);

struct ImportArgs : CommonArgs {
  std::string collection;
  std::string file;     // - for stdin
  std::string from_db;  // instead of both
  std::string format;   // empty: by the name's ending
  std::optional<std::string> column;
  std::optional<std::string> metric;
  std::string model;
  std::string keys_file;
  std::string key_field, vector_field;
  std::string dataset = "train";
  std::string quarantine;
  uint64_t batch_rows = 10000;
  uint32_t threads = 0;
  bool dry_run = false;
  bool skip_bad = false;
  bool upsert = false;  // the default, said aloud
  bool if_absent = false;
  bool resume = false;
};
StatusOr<int> RunImport(const ImportArgs& args);

struct ExportArgs : CommonArgs {
  std::vector<std::string> places;  // [COLLECTION] FILE, or DIR for all collections
  std::string format;
  std::string column;
  std::optional<std::string> filter;
  bool plain_vectors = false;
};
StatusOr<int> RunExport(const ExportArgs& args);

struct MigrateArgs {
  std::string source;
  std::string to;
  bool dry_run = false;
  bool salvage = false;
  bool force = false;
  bool rollback = false;
  std::string report;
  std::string key_field, vector_field;
  uint32_t threads = 0;
  bool json = false;
};
StatusOr<int> RunMigrate(const MigrateArgs& args);

struct PutArgs : CommonArgs {
  std::string collection;
  std::string key;
  std::string metadata;
  std::optional<std::string> body;
  std::string body_file;
  std::vector<std::string> vectors;  // COLUMN=1,2,3
  std::string metric = "cosine";
};
StatusOr<int> RunPut(const PutArgs& args);

struct KeyArgs : CommonArgs {
  std::string collection;
  std::string key;
};
StatusOr<int> RunGet(const KeyArgs& args);

struct DeleteArgs : KeyArgs {
  std::optional<std::string> filter;  // instead of the key
};
StatusOr<int> RunDelete(const DeleteArgs& args);
/// What RunDelete does with a filter.
StatusOr<int> DeleteMatching(const DeleteArgs& args);

struct PruneArgs : CommonArgs {
  std::string collection;
  std::string root;
  bool dry_run = false;
};
StatusOr<int> RunPrune(const PruneArgs& args);

struct RekeyArgs : CommonArgs {
  std::string collection;
  std::string prefix, to;
  bool dry_run = false;
};
StatusOr<int> RunRekey(const RekeyArgs& args);

struct CountArgs : CommonArgs {
  std::string collection;
  std::string filter;
};
StatusOr<int> RunCount(const CountArgs& args);

struct FieldIndexArgs : CommonArgs {
  std::string collection;
  std::string field;
  bool text = false;
};
StatusOr<int> RunFieldIndexAdd(const FieldIndexArgs& args);
StatusOr<int> RunFieldIndexDrop(const FieldIndexArgs& args);
StatusOr<int> RunFieldIndexList(const FieldIndexArgs& args);

struct DropArgs : CommonArgs {
  std::string collection;
};
StatusOr<int> RunDrop(const DropArgs& args);

struct ColumnArgs : CommonArgs {
  std::string collection;
  std::string column;
  uint32_t dimension = 0;
  std::string metric = "cosine";
  std::string model;
};
StatusOr<int> RunColumnAdd(const ColumnArgs& args);
StatusOr<int> RunColumnDrop(const ColumnArgs& args);
StatusOr<int> RunColumnDefault(const ColumnArgs& args);

struct SearchArgs : CommonArgs {
  std::string collection;
  std::optional<std::string> queries_file;
  std::optional<std::string> like;
  size_t k = 10;
  std::string column;
  uint32_t threads = 0;
  bool exact = false;
  std::optional<double> recall;
  uint32_t nprobe = 0;
  bool explain = false;
  std::string filter;
  std::optional<double> min_score;
  uint32_t deadline_ms = 0;
  std::optional<std::string> text;
  std::string group_by;
  size_t group_size = 1;
  std::optional<double> diversity;
};
StatusOr<int> RunSearch(const SearchArgs& args);

struct QueryArgs : CommonArgs {
  std::string collection;
  std::string filter;
  std::string order_by;
  bool descending = false;
  size_t limit = 10;
  size_t offset = 0;
  std::string cursor;
  std::vector<std::string> fields;
  bool body = false;
  bool vectors = false;
  bool explain = false;
  uint32_t deadline_ms = 0;
};
StatusOr<int> RunQuery(const QueryArgs& args);

struct IndexArgs : CommonArgs {
  std::string collection;
  std::string column;
  uint32_t list_count = 0;
  bool retrain = false;
  std::string queries_file;
  uint32_t threads = 0;
};
StatusOr<int> RunIndexBuild(const IndexArgs& args);
StatusOr<int> RunIndexDrop(const IndexArgs& args);
StatusOr<int> RunIndexStats(const IndexArgs& args);

struct CompactArgs : CommonArgs {
  std::string collection;
  std::string column;
  bool full = false;
  uint64_t bytes_per_second_max = 0;
};
StatusOr<int> RunCompact(const CompactArgs& args);

struct RecallArgs : CommonArgs {
  std::string collection;
  std::string column;
  std::string queries_file;
  size_t k = 10;
  size_t samples = 200;
  std::optional<double> recall;
  uint32_t nprobe = 0;
};
StatusOr<int> RunRecall(const RecallArgs& args);

struct ListArgs : CommonArgs {};
StatusOr<int> RunList(const ListArgs& args);

struct StatsArgs : CommonArgs {
  bool no_hash = false;
  bool prometheus = false;
};
StatusOr<int> RunStats(const StatsArgs& args);

struct SnapshotArgs : CommonArgs {
  std::string name;
  std::string to;  // diff: empty for now
};
StatusOr<int> RunSnapshotCreate(const SnapshotArgs& args);
StatusOr<int> RunSnapshotList(const SnapshotArgs& args);
StatusOr<int> RunSnapshotDrop(const SnapshotArgs& args);
StatusOr<int> RunSnapshotDiff(const SnapshotArgs& args);

struct JobsArgs : CommonArgs {};
StatusOr<int> RunJobs(const JobsArgs& args);

/// RFC 3339, in UTC.
std::string TimeText(uint64_t unix_ms);

struct BackupArgs : CommonArgs {
  std::string directory;
  int level = 3;
};
StatusOr<int> RunBackup(const BackupArgs& args);

struct BackupsArgs {
  std::string directory;
  bool json = false;
};
StatusOr<int> RunBackups(const BackupsArgs& args);

struct BackupDropArgs : BackupsArgs {
  uint64_t id = 0;
};
StatusOr<int> RunBackupDrop(const BackupDropArgs& args);

struct RestoreArgs : BackupsArgs {
  std::string to;
  uint64_t id = 0;  // 0: the newest
  std::string collection;
};
StatusOr<int> RunRestore(const RestoreArgs& args);

struct VerifyArgs : CommonArgs {
  std::string level = "references";
};
StatusOr<int> RunVerify(const VerifyArgs& args);

struct RepairArgs : CommonArgs {
  bool dry_run = false;
};
StatusOr<int> RunRepair(const RepairArgs& args);

struct UpgradeArgs : CommonArgs {
  bool dry_run = false;
};
StatusOr<int> RunUpgrade(const UpgradeArgs& args);

}  // namespace vdb::tools
