// Any bytes as the small records of a database's directory, told by their magic: that of a named
// snapshot, the history of jobs, and that of a migration.
#include "format/frame.h"
#include "format/job_history.h"
#include "format/migration_record.h"
#include "format/snapshot_record.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/some_manifest.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

bool Run(std::string_view bytes) {
  bool any = FramedRoundTrip(
      bytes, [](std::string_view b) { return DecodeSnapshotRecord(b, "s"); },
      EncodeSnapshotRecord);
  any = FramedRoundTrip(
            bytes, [](std::string_view b) { return DecodeJobHistory(b, "j"); },
            EncodeJobHistory) ||
        any;
  return FramedRoundTrip(
             bytes, [](std::string_view b) { return DecodeMigrationRecord(b, "m"); },
             EncodeMigrationRecord) ||
         any;
}

std::vector<std::string> Seeds() {
  SnapshotRecord snapshot = {"before", 99, 1'700'000'000'000, 12, {}, ""};
  snapshot.manifest = EncodeManifest(SomeManifest());
  snapshot.files = {{"000012.sst", 5000, 0}, {"MANIFEST-000011", 300, 77}, {"CURRENT", 16, 5}};
  JobInfo job;
  job.id = 3;
  job.state = JobState::kFailed;
  job.target = "words/vector";
  job.stage = "copying";
  job.done_count = 5;
  job.total_count = 9;
  job.queued_unix_ms = 1'700'000'000'000;
  job.started_unix_ms = job.queued_unix_ms + 1;
  job.finished_unix_ms = job.queued_unix_ms + 2;
  job.message = "disk full";
  JobInfo other = job;
  other.id = 4;
  other.kind = JobKind::kBackup;
  other.state = JobState::kDone;
  other.background = true;
  MigrationRecord migration;
  migration.batch = 9;
  migration.entry_count = 12;
  migration.migrated_count = 10;
  migration.refused_count = 2;
  migration.partial = true;
  migration.format = "vemb-v1";
  migration.source = "../.vemb";
  migration.files = {{"../.vemb/cache.json", 5000, -5, {1, 2}}};
  return {EncodeSnapshotRecord(snapshot), EncodeJobHistory({job, other}), EncodeJobHistory({}),
          EncodeMigrationRecord(migration)};
}

VDB_FUZZ_TARGET(records, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
