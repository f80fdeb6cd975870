// Budget: what one query may still use (vdb/search.h, QueryLimits), asked once per block of work.
//
// Threads: any. Once it has stopped it stays so, with the first reason.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>

#include "vdb/search.h"

namespace vdb::query {

/// Nanoseconds on a clock that never goes back; tests put their own in.
using Clock = std::function<int64_t()>;

class Budget {
 public:
  Budget() = default;  ///< without limits
  /// The deadline counts from now. `clock` null: the system's.
  explicit Budget(const QueryLimits& limits, Clock clock = nullptr);
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  /// Whether to go on. Free without limits, else about 30 ns with a deadline: ask once per block.
  bool GoOn() {
    if (!limited_) return true;
    return Check();
  }
  /// Whether `bytes` more fit; they count until Release.
  bool Reserve(uint64_t bytes);
  void Release(uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  /// Whether GoOn can ever say no.
  bool limited() const { return limited_; }
  StopReason stopped() const { return reason_.load(std::memory_order_relaxed); }

 private:
  bool Check();
  bool Stop(StopReason reason);

  bool limited_ = false;
  QueryLimits limits_;
  Clock clock_;
  int64_t deadline_ = 0;
  std::atomic<uint64_t> used_{0};
  std::atomic<StopReason> reason_{StopReason::kNone};
};

}  // namespace vdb::query
