// Jobs of a database: what StartJob runs, and the file that tells of them.
#include "engine/database_impl.h"
#include "format/job_history.h"
#include "format/status_macros.h"

namespace vdb {

std::string_view JobKindName(JobKind kind) {
  switch (kind) {
    case JobKind::kIndexBuild: return "index build";
    case JobKind::kCompaction: return "compaction";
    case JobKind::kFieldIndexBuild: return "field index build";
    case JobKind::kBackup: return "backup";
  }
  return "unknown";
}

std::string_view JobStateName(JobState state) {
  switch (state) {
    case JobState::kQueued: return "queued";
    case JobState::kRunning: return "running";
    case JobState::kPaused: return "paused";
    case JobState::kDone: return "done";
    case JobState::kFailed: return "failed";
    case JobState::kCancelled: return "cancelled";
  }
  return "unknown";
}

namespace engine {
namespace {

std::string JoinTarget(const std::string& a, const std::string& b) {
  return a.empty() ? "everything" : b.empty() ? a : a + "/" + b;
}

std::string TargetOf(const JobRequest& request) {
  switch (request.kind) {
    case JobKind::kBackup: return request.directory;
    case JobKind::kFieldIndexBuild: return JoinTarget(request.collection, request.field);
    case JobKind::kIndexBuild:
    case JobKind::kCompaction: break;
  }
  return JoinTarget(request.collection, request.column);
}

// Runs `call`, with the job's progress in its options, when it is the job's turn.
template <typename Report, typename Options, typename Call>
StatusOr<Report> RunAsJob(JobQueue* queue, const JobSpec& spec, const Options& options,
                          const Call& call) {
  StatusOr<Report> report = Report();
  VDB_RETURN_IF_ERROR(queue->Run(spec, options.progress, [&](const ProgressCallback& progress) {
    Options with_progress = options;
    with_progress.progress = progress;
    report = call(with_progress);
    return report.status();
  }));
  return report;
}

}  // namespace

StatusOr<IndexReport> DatabaseImpl::BuildIndexJob(uint32_t collection_id,
                                                  const std::string& collection,
                                                  const IndexOptions& options) {
  const JobSpec spec = {JobKind::kIndexBuild, JoinTarget(collection, options.column)};
  return RunAsJob<IndexReport>(&jobs_, spec, options, [&](const IndexOptions& with_progress) {
    return BuildIndex(collection_id, with_progress);
  });
}

StatusOr<FieldIndexReport> DatabaseImpl::AddFieldIndexJob(uint32_t collection_id,
                                                          const std::string& collection,
                                                          const FieldIndexOptions& options) {
  const JobSpec spec = {JobKind::kFieldIndexBuild, JoinTarget(collection, options.field)};
  return RunAsJob<FieldIndexReport>(&jobs_, spec, options,
                                    [&](const FieldIndexOptions& with_progress) {
                                      return AddFieldIndex(collection_id, with_progress);
                                    });
}

StatusOr<CompactionReport> DatabaseImpl::CompactJob(const CompactionOptions& options) {
  const JobSpec spec = {JobKind::kCompaction, JoinTarget(options.collection, options.column)};
  return RunAsJob<CompactionReport>(
      &jobs_, spec, options,
      [&](const CompactionOptions& with_progress) { return Compact(with_progress); });
}

StatusOr<BackupReport> DatabaseImpl::BackupJob(const std::string& directory,
                                               const BackupOptions& options) {
  const JobSpec spec = {JobKind::kBackup, directory};
  return RunAsJob<BackupReport>(
      &jobs_, spec, options,
      [&](const BackupOptions& with_progress) { return Backup(directory, with_progress); });
}

// Other processes and later opens learn of jobs by a file that nothing depends on.
void DatabaseImpl::WriteJobHistory(const std::vector<JobInfo>& jobs) const {
  if (read_only()) return;
  const std::string path = PathOf(format::kJobsFile), tmp = PathOf(format::kJobsTmpFile);
  const auto write = [&]() -> Status {
    const std::string bytes = format::EncodeJobHistory(jobs);
    VDB_ASSIGN_OR_RETURN(auto file, fs().Open(tmp, storage::OpenMode::kCreate));
    VDB_RETURN_IF_ERROR(file->WriteAt(0, std::as_bytes(std::span(bytes))));
    file.reset();
    return fs().Rename(tmp, path);
  };
  const Status written = write();
  if (!written.ok()) Log(LogLevel::kDebug, "job history: " + written.ToString());
}

StatusOr<std::vector<JobInfo>> DatabaseImpl::ReadJobHistory() const {
  const std::string path = PathOf(format::kJobsFile);
  auto bytes = storage::ReadWholeFile(fs(), path, format::kJobHistoryBytesMax);
  if (bytes.status().code() == StatusCode::kNotFound) return std::vector<JobInfo>();
  VDB_RETURN_IF_ERROR(bytes.status());
  return format::DecodeJobHistory(*bytes, path);
}

void DatabaseImpl::RestoreJobs() {
  auto history = ReadJobHistory();
  if (history.ok()) return jobs_.Restore(std::move(*history));
  fs().Remove(PathOf(format::kJobsFile)).IgnoreError("the next job replaces it");
  Log(LogLevel::kWarning, history.status().message() + "; the history of jobs begins anew");
}

StatusOr<std::vector<JobInfo>> DatabaseImpl::Jobs() const {
  VDB_RETURN_IF_ERROR(CurrentView().status());
  return read_only() ? ReadJobHistory() : jobs_.List();
}

StatusOr<uint64_t> DatabaseImpl::StartJob(const JobRequest& request) {
  VDB_ASSIGN_OR_RETURN(const auto view, CurrentView());
  if (read_only() && request.kind != JobKind::kBackup) {
    return Status::FailedPrecondition("'" + path_ + "' is open for reading only");
  }
  uint32_t collection_id = 0;
  const bool needs_one = request.kind == JobKind::kIndexBuild ||
                         request.kind == JobKind::kFieldIndexBuild;
  if (needs_one || !request.collection.empty()) {
    const auto* collection = view->manifest->FindCollection(request.collection);
    if (collection == nullptr) {
      return Status::NotFound("'" + path_ + "' has no collection '" + request.collection + "'");
    }
    collection_id = collection->id;
  }
  const auto body = [this, request, collection_id](const ProgressCallback& progress) -> Status {
    switch (request.kind) {
      case JobKind::kIndexBuild: {
        IndexOptions options;
        options.column = request.column;
        options.progress = progress;
        return BuildIndex(collection_id, options).status();
      }
      case JobKind::kFieldIndexBuild: {
        FieldIndexOptions options;
        options.field = request.field;
        options.progress = progress;
        return AddFieldIndex(collection_id, options).status();
      }
      case JobKind::kCompaction: {
        CompactionOptions options;
        options.collection = request.collection;
        options.column = request.column;
        options.progress = progress;
        return Compact(options).status();
      }
      case JobKind::kBackup: {
        BackupOptions options;
        options.progress = progress;
        return Backup(request.directory, options).status();
      }
    }
    return Status::InvalidArgument("there is no such kind of job");
  };
  return jobs_.Start({request.kind, TargetOf(request), request.priority, true}, body);
}

}  // namespace engine
}  // namespace vdb
