// Verify: from the files that name the others down to rows that search for themselves, as deep as
// was asked for (include/vdb/verify.h). Reads one view and never writes.
#include <algorithm>

#include "engine/database_impl.h"
#include "engine/named_snapshot.h"
#include "engine/verify_documents.h"
#include "engine/verify_files.h"
#include "engine/verify_indexes.h"
#include "engine/verify_manifests.h"
#include "engine/verify_rows.h"
#include "engine/verify_search.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

constexpr size_t kProblemsKept = 1000;

// Documents and rows of the view have docnos below it. A damaged state record is a problem of its
// own, after which any docno will do.
uint64_t NextDocno(VerifyRun* run, const View& view) {
  const auto bytes = view.store->Get(format::StateKey(), view.snapshot.get());
  const auto state = bytes.ok() ? format::DecodeState(bytes->value_or("")) : bytes.status();
  if (state.ok()) return state->next_docno;
  run->Problem("docs", "state", state.status().message());
  return UINT64_MAX;
}

Status VerifySegments(VerifyRun* run, const View& view, uint64_t next_docno) {
  for (const auto& [id, column] : view.columns) {
    for (const SegmentView& segment : column->segments) {
      const auto& entries = view.manifest->segments;
      const auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& e) {
        return e.id == segment.segment->id();
      });
      VerifySegmentHeads(run, *entry, segment.segment->identity(), segment.mark);
      if (segment.sealed) VerifySealedBytes(run, *entry);
      VerifyMask(run, *entry, segment);
      if (!run->Does(VerifyLevel::kChecksums)) continue;
      if (!segment.sealed) VerifyOpenPages(run, segment.segment->identity());
      VDB_RETURN_IF_ERROR(VerifyRows(run, segment, next_docno));
    }
  }
  return Status::Ok();
}

}  // namespace

void VerifyRun::Problem(const std::string& file, const std::string& where,
                        const std::string& message) {
  report_.problem_count += 1;
  if (report_.problems.size() < kProblemsKept) report_.problems.push_back({file, where, message});
}

void VerifyRun::Add(const VerifyReport& other, const std::string& where) {
  report_.files_checked += other.files_checked;
  report_.bytes_checked += other.bytes_checked;
  report_.rows_checked += other.rows_checked;
  report_.documents_checked += other.documents_checked;
  report_.codes_checked += other.codes_checked;
  report_.searches_checked += other.searches_checked;
  for (const VerifyProblem& one : other.problems) {
    if (report_.problems.size() == kProblemsKept) break;
    report_.problems.push_back({one.file, where + one.where, one.message});
  }
  report_.problem_count += other.problem_count;
}

Status VerifyRun::Tick(std::string_view stage, uint64_t done, uint64_t total) const {
  if (!progress_ || progress_({stage, done, total})) return Status::Ok();
  return Status::Cancelled("verify: cancelled by the caller");
}

std::string QuotedKey(std::string_view key) {
  std::string text;
  AppendJsonString(&text, key.substr(0, 100));
  return text;
}

// The newest view, and the shared lock on its manifest that keeps this process from removing its
// files. A reader's view has its pin already.
StatusOr<std::shared_ptr<const View>> DatabaseImpl::PinnedView(ViewPin* pin) const {
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(auto view, CurrentView());
  if (read_only()) return view;
  const std::string path = PathOf(format::ManifestName(view->manifest->generation));
  auto file = fs().Open(path, storage::OpenMode::kRead);
  if (!file.ok()) return view;  // verify will say that it is gone
  pin->file = std::move(*file);
  VDB_ASSIGN_OR_RETURN(pin->lock, pin->file->TryLock(storage::LockKind::kShared));
  // After a failed write the store may have more than the view.
  if (!Refused().ok()) return view;
  // A view that a fold or a build has published still has the tombstones that went after it, and
  // their rows may be gone.
  auto fresh = std::make_shared<View>(*view);
  fresh->snapshot = store_->GetSnapshot();
  return std::shared_ptr<const View>(std::move(fresh));
}

// Each named snapshot as a database of its own; what it shares with others is read again.
Status DatabaseImpl::VerifySnapshots(VerifyRun* run, const VerifyOptions& options) const {
  VDB_ASSIGN_OR_RETURN(const auto snapshots, FindSnapshots(fs(), path_));
  for (const NamedSnapshot& one : snapshots) {
    const std::string where = "snapshot '" + one.record.name + "'";
    const std::string directory =
        format::JoinPath(format::kSnapshotsDir, format::SnapshotDirName(one.id));
    run->report().files_checked += 1 + one.record.files.size();
    Status status = one.readable.ok() ? CheckSnapshotFiles(fs(), one) : one.readable;
    if (status.ok() && run->Does(VerifyLevel::kChecksums)) {
      EngineOptions as_of = options_;
      as_of.user = {};
      as_of.user.read_only = true;
      as_of.user.as_of = one.record.name;
      const auto kept = Open(path_, as_of);
      status = kept.status();
      if (kept.ok()) {
        VDB_ASSIGN_OR_RETURN(const VerifyReport found, (*kept)->Verify(options));
        run->Add(found, where + ": ");
      }
    }
    if (!status.ok()) run->Problem(directory, where, status.message());
  }
  return Status::Ok();
}

StatusOr<VerifyReport> DatabaseImpl::Verify(const VerifyOptions& options) const {
  ViewPin pin;
  VDB_ASSIGN_OR_RETURN(const auto view, PinnedView(&pin));
  VerifyRun run(fs(), path_, options.level, options.progress);
  if (options_.user.as_of.empty()) {
    VerifyManifests(&run, *view);
    VerifyLedger(&run, *view);
    VerifyJobHistory(&run);
    VDB_RETURN_IF_ERROR(VerifySnapshots(&run, options));
  }
  const uint64_t next_docno = NextDocno(&run, *view);
  VDB_RETURN_IF_ERROR(VerifySegments(&run, *view, next_docno));
  VDB_RETURN_IF_ERROR(VerifyIndexes(&run, *view));
  if (run.Does(VerifyLevel::kChecksums)) {
    VerifyMigrationRecord(&run);
    const Status tables = view->store->VerifyChecksums();
    if (!tables.ok()) run.Problem("docs", "table files", tables.message());
  }
  if (run.Does(VerifyLevel::kChecksums)) {
    VDB_RETURN_IF_ERROR(DocumentVerifier(&run, *view, next_docno).Check());
  }
  if (run.Does(VerifyLevel::kFull)) {
    const auto search = [&](const format::CollectionEntry& collection, MatrixView queries,
                            const SearchOptions& search_options) {
      return Search(*view, collection, queries, search_options);
    };
    VDB_RETURN_IF_ERROR(VerifySelfSearch(&run, *view, search));
  }
  return std::move(run.report());
}

}  // namespace vdb::engine
