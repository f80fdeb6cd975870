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
  uint64_t documents_put = 0, documents_deleted = 0, rows_written = 0;
  uint64_t reads = 0, searches = 0, queries = 0, searches_exact = 0, searches_limited = 0;
  uint64_t codes_scanned = 0, rows_scored = 0;
  uint64_t slow_query_count = 0;
  uint64_t sync_rounds = 0, publishes = 0;
  uint64_t mask_cache_hits = 0, mask_cache_misses = 0;
  uint64_t jobs_done = 0, jobs_failed = 0;
  uint64_t corruption_count = 0;   ///< reads that found damage
  LatencyHistogram write, read, search, query;
  // Gauges.
  uint64_t open_snapshot_count = 0, job_queue_length = 0, tombstone_count = 0;
  uint64_t document_count = 0, segment_count = 0, file_bytes = 0;
};

/// The text form that Prometheus scrapes (exposition format 0.0.4); names begin with "vdb_".
std::string PrometheusText(const Metrics& metrics);

}  // namespace vdb
