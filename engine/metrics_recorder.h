// MetricsRecorder: the counters behind Database::GetMetrics. Relaxed atomics: a count costs a few
// nanoseconds, and figures read together may differ by what happened between.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "vdb/metrics.h"

namespace vdb::engine {

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class LatencyRecorder {
 public:
  void Add(std::chrono::nanoseconds took);
  LatencyHistogram Get() const;

 private:
  std::array<Counter, LatencyHistogram::kBucketCount> counts_;
  Counter nanoseconds_;
};

struct MetricsRecorder {
  Counter batches_committed, batches_refused;
  Counter documents_put, documents_changed, documents_deleted, rows_written;
  Counter searches_exact, searches_approximate, answers_stopped, slow_queries;
  Counter publishes, mask_hits, mask_misses, corruptions;
  LatencyRecorder write, read, search, query;

  /// The counters; gauges are left out.
  Metrics Get() const;
};

}  // namespace vdb::engine
