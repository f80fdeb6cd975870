#include "engine/sync_pool.h"

#include <system_error>

namespace vdb::engine {
namespace {
constexpr size_t kThreads = 3;  // with the caller's, one for each file of a column and the ledger
}

SyncPool::~SyncPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void SyncPool::RunTasks(std::unique_lock<std::mutex>* lock) {
  while (next_ < tasks_.size()) {
    const auto& task = tasks_[next_++];
    ++running_;
    lock->unlock();
    Status status = task();
    lock->lock();
    --running_;
    if (!status.ok() && result_.ok()) result_ = std::move(status);
  }
}

void SyncPool::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || next_ < tasks_.size(); });
    if (stop_) return;
    RunTasks(&lock);
    if (running_ == 0) done_.notify_all();
  }
}

Status SyncPool::Run(std::span<const std::function<Status()>> tasks) {
  if (tasks.size() == 1) return tasks[0]();
  std::unique_lock lock(mutex_);
  try {
    while (threads_.size() < kThreads) threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {  // no more threads: those there are do it
  }
  tasks_ = tasks;
  next_ = 0;
  result_ = Status::Ok();
  wake_.notify_all();
  RunTasks(&lock);
  done_.wait(lock, [this] { return running_ == 0; });
  tasks_ = {};
  next_ = 0;
  return result_;
}

}  // namespace vdb::engine
