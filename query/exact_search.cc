// See exact_search.h.
//
// Work is divided into tasks of consecutive rows of one segment, handed out by an atomic counter.
// All threads share one heap per query, behind a lock that is taken only for rows that survived the
// screen: they are rare once k rows are known, and a shared heap gives every thread the best k-th
// score there is (and needs k hits per query, whatever the number of threads).
#include "query/exact_search.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <exception>
#include <mutex>
#include <new>
#include <numeric>
#include <string>
#include <thread>
#include <utility>

#include "format/status_macros.h"
#include "index/kernels/kernels.h"
#include "index/matrix_product.h"
#include "query/row_scorer.h"
#include "query/screen_limit.h"
#include "query/top_k.h"

namespace vdb::query {
namespace {

// From this many queries on, a matrix product beats screening row by row for each of them. Measured
// with 100,000 x 768, 400,000 x 128 and 600,000 x 50: the two are level between 10 and 12 queries,
// with AVX2 as with AVX-512.
constexpr size_t kMatrixQueriesMin = 12;

// The tile of scores of one product: at most 4 MiB. Products of fewer queries pack each row more
// often, products of fewer rows each query.
constexpr size_t kTileRowsMax = 1024;
constexpr size_t kTileRowsMin = 64;
constexpr size_t kTileQueriesMax = 1024;

// Row by row: rows that are screened before their survivors are looked at (they stay in the second
// level cache till then), and rows that a thread takes at once.
constexpr size_t kScreenBlockBytes = 128 * 1024;
constexpr size_t kScreenBlockRowsMax = 1024;
constexpr size_t kTaskBytes = 512 * 1024;

// By codes: rows per task, and rows whose codes every query screens before the next ones. Their
// estimates for 256 queries are 272 KiB; not a power of two, as the estimates of one row would then
// all fall into the same few cache sets (measured with 128 queries: 1.34 against 1.0 ns a pair).
constexpr size_t kCodeBlockRows = 272;
constexpr size_t kCodeTaskRows = 8 * kCodeBlockRows;

// Multiplications below which a search stays on the caller's thread: 16 MiB of rows for one query.
// Measured with one query on cached rows: at 16 MiB two threads took 0.35 ms instead of 0.51, at
// 8 MiB no less than one, at 64 MiB 1.3 instead of 2.2 (best of 300, dimension 128; 768 alike).
constexpr double kThreadWork = 4 << 20;
constexpr size_t kThreadsMax = 256;

constexpr double kNoScore = -std::numeric_limits<double>::infinity();

// Rows that a listed segment (see Scan::listed_) fetches ahead: its rows lie apart.
constexpr size_t kListedAhead = 4;

// Consecutive rows of one segment; of a listed one, consecutive places in its list.
struct RowRange {
  uint32_t segment = 0;
  uint64_t first = 0;
  size_t count = 0;
};

struct alignas(64) QueryState {
  ScreenQuery query;
  std::atomic<double> kth_score{kNoScore};  // of `top`; only grows
  std::atomic<uint64_t> rescored{0};
  std::mutex mutex;
  TopK top;  // guarded by mutex
};

// A row of a block that a query lets through, and the query's k-th score then.
struct Screened {
  struct About {
    uint32_t query;
    double kth_score;
  } about;
  uint32_t position;
};

// What one thread works with.
struct Scratch {
  std::vector<float> scores;         // [queries of a product x rows]
  std::vector<uint32_t> positions;   // [rows]
  std::vector<float> norm, inverse;  // [rows], see NormTerms
  std::vector<float> gathered;       // [rows x dimension] of a listed segment, for a product
  std::vector<RowHit> hits;
  RowScreen::Scratch screen;
  std::vector<Screened> screened;    // of a block, query by query
  RowScorer scorer;

  explicit Scratch(const RowScorer& row_scorer) : scorer(row_scorer) {}
};

class Scan {
 public:
  Scan(const ExactSearchInput& input, const index::Kernels& kernels);

  Status Prepare();
  void Run();
  StatusOr<std::vector<std::vector<RowHit>>> TakeAnswer();

 private:
  void ListRows();
  void PlanTasks();
  size_t ThreadCount() const;
  size_t RowBytes() const { return input_.dimension * sizeof(float); }
  size_t TaskRows(const ScanSegment& segment) const {
    return segment.screen != nullptr ? kCodeTaskRows : task_rows_;
  }
  bool UsesMatrix() const { return states_.size() >= kMatrixQueriesMin; }
  bool Listed(uint32_t segment) const {
    return input_.segments[segment].allow != nullptr && input_.segments[segment].screen == nullptr;
  }
  uint64_t RowsOf(uint32_t segment) const {
    const ScanSegment& from = input_.segments[segment];
    return Listed(segment) ? listed_[segment].size() : from.row_count - from.first_row;
  }
  bool GoOn() const { return input_.budget == nullptr || input_.budget->GoOn(); }

  void Work();
  Status WorkOrFail();
  Status ScanRange(const RowRange& range, Scratch* scratch);
  Status ScanRangeByMatrix(const RowRange& range, Scratch* scratch);
  Status ScanRangeByCodes(const RowRange& range, Scratch* scratch);
  bool AllBelow(const RowRange& block) const;
  void ScreenByCodes(uint32_t query, const RowRange& block, bool looked, Scratch* scratch);
  void PrefetchRow(const ScanSegment& segment, uint64_t row) const;
  void ScreenListed(const RowRange& block, const float* unit, float* scores) const;
  void GatherListed(const RowRange& block, Scratch* scratch) const;
  void FindNormTerms(const RowRange& block, Scratch* scratch) const;
  RowRange Task(uint64_t task) const;

  Status Offer(QueryState* state, const RowRange& range, const float* scores, Scratch* scratch);
  Status OfferPart(QueryState* state, const RowRange& range, size_t begin, size_t end,
                   const float* scores, Scratch* scratch);
  Status RescoreFound(QueryState* state, double kth_score, uint32_t segment, uint64_t first,
                      size_t found, Scratch* scratch);
  size_t FindCandidates(const ScreenLimit& limit, size_t begin, size_t end, const float* scores,
                        Scratch* scratch) const;
  Status Rescore(const QueryState& state, double kth_score, uint32_t segment, uint64_t row,
                 Scratch* scratch) const;
  void Fail(Status status);

  const ExactSearchInput& input_;
  const index::Kernels& kernels_;
  const size_t k_;
  uint64_t total_rows_ = 0;
  size_t task_rows_ = 0;
  // By segment: the rows to search of one with a mask and no screen; empty for others.
  std::vector<std::vector<uint32_t>> listed_;
  std::vector<uint64_t> tasks_before_;  // [segments + 1]
  std::vector<float> units_;            // [queries x dimension]
  std::vector<QueryState> states_;      // [queries]

  std::atomic<uint64_t> next_task_{0};
  std::atomic<uint64_t> code_rows_{0};
  std::atomic<bool> failed_{false};
  std::mutex error_mutex_;
  Status error_;  // guarded by error_mutex_
};

Scan::Scan(const ExactSearchInput& input, const index::Kernels& kernels)
    : input_(input),
      kernels_(kernels),
      k_(std::min(input.k, kSearchKMax)),
      units_(input.queries.row_count * input.dimension),
      states_(input.queries.row_count) {}

Status Scan::Prepare() {
  const index::ScopedFloatMode float_mode;
  const size_t dimension = input_.dimension;
  const double error =
      UsesMatrix() ? index::AnyOrderErrorBound(dimension) : index::ScreenErrorBound(dimension);
  for (size_t q = 0; q < states_.size(); ++q) {
    auto query = MakeScreenQuery(kernels_, input_.queries.row(q).data(), dimension, error,
                                 units_.data() + q * dimension);
    if (!query.ok()) {
      return Status::InvalidArgument("query " + std::to_string(q) + ": " +
                                     query.status().message());
    }
    if (input_.metric == Metric::kCosine && !(query->length > 0)) {
      return Status::InvalidArgument("query " + std::to_string(q) +
                                     ": a zero vector has no direction to compare by cosine");
    }
    states_[q].query = *query;
    states_[q].top = TopK(k_);
    if (!input_.kth_scores_known.empty()) states_[q].kth_score = input_.kth_scores_known[q];
  }
  ListRows();
  PlanTasks();
  return Status::Ok();
}

void Scan::ListRows() {
  listed_.resize(input_.segments.size());
  for (uint32_t i = 0; i < listed_.size(); ++i) {
    const ScanSegment& segment = input_.segments[i];
    if (Listed(i)) {
      listed_[i] = segment.allow->Rows();
      std::erase_if(listed_[i], [&segment](uint32_t row) {
        return row < segment.first_row || row >= segment.row_count;
      });
    }
    total_rows_ += RowsOf(i);
  }
}

void Scan::PlanTasks() {
  if (UsesMatrix()) {
    // Small collections: smaller tiles, so that every thread gets some.
    const uint64_t share = total_rows_ / (4 * ThreadCount()) + 1;
    task_rows_ = static_cast<size_t>(std::clamp<uint64_t>(share, kTileRowsMin, kTileRowsMax));
    task_rows_ = (task_rows_ + kTileRowsMin - 1) / kTileRowsMin * kTileRowsMin;
  } else {
    task_rows_ = std::max<size_t>(kTaskBytes / RowBytes(), 16);
  }
  tasks_before_.assign(1, 0);
  for (uint32_t i = 0; i < input_.segments.size(); ++i) {
    const size_t rows = TaskRows(input_.segments[i]);
    tasks_before_.push_back(tasks_before_.back() + (RowsOf(i) + rows - 1) / rows);
  }
}

size_t Scan::ThreadCount() const {
  if (input_.thread_count > 0) return std::min<size_t>(input_.thread_count, kThreadsMax);
  const double work = static_cast<double>(total_rows_) * static_cast<double>(input_.dimension) *
                      static_cast<double>(states_.size());
  if (work < kThreadWork) return 1;
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax);
}

void Scan::Run() {
  const uint64_t useful = std::min<uint64_t>(ThreadCount(), tasks_before_.back());
  std::vector<std::thread> helpers;
  for (uint64_t i = 1; i < useful; ++i) {
    try {
      helpers.emplace_back([this] { Work(); });
    } catch (const std::exception&) {
      break;  // the system has no more threads: those that run do the work
    }
  }
  Work();
  for (std::thread& helper : helpers) helper.join();
}

StatusOr<std::vector<std::vector<RowHit>>> Scan::TakeAnswer() {
  if (!error_.ok()) return error_;
  std::vector<std::vector<RowHit>> answer;
  answer.reserve(states_.size());
  for (QueryState& state : states_) answer.push_back(state.top.TakeSorted());
  for (size_t q = 0; q < input_.rows_rescored.size(); ++q) {
    input_.rows_rescored[q] = states_[q].rescored.load();
  }
  if (input_.code_rows != nullptr) *input_.code_rows = code_rows_.load();
  return answer;
}

void Scan::Fail(Status status) {
  const std::lock_guard lock(error_mutex_);
  if (error_.ok()) error_ = std::move(status);
  failed_.store(true, std::memory_order_relaxed);
}

// Nothing may leave a thread of ours but a Status.
void Scan::Work() {
  try {
    if (Status status = WorkOrFail(); !status.ok()) Fail(std::move(status));
  } catch (const std::bad_alloc&) {
    Fail(Status::ResourceExhausted("out of memory during a search; ask for a smaller k or batch"));
  } catch (const std::exception& error) {
    Fail(Status::IoError(std::string("unexpected: ") + error.what()));
  }
}

Status Scan::WorkOrFail() {
  const index::ScopedFloatMode float_mode;
  Scratch scratch(RowScorer(input_.metric, input_.dimension, kernels_));
  const size_t product_queries =
      UsesMatrix() ? std::min(states_.size(), kTileQueriesMax) : size_t{1};
  scratch.scores.resize(product_queries * task_rows_);
  scratch.positions.resize(std::max(task_rows_, kCodeBlockRows));
  scratch.norm.resize(task_rows_);
  scratch.inverse.resize(task_rows_);
  while (!failed_.load(std::memory_order_relaxed) && GoOn()) {
    const uint64_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (task >= tasks_before_.back()) break;
    const RowRange range = Task(task);
    const bool codes = input_.segments[range.segment].screen != nullptr;
    VDB_RETURN_IF_ERROR(codes          ? ScanRangeByCodes(range, &scratch)
                        : UsesMatrix() ? ScanRangeByMatrix(range, &scratch)
                                       : ScanRange(range, &scratch));
  }
  return Status::Ok();
}

RowRange Scan::Task(uint64_t task) const {
  const auto after = std::upper_bound(tasks_before_.begin(), tasks_before_.end(), task);
  const auto segment = static_cast<uint32_t>(after - tasks_before_.begin()) - 1;
  const size_t rows = TaskRows(input_.segments[segment]);
  const uint64_t done = (task - tasks_before_[segment]) * rows;
  const uint64_t first = done + (Listed(segment) ? 0 : input_.segments[segment].first_row);
  return {segment, first, static_cast<size_t>(std::min<uint64_t>(RowsOf(segment) - done, rows))};
}

void Scan::FindNormTerms(const RowRange& block, Scratch* scratch) const {
  const ScanSegment& segment = input_.segments[block.segment];
  if (input_.metric == Metric::kCosine) return;
  if (!Listed(block.segment)) {
    NormTerms({segment.records + block.first, block.count}, scratch->norm.data(),
              scratch->inverse.data());
    return;
  }
  const uint32_t* const rows = listed_[block.segment].data() + block.first;
  for (size_t i = 0; i < block.count; ++i) {
    NormTerms({segment.records + rows[i], 1}, scratch->norm.data() + i,
              scratch->inverse.data() + i);
  }
}

void Scan::ScreenListed(const RowRange& block, const float* unit, float* scores) const {
  const float* const values = input_.segments[block.segment].rows;
  const uint32_t* const rows = listed_[block.segment].data() + block.first;
  for (size_t i = 0; i < block.count; ++i) {
    if (i + kListedAhead < block.count) {
      PrefetchRow(input_.segments[block.segment], rows[i + kListedAhead]);
    }
    kernels_.screen_dots(values + uint64_t{rows[i]} * input_.dimension, 1, input_.dimension, unit,
                         scores + i);
  }
}

void Scan::GatherListed(const RowRange& block, Scratch* scratch) const {
  const float* const values = input_.segments[block.segment].rows;
  scratch->gathered.resize(block.count * input_.dimension);
  for (size_t i = 0; i < block.count; ++i) {
    const uint64_t row = listed_[block.segment][block.first + i];
    std::copy_n(values + row * input_.dimension, input_.dimension,
                scratch->gathered.data() + i * input_.dimension);
  }
}

Status Scan::ScanRange(const RowRange& range, Scratch* scratch) {
  const ScanSegment& segment = input_.segments[range.segment];
  const size_t block_rows =
      std::clamp<size_t>(kScreenBlockBytes / RowBytes(), 16, kScreenBlockRowsMax);
  for (size_t done = 0; done < range.count && GoOn(); done += block_rows) {
    const RowRange block = {range.segment, range.first + done,
                            std::min(block_rows, range.count - done)};
    FindNormTerms(block, scratch);
    for (QueryState& state : states_) {
      if (Listed(range.segment)) {
        ScreenListed(block, state.query.unit, scratch->scores.data());
      } else {
        kernels_.screen_dots(segment.rows + block.first * input_.dimension, block.count,
                             input_.dimension, state.query.unit, scratch->scores.data());
      }
      VDB_RETURN_IF_ERROR(Offer(&state, block, scratch->scores.data(), scratch));
    }
  }
  return Status::Ok();
}

Status Scan::ScanRangeByMatrix(const RowRange& range, Scratch* scratch) {
  const ScanSegment& segment = input_.segments[range.segment];
  const size_t dimension = input_.dimension;
  FindNormTerms(range, scratch);
  const float* rows = segment.rows + range.first * dimension;
  if (Listed(range.segment)) {
    GatherListed(range, scratch);
    rows = scratch->gathered.data();
  }
  for (size_t first = 0; first < states_.size(); first += kTileQueriesMax) {
    const size_t count = std::min(kTileQueriesMax, states_.size() - first);
    index::MultiplyQueriesByRows(units_.data() + first * dimension, count, rows, range.count,
                                 dimension, scratch->scores.data());
    for (size_t q = 0; q < count; ++q) {
      VDB_RETURN_IF_ERROR(
          Offer(&states_[first + q], range, scratch->scores.data() + q * range.count, scratch));
    }
  }
  return Status::Ok();
}

// All queries screen a block before any of its rows is scored: meanwhile the rows that they let
// through are on their way from memory.
Status Scan::ScanRangeByCodes(const RowRange& range, Scratch* scratch) {
  const ScanSegment& segment = input_.segments[range.segment];
  const uint64_t* const allow = segment.allow == nullptr ? nullptr : segment.allow->Words();
  for (size_t done = 0; done < range.count && GoOn(); done += kCodeBlockRows) {
    const RowRange block = {range.segment, range.first + done,
                            std::min(kCodeBlockRows, range.count - done)};
    const uint64_t allowed =
        allow == nullptr ? block.count
                         : CountBits(allow, block.first, block.first + block.count);
    if (allowed == 0 || AllBelow(block)) continue;
    code_rows_.fetch_add(allowed, std::memory_order_relaxed);
    const bool looked = segment.screen->Look(block.first, block.count, &scratch->screen);
    scratch->screened.clear();
    for (uint32_t q = 0; q < states_.size(); ++q) ScreenByCodes(q, block, looked, scratch);
    for (size_t i = 0; i < scratch->screened.size();) {
      const auto [q, kth_score] = scratch->screened[i].about;
      size_t found = 0;
      for (; i < scratch->screened.size() && scratch->screened[i].about.query == q; ++i) {
        scratch->positions[found++] = scratch->screened[i].position;
      }
      VDB_RETURN_IF_ERROR(
          RescoreFound(&states_[q], kth_score, range.segment, block.first, found, scratch));
    }
  }
  return Status::Ok();
}

bool Scan::AllBelow(const RowRange& block) const {
  const RowScreen& screen = *input_.segments[block.segment].screen;
  for (size_t q = 0; q < states_.size(); ++q) {
    const double kth_score = states_[q].kth_score.load(std::memory_order_relaxed);
    if (!screen.AllBelow(q, block.first, block.count, kth_score)) return false;
  }
  return true;
}

// Where codes are damaged, every row is let through.
void Scan::ScreenByCodes(uint32_t query, const RowRange& block, bool looked, Scratch* scratch) {
  const ScanSegment& segment = input_.segments[block.segment];
  const uint64_t* const allow = segment.allow == nullptr ? nullptr : segment.allow->Words();
  const double kth_score = states_[query].kth_score.load(std::memory_order_relaxed);
  uint32_t* const some = scratch->positions.data();
  size_t found = block.count;
  if (looked) {
    found = segment.screen->Candidates(query, block.first, block.count, kth_score,
                                       scratch->screen, some);
  } else {
    std::iota(some, some + found, 0u);
  }
  for (size_t i = 0; i < found; ++i) {
    const uint64_t row = block.first + some[i];
    if (allow != nullptr && ((allow[row / 64] >> (row % 64)) & 1) == 0) continue;
    PrefetchRow(segment, row);
    scratch->screened.push_back({{query, kth_score}, some[i]});
  }
}

// The beginning of a row; the processor follows by itself.
void Scan::PrefetchRow(const ScanSegment& segment, uint64_t row) const {
  const char* const values = reinterpret_cast<const char*>(segment.rows + row * input_.dimension);
  for (size_t i = 0; i < std::min<size_t>(RowBytes(), 1024); i += 64) {
    __builtin_prefetch(values + i);
  }
}

// Before there is a k-th score, in growing steps: each step's score keeps most of the next one out.
Status Scan::Offer(QueryState* state, const RowRange& range, const float* scores,
                   Scratch* scratch) {
  const bool known = state->kth_score.load(std::memory_order_relaxed) > kNoScore;
  size_t step = known ? range.count : std::max<size_t>(k_, 64);
  for (size_t begin = 0; begin < range.count; begin += step, step *= 2) {
    const size_t end = std::min(range.count, begin + step);
    VDB_RETURN_IF_ERROR(OfferPart(state, range, begin, end, scores, scratch));
  }
  return Status::Ok();
}

Status Scan::OfferPart(QueryState* state, const RowRange& range, size_t begin, size_t end,
                       const float* scores, Scratch* scratch) {
  const double kth_score = state->kth_score.load(std::memory_order_relaxed);
  const ScreenLimit limit =
      MakeScreenLimit(input_.metric, state->query, input_.dimension, kth_score);
  const size_t found = FindCandidates(limit, begin, end, scores, scratch);
  return RescoreFound(state, kth_score, range.segment, range.first + begin, found, scratch);
}

Status Scan::RescoreFound(QueryState* state, double kth_score, uint32_t segment, uint64_t first,
                          size_t found, Scratch* scratch) {
  if (found == 0) return Status::Ok();
  scratch->hits.clear();
  for (size_t i = 0; i < found; ++i) {
    const uint64_t at = first + scratch->positions[i];
    VDB_RETURN_IF_ERROR(Rescore(*state, kth_score, segment,
                                Listed(segment) ? listed_[segment][at] : at, scratch));
  }
  state->rescored.fetch_add(found, std::memory_order_relaxed);
  if (scratch->hits.empty()) return Status::Ok();
  const std::lock_guard lock(state->mutex);
  for (const RowHit& hit : scratch->hits) state->top.Push(hit);
  const double known = state->kth_score.load(std::memory_order_relaxed);
  state->kth_score.store(std::max(known, state->top.kth_score()), std::memory_order_relaxed);
  return Status::Ok();
}

size_t Scan::FindCandidates(const ScreenLimit& limit, size_t begin, size_t end, const float* scores,
                            Scratch* scratch) const {
  uint32_t* const out = scratch->positions.data();
  if (input_.metric == Metric::kCosine) {
    return kernels_.find_at_least(scores + begin, end - begin, limit.c, out);
  }
  return kernels_.find_at_least_affine(scores + begin, scratch->norm.data() + begin,
                                       scratch->inverse.data() + begin, end - begin, limit.a,
                                       limit.b, limit.c, out);
}

Status Scan::Rescore(const QueryState& state, double kth_score, uint32_t segment_index,
                     uint64_t row, Scratch* scratch) const {
  const ScanSegment& segment = input_.segments[segment_index];
  VDB_ASSIGN_OR_RETURN(const bool dead, scratch->scorer.IsDead(segment, row));
  if (dead) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const double score,
                       scratch->scorer.Score(state.query, segment, segment_index, row));
  if (!(score < kth_score)) {
    scratch->hits.push_back({score, segment.records[row].docno, segment_index, row});
  }
  return Status::Ok();
}

}  // namespace

StatusOr<std::vector<std::vector<RowHit>>> ExactSearch(const ExactSearchInput& input) {
  VDB_ASSIGN_OR_RETURN(const index::Kernels* kernels, index::ActiveKernels());
  return ExactSearchAtLevel(input, *kernels);
}

StatusOr<std::vector<std::vector<RowHit>>> ExactSearchAtLevel(const ExactSearchInput& input,
                                                              const index::Kernels& kernels) {
  if (input.dimension == 0 || input.queries.dimension != input.dimension) {
    return Status::InvalidArgument("queries of dimension " +
                                   std::to_string(input.queries.dimension) +
                                   " for a column of dimension " + std::to_string(input.dimension));
  }
  if (input.k == 0) return std::vector<std::vector<RowHit>>(input.queries.row_count);
  Scan scan(input, kernels);
  VDB_RETURN_IF_ERROR(scan.Prepare());
  scan.Run();
  return scan.TakeAnswer();
}

}  // namespace vdb::query
