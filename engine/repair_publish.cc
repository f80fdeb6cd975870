// See repair_publish.h.
#include "engine/repair_publish.h"

#include <algorithm>
#include <charconv>

#include "engine/migrate_files.h"
#include "format/checksum.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr std::string_view kQuarantineDir = "quarantine";

// A name in `quarantine/` that is not taken: an earlier repair may have kept a file of this name.
StatusOr<std::string> FreeName(RepairRun* run, const std::string& file) {
  std::string flat = file;
  std::replace(flat.begin(), flat.end(), '/', '.');
  std::string name = format::JoinPath(kQuarantineDir, flat);
  for (int i = 2;; ++i) {
    VDB_ASSIGN_OR_RETURN(const bool taken, run->fs().Exists(run->PathOf(name)));
    if (!taken) return name;
    name = format::JoinPath(kQuarantineDir, flat + "." + std::to_string(i));
  }
}

Status MoveAside(RepairRun* run, const std::string& file) {
  VDB_ASSIGN_OR_RETURN(const bool there, run->fs().Exists(run->PathOf(file)));
  if (!there) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const std::string name, FreeName(run, file));
  VDB_RETURN_IF_ERROR(run->fs().Rename(run->PathOf(file), run->PathOf(name)));
  run->report().quarantined.push_back(name);
  return Status::Ok();
}

}  // namespace

uint64_t DocsNumber(const std::string& name) {
  if (name == format::kLedgerFile) return 1;
  const size_t dash = name.find('-');
  uint64_t number = 0;
  if (dash == std::string::npos) return 0;
  std::from_chars(name.data() + dash + 1, name.data() + name.size(), number);
  const bool ours = name == format::DocsDirName(number) || name == format::LedgerName(number);
  return ours ? number : 0;
}

Status WriteGeneration(RepairRun* run, const format::Manifest& manifest) {
  storage::FileSystem& fs = run->fs();
  const std::string bytes = format::EncodeManifest(manifest);
  VDB_RETURN_IF_ERROR(
      WriteSyncedFile(fs, run->PathOf(format::ManifestName(manifest.generation)), bytes));
  VDB_RETURN_IF_ERROR(
      WriteSyncedFile(fs, run->PathOf(format::ManifestTwinName(manifest.generation)), bytes));
  VDB_RETURN_IF_ERROR(fs.SyncDir(run->path()));
  return WriteSyncedFile(fs, run->PathOf(format::kCurrentTmpFile),
                         format::EncodeCurrent({manifest.generation, format::Hash64(bytes)}));
}

Status PublishGeneration(RepairRun* run) {
  VDB_RETURN_IF_ERROR(run->fs().Rename(run->PathOf(format::kCurrentTmpFile),
                                       run->PathOf(format::kCurrentFile)));
  return run->fs().SyncDir(run->path());
}

Status PublishRepair(RepairRun* run, const format::Manifest& manifest) {
  storage::FileSystem& fs = run->fs();
  VDB_RETURN_IF_ERROR(WriteGeneration(run, manifest));
  // A damaged CURRENT is evidence, too; the rename would replace it.
  const std::string current = run->PathOf(format::kCurrentFile);
  if (run->quarantine().contains(std::string(format::kCurrentFile))) {
    VDB_RETURN_IF_ERROR(fs.CreateDir(run->PathOf(kQuarantineDir)));
    VDB_ASSIGN_OR_RETURN(const auto info, fs.Stat(current));
    VDB_ASSIGN_OR_RETURN(const std::string name,
                         FreeName(run, std::string(format::kCurrentFile)));
    VDB_RETURN_IF_ERROR(storage::CopyFile(fs, current, run->PathOf(name), info.size_bytes));
    run->report().quarantined.push_back(name);
  }
  return PublishGeneration(run);
}

Status QuarantineDamaged(RepairRun* run, const format::Manifest& live) {
  std::set<std::string> files = run->quarantine();
  files.erase(std::string(format::kCurrentFile));
  VDB_ASSIGN_OR_RETURN(const auto names, run->fs().List(run->path()));
  for (const std::string& name : names) {
    const uint64_t number = DocsNumber(name);
    if (number != 0 && number != live.docs_directory) files.insert(name);
  }
  if (files.empty()) return Status::Ok();
  if (run->dry_run()) {
    for (const std::string& file : files) run->report().quarantined.push_back(file);
    return Status::Ok();
  }
  VDB_RETURN_IF_ERROR(run->fs().CreateDir(run->PathOf(kQuarantineDir)));
  for (const std::string& file : files) VDB_RETURN_IF_ERROR(MoveAside(run, file));
  VDB_RETURN_IF_ERROR(run->fs().SyncDir(run->PathOf(kQuarantineDir)));
  return run->fs().SyncDir(run->path());
}

StatusOr<uint64_t> NewDocsDirectory(RepairRun* run, uint64_t live) {
  VDB_ASSIGN_OR_RETURN(const auto names, run->fs().List(run->path()));
  for (const std::string& name : names) {
    if (DocsNumber(name) <= live) continue;  // never published: of a repair that was interrupted
    VDB_RETURN_IF_ERROR(RemoveTree(run->fs(), run->PathOf(name)));
  }
  return live + 1;
}

StatusOr<RepairNumbers> NewNumbers(RepairRun* run, const format::Manifest& manifest) {
  RepairNumbers numbers = {manifest.generation + 1, manifest.next_segment_id};
  VDB_ASSIGN_OR_RETURN(const auto names, run->fs().List(run->path()));
  for (const std::string& name : names) {
    const auto generation = format::ParseManifestName(name);
    if (generation) numbers.generation = std::max(numbers.generation, *generation + 1);
  }
  VDB_ASSIGN_OR_RETURN(const auto files, run->fs().List(run->PathOf(format::kSegmentsDir)));
  for (const std::string& name : files) {
    const auto parsed = format::ParseSegmentName(name);
    if (parsed) numbers.segment_id = std::max(numbers.segment_id, parsed->segment_id + 1);
  }
  return numbers;
}

}  // namespace vdb::engine
