// Repair: a good database out of what can be read of a damaged one. See repair_run.h.
#include "engine/repair.h"

#include <algorithm>

#include "engine/migrate_files.h"
#include "engine/no_throw.h"
#include "engine/open_checks.h"
#include "engine/repair_documents.h"
#include "engine/repair_extras.h"
#include "engine/repair_publish.h"
#include "engine/repair_segments.h"
#include "engine/repair_source.h"
#include "engine/repair_writer.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr size_t kLossesKept = 10'000;

StatusOr<VerifyReport> VerifyReadOnly(const RepairRun& run, const ProgressCallback& progress) {
  EngineOptions options;
  options.fs = &run.fs();
  options.user.read_only = true;
  options.user.logger = run.logger();
  VDB_ASSIGN_OR_RETURN(auto database, OpenDatabase(run.path(), options));
  VDB_ASSIGN_OR_RETURN(auto report,
                       database.Verify({.level = VerifyLevel::kFull, .progress = progress}));
  VDB_RETURN_IF_ERROR(database.Close());
  return report;
}

// What the new documents take is about what the old ones do.
Status CheckSpace(RepairRun* run, const RepairSource& source, const RepairSegments& segments) {
  if (run->dry_run()) return Status::Ok();
  uint64_t needed = segments.bytes_needed();
  const std::string docs = run->PathOf(format::DocsDirName(source.manifest.docs_directory));
  VDB_ASSIGN_OR_RETURN(const auto names, run->fs().List(docs));
  for (const std::string& name : names) {
    const auto info = run->fs().Stat(format::JoinPath(docs, name));
    if (info.ok()) needed += info->size_bytes;
  }
  VDB_ASSIGN_OR_RETURN(const uint64_t free, run->fs().FreeBytes(run->path()));
  if (free >= needed) return Status::Ok();
  return Status::ResourceExhausted("'" + run->path() + "': repair writes up to " +
                                   std::to_string(needed) + " bytes, " + std::to_string(free) +
                                   " are free; make room, nothing was changed");
}

// The state that the new documents are in: above every batch that anybody was told of.
format::StateRecord NewState(const RepairSource& source, const RepairSegments& segments,
                             const RepairDocuments& documents, uint64_t generation) {
  format::StateRecord state = source.state;
  state.batch = std::max(state.batch, source.manifest.min_batch);
  if (source.ledger) state.batch = std::max(state.batch, source.ledger->batch);
  state.batch += 1;
  state.next_docno = std::max({state.next_docno, segments.docno_max() + 1,
                               documents.docno_max() + 1});
  state.min_generation = generation;
  return state;
}

Status Rebuild(RepairRun* run, RepairSource* source) {
  VDB_ASSIGN_OR_RETURN(const RepairNumbers numbers, NewNumbers(run, source->manifest));
  uint64_t generation = numbers.generation;
  if (source->ledger) generation = std::max(generation, source->ledger->generation + 1);
  RepairSegments segments(run, *source, numbers.segment_id);
  VDB_RETURN_IF_ERROR(segments.Judge());
  VDB_RETURN_IF_ERROR(CheckSpace(run, *source, segments));
  std::unique_ptr<RepairWriter> writer;
  format::Manifest next = source->manifest;
  if (!run->dry_run()) {
    VDB_ASSIGN_OR_RETURN(next.docs_directory,
                         NewDocsDirectory(run, source->manifest.docs_directory));
    VDB_ASSIGN_OR_RETURN(writer, RepairWriter::Create(run, next.docs_directory, next.uuid));
  }
  RepairDocuments documents(run, source, &segments, writer.get());
  VDB_RETURN_IF_ERROR(documents.Run());
  const auto is_newer = [source](uint32_t collection, std::string_view key, uint64_t docno) {
    const format::CollectionEntry* entry = source->manifest.FindCollection(collection);
    const auto bytes = source->store->Get(format::DocumentKey(collection, key));
    if (entry == nullptr || !bytes.ok() || !*bytes) return false;
    const auto record = format::DecodeDocument(*entry, key, **bytes);
    return record.ok() && record->docno > docno;
  };
  VDB_RETURN_IF_ERROR(segments.Finish(generation, is_newer));
  VDB_RETURN_IF_ERROR(JudgeSnapshots(run));
  next.format_version = kFormatVersion;  // of what the writer writes
  next.generation = generation;
  next.segments = segments.entries();
  next.epochs = segments.epochs();
  next.next_segment_id = segments.next_segment_id();
  for (auto& collection : next.collections) {
    for (auto& index : collection.field_indexes) index.ready = true;
  }
  if (!run->dry_run()) {
    const format::StateRecord state = NewState(*source, segments, documents, generation);
    next.min_batch = state.batch;
    VDB_RETURN_IF_ERROR(writer->Finish(state));
    writer.reset();
    VDB_RETURN_IF_ERROR(run->fs().SyncDir(run->PathOf(format::kSegmentsDir)));
    VDB_RETURN_IF_ERROR(PublishRepair(run, next));
  }
  run->Rebuilt("documents, counts and field entries, in a new RocksDB directory");
  source->store.reset();
  return QuarantineDamaged(run, next);
}

// Nothing is written, not even a LOCK, where no database is.
StatusOr<bool> IsThere(RepairRun* run) {
  VDB_ASSIGN_OR_RETURN(const bool there, run->fs().Exists(run->path()));
  if (!there) return false;
  VDB_ASSIGN_OR_RETURN(const bool is_dir, run->fs().IsDir(run->path()));
  if (!is_dir) return false;
  VDB_ASSIGN_OR_RETURN(const auto names, run->fs().List(run->path()));
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name == format::kCurrentFile || format::ParseManifestName(name).has_value();
  });
}

Status RunRepair(RepairRun* run, const RepairOptions& options) {
  VDB_ASSIGN_OR_RETURN(const bool there, IsThere(run));
  if (!there) return Status::NotFound("'" + run->path() + "': there is no database");
  VDB_ASSIGN_OR_RETURN(const WriterLock lock, TakeWriterLock(run->fs(), run->path()));
  const auto before = VerifyReadOnly(*run, options.progress);
  const bool clean = before.ok() && before->problem_count == 0;
  if (before.status().code() == StatusCode::kCancelled ||
      before.status().code() == StatusCode::kUnsupportedFormat) {
    return before.status();
  }
  RepairSource source;
  if (clean) {
    // What an interrupted repair did not get to.
    VDB_RETURN_IF_ERROR(OpenRepairSource(run, &source));
    source.store.reset();
    VDB_RETURN_IF_ERROR(QuarantineDamaged(run, source.manifest));
    run->report().verified = *before;
    return Status::Ok();
  }
  run->report().needed = true;
  JudgeRecords(run);
  Status status = OpenRepairSource(run, &source);
  if (status.ok()) status = Rebuild(run, &source);
  source.store.reset();
  if (!source.copy.empty()) {
    RemoveTree(run->fs(), source.copy).IgnoreError("the next repair removes it first");
  }
  VDB_RETURN_IF_ERROR(status);
  if (options.dry_run) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(run->report().verified, VerifyReadOnly(*run, options.progress));
  return Status::Ok();
}

}  // namespace

void RepairRun::Loss(RepairLoss loss) {
  Log(LogLevel::kWarning, "repair: '" + loss.file + "': " + loss.message);
  report_.loss_count += 1;
  if (report_.losses.size() < kLossesKept) report_.losses.push_back(std::move(loss));
}

void RepairRun::Log(LogLevel level, const std::string& line) const {
  if (options_.logger) options_.logger(level, line);
}

Status RepairRun::Tick(std::string_view stage, uint64_t done, uint64_t total) const {
  if (!options_.progress || options_.progress({stage, done, total})) return Status::Ok();
  return Status::Cancelled("repair: cancelled by the caller; nothing was changed");
}

StatusOr<RepairReport> RepairDatabase(storage::FileSystem& fs, const std::string& path,
                                      const RepairOptions& options) {
  RepairRun run(fs, path, options);
  VDB_RETURN_IF_ERROR(RunRepair(&run, options));
  return std::move(run.report());
}

}  // namespace vdb::engine

namespace vdb {

StatusOr<RepairReport> Repair(const std::string& path, const RepairOptions& options) {
  return engine::NoThrow(
      [&] { return engine::RepairDatabase(*storage::PosixFileSystem(), path, options); });
}

}  // namespace vdb
