// Database: the public face of DatabaseImpl.
#include "vdb/database.h"

#include "engine/database_impl.h"
#include "engine/no_throw.h"
#include "format/status_macros.h"

namespace vdb {

using engine::NoThrow;

namespace {
Status Closed() { return Status::FailedPrecondition("this Database was moved from"); }
}  // namespace

Database::Database(std::shared_ptr<engine::DatabaseImpl> impl) : impl_(std::move(impl)) {}
Database::Database(Database&&) noexcept = default;

Database& Database::operator=(Database&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

Database::~Database() {
  if (impl_ == nullptr) return;
  const Status closed = Close();
  if (!closed.ok()) impl_->Log(LogLevel::kError, "close: " + closed.ToString());
}

StatusOr<Database> Database::Open(const std::string& path, const DatabaseOptions& options) {
  engine::EngineOptions engine_options;
  engine_options.user = options;
  return engine::OpenDatabase(path, engine_options);
}

Status Database::Close() {
  if (impl_ == nullptr) return Status::Ok();
  return NoThrow([&] { return impl_->Close(); });
}

StatusOr<Collection> Database::CreateCollection(std::string_view name) {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&]() -> StatusOr<Collection> {
    VDB_ASSIGN_OR_RETURN(const uint32_t id, impl_->CreateCollection(name));
    return Collection(impl_, id, std::string(name));
  });
}

StatusOr<Collection> Database::OpenCollection(std::string_view name) const {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&]() -> StatusOr<Collection> {
    VDB_ASSIGN_OR_RETURN(const auto view, impl_->CurrentView());
    const format::CollectionEntry* found = view->manifest->FindCollection(name);
    if (found == nullptr) {
      return Status::NotFound("'" + impl_->path() + "' has no collection '" + std::string(name) +
                              "'; `vdbtool list` shows what there is");
    }
    return Collection(impl_, found->id, std::string(name));
  });
}

StatusOr<std::vector<std::string>> Database::ListCollections() const {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&]() -> StatusOr<std::vector<std::string>> {
    VDB_ASSIGN_OR_RETURN(const auto view, impl_->CurrentView());
    std::vector<std::string> names;
    for (const auto& collection : view->manifest->collections) names.push_back(collection.name);
    return names;
  });
}

Status Database::DropCollection(std::string_view name) {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->DropCollection(name); });
}

StatusOr<Snapshot> Database::GetSnapshot() const {
  if (impl_ == nullptr) return Closed();
  VDB_ASSIGN_OR_RETURN(auto view, impl_->CurrentView());
  return Snapshot(impl_, std::move(view));
}

Status Database::Flush() {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->Flush(); });
}

Status Database::Refresh() {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->Refresh(); });
}

StatusOr<DatabaseStats> Database::Stats() const {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->Stats(); });
}

StatusOr<std::string> Database::ContentHash(const ProgressCallback& progress) const {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->ContentHash(progress); });
}

StatusOr<VerifyReport> Database::Verify(const VerifyOptions& options) const {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->Verify(options); });
}

StatusOr<CompactionReport> Database::Compact(const CompactionOptions& options) {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->CompactJob(options); });
}

StatusOr<uint64_t> Database::StartJob(const JobRequest& request) {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->StartJob(request); });
}

Status Database::WaitForJob(uint64_t id) {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->jobs().Wait(id); });
}

Status Database::CancelJob(uint64_t id) {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->jobs().Cancel(id); });
}

Status Database::PauseJobs() {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->jobs().Pause(true); });
}

Status Database::ResumeJobs() {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->jobs().Pause(false); });
}

StatusOr<std::vector<JobInfo>> Database::Jobs() const {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->Jobs(); });
}

StatusOr<Metrics> Database::GetMetrics() const {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->GetMetrics(); });
}

Status Database::CreateSnapshot(std::string_view name) {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->CreateSnapshot(name); });
}

StatusOr<std::vector<SnapshotInfo>> Database::ListSnapshots() const {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->ListSnapshots(); });
}

Status Database::DropSnapshot(std::string_view name) {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->DropSnapshot(name); });
}

Status Database::DiffSnapshots(std::string_view from, std::string_view to,
                               const std::function<bool(const SnapshotDiff&)>& entry) const {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->DiffSnapshots(from, to, entry); });
}

StatusOr<BackupReport> Database::Backup(const std::string& directory,
                                        const BackupOptions& options) {
  if (impl_ == nullptr) return Closed();
  return NoThrow([&] { return impl_->BackupJob(directory, options); });
}

}  // namespace vdb

namespace vdb::engine {

StatusOr<Database> OpenDatabase(const std::string& path, const EngineOptions& options) {
  return NoThrow([&]() -> StatusOr<Database> {
    VDB_ASSIGN_OR_RETURN(auto impl, DatabaseImpl::Open(path, options));
    return DatabaseImpl::Wrap(std::move(impl));
  });
}

}  // namespace vdb::engine
