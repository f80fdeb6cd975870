// The one write path: waiting writers share commit rounds.
//
// A round: resolve the batches -> rows to the segments -> fdatasync of the segments (and of the
// ledger's record of the round before) -> one RocksDB write -> sync of its log -> acknowledge.
// Without sync the two syncs are left out; the flusher does them within unsynced_ms_max, and the
// barrier (BeforeLogAppend) keeps their order should RocksDB write its log earlier.
#include <chrono>
#include <system_error>

#include "engine/database_impl.h"
#include "engine/no_throw.h"
#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

// A round takes no more than this, so that one huge crowd does not wait for one huge sync.
constexpr size_t kRoundBatchesMax = 256;
constexpr size_t kRoundBytesMax = 32u << 20;

}  // namespace

StatusOr<WriteResult> DatabaseImpl::Write(uint32_t collection_id, const WriteBatch& batch,
                                          const WriteOptions& options, bool deletes_must_exist,
                                          const std::function<bool()>& wait_turn) {
  if (read_only()) {
    return Status::FailedPrecondition("'" + path_ + "' is open for reading only");
  }
  PreparedBatch prepared;
  {
    VDB_ASSIGN_OR_RETURN(const auto view, CurrentView());
    const format::CollectionEntry* collection = view->manifest->FindCollection(collection_id);
    if (collection == nullptr) {
      return Status::NotFound("collection id " + std::to_string(collection_id) + " was dropped");
    }
    VDB_ASSIGN_OR_RETURN(prepared, Prepare(*collection, batch));
  }
  prepared.deletes_must_exist = deletes_must_exist;
  if (wait_turn && !wait_turn()) return Status::Cancelled("the writer gave up its turn");
  return WritePrepared(prepared, options);
}

StatusOr<WriteResult> DatabaseImpl::WritePrepared(const PreparedBatch& prepared,
                                                  const WriteOptions& options) {
  Waiter waiter;
  waiter.batch = &prepared;
  waiter.sync = options.sync;
  const auto start = std::chrono::steady_clock::now();
  const Status written = Enqueue(&waiter);
  metrics_.write.Add(std::chrono::steady_clock::now() - start);
  (written.ok() ? metrics_.batches_committed : metrics_.batches_refused).Add();
  VDB_RETURN_IF_ERROR(written);
  CountChanges(prepared);
  return waiter.result;
}

void DatabaseImpl::CountChanges(const PreparedBatch& batch) {
  uint64_t puts = 0, deletes = 0;
  for (const PreparedChange& change : batch.changes) {
    using Kind = WriteBatch::Kind;
    puts += change.kind == Kind::kPut || change.kind == Kind::kPutIfAbsent ||
            change.kind == Kind::kReplaceIfVersion;
    deletes += change.kind == Kind::kDelete || change.kind == Kind::kDeleteIfVersion;
  }
  metrics_.documents_put.Add(puts);
  metrics_.documents_deleted.Add(deletes);
  metrics_.documents_changed.Add(batch.changes.size() - puts - deletes);
}

// The writer at the head of the queue leads: it takes everyone who waits by then into its round.
Status DatabaseImpl::Enqueue(Waiter* waiter) {
  std::unique_lock lock(queue_mutex_);
  queue_.push_back(waiter);
  waiter->wake.wait(lock, [&] { return waiter->done || queue_.front() == waiter; });
  if (waiter->done) return waiter->status;
  std::vector<Waiter*> group;
  size_t bytes = 0;
  for (Waiter* other : queue_) {
    bytes += other->batch->size_bytes;
    if (!group.empty() && (group.size() >= kRoundBatchesMax || bytes > kRoundBytesMax)) break;
    group.push_back(other);
  }
  lock.unlock();
  try {
    RunRound(group);
  } catch (const std::exception& error) {  // memory or threads ran out somewhere in the round
    Fail(Status::ResourceExhausted(std::string("in a commit round: ") + error.what()));
    for (Waiter* member : group) {
      member->status = Status::OutcomeUnknown("'" + path_ + "': " + error.what() +
                                              "; the batch may or may not survive; close and "
                                              "reopen the database");
    }
  }
  lock.lock();
  for (Waiter* member : group) {
    queue_.pop_front();
    member->done = true;
    if (member != waiter) member->wake.notify_one();
  }
  if (!queue_.empty()) queue_.front()->wake.notify_one();
  return waiter->status;
}

void DatabaseImpl::RunRound(const std::vector<Waiter*>& group) {
  const std::lock_guard lock(commit_mutex_);
  const auto end_all = [&](const Status& status) {
    for (Waiter* waiter : group) {
      if (waiter->status.ok()) waiter->status = status;
    }
  };
  Status status = closed_ ? Status::FailedPrecondition("'" + path_ + "' is closed") : Refused();
  if (!status.ok()) return end_all(status);
  if (tombstones_.size() >= options_.tombstones_max) {
    status = FoldTombstones();
    if (!status.ok()) {  // a full disk must not keep deletes out: try again with the next round
      Log(LogLevel::kWarning, "folding tombstones: " + status.ToString());
      status = Refused();
      if (!status.ok()) return end_all(status);
    }
  }
  const auto view = view_;  // only this thread swaps it
  Round round(*view, *store_, state_.next_docno);
  uint64_t accepted = 0;
  bool sync = false;
  for (Waiter* waiter : group) {
    waiter->status = DiskAdmits(*waiter->batch);
    if (!waiter->status.ok()) continue;
    waiter->status = round.Add(*waiter->batch, state_.batch + accepted + 1, &waiter->result);
    if (!waiter->status.ok()) continue;
    ++accepted;
    sync |= waiter->sync;
  }
  if (accepted > 0) end_all(CommitRound(round, accepted, sync));
}

// Until RocksDB is written, a failure leaves everything as it was; from there on the outcome is
// unknown and the engine takes no more writes.
Status DatabaseImpl::CommitRound(const Round& round, uint64_t batch_count, bool sync) {
  const auto rows = round.RowsByColumn();
  VDB_RETURN_IF_ERROR(EnsureOpenSegments(rows));
  const auto before = view_;
  VDB_ASSIGN_OR_RETURN(const Masks masks, NewMasks(*before, round.tombstones()));

  std::map<uint32_t, OpenSegment> marks;
  for (const auto& [column, new_rows] : rows) {
    OpenSegment open = open_.at(column);
    for (const storage::NewRow& row : new_rows) {
      const bool ascending = open.mark.rows == 0 || row.docno > open.mark.docno_max;
      if (open.mark.sorted_rows == open.mark.rows && ascending) ++open.mark.sorted_rows;
      open.mark.docno_min =
          open.mark.rows == 0 ? row.docno : std::min(open.mark.docno_min, row.docno);
      open.mark.docno_max = std::max(open.mark.docno_max, row.docno);
      ++open.mark.rows;
      open.mark.key_bytes += row.key.size();
    }
    marks[column] = std::move(open);
  }
  format::StateRecord state = state_;
  state.batch += batch_count;
  state.next_docno = round.next_docno();
  state.min_generation = manifest_->generation;
  storage::StoreBatch batch;
  VDB_RETURN_IF_ERROR(BuildStoreBatch(round, marks, &state, &batch));
  VDB_RETURN_IF_ERROR(AppendRows(rows));

  if (sync) {
    const Status synced = SyncSegments(/*ledger_too=*/true);
    if (!synced.ok()) {
      Fail(synced);
      return synced;
    }
  }
  Status written = store_->Write(batch);
  if (written.ok() && sync) written = store_->SyncLog();
  if (!written.ok()) {
    Fail(written);
    return Status::OutcomeUnknown("the batch may or may not survive; close and reopen '" + path_ +
                                  "': " + written.ToString());
  }

  state_ = state;
  stale_watermarks_.clear();
  for (auto& [column, open] : marks) {
    open.segment->SetCommitted(open.mark.rows);
    open_[column] = open;
  }
  for (const RoundTombstone& t : round.tombstones()) tombstones_[t.docno] = t.record;
  if (sync) {
    durable_batch_ = state_.batch;
    sync_rounds_.fetch_add(1);
  } else {
    StartFlusher();
  }
  const Status ledger = WriteLedger();
  if (!ledger.ok()) Fail(ledger);  // this batch stands; later ones are refused

  auto view = std::make_shared<View>(*before);
  view->batch = state_.batch;
  view->tombstones = tombstones_.size();
  view->snapshot = store_->GetSnapshot();
  std::map<uint32_t, std::shared_ptr<ColumnView>> changed;
  const auto change = [&](uint32_t column) -> ColumnView& {
    auto& copy = changed[column];
    if (copy == nullptr) copy = std::make_shared<ColumnView>(*view->columns.at(column));
    return *copy;
  };
  for (const auto& [column, open] : marks) change(column).segments.back().mark = open.mark;
  for (const auto& [column, segments] : before->columns) {
    for (size_t i = 0; !masks.empty() && i < segments->segments.size(); ++i) {
      const auto mask = masks.find(segments->segments[i].segment->id());
      if (mask != masks.end()) change(column).segments[i].mask = mask->second;
    }
  }
  for (auto& [column, copy] : changed) view->columns[column] = std::move(copy);
  SwapView(std::move(view));
  WakeIndexer();
  return Status::Ok();
}

Status DatabaseImpl::AppendRows(const std::map<uint32_t, std::vector<storage::NewRow>>& rows) {
  Status status;
  for (const auto& [column, new_rows] : rows) {
    status = open_.at(column).segment->Append(new_rows);
    if (!status.ok()) break;
    metrics_.rows_written.Add(new_rows.size());
  }
  if (status.ok()) return status;
  const std::lock_guard lock(sync_mutex_);
  for (const auto& [column, new_rows] : rows) {
    const OpenSegment& open = open_.at(column);
    open.segment->ResetTo(open.mark.rows, open.mark.key_bytes);
  }
  return status;
}

namespace {

Status LostRow(const View& view, uint32_t column, uint64_t docno) {
  std::string files;
  if (const ColumnView* segments = view.FindColumn(column)) {
    for (const SegmentView& segment : segments->segments) {
      if (docno < segment.mark.docno_min || docno > segment.mark.docno_max) continue;
      files += (files.empty() ? "'" : ", '") +
               format::SegmentFileName(segment.segment->id(), format::SegmentFile::kRecords) + "'";
    }
  }
  return Status::Corruption("the row of deleted docno " + std::to_string(docno) +
                            " is not found where it must be, in " +
                            (files.empty() ? "any segment" : files) +
                            " or its order file; restore the damaged file from a copy");
}

}  // namespace

// For each tombstone the rows of its docno die, in every column that has one.
StatusOr<DatabaseImpl::Masks> DatabaseImpl::NewMasks(
    const View& view, const std::vector<RoundTombstone>& tombstones) const {
  struct Dead {
    const SegmentView* segment = nullptr;
    std::vector<uint64_t> rows;
  };
  std::map<uint64_t, Dead> dead;
  for (const RoundTombstone& tombstone : tombstones) {
    for (const uint32_t column : tombstone.record.columns) {
      VDB_ASSIGN_OR_RETURN(const RowAddress at,
                           FindRow(view.FindColumn(column), tombstone.docno));
      if (at.segment == nullptr) {
        if (view.manifest->FindColumn(column) == nullptr) continue;  // dropped since
        return LostRow(view, column, tombstone.docno);
      }
      Dead& entry = dead[at.segment->segment->id()];
      entry.segment = at.segment;
      entry.rows.push_back(at.row);
    }
  }
  Masks masks;
  const storage::DeleteMask none;
  for (const auto& [id, entry] : dead) {
    const storage::DeleteMask& old = entry.segment->mask ? *entry.segment->mask : none;
    VDB_ASSIGN_OR_RETURN(masks[id], old.With(entry.rows));
  }
  return masks;
}

Status DatabaseImpl::BuildStoreBatch(const Round& round,
                                     const std::map<uint32_t, OpenSegment>& marks,
                                     format::StateRecord* state, storage::StoreBatch* batch) {
  VDB_RETURN_IF_ERROR(round.EmitDocuments(batch));
  for (const RoundTombstone& t : round.tombstones()) {
    batch->Put(format::TombstoneKey(t.docno), format::EncodeTombstone(t.record));
  }
  for (const auto& [collection_id, changes] : round.CountChanges()) {
    VDB_ASSIGN_OR_RETURN(format::CountsRecord counts, ReadCounts(*view_, collection_id));
    for (const auto& [column, change] : changes) {
      uint64_t& count = column == 0 ? counts.documents : counts.vectors[column];
      count = static_cast<uint64_t>(static_cast<int64_t>(count) + change);
    }
    batch->Put(format::CountsKey(collection_id), format::EncodeCounts(counts));
  }
  for (const auto& [column, open] : marks) {
    batch->Put(format::WatermarkKey(open.segment->id()), format::EncodeWatermark(open.mark));
  }
  for (const uint64_t id : stale_watermarks_) batch->Delete(format::WatermarkKey(id));
  std::string chained;
  format::AppendU64(&chained, state_.running_hash);
  format::AppendU64(&chained, format::Hash64(batch->bytes()));
  state->running_hash = format::Hash64(chained);
  batch->Put(format::StateKey(), format::EncodeState(*state));
  return Status::Ok();
}

// Files of all segments with undurable rows, and the ledger, side by side: the disk merges them.
Status DatabaseImpl::SyncSegments(bool ledger_too) {
  const std::lock_guard lock(sync_mutex_);
  VDB_RETURN_IF_ERROR(sync_failure_);  // pages of a failed fsync look clean: no second try counts
  std::vector<std::function<Status()>> tasks;
  std::vector<std::pair<storage::Segment*, storage::Segment::SyncMark>> syncing;
  for (const auto& segment : syncable_) {
    if (!segment->dirty()) continue;
    syncing.emplace_back(segment.get(), segment->BeginSync());
    for (int part = 0; part < storage::Segment::kSyncParts; ++part) {
      tasks.push_back([segment = segment.get(), part] { return segment->SyncPart(part); });
    }
  }
  if (ledger_too) tasks.push_back([this] { return ledger_->Sync(); });
  if (tasks.empty()) return Status::Ok();
  sync_failure_ = sync_pool_.Run(tasks);
  VDB_RETURN_IF_ERROR(sync_failure_);
  for (auto& [segment, mark] : syncing) segment->EndSync(mark);
  return Status::Ok();
}

// The barrier: RocksDB is about to hand bytes of its log to the operating system. What they refer
// to must be durable first, whoever made RocksDB write just now.
Status DatabaseImpl::BeforeLogAppend() {
  const Status synced = NoThrow([&] { return SyncSegments(/*ledger_too=*/false); });
  if (!synced.ok()) Fail(synced);
  return synced;
}

Status DatabaseImpl::MakeDurableLocked() {
  if (durable_batch_ == state_.batch) return ledger_->Sync();
  Status status = SyncSegments(/*ledger_too=*/true);
  if (status.ok()) status = store_->SyncLog();
  if (!status.ok()) {
    Fail(status);
    return status;
  }
  durable_batch_ = state_.batch;
  sync_rounds_.fetch_add(1);
  VDB_RETURN_IF_ERROR(WriteLedger());
  return ledger_->Sync();
}

Status DatabaseImpl::WriteLedger(bool clean) {
  return ledger_->Write(
      {state_.batch, state_.running_hash, durable_batch_, manifest_->generation}, clean);
}

Status DatabaseImpl::Refused() const {
  const std::lock_guard lock(failure_mutex_);
  if (failure_.ok()) return Status::Ok();
  return Status::FailedPrecondition("'" + path_ + "' takes no more writes since a failure; close "
                                    "and reopen it: " + failure_.ToString());
}

void DatabaseImpl::Fail(const Status& cause) {
  {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_.ok()) return;
    failure_ = cause;
  }
  Log(LogLevel::kError, "writes stop: " + cause.ToString());
}

void DatabaseImpl::SwapView(std::shared_ptr<const View> view) {
  std::shared_ptr<const View> old;
  const std::lock_guard lock(view_mutex_);
  old = std::exchange(view_, std::move(view));
}

void DatabaseImpl::StartFlusher() {
  const std::lock_guard lock(flusher_mutex_);
  if (flusher_stop_) return;
  unsynced_ = true;
  try {
    if (!flusher_.joinable()) flusher_ = std::thread([this] { FlusherLoop(); });
  } catch (const std::system_error& error) {  // the batch stands; it is durable at the next sync
    Log(LogLevel::kError, std::string("no thread for unsynced writes: ") + error.what());
  }
  flusher_wake_.notify_all();
}

void DatabaseImpl::FlusherLoop() {
  const auto interval = std::chrono::milliseconds(options_.user.unsynced_ms_max);
  std::unique_lock lock(flusher_mutex_);
  while (!flusher_stop_) {
    flusher_wake_.wait(lock, [this] { return flusher_stop_ || unsynced_; });
    flusher_wake_.wait_for(lock, interval, [this] { return flusher_stop_; });
    if (flusher_stop_) return;  // Close makes everything durable
    unsynced_ = false;
    lock.unlock();
    {
      const std::lock_guard commit_lock(commit_mutex_);
      if (Refused().ok()) {
        const Status flushed = MakeDurableLocked();
        if (!flushed.ok()) Log(LogLevel::kError, "flush: " + flushed.ToString());
      }
    }
    lock.lock();
  }
}

}  // namespace vdb::engine
