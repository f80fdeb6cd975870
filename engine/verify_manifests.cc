// See verify_manifests.h.
#include "engine/verify_manifests.h"

#include <chrono>
#include <thread>
#include <vector>

#include "format/checksum.h"
#include "format/job_history.h"
#include "format/manifest.h"
#include "format/migration_record.h"
#include "storage/ledger.h"

namespace vdb::engine {
namespace {

std::vector<VerifyProblem> LedgerProblems(const VerifyRun& run, const View& view,
                                          const std::string& name,
                                          const StatusOr<std::string>& bytes) {
  if (!bytes.ok()) return {{name, "whole file", bytes.status().message()}};
  std::vector<VerifyProblem> problems;
  for (const size_t slot : format::DamagedLedgerSlots(*bytes)) {
    problems.push_back({name, "slot " + std::to_string(slot), "checksum mismatch"});
  }
  const auto record = format::DecodeLedger(*bytes);
  if (!record.ok()) {
    problems.push_back({name, "whole file", record.status().message()});
    return problems;
  }
  const std::string docs = run.PathOf(format::DocsDirName(view.manifest->docs_directory));
  const Status files = storage::Ledger::CheckFiles(run.fs(), docs, *record);
  if (!files.ok()) problems.push_back({"docs", "files of the ledger", files.message()});
  return problems;
}

}  // namespace

// A writer in another process may publish meanwhile: a newer CURRENT is fine, and the manifest of
// this view, which the view pins, must be what it was.
void VerifyManifests(VerifyRun* run, const View& view) {
  run->report().files_checked += 3;
  auto bytes = storage::ReadWholeFile(run->fs(), run->PathOf(format::kCurrentFile), 4096);
  auto current = bytes.ok() ? format::DecodeCurrent(*bytes)
                            : StatusOr<format::Current>(bytes.status());
  const format::Manifest& manifest = *view.manifest;
  if (!current.ok()) {
    run->Problem("CURRENT", "whole file", current.status().message());
  } else if (current->generation < manifest.generation ||
             (current->generation == manifest.generation &&
              current->manifest_checksum != view.manifest_checksum)) {
    run->Problem("CURRENT", "generation", "expected " + std::to_string(manifest.generation) +
                                              ", found " + std::to_string(current->generation));
  }
  for (const std::string& name : {format::ManifestName(manifest.generation),
                                  format::ManifestTwinName(manifest.generation)}) {
    auto file = storage::ReadWholeFile(run->fs(), run->PathOf(name), format::kManifestBytesMax);
    if (!file.ok()) {
      run->Problem(name, "whole file", file.status().message());
      continue;
    }
    run->report().bytes_checked += file->size();
    const uint64_t found = format::Hash64(*file);
    if (found != view.manifest_checksum) {
      run->Problem(name, "whole file", "expected checksum " +
                                           format::Hex64(view.manifest_checksum) + ", found " +
                                           format::Hex64(found));
    }
  }
}

// The ledger and RocksDB's logs change under a writer; what is wrong only while they change is not.
void VerifyLedger(VerifyRun* run, const View& view) {
  constexpr int kTries = 20;
  const std::string name = format::LedgerName(view.manifest->docs_directory);
  std::vector<VerifyProblem> found;
  run->report().files_checked += 1;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const std::string path = run->PathOf(name);
    auto bytes = storage::ReadWholeFile(run->fs(), path, 1 << 20);
    found = LedgerProblems(*run, view, name, bytes);
    auto again = storage::ReadWholeFile(run->fs(), path, 1 << 20);
    if (found.empty() || (bytes.ok() && again.ok() && *bytes == *again && attempt > 0)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (const VerifyProblem& problem : found) {
    run->Problem(problem.file, problem.where, problem.message);
  }
}

void VerifyJobHistory(VerifyRun* run) {
  const std::string name(format::kJobsFile);
  auto bytes = storage::ReadWholeFile(run->fs(), run->PathOf(name), format::kJobHistoryBytesMax);
  if (bytes.status().code() == StatusCode::kNotFound) return;
  run->report().files_checked += 1;
  const Status status =
      bytes.ok() ? format::DecodeJobHistory(*bytes, name).status() : bytes.status();
  if (!status.ok()) run->Problem(name, "whole file", status.message());
}

void VerifyMigrationRecord(VerifyRun* run) {
  const std::string name(format::kMigratedFile);
  auto bytes =
      storage::ReadWholeFile(run->fs(), run->PathOf(name), format::kMigrationRecordBytesMax);
  if (bytes.status().code() == StatusCode::kNotFound) return;  // most databases have none
  run->report().files_checked += 1;
  if (!bytes.ok()) return run->Problem(name, "whole file", bytes.status().message());
  run->report().bytes_checked += bytes->size();
  const auto record = format::DecodeMigrationRecord(*bytes, name);
  if (!record.ok()) run->Problem(name, "whole file", record.status().message());
}

}  // namespace vdb::engine
