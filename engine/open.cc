// Opening a database for writing, with recovery; closing.
#include "engine/database_impl.h"
#include "engine/migrate.h"
#include "engine/open_checks.h"
#include "engine/upgrade.h"
#include "format/checksum.h"
#include "format/status_macros.h"
#include "index/kernels/kernels.h"
#include "storage/mask_file.h"

namespace vdb::engine {
namespace {

using format::Current;
using format::JoinPath;

}  // namespace

DatabaseImpl::DatabaseImpl(std::string path, EngineOptions options)
    : path_(std::move(path)), options_(std::move(options)), shares_(SharesOf(options_.user)),
      view_token_(std::make_shared<int>(0)),
      jobs_([this](const std::vector<JobInfo>& jobs) { WriteJobHistory(jobs); },
            options_.job_retry_ms),
      mask_cache_(shares_.mask_cache_bytes),
      result_cache_(shares_.result_cache_bytes) {}

DatabaseImpl::~DatabaseImpl() {
  const Status closed = Close();
  if (!closed.ok()) Log(LogLevel::kError, "close: " + closed.ToString());
}

void DatabaseImpl::Log(LogLevel level, const std::string& line) const {
  if (options_.user.logger) options_.user.logger(level, line);
}

StatusOr<std::shared_ptr<DatabaseImpl>> DatabaseImpl::Open(const std::string& path,
                                                           const EngineOptions& options) {
  VDB_RETURN_IF_ERROR(index::ActiveKernels().status());
  if (options.user.unsynced_ms_max < 1 || options.user.unsynced_ms_max > 60000) {
    return Status::InvalidArgument("unsynced_ms_max: expected 1 to 60000, found " +
                                   std::to_string(options.user.unsynced_ms_max));
  }
  if (options.user.read_only && options.user.create_if_missing) {
    return Status::InvalidArgument("read_only and create_if_missing exclude each other");
  }
  VDB_RETURN_IF_ERROR(CheckLimits(options.user));
  if (!options.user.as_of.empty() && !options.user.read_only) {
    return Status::InvalidArgument("as_of: a named snapshot is opened with read_only");
  }
  std::shared_ptr<DatabaseImpl> impl(new DatabaseImpl(path, options));
  auto& fs = *options.fs;
  VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(path));
  bool create = false;
  if (there) {
    VDB_ASSIGN_OR_RETURN(const bool current, fs.Exists(impl->PathOf(format::kCurrentFile)));
    if (!current) {
      VDB_ASSIGN_OR_RETURN(const std::string elsewhere, ResolveLegacy(path, options));
      if (elsewhere != path) return Open(elsewhere, options);
    }
    VDB_ASSIGN_OR_RETURN(const bool is_dir, fs.IsDir(path));
    if (!is_dir) return Status::UnsupportedFormat("'" + path + "' is a file, not a database");
    if (current && options.user.create_if_missing && options.user.error_if_exists) {
      return Status::AlreadyExists("'" + path + "' holds a database already");
    }
    if (!current) {
      VDB_RETURN_IF_ERROR(impl->ReadyToCreate().status());
      create = true;
    }
  } else {
    create = true;
  }
  if (create && !options.user.create_if_missing) {
    return Status::NotFound("'" + path + "': there is no database; create one first "
                            "(create_if_missing, `vdbtool create`)");
  }
  if (create) VDB_RETURN_IF_ERROR(impl->CreateFiles());
  VDB_RETURN_IF_ERROR(options.user.read_only ? impl->OpenReader() : impl->OpenWriter());
  impl->closed_ = false;
  impl->WakeIndexer();
  return impl;
}

Status DatabaseImpl::TakeLock() {
  if (lock_ != nullptr) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(WriterLock taken, TakeWriterLock(fs(), path_));
  lock_file_ = std::move(taken.file);
  lock_ = std::move(taken.lock);
  return Status::Ok();
}

StatusOr<format::DecodedManifest> DatabaseImpl::ReadManifestOf(const Current& current) const {
  return ReadManifest(fs(), path_, current, options_.user.logger);
}

Status DatabaseImpl::CheckPair(const format::StateRecord& state, const Manifest& manifest) const {
  if (state.batch >= manifest.min_batch && manifest.generation >= state.min_generation) {
    return Status::Ok();
  }
  return Status::Corruption(
      "'" + path_ + "': documents and manifest do not belong together: documents are at batch " +
      std::to_string(state.batch) + " and need generation " +
      std::to_string(state.min_generation) + ", the manifest is generation " +
      std::to_string(manifest.generation) + " and needs batch " +
      std::to_string(manifest.min_batch) + "; run `vdbtool repair`, or restore the "
      "whole directory from one copy");
}

Status DatabaseImpl::OpenWriter() {
  VDB_RETURN_IF_ERROR(TakeLock());
  VDB_ASSIGN_OR_RETURN(
      const std::string current_bytes,
      storage::ReadWholeFile(fs(), PathOf(format::kCurrentFile), kCurrentBytesMax));
  VDB_ASSIGN_OR_RETURN(const Current current, format::DecodeCurrent(current_bytes));
  VDB_ASSIGN_OR_RETURN(const auto decoded, ReadManifestOf(current));
  if (!decoded.writable) {
    return Status::UnsupportedFormat("'" + path_ + "': written by a newer vdb; this one may only "
                                     "read it (read_only)");
  }
  if (decoded.manifest.format_version < kFormatVersion && !options_.recover_only) {
    return NeedsUpgrade(path_, decoded.manifest);
  }
  manifest_ = std::make_shared<const Manifest>(decoded.manifest);
  manifest_checksum_ = current.manifest_checksum;
  const std::string ledger_path = PathOf(format::LedgerName(manifest_->docs_directory));
  VDB_ASSIGN_OR_RETURN(format::LedgerRecord record, storage::Ledger::Read(fs(), ledger_path));
  VDB_RETURN_IF_ERROR(CheckLedger(record, *manifest_));
  const std::string docs = PathOf(format::DocsDirName(manifest_->docs_directory));
  VDB_RETURN_IF_ERROR(storage::Ledger::CheckFiles(fs(), docs, record));

  std::map<uint64_t, uint64_t> whole_rows;
  if (!record.clean) {
    // A kill may have come between the rename to CURRENT and the sync of its directory. The store
    // is about to depend on this generation, so its name must be durable.
    VDB_RETURN_IF_ERROR(fs().SyncDir(path_));
    VDB_RETURN_IF_ERROR(storage::Ledger::CutManifest(fs(), docs, record));
    VDB_RETURN_IF_ERROR(MakeTailsDurable(*manifest_, &whole_rows));
  }
  VDB_RETURN_IF_ERROR(Precheck(*manifest_, record, record.clean ? nullptr : &whole_rows));
  const format::LedgerRecord before = record;
  record.clean = false;
  VDB_ASSIGN_OR_RETURN(ledger_, storage::Ledger::Open(fs(), ledger_path, std::move(record)));
  VDB_ASSIGN_OR_RETURN(store_, storage::DocumentStore::Open({docs, &fs(), this, false,
                                                             options_.write_buffer_bytes,
                                                             options_.user.logger,
                                                             shares_.block_cache_bytes}));
  VDB_ASSIGN_OR_RETURN(const auto state_bytes, store_->Get(format::StateKey()));
  VDB_ASSIGN_OR_RETURN(state_, format::DecodeState(state_bytes.value_or("")));
  VDB_RETURN_IF_ERROR(CheckBatches(before, state_));

  auto view = NewView();
  VDB_RETURN_IF_ERROR(
      OpenSegments(*manifest_, nullptr, view.get(), /*append=*/true));
  VDB_RETURN_IF_ERROR(ApplyTombstones(view.get()));
  VDB_RETURN_IF_ERROR(FinishLeftovers());
  view->tombstones = tombstones_.size();
  AttachIndexes(view.get());
  view->snapshot = store_->GetSnapshot();
  durable_batch_ = state_.batch;
  VDB_ASSIGN_OR_RETURN(const size_t torn, ledger_->ClearDamagedSlots());
  if (torn > 0) Log(LogLevel::kWarning, "ledger: emptied " + std::to_string(torn) + " torn slots");
  VDB_RETURN_IF_ERROR(WriteLedger());
  VDB_RETURN_IF_ERROR(ledger_->Sync());
  if (fs().Remove(PathOf(format::kCreatingFile)).ok()) {
    VDB_RETURN_IF_ERROR(fs().SyncDir(path_));  // a creation was cut just before its last step
  }
  RestoreJobs();
  SwapView(view);
  const Status tidied = FinishUpgrade(fs(), path_, *manifest_);
  if (!tidied.ok()) Log(LogLevel::kWarning, "what an upgrade left: " + tidied.ToString());
  CollectGarbage();
  return Status::Ok();
}

std::shared_ptr<View> DatabaseImpl::NewView() const {
  auto view = std::make_shared<View>();
  view->token = view_token_;
  view->store = store_;
  view->batch = state_.batch;
  view->manifest = manifest_;
  view->manifest_checksum = manifest_checksum_;
  return view;
}

// Everything that can be found wrong is looked for while RocksDB is open for reading only: a
// read-write open would recover, and so destroy what a repair needs.
Status DatabaseImpl::Precheck(const Manifest& manifest, const format::LedgerRecord& record,
                              const std::map<uint64_t, uint64_t>* whole_rows) {
  View view;
  const std::string docs = PathOf(format::DocsDirName(manifest.docs_directory));
  VDB_ASSIGN_OR_RETURN(view.store, storage::DocumentStore::Open({docs, &fs(), nullptr, false,
                                                                 options_.write_buffer_bytes,
                                                                 options_.user.logger}));
  VDB_ASSIGN_OR_RETURN(const auto bytes, view.store->Get(format::StateKey()));
  VDB_ASSIGN_OR_RETURN(const auto state, format::DecodeState(bytes.value_or("")));
  VDB_RETURN_IF_ERROR(CheckBatches(record, state));
  VDB_RETURN_IF_ERROR(CheckPair(state, manifest));
  return OpenSegments(manifest, whole_rows, &view, /*append=*/false);
}

Status DatabaseImpl::MakeTailsDurable(const Manifest& manifest,
                                      std::map<uint64_t, uint64_t>* whole_rows) {
  for (const format::SegmentEntry& entry : manifest.segments) {
    if (entry.sealed) continue;
    const format::SegmentIdentity identity = {entry.id, entry.column_id,
                                              manifest.FindColumn(entry.column_id)->dimension,
                                              manifest.uuid};
    VDB_ASSIGN_OR_RETURN(auto segment,
                         storage::Segment::Open(fs(), SegmentsDir(), identity,
                                                {.for_append = true, .recovering = true}));
    VDB_ASSIGN_OR_RETURN((*whole_rows)[entry.id], segment->MakeTailDurable());
  }
  return Status::Ok();
}

StatusOr<SegmentView> DatabaseImpl::OpenSegmentOf(
    const format::SegmentEntry& entry, const Manifest& manifest,
    const std::map<uint64_t, uint64_t>* whole_rows, const storage::DocumentStore& store,
    bool append) {
  SegmentView view;
  view.sealed = entry.sealed;
  view.mark = {entry.rows, entry.key_bytes, entry.sorted_rows, entry.docno_min, entry.docno_max};
  if (!entry.sealed) {
    VDB_ASSIGN_OR_RETURN(const auto bytes, store.Get(format::WatermarkKey(entry.id)));
    if (bytes) {
      VDB_ASSIGN_OR_RETURN(view.mark, format::DecodeWatermark(*bytes));
    }
    if (whole_rows != nullptr && whole_rows->at(entry.id) < view.mark.rows) {
      return Status::Corruption(
          "'" + format::SegmentFileName(entry.id, format::SegmentFile::kRows) + "': expected " +
          std::to_string(view.mark.rows) + " committed rows, found " +
          std::to_string(whole_rows->at(entry.id)) +
          " whole ones; run `vdbtool repair`, or restore the segment's files from a copy");
    }
  }
  const format::SegmentIdentity identity = {entry.id, entry.column_id,
                                            manifest.FindColumn(entry.column_id)->dimension,
                                            manifest.uuid};
  append &= !entry.sealed;
  VDB_ASSIGN_OR_RETURN(auto segment,
                       storage::Segment::Open(fs(), SegmentsDir(), identity,
                                              {.rows = view.mark.rows,
                                               .key_bytes = view.mark.key_bytes,
                                               .sorted_rows = view.mark.sorted_rows,
                                               .sealed = entry.sealed,
                                               .for_append = append,
                                               .capacity = UsualCapacity(identity.dimension)}));
  if (append) open_[entry.column_id] = {segment, view.mark};
  view.segment = std::move(segment);
  if (entry.mask_generation != 0) {
    const auto name = format::MaskFileName(entry.id, entry.mask_generation);
    VDB_ASSIGN_OR_RETURN(view.mask,
                         storage::MaskFile::Open(fs(), JoinPath(SegmentsDir(), name), entry.id,
                                                 entry.mask_checksum));
    if (view.mask->dead_count() > view.mark.rows) {
      return Status::Corruption("'" + name + "': expected at most " +
                                std::to_string(view.mark.rows) + " dead rows, found " +
                                std::to_string(view.mask->dead_count()) +
                                "; run `vdbtool repair`, or restore the file from a copy");
    }
  }
  return view;
}

Status DatabaseImpl::OpenSegments(const Manifest& manifest,
                                  const std::map<uint64_t, uint64_t>* whole_rows, View* view,
                                  bool append) {
  std::map<uint32_t, std::shared_ptr<ColumnView>> columns;
  for (const format::SegmentEntry& entry : manifest.segments) {
    VDB_ASSIGN_OR_RETURN(SegmentView segment,
                         OpenSegmentOf(entry, manifest, whole_rows, *view->store, append));
    auto& column = columns[entry.column_id];
    if (column == nullptr) column = std::make_shared<ColumnView>();
    column->segments.push_back(std::move(segment));
  }
  for (auto& [id, column] : columns) view->columns[id] = std::move(column);
  if (append) ReplaceSyncable();
  return Status::Ok();
}

// Gives the columns of a view the index files that its manifest names. What is damaged only makes
// searches slower, so it is no reason to refuse the database.
void DatabaseImpl::AttachIndexes(View* view) const {
  const Manifest& manifest = *view->manifest;
  std::map<uint64_t, const format::SegmentEntry*> entries;
  for (const auto& entry : manifest.segments) entries[entry.id] = &entry;
  const auto warn = [this](const Status& status) {
    if (status.ok()) return;
    Log(LogLevel::kWarning,
        status.message() + "; searches do without it, BuildIndex makes it anew");
  };
  for (const format::EpochEntry& epoch : manifest.epochs) {
    const auto found = view->columns.find(epoch.column_id);
    if (found == view->columns.end()) continue;
    const format::ColumnEntry& column = *manifest.FindColumn(epoch.column_id);
    auto changed = std::make_shared<ColumnView>(*found->second);
    changed->epoch = std::make_shared<const EpochFile>(fs(), EpochsDir(), epoch, column);
    warn(changed->epoch->mapped());
    for (SegmentView& segment : changed->segments) {
      const format::SegmentEntry& entry = *entries.at(segment.segment->id());
      if (entry.epoch_id == 0) continue;
      segment.index = std::make_shared<const IndexFile>(fs(), SegmentsDir(), entry,
                                                        column.dimension, epoch.list_count);
      warn(segment.index->mapped());
    }
    found->second = std::move(changed);
  }
}

// Tombstones that are not in mask files yet mark their rows dead in the view.
Status DatabaseImpl::ApplyTombstones(View* view) {
  std::vector<RoundTombstone> tombstones;
  VDB_ASSIGN_OR_RETURN(auto cursor, view->store->NewCursor("T"));
  for (; cursor->Valid(); cursor->Next()) {
    RoundTombstone tombstone;
    for (const char c : cursor->key().substr(1)) {
      tombstone.docno = (tombstone.docno << 8) | static_cast<uint8_t>(c);
    }
    VDB_ASSIGN_OR_RETURN(tombstone.record, format::DecodeTombstone(cursor->value()));
    tombstones.push_back(std::move(tombstone));
  }
  VDB_RETURN_IF_ERROR(cursor->status());
  VDB_ASSIGN_OR_RETURN(const Masks masks, NewMasks(*view, tombstones));
  for (auto& [id, column] : view->columns) {
    auto changed = std::make_shared<ColumnView>(*column);
    for (SegmentView& segment : changed->segments) {
      const auto mask = masks.find(segment.segment->id());
      if (mask != masks.end()) segment.mask = mask->second;
    }
    column = std::move(changed);
  }
  view->tombstones = tombstones.size();
  if (!read_only()) {
    for (auto& t : tombstones) tombstones_[t.docno] = std::move(t.record);
  }
  return Status::Ok();
}

// Keys of dropped collections and field indexes, and the mark of this session: without a write
// RocksDB would leave one more empty log behind at every open.
Status DatabaseImpl::FinishLeftovers() {
  storage::StoreBatch batch;
  std::set<uint32_t> collections, field_indexes;
  for (const format::CollectionEntry& collection : manifest_->collections) {
    collections.insert(collection.id);
    for (const auto& index : collection.field_indexes) field_indexes.insert(index.id);
  }
  for (const char prefix : {'D', 'Y', 'S', 'F', 'X'}) {
    const auto& known = prefix == 'F' || prefix == 'X' ? field_indexes : collections;
    VDB_ASSIGN_OR_RETURN(auto cursor, store_->NewCursor(std::string(1, prefix)));
    while (cursor->Valid() && cursor->key().size() >= format::kDocumentPrefixBytes) {
      uint32_t id = 0;
      for (const char c : cursor->key().substr(1, 4)) id = (id << 8) | static_cast<uint8_t>(c);
      std::string first = format::DocumentPrefix(id), past = format::DocumentPrefix(id + 1);
      first[0] = past[0] = prefix;
      if (id == UINT32_MAX) break;
      if (!known.contains(id)) batch.DeleteRange(first, past);
      cursor->Seek(past);
    }
    VDB_RETURN_IF_ERROR(cursor->status());
  }
  for (const auto& [docno, record] : std::map(tombstones_)) {
    if (manifest_->FindCollection(record.collection_id) != nullptr) continue;
    batch.Delete(format::TombstoneKey(docno));
    tombstones_.erase(docno);
  }
  std::set<std::string> watermarks;
  for (const auto& [column, open] : open_) {
    watermarks.insert(format::WatermarkKey(open.segment->id()));
  }
  VDB_ASSIGN_OR_RETURN(auto marks, store_->NewCursor("W"));
  for (; marks->Valid(); marks->Next()) {
    if (!watermarks.contains(std::string(marks->key()))) batch.Delete(marks->key());
  }
  VDB_RETURN_IF_ERROR(marks->status());
  state_.min_generation = manifest_->generation;
  batch.Put(format::StateKey(), format::EncodeState(state_));
  VDB_RETURN_IF_ERROR(store_->Write(batch));
  return store_->SyncLog();
}

Status DatabaseImpl::Flush() {
  if (read_only()) return Status::Ok();
  const std::lock_guard lock(commit_mutex_);
  VDB_RETURN_IF_ERROR(CurrentView().status());
  VDB_RETURN_IF_ERROR(Refused());
  return MakeDurableLocked();
}

// The newest view, which nobody can get from then on; null if it, or an older one, is in use.
std::shared_ptr<const View> DatabaseImpl::TakeLastView() {
  const std::lock_guard lock(view_mutex_);
  // This object and the newest view hold one token each.
  if (view_token_.use_count() > 2 || view_.use_count() > 1) return nullptr;
  return std::exchange(view_, nullptr);
}

Status DatabaseImpl::Close() {
  jobs_.Stop();
  StopIndexer();
  std::thread flusher;
  {
    const std::lock_guard lock(flusher_mutex_);
    flusher_stop_ = true;
    flusher.swap(flusher_);
  }
  flusher_wake_.notify_all();
  if (flusher.joinable()) flusher.join();
  const std::lock_guard lock(commit_mutex_);
  if (closed_) return Status::Ok();
  std::shared_ptr<const View> last_view = TakeLastView();
  if (last_view == nullptr) {
    {
      const std::lock_guard flusher_lock(flusher_mutex_);
      flusher_stop_ = false;
    }
    AllowIndexer();
    jobs_.Allow();
    if (!read_only() && Refused().ok()) VDB_RETURN_IF_ERROR(MakeDurableLocked());
    return Status::FailedPrecondition("'" + path_ + "': snapshots, iterators or running reads are "
                                      "alive; end them before Close");
  }
  closed_ = true;
  Status result;
  if (!read_only()) {
    const std::lock_guard failure_lock(failure_mutex_);
    result = failure_;
  }
  if (!read_only() && result.ok()) {
    result = MakeDurableLocked();
    const Status flushed = result.ok() ? store_->Flush() : Status::Ok();
    if (!flushed.ok()) Log(LogLevel::kWarning, "close: " + flushed.ToString());
  }
  last_view.reset();
  if (!read_only()) {
    const Status closed = store_->Close();
    store_.reset();
    if (result.ok()) result = closed;
    if (result.ok()) result = WriteLedger(/*clean=*/true);
    if (result.ok()) result = ledger_->Sync();
  }
  open_.clear();
  syncable_.clear();
  lock_.reset();
  lock_file_.reset();
  return result;
}

}  // namespace vdb::engine
