// Search: which plan answers a request, and the keys of what it found.
#include <chrono>
#include <cmath>

#include "engine/database_impl.h"
#include "format/status_macros.h"
#include "index/kernels/kernels.h"
#include "query/calibration.h"
#include "query/exact_search.h"
#include "query/list_search.h"

namespace vdb::engine {
namespace {

// Columns with fewer bytes of vectors are scanned: ranking lists and building tables costs as much,
// and for a proof the keys of all lists in double besides. Measured: 1,000 x 48 16 us by either
// way; exact, 10,000 x 48 58 us by scan and 100 by codes, 1,000 x 768 88 and 81, 50,000 x 128 1,940
// and 369.
constexpr uint64_t kScanBytesMax = 192 << 10;
constexpr uint64_t kExactScanBytesMax = 2 << 20;

// An explicit nprobe says how many lists, not how sure codes must be: so that what is in the probed
// lists is found but for one in several hundred.
constexpr query::Effort kExplicitEffort = {.coarse_errors = 2.2f, .fine_errors = 2.8f};

Status CheckQueries(const format::ColumnEntry& column, MatrixView queries,
                    const index::Kernels& kernels) {
  const std::string where = "search in column '" + column.name + "': ";
  if (queries.row_count > 0 && queries.dimension != column.dimension) {
    return Status::InvalidArgument(where + "expected queries of dimension " +
                                   std::to_string(column.dimension) + ", found " +
                                   std::to_string(queries.dimension));
  }
  for (size_t i = 0; i < queries.row_count; ++i) {
    const float* query = queries.row(i).data();
    const size_t bad = kernels.find_not_finite(query, queries.dimension);
    if (bad != queries.dimension) {
      return Status::InvalidArgument(where + "query " + std::to_string(i) +
                                     " is not finite at position " + std::to_string(bad));
    }
    if (column.metric == Metric::kCosine &&
        kernels.sum_squares(query, queries.dimension) == 0) {
      return Status::InvalidArgument(where + "query " + std::to_string(i) +
                                     " is zero, and has no cosine to anything");
    }
  }
  return Status::Ok();
}

StatusOr<const format::ColumnEntry*> ColumnToSearch(const format::CollectionEntry& collection,
                                                    const std::string& name) {
  const format::ColumnEntry* column = nullptr;
  if (!name.empty()) {
    column = format::FindColumn(collection, name);
    if (column == nullptr) {
      return Status::NotFound("collection '" + collection.name + "' has no column '" + name +
                              "'; `vdbtool list` shows its columns");
    }
    return column;
  }
  for (const format::ColumnEntry& candidate : collection.columns) {
    if (candidate.id == collection.default_column) column = &candidate;
  }
  if (column == nullptr) {
    return Status::FailedPrecondition("collection '" + collection.name +
                                      "' has no default column; name one, or set it "
                                      "(SetDefaultColumn, `vdbtool column default`)");
  }
  return column;
}

// How a request will be answered.
struct SearchPlan {
  const char* name = "brute force";
  std::string reason;
  bool by_lists = false;
  bool exact = true;
  query::Effort effort;
  double recall_target = 0;
};

// The segments of a column as searches want them.
struct SearchSegments {
  std::shared_ptr<const index::Codebook> codebook;
  std::vector<std::shared_ptr<const index::InvertedLists>> keep;
  std::vector<query::IndexedSegment> indexed;
  std::vector<query::ScanSegment> unindexed;
  std::vector<const SegmentView*> views;  // indexed ones, then the others
  uint64_t indexed_live_rows = 0;
  uint64_t rows = 0;
};

query::ScanSegment ScanOf(const SegmentView& segment) {
  return {segment.segment->rows(), segment.segment->records(), segment.mark.rows,
          segment.mask.get()};
}

SearchSegments SegmentsOf(const ColumnView* column) {
  SearchSegments result;
  if (column == nullptr) return result;
  if (column->epoch != nullptr) {
    auto codebook = column->epoch->Get();
    if (codebook.ok()) result.codebook = std::move(*codebook);
  }
  std::vector<const SegmentView*> others;
  for (const SegmentView& segment : column->segments) {
    result.rows += segment.mark.rows;
    if (result.codebook != nullptr && segment.index != nullptr && !segment.index->damaged()) {
      auto lists = segment.index->Get();
      if (lists.ok()) {
        result.indexed.push_back({ScanOf(segment), lists->get()});
        result.keep.push_back(std::move(*lists));
        result.views.push_back(&segment);
        result.indexed_live_rows +=
            segment.mark.rows - (segment.mask == nullptr ? 0 : segment.mask->dead_count());
        continue;
      }
    }
    result.unindexed.push_back(ScanOf(segment));
    others.push_back(&segment);
  }
  result.views.insert(result.views.end(), others.begin(), others.end());
  return result;
}

std::string Percent(double share) {
  return std::to_string(static_cast<int>(std::lround(share * 1000) / 10)) + " %";
}

void PlanByRecall(const EpochFile& epoch, const SearchSegments& segments,
                  const SearchOptions& options, SearchPlan* plan) {
  const query::Calibration& calibration = epoch.calibration();
  const auto then = static_cast<double>(std::max<uint64_t>(calibration.row_count, 1));
  const double drift = std::abs(static_cast<double>(segments.indexed_live_rows) - then) / then;
  const auto effort = query::EffortFor(calibration, options.recall, options.k, drift);
  if (!effort) {
    plan->name = "exact by codes";
    plan->reason = "the calibration does not prove this recall at this k, with " +
                   Percent(drift) + " of the rows changed since; `vdbtool index build` renews it";
    return;
  }
  plan->name = "probe";
  plan->reason = "the least calibrated effort that reaches the target";
  plan->exact = false;
  plan->effort = *effort;
  plan->recall_target = options.recall;
}

SearchPlan MakePlan(const ColumnView* column, const SearchSegments& segments, uint32_t dimension,
                    const SearchOptions& options) {
  SearchPlan plan;
  if (segments.rows == 0 || options.k == 0) {
    plan.name = "empty";
    plan.reason = "there is nothing to find";
    return plan;
  }
  if (column->epoch == nullptr) {
    plan.reason = "the column has no index; `vdbtool index build` makes one";
    return plan;
  }
  if (segments.indexed.empty()) {
    plan.reason = segments.codebook == nullptr
                      ? "the column's epoch file is missing or damaged; `vdbtool index build` "
                        "makes a new one"
                      : "no segment has a usable index; `vdbtool index build` makes them";
    return plan;
  }
  const bool exact = options.exact || (options.nprobe == 0 && options.recall >= 1);
  if (segments.rows * dimension * sizeof(float) <= (exact ? kExactScanBytesMax : kScanBytesMax)) {
    plan.reason = "the column is so small that scanning it is as fast";
    return plan;
  }
  plan.by_lists = true;
  if (exact) {
    plan.name = "exact by codes";
    plan.reason = "an exact answer was asked for";
  } else if (options.nprobe > 0) {
    plan.name = "probe";
    plan.reason = "an explicit nprobe was asked for";
    plan.exact = false;
    plan.effort = kExplicitEffort;
    plan.effort.probes_max = options.nprobe;
  } else {
    PlanByRecall(*column->epoch, segments, options, &plan);
  }
  return plan;
}

StatusOr<query::ListSearchResult> BruteForce(const format::ColumnEntry& column,
                                             const SearchSegments& segments, MatrixView queries,
                                             const SearchOptions& options) {
  std::vector<query::ScanSegment> all;
  for (const auto& indexed : segments.indexed) all.push_back(indexed.scan);
  all.insert(all.end(), segments.unindexed.begin(), segments.unindexed.end());
  query::ExactSearchInput input;
  input.segments = all;
  input.dimension = column.dimension;
  input.metric = column.metric;
  input.queries = queries;
  input.k = options.k;
  input.thread_count = options.thread_count;
  const auto start = std::chrono::steady_clock::now();
  query::ListSearchResult result;
  VDB_ASSIGN_OR_RETURN(result.hits, query::ExactSearch(input));
  if (!options.explain) return result;
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  SearchExplain explain;
  explain.rows_scanned = segments.rows;
  explain.bytes_touched = segments.rows * column.dimension * sizeof(float);
  explain.scan_us = took.count() / static_cast<double>(std::max<size_t>(queries.row_count, 1));
  result.explains.assign(queries.row_count, explain);
  return result;
}

StatusOr<query::ListSearchResult> ByLists(const format::ColumnEntry& column,
                                          const SearchSegments& segments, const SearchPlan& plan,
                                          MatrixView queries, const SearchOptions& options) {
  query::ListSearchInput input;
  input.codebook = segments.codebook;
  input.indexed = segments.indexed;
  input.unindexed = segments.unindexed;
  input.metric = column.metric;
  input.dimension = column.dimension;
  input.queries = queries;
  input.k = options.k;
  input.thread_count = options.thread_count;
  input.exact = plan.exact;
  input.effort = plan.effort;
  input.explain = options.explain;
  return query::ListSearch(input);
}

// Each hit's row is checked against its checksum, and its key is beside it.
StatusOr<Answer> ToAnswer(const SearchSegments& segments, const std::vector<query::RowHit>& hits,
                          bool exact) {
  Answer answer;
  answer.exact = exact;
  answer.hits.reserve(hits.size());
  for (const query::RowHit& hit : hits) {
    const SegmentView& from = *segments.views[hit.segment];
    VDB_RETURN_IF_ERROR(from.segment->CheckRow(hit.row, from.mark.key_bytes));
    answer.hits.push_back(
        {std::string(from.segment->KeyOf(hit.row, from.mark.key_bytes)), hit.score});
  }
  return answer;
}

// The recall of an approximate answer, by running its query again exactly. Hits that reach the true
// k-th score count as found. Nothing to find: 1.
StatusOr<double> ShadowRecall(const format::ColumnEntry& column, const SearchSegments& segments,
                              VectorView query, const SearchOptions& options,
                              const std::vector<query::RowHit>& hits) {
  SearchOptions again = options;
  again.explain = false;
  VDB_ASSIGN_OR_RETURN(const auto truth,
                       ByLists(column, segments, SearchPlan(), MatrixView(query), again));
  if (truth.hits[0].empty()) return 1.0;
  double good = 0;
  for (const query::RowHit& hit : hits) {
    good += hit.score >= truth.hits[0].back().score ? 1 : 0;
  }
  return good / static_cast<double>(truth.hits[0].size());
}

}  // namespace

StatusOr<SearchResult> DatabaseImpl::Search(const View& view,
                                            const format::CollectionEntry& collection,
                                            MatrixView queries,
                                            const SearchOptions& options) const {
  VDB_ASSIGN_OR_RETURN(const index::Kernels* kernels, index::ActiveKernels());
  VDB_ASSIGN_OR_RETURN(const format::ColumnEntry* column,
                       ColumnToSearch(collection, options.column));
  VDB_RETURN_IF_ERROR(CheckQueries(*column, queries, *kernels));
  const bool by_recall = !options.exact && options.nprobe == 0;
  if (by_recall && !(options.recall > 0 && options.recall <= 1)) {
    return Status::InvalidArgument("search in column '" + column->name +
                                   "': expected a recall above 0 and at most 1, found " +
                                   std::to_string(options.recall));
  }
  const ColumnView* column_view = view.FindColumn(column->id);
  const SearchSegments segments = SegmentsOf(column_view);
  const SearchPlan plan = MakePlan(column_view, segments, column->dimension, options);
  VDB_ASSIGN_OR_RETURN(auto found, plan.by_lists
                                       ? ByLists(*column, segments, plan, queries, options)
                                       : BruteForce(*column, segments, queries, options));
  SearchResult result;
  result.batch_number = view.batch;
  result.answers.reserve(found.hits.size());
  for (const auto& hits : found.hits) {
    VDB_ASSIGN_OR_RETURN(Answer answer, ToAnswer(segments, hits, plan.exact));
    result.answers.push_back(std::move(answer));
  }
  for (SearchExplain& explain : found.explains) {
    explain.plan = plan.name;
    explain.reason = plan.reason;
    explain.recall_target = plan.recall_target;
    explain.margin = plan.exact ? 0 : static_cast<double>(plan.effort.margin);
    explain.bound_slack = plan.exact ? 0 : static_cast<double>(plan.effort.coarse_errors);
    result.explains.push_back(std::move(explain));
  }
  const uint32_t every = plan.exact ? 0 : options_.user.shadow_every;
  for (size_t q = 0; every > 0 && q < queries.row_count; ++q) {
    if (shadow_.count.fetch_add(1) % every != 0) continue;
    const auto recall =
        ShadowRecall(*column, segments, queries.row(q), options, found.hits[q]);
    if (!recall.ok()) continue;  // the answer itself is complete
    const std::lock_guard lock(shadow_.mutex);
    shadow_.recalls[column->id].Add(*recall);
  }
  return result;
}

}  // namespace vdb::engine
