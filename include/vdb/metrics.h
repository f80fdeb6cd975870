// Metrics: what a database has done since it was opened, for dashboards and alarms.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace vdb {

/// Latencies in buckets whose bounds double: bucket i counts calls of less than 2^i microseconds
/// that no bucket before it counts; the last one all the others.
struct LatencyHistogram {
  static constexpr size_t kBucketCount = 32;
  std::array<uint64_t, kBucketCount> counts = {};
  uint64_t count = 0;
  double sum_seconds = 0;
  /// An upper bound of the quantile, within a factor of two. 0 without a call.
  double QuantileSeconds(double quantile) const;
};

/// Counters grow from the open on. Reading them costs microseconds and stops nobody.
struct Metrics {
  uint64_t batches_committed = 0, batches_refused = 0;
  uint64_t documents_put = 0, documents_changed = 0, documents_deleted = 0;  ///< asked for
  uint64_t rows_written = 0;
  uint64_t searches_exact = 0;      ///< answers of Search, a query each
  uint64_t searches_approximate = 0;
  uint64_t answers_stopped = 0;     ///< by a deadline, a memory limit or a cancellation
  uint64_t slow_query_count = 0;    ///< DatabaseOptions::slow_query_ms
  uint64_t sync_rounds = 0;         ///< commit rounds that synced
  uint64_t publishes = 0;           ///< generations published
  uint64_t mask_cache_hits = 0, mask_cache_misses = 0;
  uint64_t jobs_done = 0, jobs_failed = 0;
  uint64_t corruption_count = 0;    ///< reads that found damage
  LatencyHistogram write, read, search, query;  ///< calls of Write, Get, Search and Query
  // Gauges: how it is now.
  uint64_t jobs_waiting = 0, jobs_running = 0;
  uint64_t tombstone_count = 0, collection_count = 0, document_count = 0;
  uint64_t segment_count = 0, row_count = 0, segment_bytes = 0;
  uint64_t batch_number = 0, durable_batch_number = 0, generation = 0;
  double view_age_seconds = 0;      ///< read-only: since the last look at the writer's state
};

/// The text form that Prometheus scrapes (exposition format 0.0.4); names begin with "vdb_".
std::string PrometheusText(const Metrics& metrics);

}  // namespace vdb
