// JobQueue: the long work of a database, one job at a time. A job waits for its turn, by priority
// and then by age; it runs on the thread of the caller who waits for it (Run), or the queue's own
// thread (Start). Every job is listed while it waits and runs, and kept in a history when it ended.
//
// A job calls its progress callback now and then: there it stands still while the queue is paused,
// and learns that it was cancelled.
// Threads: every method from any thread. One lock; no callback runs under it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "vdb/jobs.h"
#include "vdb/options.h"
#include "vdb/status.h"

namespace vdb::engine {

/// What is to be run.
struct JobSpec {
  JobKind kind = JobKind::kCompaction;
  std::string target;
  int priority = 0;
  bool background = false;
};

class JobQueue {
 public:
  /// The work itself; to be given `progress` instead of the caller's.
  using Body = std::function<Status(const ProgressCallback& progress)>;
  /// Called after every change that a history should tell, with all jobs, oldest first; one call at
  /// a time.
  using Observer = std::function<void(const std::vector<JobInfo>&)>;

  /// `retry_pause_ms`: how long a background job that found the disk full waits before it tries
  /// again.
  JobQueue(Observer observer, uint32_t retry_pause_ms);
  ~JobQueue();
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  /// Jobs of earlier opens; those that had not ended count as failed. Before anything else.
  void Restore(std::vector<JobInfo> history);

  /// Waits for its turn, runs `body` on this thread and returns what it returns.
  /// kFailedPrecondition from inside a job of this queue; kCancelled.
  Status Run(const JobSpec& spec, const ProgressCallback& progress, const Body& body);
  /// Queues `body` for the queue's own thread.
  StatusOr<uint64_t> Start(const JobSpec& spec, Body body);
  Status Wait(uint64_t id);
  Status Cancel(uint64_t id);
  Status Pause(bool paused);
  std::vector<JobInfo> List() const;
  uint64_t done_count() const { return done_; }
  uint64_t failed_count() const { return failed_; }

  /// Cancels background jobs and ends the queue's thread; jobs of callers who wait go on.
  void Stop();
  /// After a Stop.
  void Allow();

 private:
  struct Job {
    JobInfo info;
    Body body;  // of background jobs
    Status status;
    bool cancelled = false;
    std::thread::id thread;  // while it runs
  };
  using JobPtr = std::shared_ptr<Job>;

  JobPtr Enqueue(const JobSpec& spec, Body body);  // with the lock
  bool IsNext(const Job& job) const;               // with the lock
  Status Execute(std::unique_lock<std::mutex>* lock, const JobPtr& job,
                 const ProgressCallback& progress, const Body& body);
  void End(const JobPtr& job, const Status& status);  // with the lock
  bool Tick(const JobPtr& job, const ProgressCallback& progress, const Progress& at);
  void WorkerLoop();
  JobPtr NextForWorker() const;  // with the lock
  std::vector<JobInfo> ListLocked() const;
  void Tell();  // without the lock

  const Observer observer_;
  const uint32_t retry_pause_ms_;
  mutable std::mutex mutex_;
  std::mutex observer_mutex_;
  std::condition_variable changed_;
  std::vector<JobPtr> waiting_;  // by id
  JobPtr running_;
  std::deque<JobPtr> ended_;
  std::thread worker_;
  uint64_t next_id_ = 1;
  std::atomic<uint64_t> done_{0}, failed_{0};  // since the open
  std::chrono::steady_clock::time_point told_;
  bool paused_ = false;
  bool stopped_ = false;
};

}  // namespace vdb::engine
