#include "engine/import_pipeline.h"

#include <string>
#include <system_error>
#include <utility>

namespace vdb::engine {
namespace {

// One that waits while every worker has its own keeps all of them busy; more only take memory.
constexpr size_t kQueueMax = 1;

}  // namespace

ImportPipeline::ImportPipeline(size_t worker_count, Convert convert, Commit commit)
    : convert_(std::move(convert)), commit_(std::move(commit)) {
  workers_.reserve(worker_count);
  for (size_t i = 0; i < worker_count; ++i) {
    try {
      workers_.emplace_back([this] { RunWorker(); });
    } catch (const std::system_error& error) {
      // One worker does, if the system gives no more threads; without any the first Push fails.
      if (!workers_.empty()) return;
      failure_.emplace(Status::ResourceExhausted(std::string("import: cannot start a thread: ") +
                                                 error.what()));
    }
  }
}

std::unique_ptr<ImportChunk> ImportPipeline::NewChunk() {
  const std::lock_guard lock(mutex_);
  if (spare_.empty()) return std::make_unique<ImportChunk>();
  std::unique_ptr<ImportChunk> chunk = std::move(spare_.back());
  spare_.pop_back();
  chunk->Clear();
  return chunk;
}

void ImportPipeline::Recycle(std::unique_ptr<ImportChunk> chunk) {
  const std::lock_guard lock(mutex_);
  spare_.push_back(std::move(chunk));
}

bool ImportPipeline::Push(std::unique_ptr<ImportChunk> chunk) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.size() < kQueueMax || IsOver(); });
  if (IsOver()) return false;
  queue_.push_back(std::move(chunk));
  changed_.notify_all();
  return true;
}

bool ImportPipeline::WaitIdle(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, wait, [this] {
    return (queue_.empty() && done_ == taken_) || IsOver();
  });
}

Status ImportPipeline::Finish() {
  Stop(/*drop_queue=*/false);
  return failure_.value_or(Status::Ok());
}

Status ImportPipeline::Cancel() {
  Stop(/*drop_queue=*/true);
  return failure_.value_or(Status::Ok());
}

void ImportPipeline::Stop(bool drop_queue) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (drop_queue) {
      cancelled_ = true;
      queue_.clear();
    }
    changed_.notify_all();
  }
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

bool ImportPipeline::WaitTurn(uint64_t number) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_ == number || IsOver(); });
  return !IsOver();
}

void ImportPipeline::RunWorker() {
  ImportBatch batch;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !queue_.empty() || stopping_ || IsOver(); });
    if (queue_.empty() || IsOver()) return;
    std::unique_ptr<ImportChunk> chunk = std::move(queue_.front());
    queue_.pop_front();
    Turn turn(this, taken_++);
    changed_.notify_all();
    lock.unlock();
    batch.Clear();
    batch.begin = chunk->begin;
    batch.end = chunk->end;
    batch.file_bytes = chunk->file_bytes;
    Status status = convert_(*chunk, &batch);
    Recycle(std::move(chunk));
    if (status.ok()) status = commit_(batch, turn);
    const bool mine = turn.Wait();  // it may have failed before its turn
    lock.lock();
    if (mine && !status.ok()) failure_.emplace(status);
    ++done_;
    changed_.notify_all();
  }
}

}  // namespace vdb::engine
