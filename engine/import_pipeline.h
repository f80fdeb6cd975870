// ImportPipeline: batches flow from the thread that reads a file, through a short queue, to threads
// that commit them, so that preparing a batch overlaps the sync of others. Batches are taken in the
// order they were pushed; with one writer they are also committed in that order.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "vdb/collection.h"

namespace vdb::engine {

struct ImportBatch {
  WriteBatch changes;
  uint64_t first_row = 0;        // place of its first change in the file
  std::vector<uint64_t> places;  // of each change, where they are not first_row + i (line numbers)
  uint64_t file_bytes = 0;       // of the file that it stands for

  uint64_t place(size_t i) const { return places.empty() ? first_row + i : places[i]; }
};

/// What has been committed so far.
struct ImportTotals {
  uint64_t documents = 0;
  uint64_t batches = 0;
  uint64_t file_bytes = 0;
};

/// Push, Finish and Cancel on one thread only.
class ImportPipeline {
 public:
  /// `commit` is called on the writer threads and must not throw.
  using Commit = std::function<Status(const ImportBatch&)>;

  ImportPipeline(size_t writer_count, Commit commit)
      : queue_max_(writer_count), commit_(std::move(commit)) {
    writers_.reserve(writer_count);
    for (size_t i = 0; i < writer_count; ++i) {
      try {
        writers_.emplace_back([this] { RunWriter(); });
      } catch (const std::system_error& error) {
        // One writer does, if the system gives no more threads; without any the first Push fails.
        if (!writers_.empty()) return;
        failure_.emplace(0, Status::ResourceExhausted(
                                std::string("import: cannot start a thread: ") + error.what()));
      }
    }
  }
  ~ImportPipeline() { Stop(/*drop_queue=*/true); }
  ImportPipeline(const ImportPipeline&) = delete;
  ImportPipeline& operator=(const ImportPipeline&) = delete;

  /// Waits while the queue is full. False: a writer has failed, push no more.
  bool Push(std::unique_ptr<ImportBatch> batch) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_.size() < queue_max_ || failure_; });
    if (failure_) return false;
    queue_.push_back(std::move(batch));
    changed_.notify_all();
    return true;
  }

  ImportTotals totals() const {
    const std::scoped_lock lock(mutex_);
    return totals_;
  }

  /// Waits until everything pushed is committed, but not longer than `wait`. True when it is, or
  /// when a writer has failed.
  bool WaitIdle(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, wait, [this] {
      return busy_ == 0 && (queue_.empty() || failure_);
    });
  }

  /// Commits what was pushed and ends the writers. The error of the earliest batch that failed.
  Status Finish() {
    Stop(/*drop_queue=*/false);
    return failure_ ? failure_->second : Status::Ok();
  }

  /// Ends the writers after the batches that they are at.
  Status Cancel() {
    Stop(/*drop_queue=*/true);
    return failure_ ? failure_->second : Status::Ok();
  }

 private:
  void Stop(bool drop_queue) {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      if (drop_queue) queue_.clear();
      changed_.notify_all();
    }
    for (std::thread& writer : writers_) writer.join();
    writers_.clear();
  }

  void RunWriter() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !queue_.empty() || stopping_ || failure_; });
      if (queue_.empty() || failure_) return;
      const std::unique_ptr<ImportBatch> batch = std::move(queue_.front());
      queue_.pop_front();
      ++busy_;
      changed_.notify_all();
      lock.unlock();
      const Status status = commit_(*batch);
      lock.lock();
      --busy_;
      Record(*batch, status);
      changed_.notify_all();
    }
  }

  void Record(const ImportBatch& batch, const Status& status) {
    if (status.ok()) {
      totals_.documents += batch.changes.change_count();
      totals_.batches += 1;
      totals_.file_bytes += batch.file_bytes;
    } else if (!failure_ || batch.first_row < failure_->first) {
      failure_.emplace(batch.first_row, status);
    }
  }

  const size_t queue_max_;
  const Commit commit_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;                          // of anything below
  std::deque<std::unique_ptr<ImportBatch>> queue_;
  std::optional<std::pair<uint64_t, Status>> failure_;       // first row of its batch, and why
  ImportTotals totals_;
  size_t busy_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> writers_;
};

}  // namespace vdb::engine
