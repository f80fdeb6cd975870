#include "query/budget.h"

namespace vdb {

std::string_view StopReasonName(StopReason reason) {
  switch (reason) {
    case StopReason::kNone: return "";
    case StopReason::kDeadline: return "deadline";
    case StopReason::kMemory: return "memory";
    case StopReason::kCancelled: return "cancelled";
  }
  return "";
}

namespace query {
namespace {

int64_t SystemClock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Budget::Budget(const QueryLimits& limits, Clock clock)
    : limited_(limits.deadline_ms > 0 || limits.memory_bytes > 0 || limits.cancel != nullptr),
      limits_(limits),
      clock_(clock ? std::move(clock) : SystemClock) {
  if (limits.deadline_ms > 0) deadline_ = clock_() + int64_t{limits.deadline_ms} * 1'000'000;
}

bool Budget::Stop(StopReason reason) {
  StopReason none = StopReason::kNone;
  reason_.compare_exchange_strong(none, reason, std::memory_order_relaxed);
  return false;
}

bool Budget::Check() {
  if (stopped() != StopReason::kNone) return false;
  if (limits_.cancel != nullptr && limits_.cancel->cancelled()) return Stop(StopReason::kCancelled);
  if (limits_.deadline_ms > 0 && clock_() >= deadline_) return Stop(StopReason::kDeadline);
  return true;
}

bool Budget::Reserve(uint64_t bytes) {
  const uint64_t used = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (limits_.memory_bytes == 0 || used <= limits_.memory_bytes) return true;
  return Stop(StopReason::kMemory);
}

}  // namespace query
}  // namespace vdb
