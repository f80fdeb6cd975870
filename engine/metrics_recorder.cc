#include "engine/metrics_recorder.h"

#include <algorithm>
#include <bit>
#include <cstdio>

namespace vdb {

double LatencyHistogram::QuantileSeconds(double quantile) const {
  if (count == 0) return 0;
  const double wanted = std::clamp(quantile, 0.0, 1.0) * static_cast<double>(count);
  uint64_t seen = 0;
  size_t bucket = 0;
  for (; bucket + 1 < kBucketCount; ++bucket) {
    seen += counts[bucket];
    if (seen > 0 && static_cast<double>(seen) >= wanted) break;
  }
  return static_cast<double>(uint64_t{1} << bucket) * 1e-6;
}

namespace engine {

void LatencyRecorder::Add(std::chrono::nanoseconds took) {
  const auto nanoseconds = static_cast<uint64_t>(std::max<int64_t>(took.count(), 0));
  const auto bucket = static_cast<size_t>(std::bit_width(nanoseconds / 1000));
  counts_[std::min(bucket, counts_.size() - 1)].Add();
  nanoseconds_.Add(nanoseconds);
}

LatencyHistogram LatencyRecorder::Get() const {
  LatencyHistogram histogram;
  for (size_t i = 0; i < counts_.size(); ++i) {
    histogram.counts[i] = counts_[i].Get();
    histogram.count += histogram.counts[i];
  }
  histogram.sum_seconds = static_cast<double>(nanoseconds_.Get()) * 1e-9;
  return histogram;
}

Metrics MetricsRecorder::Get() const {
  Metrics metrics;
  metrics.batches_committed = batches_committed.Get();
  metrics.batches_refused = batches_refused.Get();
  metrics.documents_put = documents_put.Get();
  metrics.documents_changed = documents_changed.Get();
  metrics.documents_deleted = documents_deleted.Get();
  metrics.rows_written = rows_written.Get();
  metrics.searches_exact = searches_exact.Get();
  metrics.searches_approximate = searches_approximate.Get();
  metrics.answers_stopped = answers_stopped.Get();
  metrics.slow_query_count = slow_queries.Get();
  metrics.publishes = publishes.Get();
  metrics.mask_cache_hits = mask_hits.Get();
  metrics.mask_cache_misses = mask_misses.Get();
  metrics.corruption_count = corruptions.Get();
  metrics.write = write.Get();
  metrics.read = read.Get();
  metrics.search = search.Get();
  metrics.query = query.Get();
  return metrics;
}

}  // namespace engine

namespace {

class PrometheusWriter {
 public:
  void Counter(const char* name, const char* help, uint64_t value) {
    Head(name, help, "counter");
    Line(name, "", std::to_string(value));
  }
  void Gauge(const char* name, const char* help, double value) {
    Head(name, help, "gauge");
    Line(name, "", Number(value));
  }
  void Histogram(const char* name, const char* help, const LatencyHistogram& histogram) {
    Head(name, help, "histogram");
    uint64_t below = 0;
    const std::string bucket = std::string(name) + "_bucket";
    for (size_t i = 0; i + 1 < LatencyHistogram::kBucketCount; ++i) {
      below += histogram.counts[i];
      const double bound = static_cast<double>(uint64_t{1} << i) * 1e-6;
      Line(bucket, "{le=\"" + Number(bound) + "\"}", std::to_string(below));
    }
    Line(bucket, "{le=\"+Inf\"}", std::to_string(histogram.count));
    Line(std::string(name) + "_sum", "", Number(histogram.sum_seconds));
    Line(std::string(name) + "_count", "", std::to_string(histogram.count));
  }
  std::string Take() { return std::move(text_); }

 private:
  static std::string Number(double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.9g", value);
    return text;
  }
  void Head(const std::string& name, const char* help, const char* type) {
    text_ += "# HELP vdb_" + name + " " + help + "\n# TYPE vdb_" + name + " " + type + "\n";
  }
  void Line(const std::string& name, const std::string& labels, const std::string& value) {
    text_ += "vdb_" + name + labels + " " + value + "\n";
  }
  std::string text_;
};

}  // namespace

std::string PrometheusText(const Metrics& m) {
  PrometheusWriter out;
  out.Counter("batches_committed_total", "Batches committed.", m.batches_committed);
  out.Counter("batches_refused_total", "Batches refused or failed.", m.batches_refused);
  out.Counter("documents_put_total", "Documents put.", m.documents_put);
  out.Counter("documents_changed_total", "Vectors or metadata set.", m.documents_changed);
  out.Counter("documents_deleted_total", "Deletes.", m.documents_deleted);
  out.Counter("rows_written_total", "Rows appended to segments.", m.rows_written);
  out.Counter("searches_exact_total", "Answers proven exact.", m.searches_exact);
  out.Counter("searches_approximate_total", "Answers to a recall target.", m.searches_approximate);
  out.Counter("answers_stopped_total", "Answers that a limit cut short.", m.answers_stopped);
  out.Counter("slow_queries_total", "Queries slower than slow_query_ms.", m.slow_query_count);
  out.Counter("sync_rounds_total", "Commit rounds that synced.", m.sync_rounds);
  out.Counter("publishes_total", "Generations published.", m.publishes);
  out.Counter("mask_cache_hits_total", "Filters answered by a kept mask.", m.mask_cache_hits);
  out.Counter("mask_cache_misses_total", "Filters that were run.", m.mask_cache_misses);
  out.Counter("jobs_done_total", "Jobs that ended well.", m.jobs_done);
  out.Counter("jobs_failed_total", "Jobs that failed or were cancelled.", m.jobs_failed);
  out.Counter("corruptions_total", "Reads that found damage.", m.corruption_count);
  out.Histogram("write_seconds", "Calls that write.", m.write);
  out.Histogram("read_seconds", "Calls of Get.", m.read);
  out.Histogram("search_seconds", "Calls of Search.", m.search);
  out.Histogram("query_seconds", "Calls of Query.", m.query);
  const auto gauge = [&out](const char* name, const char* help, uint64_t value) {
    out.Gauge(name, help, static_cast<double>(value));
  };
  gauge("jobs_waiting", "Jobs that wait.", m.jobs_waiting);
  gauge("jobs_running", "Jobs that run.", m.jobs_running);
  gauge("tombstones", "Deletes not yet folded into masks.", m.tombstone_count);
  gauge("collections", "Collections.", m.collection_count);
  gauge("documents", "Documents.", m.document_count);
  gauge("segments", "Segments.", m.segment_count);
  gauge("rows", "Rows in segments, dead ones included.", m.row_count);
  gauge("segment_bytes", "Bytes of segments, without indexes.", m.segment_bytes);
  gauge("batch_number", "Last batch visible.", m.batch_number);
  gauge("durable_batch_number", "Last batch that survives power loss.", m.durable_batch_number);
  gauge("generation", "Generation of the live manifest.", m.generation);
  out.Gauge("view_age_seconds", "Read-only: since the last look.", m.view_age_seconds);
  return out.Take();
}

}  // namespace vdb
