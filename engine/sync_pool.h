// SyncPool: runs a handful of blocking file syncs at once. The disk merges them, so that a commit
// that must sync four files pays little more than for one.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "vdb/status.h"

namespace vdb::engine {

/// One caller at a time. Threads start with the first Run of more than one task.
class SyncPool {
 public:
  SyncPool() = default;
  ~SyncPool();
  SyncPool(const SyncPool&) = delete;
  SyncPool& operator=(const SyncPool&) = delete;

  /// Runs every task, some on the caller's thread; returns the first error, after all have ended.
  Status Run(std::span<const std::function<Status()>> tasks);

 private:
  void Work();
  void RunTasks(std::unique_lock<std::mutex>* lock);

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> threads_;
  std::span<const std::function<Status()>> tasks_;
  size_t next_ = 0, running_ = 0;
  Status result_;
  bool stop_ = false;
};

}  // namespace vdb::engine
