// DatabaseOptions::background_jobs: a thread that brings indexes up to date as columns grow. It
// sleeps until something was committed, then looks, at most once per pause, which columns are due.
#include <chrono>
#include <system_error>

#include "engine/database_impl.h"
#include "engine/no_throw.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

// Below both, brute force over the unindexed rows takes a few milliseconds.
constexpr uint64_t kBytesMin = 64u << 20;
constexpr uint64_t kIndexedPerUnindexed = 5;
constexpr auto kPauseAfterFailure = std::chrono::seconds(60);

}  // namespace

void DatabaseImpl::WakeIndexer() {
  if (!options_.user.background_jobs || read_only()) return;
  std::string failure;
  {
    const std::lock_guard lock(indexer_mutex_);
    if (indexer_stop_) return;
    indexer_due_ = true;
    try {
      if (!indexer_.joinable()) indexer_ = std::thread([this] { IndexerLoop(); });
    } catch (const std::system_error& error) {  // searches are slower, and right
      failure = error.what();
    }
  }
  indexer_wake_.notify_all();
  if (!failure.empty()) Log(LogLevel::kWarning, "no thread to build indexes: " + failure);
}

void DatabaseImpl::StopIndexer() {
  std::thread indexer;
  {
    const std::lock_guard lock(indexer_mutex_);
    indexer_stop_ = true;
    indexer.swap(indexer_);
  }
  indexer_wake_.notify_all();
  if (indexer.joinable()) indexer.join();
}

void DatabaseImpl::AllowIndexer() {
  const std::lock_guard lock(indexer_mutex_);
  indexer_stop_ = false;
}

void DatabaseImpl::IndexerLoop() {
  std::unique_lock lock(indexer_mutex_);
  const auto stopped = [this] { return indexer_stop_; };
  while (!indexer_stop_) {
    indexer_wake_.wait(lock, [this] { return indexer_stop_ || indexer_due_; });
    indexer_wake_.wait_for(lock, std::chrono::milliseconds(options_.indexer_pause_ms), stopped);
    if (indexer_stop_) return;
    indexer_due_ = false;
    lock.unlock();
    Status status = NoThrow([this] { return IndexDueColumns(); });
    if (status.ok()) status = NoThrow([this] { return CompactDueColumns(); });
    if (!status.ok() && status.code() != StatusCode::kCancelled) {
      Log(LogLevel::kWarning, "background job: " + status.ToString());
    }
    lock.lock();
    if (status.ok() || indexer_stop_) continue;
    indexer_due_ = true;  // tried again
    indexer_wake_.wait_for(lock, kPauseAfterFailure, stopped);
  }
}

Status DatabaseImpl::IndexDueColumns() {
  struct Due {
    uint32_t collection_id;
    std::string collection;
    std::string column;
  };
  std::vector<Due> due;
  {
    VDB_ASSIGN_OR_RETURN(const auto view, CurrentView());
    for (const format::CollectionEntry& collection : view->manifest->collections) {
      for (const format::ColumnEntry& column : collection.columns) {
        const ColumnView* segments = view->FindColumn(column.id);
        if (segments == nullptr) continue;
        uint64_t indexed = 0, unindexed = 0;
        for (const SegmentView& segment : segments->segments) {
          const bool whole = segment.index != nullptr && !segment.index->damaged();
          (whole ? indexed : unindexed) += segment.mark.rows;
        }
        const bool many = unindexed > options_.indexer_rows_min ||
                          unindexed * column.dimension * sizeof(float) > kBytesMin;
        if (many && unindexed * kIndexedPerUnindexed > indexed) {
          due.push_back({collection.id, collection.name, column.name});
        }
      }
    }
  }
  Status first;
  for (const Due& column : due) {  // one that cannot be built keeps no other from it
    IndexOptions options;
    options.column = column.column;
    options.progress = [this](const Progress&) {
      const std::lock_guard lock(indexer_mutex_);
      return !indexer_stop_;
    };
    const auto built = BuildIndexJob(column.collection_id, column.collection, options);
    if (built.status().code() == StatusCode::kNotFound) continue;  // dropped meanwhile
    if (built.status().code() == StatusCode::kCancelled) return built.status();
    if (!built.ok()) {
      if (first.ok()) first = built.status();
      continue;
    }
    Log(LogLevel::kInfo, "background index: column '" + column.column + "', " +
                             std::to_string(built->row_count) + " rows taken in");
  }
  return first;
}

}  // namespace vdb::engine
