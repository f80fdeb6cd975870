// DatabaseImpl: everything behind Database and Collection.
//
// Locks, in the order in which they may be taken:
//   commit_mutex_   one commit round, publish or flush at a time; guards all writer state
//   sync_mutex_     which segments are open, and their syncs (RocksDB's threads sync them too)
//   view_mutex_     the pointer to the newest view
// queue_mutex_ guards the queue of waiting writers and is never held together with another.
//
// Files: create.cc, open.cc (recover, open, close), reader.cc, commit.cc (rounds), publish.cc
// (generations, garbage), reads.cc (get, search), schema.cc (collections and columns), verify.cc,
// content_hash.cc, index_publish.cc (building and dropping indexes), index_background.cc,
// compact.cc, field_index.cc (adding, dropping field indexes), delete_where.cc. Collection::Query
// is in query_*.cc, on top of it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/allow_mask.h"
#include "engine/engine_options.h"
#include "engine/job_queue.h"
#include "engine/limits.h"
#include "engine/metrics_recorder.h"
#include "engine/prepared_batch.h"
#include "engine/result_cache.h"
#include "engine/round.h"
#include "engine/sync_pool.h"
#include "engine/view.h"
#include "storage/ledger.h"
#include "storage/rocksdb/rocks_watcher.h"

namespace vdb::engine {

struct SegmentRewrite;
class VerifyRun;

class DatabaseImpl final : public storage::RocksWatcher,
                           public std::enable_shared_from_this<DatabaseImpl> {
 public:
  static StatusOr<std::shared_ptr<DatabaseImpl>> Open(const std::string& path,
                                                      const EngineOptions& options);
  ~DatabaseImpl() override;
  static Database Wrap(std::shared_ptr<DatabaseImpl> impl) { return Database(std::move(impl)); }

  Status Close();
  Status Flush();
  Status Refresh();

  // schema.cc
  StatusOr<uint32_t> CreateCollection(std::string_view name);
  Status DropCollection(std::string_view name);
  Status AddColumn(uint32_t collection_id, std::string_view name, const ColumnOptions& options);
  Status DropColumn(uint32_t collection_id, std::string_view name);
  Status SetDefaultColumn(uint32_t collection_id, std::string_view name);

  // index_publish.cc
  StatusOr<IndexReport> BuildIndex(uint32_t collection_id, const IndexOptions& options);
  Status DropIndex(uint32_t collection_id, std::string_view column);

  // field_index.cc
  StatusOr<FieldIndexReport> AddFieldIndex(uint32_t collection_id,
                                           const FieldIndexOptions& options);
  Status DropFieldIndex(uint32_t collection_id, std::string_view field, FieldIndexKind kind);

  // delete_where.cc
  class DeleteChunks;
  StatusOr<uint64_t> DeleteWhere(const View& view, const format::CollectionEntry& collection,
                                 const Filter& filter, const WriteOptions& options);

  // commit.cc
  /// `wait_turn`, if given, is called between preparing and queueing; false: kCancelled.
  StatusOr<WriteResult> Write(uint32_t collection_id, const WriteBatch& batch,
                              const WriteOptions& options, bool deletes_must_exist,
                              const std::function<bool()>& wait_turn = {});

  // reads.cc and search.cc
  /// The newest view; kFailedPrecondition after Close.
  StatusOr<std::shared_ptr<const View>> CurrentView() const;
  StatusOr<Document> ReadDocument(const View& view, const format::CollectionEntry& collection,
                                  std::string_view key, const format::DocumentRecord& record,
                                  DocumentParts parts) const;
  StatusOr<std::optional<Document>> Get(const View& view,
                                        const format::CollectionEntry& collection,
                                        std::string_view key, DocumentParts parts) const;
  StatusOr<SearchResult> Search(const View& view, const format::CollectionEntry& collection,
                                MatrixView queries, const SearchOptions& options) const;
  /// As part of a larger query: `options.limits` is not looked at.
  StatusOr<SearchResult> Search(const View& view, const format::CollectionEntry& collection,
                                MatrixView queries, const SearchOptions& options,
                                query::Budget* budget) const;
  StatusOr<std::shared_ptr<const AllowMask>> MaskOf(const View& view,
                                                    const format::CollectionEntry& collection,
                                                    uint32_t column_id, const Filter& filter,
                                                    query::Budget* budget) const;
  StatusOr<format::CountsRecord> ReadCounts(const View& view, uint32_t collection_id) const;
  StatusOr<CollectionStats> Stats(const View& view,
                                  const format::CollectionEntry& collection) const;
  StatusOr<DatabaseStats> Stats() const;

  StatusOr<std::shared_ptr<const View>> PinnedView(ViewPin* pin) const;
  StatusOr<std::string> ContentHash(const ProgressCallback& progress) const;
  StatusOr<VerifyReport> Verify(const VerifyOptions& options) const;

  // compact.cc
  StatusOr<CompactionReport> Compact(const CompactionOptions& options);

  // jobs.cc: what callers wait for, as jobs; and what they do not
  StatusOr<IndexReport> BuildIndexJob(uint32_t collection_id, const std::string& collection,
                                      const IndexOptions& options);
  StatusOr<FieldIndexReport> AddFieldIndexJob(uint32_t collection_id,
                                              const std::string& collection,
                                              const FieldIndexOptions& options);
  StatusOr<CompactionReport> CompactJob(const CompactionOptions& options);
  StatusOr<BackupReport> BackupJob(const std::string& directory, const BackupOptions& options);
  StatusOr<uint64_t> StartJob(const JobRequest& request);
  StatusOr<std::vector<JobInfo>> Jobs() const;
  JobQueue& jobs() { return jobs_; }

  // observed_calls.cc
  StatusOr<SearchResult> ObservedSearch(const View& view,
                                        const format::CollectionEntry& collection,
                                        MatrixView queries, const SearchOptions& options) const;
  StatusOr<QueryResult> ObservedQuery(const View& view, const format::CollectionEntry& collection,
                                      const QueryRequest& request) const;
  bool CountCall(LatencyRecorder* latency, std::chrono::steady_clock::duration took,
                 const Status& status) const;
  StatusOr<Metrics> GetMetrics() const;
  MetricsRecorder& metrics() const { return metrics_; }

  // backup.cc
  StatusOr<BackupReport> Backup(const std::string& directory, const BackupOptions& options);

  // named_snapshot.cc
  Status CreateSnapshot(std::string_view name);
  StatusOr<std::vector<SnapshotInfo>> ListSnapshots() const;
  Status DropSnapshot(std::string_view name);
  Status DiffSnapshots(std::string_view from, std::string_view to,
                       const std::function<bool(const SnapshotDiff&)>& entry) const;

  storage::FileSystem& fs() const { return *options_.fs; }
  const std::string& path() const { return path_; }
  ResultCache& result_cache() const { return result_cache_; }
  const query::Clock& clock() const { return options_.clock; }  // empty: the system's
  bool read_only() const { return options_.user.read_only; }
  void Log(LogLevel level, const std::string& line) const;

  // RocksWatcher: called on RocksDB's threads.
  Status BeforeLogAppend() override;
  Status FileSynced(const format::TrackedFile& file) override {
    return ledger_->FileSynced(file);
  }
  uint64_t BeforeDirectorySync() override { return ledger_->BeforeDirectorySync(); }
  Status DirectorySynced(uint64_t ticket) override { return ledger_->DirectorySynced(ticket); }
  Status BeforeSwitch(uint64_t number) override { return ledger_->BeforeSwitch(number); }
  void AfterSwitch() override { ledger_->AfterSwitch(); }
  Status BeforeRemove(format::TrackedKind kind, uint64_t number) override {
    return ledger_->BeforeRemove(kind, number);
  }

 private:
  struct Waiter {
    const PreparedBatch* batch = nullptr;
    bool sync = false;
    bool done = false;
    Status status;
    WriteResult result;
    std::condition_variable wake;
  };
  struct OpenSegment {
    std::shared_ptr<storage::Segment> segment;
    format::WatermarkRecord mark;
  };
  using Manifest = format::Manifest;

  DatabaseImpl(std::string path, EngineOptions options);

  std::string PathOf(std::string_view name) const { return format::JoinPath(path_, name); }
  std::string SegmentsDir() const { return PathOf(format::kSegmentsDir); }
  std::string EpochsDir() const { return PathOf(format::kEpochsDir); }

  // open.cc
  Status CreateFiles();
  StatusOr<bool> ReadyToCreate();
  Status RemoveHalfMade();
  Status OpenWriter();
  Status OpenReader();
  Status TakeLock();
  std::shared_ptr<const View> TakeLastView();
  Status CheckPair(const format::StateRecord& state, const Manifest& manifest) const;
  Status Precheck(const Manifest& manifest, const format::LedgerRecord& record,
                  const std::map<uint64_t, uint64_t>* whole_rows);
  Status MakeTailsDurable(const Manifest& manifest, std::map<uint64_t, uint64_t>* whole_rows);
  Status OpenSegments(const Manifest& manifest, const std::map<uint64_t, uint64_t>* whole_rows,
                      View* view, bool append);
  StatusOr<SegmentView> OpenSegmentOf(const format::SegmentEntry& entry, const Manifest& manifest,
                                      const std::map<uint64_t, uint64_t>* whole_rows,
                                      const storage::DocumentStore& store, bool append);
  Status ApplyTombstones(View* view);
  Status FinishLeftovers();
  Status OpenAsOf();  // named_snapshot.cc
  Status WriteSnapshot(const std::string& directory, std::string_view name);
  StatusOr<std::shared_ptr<const View>> LookAsReader();
  StatusOr<std::shared_ptr<const View>> TryLookAsReader();
  StatusOr<format::DecodedManifest> ReadManifestOf(const format::Current& current) const;
  std::shared_ptr<View> NewView() const;
  void AttachIndexes(View* view) const;

  // commit.cc
  Status Enqueue(Waiter* waiter);
  void CountChanges(const PreparedBatch& batch);
  Status DiskAdmits(const PreparedBatch& batch);
  StatusOr<uint64_t> SpaceLeft() const;
  StatusOr<WriteResult> WritePrepared(const PreparedBatch& prepared, const WriteOptions& options);
  void RunRound(const std::vector<Waiter*>& group);
  Status CommitRound(const Round& round, uint64_t batch_count, bool sync);
  Status AppendRows(const std::map<uint32_t, std::vector<storage::NewRow>>& rows);
  using Masks = std::map<uint64_t, std::shared_ptr<const storage::DeleteMask>>;
  StatusOr<Masks> NewMasks(const View& view, const std::vector<RoundTombstone>& tombstones) const;
  Status BuildStoreBatch(const Round& round, const std::map<uint32_t, OpenSegment>& marks,
                         format::StateRecord* state, storage::StoreBatch* batch);
  Status SyncSegments(bool ledger_too);
  Status MakeDurableLocked();
  Status Refused() const;
  void Fail(const Status& cause);
  Status WriteLedger(bool clean = false);
  void StartFlusher();
  void FlusherLoop();
  void SwapView(std::shared_ptr<const View> view);

  // publish.cc
  Status Publish(Manifest next);
  Status WriteManifestFiles(const Manifest& next, format::Current* current);
  Status EnsureOpenSegments(const std::map<uint32_t, std::vector<storage::NewRow>>& rows);
  StatusOr<std::shared_ptr<storage::Segment>> NewSegment(Manifest* next, uint32_t column_id,
                                                         const storage::SegmentCapacity& needed);
  storage::SegmentCapacity UsualCapacity(uint32_t dimension) const;
  void ReplaceSyncable();
  Status SealInto(Manifest* next, uint32_t column_id, View* view);
  Status FoldTombstones();
  Status WriteMask(const storage::DeleteMask& mask, uint64_t rows, format::SegmentEntry* entry);
  StatusOr<Manifest> EditableManifest() const;
  void ShowManifest(View* view) const;
  Status PublishSchema(Manifest next);
  void CollectGarbage();

  // verify.cc
  Status VerifySnapshots(VerifyRun* run, const VerifyOptions& options) const;

  // jobs.cc
  void WriteJobHistory(const std::vector<JobInfo>& jobs) const;
  StatusOr<std::vector<JobInfo>> ReadJobHistory() const;
  void RestoreJobs();

  // index_background.cc
  void WakeIndexer();
  void StopIndexer();
  void AllowIndexer();
  void IndexerLoop();
  Status IndexDueColumns();

  // field_index.cc
  struct FieldBuild;
  StatusOr<uint32_t> BeginFieldBuild(uint32_t collection_id, const format::FieldPath& path,
                                     FieldIndexKind kind);
  Status BuildField(uint32_t collection_id, uint32_t index_id, const ProgressCallback& progress,
                    FieldIndexReport* report);
  Status BuildFieldChunk(FieldBuild* build);
  Status BuildText(const format::CollectionEntry& one, std::string_view key,
                   const format::DocumentRecord& record, TextChanges* changes,
                   FieldBuild* build);
  Status PublishFieldReady(uint32_t collection_id, uint32_t index_id);
  Status WriteWithState(storage::StoreBatch* batch);

  // index_publish.cc
  struct BuildPlan;
  Status BeginBuild(uint32_t collection_id, const IndexOptions& options, BuildPlan* plan);
  Status BeginRewrite(bool with_epoch, BuildPlan* plan);
  Status ReserveIds(bool with_epoch, BuildPlan* plan);
  Status EndRewrite(const BuildPlan& plan, const Status& ran, const SegmentRewrite& rewrite);
  Status PublishRewrite(const BuildPlan& plan, const SegmentRewrite& rewrite);
  StatusOr<Masks> DiedSince(const SegmentRewrite& rewrite, const ColumnView& now,
                            const ColumnView& outputs) const;

  // compact.cc
  struct CompactionTarget;
  StatusOr<std::vector<CompactionTarget>> CompactionTargets(
      const CompactionOptions& options) const;
  Status CheckSpaceToCompact(const std::vector<CompactionTarget>& targets) const;
  Status CompactColumn(const CompactionTarget& target, const CompactionOptions& options,
                       CompactionReport* report);
  Status CompactDocuments(const CompactionOptions& options, CompactionReport* report);
  Status CompactDueColumns();

  const std::string path_;
  const EngineOptions options_;
  const MemoryShares shares_;

  // Writer state, under commit_mutex_.
  mutable std::mutex commit_mutex_;
  std::unique_ptr<storage::File> lock_file_;
  std::unique_ptr<storage::FileLock> lock_;
  std::unique_ptr<storage::Ledger> ledger_;
  std::shared_ptr<const Manifest> manifest_;
  uint64_t manifest_checksum_ = 0;
  format::StateRecord state_;
  std::map<uint32_t, OpenSegment> open_;  // by column id
  std::set<uint64_t> stale_watermarks_;   // of segments sealed since; dropped with the next batch
  std::map<uint64_t, format::TombstoneRecord> tombstones_;  // unfolded, by docno
  SyncPool sync_pool_;
  std::atomic<uint64_t> durable_batch_{0};
  std::atomic<uint64_t> sync_rounds_{0};
  bool closed_ = true;  // until it is open
  struct DiskUse {
    uint64_t bytes = 0;
    std::chrono::steady_clock::time_point walked;
  };
  DiskUse disk_used_;  // an upper bound, with DatabaseOptions::disk_limit_bytes
  // Ids whose files an index build is writing: no garbage. None runs if column_id is 0.
  struct ReservedIds {
    uint64_t first_segment = 0, past_segment = 0, epoch = 0;
    uint32_t column_id = 0;
  };
  ReservedIds building_;
  std::set<uint32_t> building_fields_;  // ids of field indexes that are being built

  mutable std::mutex failure_mutex_;
  Status failure_;  // once set, writes are refused

  std::mutex sync_mutex_;
  Status sync_failure_;  // once set, nothing counts as durable any more
  std::vector<std::shared_ptr<storage::Segment>> syncable_;

  std::shared_ptr<storage::DocumentStore> store_;
  mutable std::mutex view_mutex_;
  std::shared_ptr<const View> view_;
  std::shared_ptr<const void> view_token_;  // every live view holds a copy

  // Approximate queries that were run again exactly (DatabaseOptions::shadow_every).
  struct ObservedRecall {
    uint64_t queries = 0;
    double sum = 0;
    void Add(double recall) {
      ++queries;
      sum += recall;
    }
  };
  struct Shadow {
    std::atomic<uint64_t> count{0};  // approximate queries so far
    std::mutex mutex;
    std::map<uint32_t, ObservedRecall> recalls;  // by column id; guarded by mutex
  };
  mutable Shadow shadow_;
  mutable MetricsRecorder metrics_;
  JobQueue jobs_;
  mutable MaskCache mask_cache_;
  mutable ResultCache result_cache_;

  std::mutex queue_mutex_;
  std::deque<Waiter*> queue_;

  std::mutex flusher_mutex_;
  std::condition_variable flusher_wake_;
  std::thread flusher_;
  bool flusher_stop_ = false;
  bool unsynced_ = false;

  std::mutex indexer_mutex_;  // the last in the order of locks
  std::condition_variable indexer_wake_;
  std::thread indexer_;
  bool indexer_stop_ = false;
  bool indexer_due_ = false;
};

}  // namespace vdb::engine
