// See list_search.h. Rows outside the index are searched by ExactSearch for all queries first;
// their hits are each query's first candidates. Exact searches then run ExactSearch over
// everything, with the fine codes as screens and an approximate answer's k-th score to start from.
#include "query/list_search.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

#include "format/status_macros.h"
#include "index/kernels/kernels.h"
#include "query/fine_screen.h"
#include "query/list_major.h"
#include "query/list_probe.h"
#include "query/screen_limit.h"
#include "query/top_k.h"

namespace vdb::query {
namespace {

constexpr size_t kThreadsMax = 256;
// Fewer queries than this are answered on the caller's thread: starting another costs as much.
constexpr size_t kQueriesPerThreadMin = 4;
// Exact searches keep a key per list and query: so many queries at a time.
constexpr size_t kExactQueriesMax = 256;
constexpr size_t kKeyBytesMax = 64u << 20;
// The lists that an exact search probes for its first k-th score.
constexpr uint32_t kFloorProbes = 4;

uint64_t AllowedRows(const ScanSegment& segment, uint64_t first, uint64_t past) {
  return segment.allow == nullptr ? past - first : CountBits(segment.allow->Words(), first, past);
}

class Searcher {
 public:
  Searcher(const ListSearchInput& input, const index::Kernels& kernels)
      : input_(input), kernels_(kernels), units_(input.queries.row_count * input.dimension) {}

  /// `indexed[i]` false: segment i is searched as float32.
  Status Run(std::vector<bool> indexed, ListSearchResult* result, bool* whole);

 private:
  Status PrepareQueries();
  Status SearchOutside(std::vector<std::vector<RowHit>>* hits) const;
  Status ProbeAll(const Effort& effort, ListSearchResult* result, bool* whole);
  Status ProbeSome(const ListSearchInput& input, size_t group, std::atomic<size_t>* next,
                   ListSearchResult* result, bool* whole) const;
  Status ProbeGroups(const ListSearchInput& input, size_t group, std::atomic<size_t>* next,
                     ListSearchResult* result, bool* whole) const;
  Status ProveAll(ListSearchResult* result);
  Status ScreenAll(const ListSearchResult& seeds, ListSearchResult* result);
  std::vector<ScanSegment> Outside() const;

  const ListSearchInput& input_;
  const index::Kernels& kernels_;
  std::vector<bool> indexed_;
  std::vector<float> units_;
  std::vector<ScreenQuery> queries_;
};

Status Searcher::PrepareQueries() {
  const double error = index::ScreenErrorBound(input_.dimension);
  for (size_t q = 0; q < input_.queries.row_count; ++q) {
    VDB_ASSIGN_OR_RETURN(
        const ScreenQuery query,
        MakeScreenQuery(kernels_, input_.queries.row(q).data(), input_.dimension, error,
                        units_.data() + q * input_.dimension));
    queries_.push_back(query);
  }
  return Status::Ok();
}

// Loose rows, segments whose index is not to be used, and those without one.
std::vector<ScanSegment> Searcher::Outside() const {
  std::vector<ScanSegment> outside;
  for (size_t i = 0; i < input_.indexed.size(); ++i) {
    ScanSegment segment = input_.indexed[i].scan;
    if (indexed_[i]) segment.first_row = input_.indexed[i].lists->loose_begin();
    outside.push_back(segment);
  }
  outside.insert(outside.end(), input_.unindexed.begin(), input_.unindexed.end());
  return outside;
}

Status Searcher::SearchOutside(std::vector<std::vector<RowHit>>* hits) const {
  const std::vector<ScanSegment> outside = Outside();
  uint64_t rows = 0;
  for (const ScanSegment& segment : outside) rows += segment.row_count - segment.first_row;
  hits->assign(input_.queries.row_count, {});
  if (rows == 0) return Status::Ok();
  ExactSearchInput exact;
  exact.segments = outside;
  exact.dimension = input_.dimension;
  exact.metric = input_.metric;
  exact.queries = input_.queries;
  exact.k = input_.k;
  exact.thread_count = input_.thread_count;
  exact.budget = input_.budget;
  VDB_ASSIGN_OR_RETURN(*hits, ExactSearchAtLevel(exact, kernels_));
  return Status::Ok();
}

// So many queries at a time, list by list.
Status Searcher::ProbeGroups(const ListSearchInput& input, size_t group, std::atomic<size_t>* next,
                             ListSearchResult* result, bool* whole) const {
  ListMajor probes(input, kernels_);
  while (*whole) {
    const size_t first = next->fetch_add(group, std::memory_order_relaxed);
    if (first >= queries_.size()) break;
    const size_t count = std::min(group, queries_.size() - first);
    VDB_RETURN_IF_ERROR(probes.Search(
        std::span(queries_).subspan(first, count), std::span(result->hits).subspan(first, count),
        std::span(result->explains).subspan(input.explain ? first : 0, input.explain ? count : 0),
        whole));
  }
  return Status::Ok();
}

Status Searcher::ProbeSome(const ListSearchInput& input, size_t group, std::atomic<size_t>* next,
                           ListSearchResult* result, bool* whole) const {
  const index::ScopedFloatMode float_mode;
  if (group > 0) return ProbeGroups(input, group, next, result, whole);
  ListProbe::Room room(input, kernels_);
  ListProbe probe(input, kernels_, &room);
  while (*whole) {
    const size_t q = next->fetch_add(1, std::memory_order_relaxed);
    if (q >= queries_.size()) break;
    TopK top(std::min(input.k, kSearchKMax));
    for (const RowHit& hit : result->hits[q]) top.Push(hit);
    VDB_RETURN_IF_ERROR(probe.Search(queries_[q], &top, whole,
                                     input.explain ? &result->explains[q] : nullptr));
    result->hits[q] = top.TakeSorted();
  }
  return Status::Ok();
}

// Each query on one thread.
Status Searcher::ProbeAll(const Effort& effort, ListSearchResult* result, bool* whole) {
  std::vector<IndexedSegment> segments;
  for (size_t i = 0; i < input_.indexed.size(); ++i) {
    segments.push_back(input_.indexed[i]);
    if (!indexed_[i]) segments.back().lists = nullptr;
  }
  ListSearchInput input = input_;
  input.indexed = segments;
  input.effort = effort;
  size_t threads = input_.thread_count != 0 ? input_.thread_count
                                            : std::thread::hardware_concurrency();
  threads = std::clamp<size_t>(std::min(threads, queries_.size() / kQueriesPerThreadMin), 1,
                               kThreadsMax);
  const size_t group = ListMajor::GroupOf(input, kernels_, queries_.size(), threads);
  std::atomic<size_t> next{0};
  std::mutex mutex;
  Status failure;
  const auto work = [&] {
    bool mine = true;
    Status status;
    try {
      status = ProbeSome(input, group, &next, result, &mine);
    } catch (const std::bad_alloc&) {
      status = Status::ResourceExhausted("out of memory during a search; ask for a smaller k");
    } catch (const std::exception& error) {
      status = Status::IoError(std::string("unexpected: ") + error.what());
    }
    if (status.ok() && mine) return;
    next.store(queries_.size());
    const std::lock_guard lock(mutex);
    if (failure.ok()) failure = std::move(status);
    *whole &= mine;
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < threads; ++i) {
    try {
      helpers.emplace_back(work);
    } catch (const std::exception&) {
      break;  // the system has no more threads: those that run do the work
    }
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  return failure;
}

// Exact: every row is screened by codes or by itself, none is left out without proof. `seeds` are
// real rows, so their k-th score is one that the true k-th reaches.
Status Searcher::ScreenAll(const ListSearchResult& seeds, ListSearchResult* result) {
  const size_t k = std::min(input_.k, kSearchKMax);
  const size_t key_bytes = sizeof(index::ListKey) * input_.codebook->list_count();
  const size_t group = std::clamp<size_t>(kKeyBytesMax / key_bytes, 1, kExactQueriesMax);
  for (size_t first = 0; first < queries_.size(); first += group) {
    const size_t count = std::min(group, queries_.size() - first);
    const auto some = std::span(queries_).subspan(first, count);
    const FineQueries fine(*input_.codebook, input_.metric, kernels_, some);
    std::vector<FineScreen> screens;
    screens.reserve(input_.indexed.size());
    std::vector<ScanSegment> segments;
    for (size_t i = 0; i < input_.indexed.size(); ++i) {
      const IndexedSegment& from = input_.indexed[i];
      ScanSegment segment = from.scan;
      if (indexed_[i]) {
        screens.emplace_back(fine, *from.lists,
                             segment.allow == nullptr ? nullptr : segment.allow->Words());
        segment.row_count = from.lists->loose_begin();
        segment.screen = &screens.back();
      }
      segments.push_back(segment);
    }
    segments.insert(segments.end(), input_.unindexed.begin(), input_.unindexed.end());
    const size_t fixed = segments.size();
    std::vector<uint32_t> origin;  // of the loose parts appended
    for (size_t i = 0; i < input_.indexed.size(); ++i) {
      if (!indexed_[i]) continue;
      ScanSegment loose = input_.indexed[i].scan;
      loose.first_row = input_.indexed[i].lists->loose_begin();
      if (loose.first_row == loose.row_count) continue;
      segments.push_back(loose);
      origin.push_back(static_cast<uint32_t>(i));
    }
    std::vector<double> known;
    for (size_t q = 0; q < count; ++q) {
      const auto& hits = seeds.hits[first + q];
      known.push_back(std::max(input_.min_score,
                               hits.size() == k ? hits.back().score
                                                : -std::numeric_limits<double>::infinity()));
    }
    ExactSearchInput exact;
    exact.segments = segments;
    exact.dimension = input_.dimension;
    exact.metric = input_.metric;
    exact.queries = {input_.queries.data + first * input_.dimension, count, input_.dimension};
    exact.k = input_.k;
    exact.thread_count = input_.thread_count;
    exact.kth_scores_known = known;
    exact.budget = input_.budget;
    std::vector<uint64_t> rescored(input_.explain ? count : 0);
    exact.rows_rescored = rescored;
    uint64_t code_rows = 0;
    exact.code_rows = &code_rows;
    VDB_ASSIGN_OR_RETURN(auto hits, ExactSearchAtLevel(exact, kernels_));
    for (size_t q = 0; q < count; ++q) {
      for (RowHit& hit : hits[q]) {
        if (hit.segment >= fixed) hit.segment = origin[hit.segment - fixed];
      }
      result->hits[first + q] = std::move(hits[q]);
    }
    for (size_t q = 0; q < rescored.size(); ++q) {
      SearchExplain& explain = result->explains[first + q];
      explain.rows_reranked += rescored[q];
      explain.codes_refined += code_rows;
      explain.bytes_touched += code_rows * format::FineRowBytes(input_.codebook->padded());
      explain.bytes_touched += rescored[q] * input_.dimension * sizeof(float);
    }
  }
  return Status::Ok();
}

// From approximate answers to exact ones: every list is screened, by its radius or code by code.
Status Searcher::ProveAll(ListSearchResult* result) {
  const auto start = std::chrono::steady_clock::now();
  ListSearchResult exact;
  exact.hits.resize(queries_.size());
  exact.explains = std::move(result->explains);
  VDB_RETURN_IF_ERROR(ScreenAll(*result, &exact));
  *result = std::move(exact);
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  for (SearchExplain& explain : result->explains) {
    explain.lists_probed = explain.list_count;
    explain.lists_skipped = 0;
    explain.scan_us += took.count() / static_cast<double>(queries_.size());
  }
  return Status::Ok();
}

Status Searcher::Run(std::vector<bool> indexed, ListSearchResult* result, bool* whole) {
  indexed_ = std::move(indexed);
  queries_.clear();
  const index::ScopedFloatMode float_mode;
  VDB_RETURN_IF_ERROR(PrepareQueries());
  result->explains.assign(input_.explain ? queries_.size() : 0, {});
  result->hits.assign(queries_.size(), {});
  if (!input_.exact) VDB_RETURN_IF_ERROR(SearchOutside(&result->hits));
  uint64_t outside = 0;
  for (const ScanSegment& s : Outside()) outside += AllowedRows(s, s.first_row, s.row_count);
  Effort effort = input_.effort;
  if (input_.exact) effort = {.probes_max = kFloorProbes, .coarse_errors = 2, .fine_errors = 3};
  VDB_RETURN_IF_ERROR(ProbeAll(effort, result, whole));
  if (input_.exact && *whole) VDB_RETURN_IF_ERROR(ProveAll(result));
  for (SearchExplain& explain : result->explains) {
    explain.rows_scanned += outside;
    explain.bytes_touched += outside * input_.dimension * sizeof(float);
  }
  return Status::Ok();
}

}  // namespace

// Lists are consecutive ranges of rows. The rows of a sparse mask are walked instead, so that it
// need not be expanded.
void CountByList(const RowMask& allow, const index::InvertedLists& lists,
                 std::span<uint32_t> counts) {
  constexpr uint64_t kSparse = 64;
  if (allow.count() * kSparse > allow.row_count()) {
    for (uint32_t list = 0; list < counts.size(); ++list) {
      counts[list] += static_cast<uint32_t>(
          CountBits(allow.Words(), lists.row_begin(list), lists.row_end(list)));
    }
    return;
  }
  uint32_t list = 0;
  for (const uint32_t row : allow.Rows()) {
    while (list < counts.size() && row >= lists.row_end(list)) ++list;
    if (list == counts.size()) break;  // a loose row
    ++counts[list];
  }
}

StatusOr<ListSearchResult> ListSearch(const ListSearchInput& input) {
  VDB_ASSIGN_OR_RETURN(const index::Kernels* kernels, index::ActiveKernels());
  return ListSearchAtLevel(input, *kernels);
}

// Damage is found while searching: the search then runs again without that segment's index, at most
// once per segment.
StatusOr<ListSearchResult> ListSearchAtLevel(const ListSearchInput& input,
                                             const index::Kernels& kernels) {
  ListSearchResult result;
  if (input.k == 0) {
    result.hits.resize(input.queries.row_count);
    result.explains.resize(input.explain ? input.queries.row_count : 0);
    return result;
  }
  while (true) {
    std::vector<bool> indexed;
    for (const IndexedSegment& segment : input.indexed) {
      indexed.push_back(!segment.lists->damaged() && segment.lists->has_fine_codes());
    }
    bool whole = true;
    Searcher searcher(input, kernels);
    VDB_RETURN_IF_ERROR(searcher.Run(std::move(indexed), &result, &whole));
    if (whole) return result;
  }
}

}  // namespace vdb::query
