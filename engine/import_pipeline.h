// ImportPipeline: chunks flow from the thread that reads a source, through a short queue, to
// workers. A worker converts its chunk beside the others, then waits for its turn: turns come in
// the order in which the chunks were pushed, so whatever is done in them is done in the source's
// order.
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
#include <thread>
#include <vector>

#include "engine/import_batch.h"
#include "vdb/status.h"

namespace vdb::engine {

/// Push, WaitIdle, Finish and Cancel on one thread only.
class ImportPipeline {
 public:
  /// What a worker asks before it does what must be done in order.
  class Turn {
   public:
    /// Returns once all earlier chunks are done. False: one of them failed, or the import was
    /// cancelled; give up.
    bool Wait() { return pipeline_->WaitTurn(number_); }

   private:
    friend class ImportPipeline;
    Turn(ImportPipeline* pipeline, uint64_t number) : pipeline_(pipeline), number_(number) {}
    ImportPipeline* pipeline_;
    uint64_t number_;
  };

  /// Both are called on the workers and must not throw. Convert fills an empty batch, beside
  /// others; Commit waits for its turn at some point.
  using Convert = std::function<Status(const ImportChunk& chunk, ImportBatch* batch)>;
  using Commit = std::function<Status(ImportBatch& batch, Turn& turn)>;

  ImportPipeline(size_t worker_count, Convert convert, Commit commit);
  ~ImportPipeline() { Stop(/*drop_queue=*/true); }
  ImportPipeline(const ImportPipeline&) = delete;
  ImportPipeline& operator=(const ImportPipeline&) = delete;

  /// An empty chunk, with the memory of one that is done.
  std::unique_ptr<ImportChunk> NewChunk();

  /// Waits while the queue is full. False: something failed, push no more.
  bool Push(std::unique_ptr<ImportChunk> chunk);

  /// Waits until everything pushed is done, but not longer than `wait`. True when it is, or when
  /// something has failed.
  bool WaitIdle(std::chrono::milliseconds wait);

  /// Finishes what was pushed and ends the workers. The error of the first chunk that failed.
  Status Finish();

  /// Ends the workers after the turn that is being taken.
  Status Cancel();

 private:
  void Stop(bool drop_queue);
  void RunWorker();
  void Recycle(std::unique_ptr<ImportChunk> chunk);
  bool WaitTurn(uint64_t number);
  bool IsOver() const { return failure_.has_value() || cancelled_; }

  const Convert convert_;
  const Commit commit_;
  std::mutex mutex_;
  std::condition_variable changed_;  // of anything below
  std::deque<std::unique_ptr<ImportChunk>> queue_;
  std::vector<std::unique_ptr<ImportChunk>> spare_;
  std::optional<Status> failure_;    // of the first chunk that failed
  uint64_t taken_ = 0;               // chunks that workers took; the number of the next
  uint64_t done_ = 0;                // chunks done; whose turn it is
  bool stopping_ = false;
  bool cancelled_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace vdb::engine
