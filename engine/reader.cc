// Opening for reading, beside a writer or not: pin a generation, look, and count the look only if
// nothing changed meanwhile.
#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/database_impl.h"
#include "engine/open_checks.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

// Changes with every round of a writer. A repair leaves a ledger of another name.
std::string LedgerBytes(storage::FileSystem& fs, const std::string& path) {
  std::string all;
  auto names = fs.List(path);
  if (!names.ok()) return all;
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    if (!name.starts_with(format::kLedgerFile)) continue;
    auto bytes = storage::ReadWholeFile(fs, format::JoinPath(path, name), 1 << 20);
    all += bytes.ok() ? *bytes : bytes.status().ToString();
  }
  return all;
}

}  // namespace

using format::Current;

Status DatabaseImpl::OpenReader() {
  if (!options_.user.as_of.empty()) return OpenAsOf();
  VDB_ASSIGN_OR_RETURN(auto view, LookAsReader());
  SwapView(std::move(view));
  return Status::Ok();
}

Status DatabaseImpl::Refresh() {
  if (!read_only()) {
    return Status::FailedPrecondition("Refresh: '" + path_ + "' is open for writing and always "
                                      "shows its newest state");
  }
  const std::lock_guard lock(commit_mutex_);  // one after the other, and none after Close
  VDB_RETURN_IF_ERROR(CurrentView().status());
  if (!options_.user.as_of.empty()) return Status::Ok();  // a named snapshot never changes
  return OpenReader();
}

// A busy writer may replace files between two steps of a look; then the look counts for nothing and
// is repeated.
StatusOr<std::shared_ptr<const View>> DatabaseImpl::LookAsReader() {
  constexpr int kTries = 40;
  Status last;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const std::string before = LedgerBytes(fs(), path_);
    auto look = TryLookAsReader();
    if (look.ok()) return look;
    last = look.status();
    if (last.code() == StatusCode::kUnsupportedFormat) return last;
    // Nobody is writing: it will not get better.
    const bool quiet = LedgerBytes(fs(), path_) == before;
    if (quiet && last.code() != StatusCode::kBusy && attempt >= 3) return last;
    std::this_thread::sleep_for(std::chrono::milliseconds(1 + attempt));
  }
  if (last.code() == StatusCode::kBusy) return last;
  return Status::Busy("'" + path_ + "': no consistent look beside a busy writer in " +
                      std::to_string(kTries) + " tries; the last one said: " + last.ToString());
}

StatusOr<std::shared_ptr<const View>> DatabaseImpl::TryLookAsReader() {
  VDB_ASSIGN_OR_RETURN(
      const std::string current_bytes,
      storage::ReadWholeFile(fs(), PathOf(options_.current_file), kCurrentBytesMax));
  VDB_ASSIGN_OR_RETURN(const Current current, format::DecodeCurrent(current_bytes));
  auto pin = std::make_shared<ViewPin>();
  const std::string manifest_path = PathOf(format::ManifestName(current.generation));
  auto pin_file = fs().Open(manifest_path, storage::OpenMode::kRead);
  if (pin_file.ok()) {  // a damaged database may have lost it, and still have its twin
    pin->file = std::move(*pin_file);
    VDB_ASSIGN_OR_RETURN(pin->lock, pin->file->TryLock(storage::LockKind::kShared));
    VDB_ASSIGN_OR_RETURN(const bool linked, pin->file->IsLinked());
    if (!linked) return Status::Busy("'" + manifest_path + "' was replaced meanwhile");
  }
  VDB_ASSIGN_OR_RETURN(const auto decoded, ReadManifestOf(current));
  const auto manifest = std::make_shared<const Manifest>(decoded.manifest);

  VDB_ASSIGN_OR_RETURN(const auto record,
                       storage::Ledger::Read(
                           fs(), PathOf(format::LedgerName(manifest->docs_directory))));
  const std::string docs = PathOf(format::DocsDirName(manifest->docs_directory));
  if (record.generation > manifest->generation) {
    VDB_ASSIGN_OR_RETURN(
        const std::string now,
        storage::ReadWholeFile(fs(), PathOf(options_.current_file), kCurrentBytesMax));
    if (now != current_bytes) return Status::Busy("'CURRENT' was replaced meanwhile");
  }
  VDB_RETURN_IF_ERROR(CheckLedger(record, *manifest));
  VDB_RETURN_IF_ERROR(storage::Ledger::CheckFiles(fs(), docs, record));

  auto view = std::make_shared<View>();
  view->token = view_token_;
  view->pin = pin;
  VDB_ASSIGN_OR_RETURN(view->store, storage::DocumentStore::Open({docs, &fs(), nullptr, false,
                                                                  options_.write_buffer_bytes,
                                                                  options_.user.logger,
                                                                  shares_.block_cache_bytes}));
  if (!view->store->consistent()) {
    return Status::Busy("'" + docs + "' changed while it was opened");
  }
  VDB_ASSIGN_OR_RETURN(const auto state_bytes, view->store->Get(format::StateKey()));
  VDB_ASSIGN_OR_RETURN(const auto state, format::DecodeState(state_bytes.value_or("")));
  VDB_RETURN_IF_ERROR(CheckBatches(record, state));
  VDB_RETURN_IF_ERROR(CheckPair(state, *manifest));
  view->batch = state.batch;
  view->manifest = manifest;
  view->manifest_checksum = current.manifest_checksum;
  VDB_RETURN_IF_ERROR(OpenSegments(*manifest, nullptr, view.get(), /*append=*/false));
  VDB_RETURN_IF_ERROR(ApplyTombstones(view.get()));
  AttachIndexes(view.get());
  view->snapshot = view->store->GetSnapshot();
  return std::shared_ptr<const View>(std::move(view));
}

}  // namespace vdb::engine
