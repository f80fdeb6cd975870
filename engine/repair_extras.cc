// See repair_extras.h.
#include "engine/repair_extras.h"

#include <functional>

#include "engine/named_snapshot.h"
#include "engine/verify_run.h"
#include "format/job_history.h"
#include "format/migration_record.h"
#include "format/status_macros.h"
#include "storage/rocksdb/document_store.h"

namespace vdb::engine {
namespace {

void JudgeRecord(RepairRun* run, std::string_view file, uint64_t bytes_max, const char* what,
                 const std::function<Status(const std::string& bytes)>& decode) {
  const std::string name(file);
  auto bytes = storage::ReadWholeFile(run->fs(), run->PathOf(name), bytes_max);
  if (bytes.status().code() == StatusCode::kNotFound) return;
  if (bytes.ok() && decode(*bytes).ok()) return;
  run->Quarantine(name);
  run->Loss({name, "", "", "", what});
}

// Whether a file that the snapshot's manifest names is to be kept aside.
bool NeedsDamaged(const RepairRun& run, const format::Manifest& manifest) {
  for (const std::string& file : run.quarantine()) {
    for (const format::SegmentEntry& entry : manifest.segments) {
      const std::string sums = SegmentPath(entry.id, format::SegmentFile::kSums);
      const std::string stem = sums.substr(0, sums.rfind('.') + 1);
      const bool mask = file.starts_with(stem + "del-");
      if (mask && file != format::JoinPath(format::kSegmentsDir,
                                           format::MaskFileName(entry.id, entry.mask_generation))) {
        continue;
      }
      const bool index = file.ends_with(".ivf");
      if (file.starts_with(stem) && (!index || entry.epoch_id != 0)) return true;
    }
    for (const format::EpochEntry& epoch : manifest.epochs) {
      if (file == format::JoinPath(format::kEpochsDir, format::EpochFileName(epoch.id))) {
        return true;
      }
    }
  }
  return false;
}

Status CheckTables(const RepairRun& run, const NamedSnapshot& snapshot) {
  storage::DocumentStoreOptions options;
  options.directory = format::JoinPath(snapshot.directory, "docs");
  options.fs = &run.fs();
  options.logger = run.logger();
  VDB_ASSIGN_OR_RETURN(const auto store, storage::DocumentStore::Open(options));
  return store->VerifyChecksums();
}

}  // namespace

void JudgeRecords(RepairRun* run) {
  JudgeRecord(run, format::kMigratedFile, format::kMigrationRecordBytesMax,
              "the record of what the database was migrated from", [](const std::string& bytes) {
                return format::DecodeMigrationRecord(bytes, format::kMigratedFile).status();
              });
  JudgeRecord(run, format::kJobsFile, format::kJobHistoryBytesMax,
              "the history of jobs that ended", [](const std::string& bytes) {
                return format::DecodeJobHistory(bytes, std::string(format::kJobsFile)).status();
              });
}

Status JudgeSnapshots(RepairRun* run) {
  VDB_ASSIGN_OR_RETURN(const auto snapshots, FindSnapshots(run->fs(), run->path()));
  for (const NamedSnapshot& one : snapshots) {
    Status status = one.readable.ok() ? CheckSnapshotFiles(run->fs(), one) : one.readable;
    if (status.ok()) status = CheckTables(*run, one);
    if (status.ok() && NeedsDamaged(*run, one.manifest)) {
      status = Status::Corruption("it needs a damaged file of a segment or an index");
    }
    if (status.ok()) continue;
    const std::string directory =
        format::JoinPath(format::kSnapshotsDir, format::SnapshotDirName(one.id));
    run->Quarantine(directory);
    // A damaged record does not say the name.
    const std::string& name = one.record.name;
    const std::string which = name.empty() ? "a named snapshot (its name is lost too)"
                                           : "the named snapshot '" + name + "'";
    run->Loss({directory, "", "", "", which + ": " + status.message()});
  }
  return Status::Ok();
}

}  // namespace vdb::engine
