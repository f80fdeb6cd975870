// Search and Query as Collection calls them: counted, timed, and logged with their plan where they
// are slow.
#include "engine/database_impl.h"
#include "engine/query_run.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using Clock = std::chrono::steady_clock;

std::string Milliseconds(Clock::duration took) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()) +
         " ms";
}

std::string PlanText(const SearchExplain& explain) {
  std::string text = "plan " + explain.plan + " (" + explain.reason + ")";
  if (explain.filter.plan != "none" && !explain.filter.plan.empty()) {
    text += ", filter by " + explain.filter.plan + ", " +
            std::to_string(explain.filter.match_count) + " matches, " +
            std::to_string(explain.filter.documents_read) + " documents read";
  }
  return text + ", " + std::to_string(explain.codes_scanned) + " codes and " +
         std::to_string(explain.rows_scanned + explain.rows_reranked) + " rows looked at";
}

}  // namespace

// True: the call was slow.
bool DatabaseImpl::CountCall(LatencyRecorder* latency, Clock::duration took,
                             const Status& status) const {
  latency->Add(std::chrono::duration_cast<std::chrono::nanoseconds>(took));
  if (status.code() == StatusCode::kCorruption) metrics_.corruptions.Add();
  const uint32_t slow_ms = options_.user.slow_query_ms;
  const bool slow = slow_ms != 0 && took >= std::chrono::milliseconds(slow_ms);
  if (slow) metrics_.slow_queries.Add();
  return slow;
}

StatusOr<SearchResult> DatabaseImpl::ObservedSearch(const View& view,
                                                    const format::CollectionEntry& collection,
                                                    MatrixView queries,
                                                    const SearchOptions& asked) const {
  SearchOptions options = asked;
  options.explain |= options_.user.slow_query_ms != 0;
  const auto start = Clock::now();
  auto result = Search(view, collection, queries, options);
  const auto took = Clock::now() - start;
  const bool slow = CountCall(&metrics_.search, took, result.status());
  if (!result.ok()) return result;
  for (const Answer& answer : result->answers) {
    (answer.exact ? metrics_.searches_exact : metrics_.searches_approximate).Add();
    if (answer.stopped != StopReason::kNone) metrics_.answers_stopped.Add();
  }
  if (slow) {
    std::string line = "slow search: " + Milliseconds(took) + " in collection '" +
                       collection.name + "', " + std::to_string(queries.row_count) +
                       " queries, k " + std::to_string(options.k);
    if (!options.filter.matches_all()) line += ", filter " + options.filter.ToString();
    if (!result->explains.empty()) line += "; " + PlanText(result->explains[0]);
    Log(LogLevel::kWarning, line);
  }
  if (!asked.explain) result->explains.clear();
  return result;
}

StatusOr<QueryResult> DatabaseImpl::ObservedQuery(const View& view,
                                                  const format::CollectionEntry& collection,
                                                  const QueryRequest& asked) const {
  QueryRequest request = asked;
  request.explain |= options_.user.slow_query_ms != 0;
  const auto start = Clock::now();
  auto result = RunQuery(*this, view, collection, request);
  const auto took = Clock::now() - start;
  const bool slow = CountCall(&metrics_.query, took, result.status());
  if (!result.ok()) return result;
  if (result->stopped != StopReason::kNone) metrics_.answers_stopped.Add();
  if (slow) {
    std::string line = "slow query: " + Milliseconds(took) + " in collection '" +
                       collection.name + "', limit " + std::to_string(request.limit);
    if (!request.filter.matches_all()) line += ", filter " + request.filter.ToString();
    if (result->explain) {
      line += "; plan " + result->explain->plan + " (" + result->explain->reason + "), " +
              std::to_string(result->explain->documents_read) + " documents read";
      for (const SearchExplain& clause : result->explain->vectors) line += "; " + PlanText(clause);
    }
    Log(LogLevel::kWarning, line);
  }
  if (!asked.explain) result->explain.reset();
  return result;
}

StatusOr<Metrics> DatabaseImpl::GetMetrics() const {
  VDB_ASSIGN_OR_RETURN(const DatabaseStats stats, Stats());
  Metrics metrics = metrics_.Get();
  metrics.sync_rounds = stats.sync_round_count;
  metrics.tombstone_count = stats.tombstone_count;
  metrics.batch_number = stats.batch_number;
  metrics.durable_batch_number = stats.durable_batch_number;
  metrics.generation = stats.generation;
  metrics.view_age_seconds = stats.view_age_seconds;
  metrics.collection_count = stats.collections.size();
  for (const CollectionStats& collection : stats.collections) {
    metrics.document_count += collection.document_count;
    for (const ColumnStats& column : collection.columns) {
      metrics.segment_count += column.segment_count;
      metrics.row_count += column.row_count;
      metrics.segment_bytes += column.segment_bytes;
    }
  }
  metrics.jobs_done = jobs_.done_count();
  metrics.jobs_failed = jobs_.failed_count();
  for (const JobInfo& job : jobs_.List()) {
    if (job.state == JobState::kRunning) metrics.jobs_running += 1;
    if (job.state < JobState::kRunning || job.state == JobState::kPaused) metrics.jobs_waiting += 1;
  }
  return metrics;
}

}  // namespace vdb::engine
