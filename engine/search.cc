// Search: which plan answers a request, and the keys of what it found.
#include <chrono>
#include <cmath>

#include "engine/allow_mask.h"
#include "engine/database_impl.h"
#include "format/status_macros.h"
#include "index/kernels/kernels.h"
#include "query/calibration.h"
#include "query/exact_search.h"
#include "query/list_search.h"

namespace vdb::engine {
namespace {

// Columns with fewer bytes of vectors are scanned: ranking lists and building tables costs as much,
// and for a proof the keys of all lists besides. Measured: 1,000 x 48 16 us by either
// way; exact, 10,000 x 48 58 us by scan and 100 by codes, 1,000 x 768 88 and 81, 50,000 x 128 1,940
// and 369, 100,000 x 2 (L2) 370 and 108.
constexpr uint64_t kScanBytesMax = 192 << 10;
constexpr uint64_t kExactScanBytesMax = 2 << 20;

// The same for the matches of a filter. Reading a row that lies apart from the one before takes as
// long as so many bytes more.
constexpr uint64_t kApartBytes = 512;
constexpr uint64_t kMatchesBytesMax = 2 << 20;
constexpr uint64_t kExactMatchesBytesMax = 4 << 20;

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

// The segments of a column as searches want them, all live rows or those of a mask.
struct SearchSegments {
  std::shared_ptr<const AllowMask> mask;  // null: no filter
  std::shared_ptr<const index::Codebook> codebook;
  std::vector<std::shared_ptr<const index::InvertedLists>> keep;
  std::vector<query::IndexedSegment> indexed;
  std::vector<query::ScanSegment> unindexed;
  std::vector<const SegmentView*> views;  // indexed ones, then the others
  uint64_t indexed_live_rows = 0;
  uint64_t live_rows = 0;
  uint64_t rows = 0;  // to search: with a mask the allowed ones

  // Allowed rows as a share of the live ones.
  double Selectivity() const {
    return static_cast<double>(rows) / static_cast<double>(std::max<uint64_t>(live_rows, 1));
  }
  std::span<const uint32_t> list_allowed() const {
    return mask == nullptr ? std::span<const uint32_t>() : mask->list_allowed;
  }
};

query::ScanSegment ScanOf(const SegmentView& segment, const query::RowMask* allow) {
  query::ScanSegment scan = {segment.segment->rows(), segment.segment->records(),
                             segment.mark.rows, segment.mask.get()};
  scan.allow = allow;
  return scan;
}

SearchSegments SegmentsOf(const ColumnView* column, std::shared_ptr<const AllowMask> mask) {
  SearchSegments result;
  result.mask = std::move(mask);
  if (column == nullptr) return result;
  if (column->epoch != nullptr) {
    auto codebook = column->epoch->Get();
    if (codebook.ok()) result.codebook = std::move(*codebook);
  }
  std::vector<const SegmentView*> others;
  for (size_t i = 0; i < column->segments.size(); ++i) {
    const SegmentView& segment = column->segments[i];
    const query::RowMask* allow = result.mask == nullptr ? nullptr : result.mask->segments[i].get();
    const uint64_t live =
        segment.mark.rows - (segment.mask == nullptr ? 0 : segment.mask->dead_count());
    result.live_rows += live;
    result.rows += allow == nullptr ? segment.mark.rows : allow->count();
    if (result.codebook != nullptr && segment.index != nullptr && !segment.index->damaged()) {
      auto lists = segment.index->Get();
      if (lists.ok()) {
        result.indexed.push_back({ScanOf(segment, allow), lists->get()});
        result.keep.push_back(std::move(*lists));
        result.views.push_back(&segment);
        result.indexed_live_rows += live;
        continue;
      }
    }
    result.unindexed.push_back(ScanOf(segment, allow));
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
  const double selectivity = segments.mask == nullptr ? 1 : segments.Selectivity();
  const auto effort =
      query::EffortFor(calibration, options.recall, options.k, drift, selectivity);
  const std::string among =
      segments.mask == nullptr ? "" : " among the " + Percent(selectivity) + " that match";
  if (!effort) {
    plan->name = "exact by codes";
    plan->reason = "the calibration does not prove this recall at this k" + among + ", with " +
                   Percent(drift) + " of the rows changed since; `vdbtool index build` renews it";
    return;
  }
  plan->name = "probe";
  plan->reason = "the least calibrated effort that reaches the target" + among;
  plan->exact = false;
  plan->effort = *effort;
  plan->recall_target = options.recall;
}

// Whether float32 rows (all, or those of a mask, which lie apart) cost less than codes.
bool ScanIsCheaper(const SearchSegments& segments, const format::ColumnEntry& column, bool exact) {
  uint64_t row_bytes = uint64_t{column.dimension} * sizeof(float);
  if (exact && column.metric != Metric::kCosine) row_bytes += sizeof(format::RowRecord);  // norms
  if (segments.mask == nullptr) {
    return segments.rows * row_bytes <= (exact ? kExactScanBytesMax : kScanBytesMax);
  }
  const uint64_t cost_bytes = segments.rows * (row_bytes + kApartBytes);
  return cost_bytes <= (exact ? kExactMatchesBytesMax : kMatchesBytesMax);
}

SearchPlan MakePlan(const ColumnView* column, const SearchSegments& segments,
                    const format::ColumnEntry& entry, const SearchOptions& options,
                    bool codes_always) {
  SearchPlan plan;
  if (segments.mask != nullptr) plan.name = "matches";
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
  if (!codes_always && ScanIsCheaper(segments, entry, exact)) {
    plan.reason = (segments.mask == nullptr ? "the column is" : "the matches are") +
                  std::string(" so few that scanning them is as fast");
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
                                             const SearchOptions& options,
                                             query::Budget* budget) {
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
  input.budget = budget;
  const std::vector<double> floors(queries.row_count, options.min_score);
  input.kth_scores_known = floors;
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
                                          MatrixView queries, const SearchOptions& options,
                                          query::Budget* budget) {
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
  input.list_allowed = segments.list_allowed();
  input.min_score = options.min_score;
  input.budget = budget;
  input.explain = options.explain;
  return query::ListSearch(input);
}

// Each hit's row is checked against its checksum, and its key is beside it.
StatusOr<Answer> ToAnswer(const SearchSegments& segments, const std::vector<query::RowHit>& hits,
                          double min_score, query::Budget* budget) {
  constexpr size_t kHitsPerBlock = 1024;
  Answer answer;
  answer.hits.reserve(hits.size());
  for (const query::RowHit& hit : hits) {
    if (hit.score < min_score) break;
    // A query that was stopped before still answers with a block of what it has.
    const bool asks = answer.hits.size() % kHitsPerBlock == kHitsPerBlock - 1;
    if (asks && !budget->GoOn()) break;
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
                              const std::vector<query::RowHit>& hits, query::Budget* budget) {
  SearchOptions again = options;
  again.explain = false;
  VDB_ASSIGN_OR_RETURN(const auto truth, ByLists(column, segments, SearchPlan(), MatrixView(query),
                                                 again, budget));
  if (truth.hits[0].empty()) return 1.0;
  double good = 0;
  for (const query::RowHit& hit : hits) {
    good += hit.score >= truth.hits[0].back().score ? 1 : 0;
  }
  return good / static_cast<double>(truth.hits[0].size());
}

Status CheckOptions(const format::ColumnEntry& column, const SearchOptions& options) {
  const std::string where = "search in column '" + column.name + "': ";
  const bool by_recall = !options.exact && options.nprobe == 0;
  if (by_recall && !(options.recall > 0 && options.recall <= 1)) {
    return Status::InvalidArgument(where + "expected a recall above 0 and at most 1, found " +
                                   std::to_string(options.recall));
  }
  if (std::isnan(options.min_score)) {
    return Status::InvalidArgument(where + "expected a minimum score, found NaN");
  }
  return options.filter.status();
}

void FinishExplain(const SearchPlan& plan, const SearchSegments& segments,
                   SearchExplain* explain) {
  explain->plan = plan.name;
  explain->reason = plan.reason;
  explain->recall_target = plan.recall_target;
  explain->margin = plan.exact ? 0 : static_cast<double>(plan.effort.margin);
  explain->bound_slack = plan.exact ? 0 : static_cast<double>(plan.effort.coarse_errors);
  explain->rows_allowed = segments.mask == nullptr ? segments.live_rows : segments.mask->row_count;
  if (segments.mask != nullptr) explain->filter = segments.mask->explain;
}

}  // namespace

// The rows of a column that match, from the cache or counted now. A mask that a limit cut short is
// not kept.
StatusOr<std::shared_ptr<const AllowMask>> DatabaseImpl::MaskOf(
    const View& view, const format::CollectionEntry& collection, uint32_t column_id,
    const Filter& filter, query::Budget* budget) const {
  MaskCache::Key key = {view.batch, view.manifest->generation, column_id, filter.ToString()};
  if (auto found = mask_cache_.Find(key)) {
    metrics_.mask_hits.Add();
    return found;
  }
  metrics_.mask_misses.Add();
  VDB_ASSIGN_OR_RETURN(FilterMatches matches, RunFilter(view, collection, filter, budget));
  const auto start = std::chrono::steady_clock::now();
  static const ColumnView kEmpty;
  const ColumnView* column = view.FindColumn(column_id);
  VDB_ASSIGN_OR_RETURN(auto mask, MakeAllowMask(column == nullptr ? kEmpty : *column,
                                                std::move(matches), budget));
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  auto timed = std::make_shared<AllowMask>(*mask);
  timed->explain.mask_us = took.count();
  if (timed->stopped != StopReason::kNone) return std::shared_ptr<const AllowMask>(timed);
  auto cached = std::make_shared<AllowMask>(*timed);
  cached->explain.cached = true;
  cached->explain.documents_read = cached->explain.metadata_bytes = 0;
  cached->explain.filter_us = cached->explain.mask_us = 0;
  for (auto& predicate : cached->explain.predicates) predicate.entries_read = 0;
  mask_cache_.Insert(std::move(key), std::move(cached));
  return std::shared_ptr<const AllowMask>(timed);
}

StatusOr<SearchResult> DatabaseImpl::Search(const View& view,
                                            const format::CollectionEntry& collection,
                                            MatrixView queries,
                                            const SearchOptions& options) const {
  query::Budget budget(options.limits, options_.clock);
  return Search(view, collection, queries, options, &budget);
}

StatusOr<SearchResult> DatabaseImpl::Search(const View& view,
                                            const format::CollectionEntry& collection,
                                            MatrixView queries, const SearchOptions& options,
                                            query::Budget* budget) const {
  VDB_ASSIGN_OR_RETURN(const index::Kernels* kernels, index::ActiveKernels());
  VDB_ASSIGN_OR_RETURN(const format::ColumnEntry* column,
                       ColumnToSearch(collection, options.column));
  VDB_RETURN_IF_ERROR(CheckQueries(*column, queries, *kernels));
  VDB_RETURN_IF_ERROR(CheckOptions(*column, options));
  const ColumnView* column_view = view.FindColumn(column->id);
  std::shared_ptr<const AllowMask> mask;
  if (!options.filter.matches_all()) {
    VDB_ASSIGN_OR_RETURN(mask, MaskOf(view, collection, column->id, options.filter, budget));
  }
  const SearchSegments segments = SegmentsOf(column_view, std::move(mask));
  const SearchPlan plan =
      MakePlan(column_view, segments, *column, options, options_.codes_always);
  VDB_ASSIGN_OR_RETURN(auto found,
                       plan.by_lists
                           ? ByLists(*column, segments, plan, queries, options, budget)
                           : BruteForce(*column, segments, queries, options, budget));
  SearchResult result;
  result.batch_number = view.batch;
  result.answers.reserve(found.hits.size());
  for (const auto& hits : found.hits) {
    VDB_ASSIGN_OR_RETURN(Answer answer, ToAnswer(segments, hits, options.min_score, budget));
    result.answers.push_back(std::move(answer));
  }
  const StopReason stopped = budget->stopped();
  for (Answer& answer : result.answers) {
    answer.exact = plan.exact && stopped == StopReason::kNone;
    answer.stopped = stopped;
  }
  for (SearchExplain& explain : found.explains) {
    FinishExplain(plan, segments, &explain);
    result.explains.push_back(std::move(explain));
  }
  const bool shadow = !plan.exact && stopped == StopReason::kNone;
  const uint32_t every = shadow ? options_.user.shadow_every : 0;
  for (size_t q = 0; every > 0 && q < queries.row_count; ++q) {
    if (shadow_.count.fetch_add(1) % every != 0) continue;
    const auto recall =
        ShadowRecall(*column, segments, queries.row(q), options, found.hits[q], budget);
    // The answer itself is complete.
    if (!recall.ok() || budget->stopped() != StopReason::kNone) continue;
    const std::lock_guard lock(shadow_.mutex);
    shadow_.recalls[column->id].Add(*recall);
  }
  return result;
}

}  // namespace vdb::engine
