#include "query/list_major.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <tuple>

#include "format/status_macros.h"
#include "index/aligned_room.h"

namespace vdb::query {
namespace {

// Lists that a query probes by itself. Most of its best rows are there, so that the threshold by
// which it chooses the others is nearly the last one; a second would not be shared with others.
constexpr size_t kOwnLists = 1;

// Rows whose fine codes are scored at a time, for all queries of a list.
constexpr size_t kRowsTogether = 128;

constexpr size_t kGroupQueriesMax = 4096;
constexpr size_t kGroupBytesMax = 64u << 20;
constexpr size_t kWantedBytesMax = 32u << 20;

// An order of lists that is longer than this is not kept for the next query.
constexpr size_t kOrderBytesKept = 8192;

size_t CeilOf(size_t a, size_t b) { return (a + b - 1) / b; }

}  // namespace

// Without a product of many queries, and where masks leave few rows of a list, nothing is gained.
// Queries under a limit are worth more done than half done.
size_t ListMajor::GroupOf(const ListSearchInput& input, const index::Kernels& kernels,
                          size_t count, size_t threads) {
  if (input.one_by_one || input.exact || kernels.fine_batch_min == 0) return 0;
  if (!input.list_allowed.empty()) return 0;
  if (input.budget != nullptr && input.budget->limited()) return 0;
  const size_t bytes = ListProbe::BytesMax(input) + kOrderBytesKept;
  const size_t most = std::clamp<size_t>(kGroupBytesMax / bytes, 1, kGroupQueriesMax);
  const size_t rounds = CeilOf(count, threads * most);
  const size_t group = CeilOf(count, threads * std::max<size_t>(rounds, 1));
  return group < kGroupMin ? 0 : group;
}

ListMajor::ListMajor(const ListSearchInput& input, const index::Kernels& kernels)
    : input_(input), kernels_(kernels), room_(input, kernels) {}

Status ListMajor::Search(std::span<const ScreenQuery> queries,
                         std::span<std::vector<RowHit>> hits, std::span<SearchExplain> explains,
                         bool* whole) {
  while (probes_.size() < queries.size()) {
    probes_.push_back(std::make_unique<ListProbe>(input_, kernels_, &room_));
  }
  tops_.assign(queries.size(), TopK(std::min(input_.k, kSearchKMax)));
  for (size_t q = 0; q < queries.size(); ++q) {
    for (const RowHit& hit : hits[q]) tops_[q].Push(hit);
    probes_[q]->Start(queries[q], &tops_[q], !explains.empty());
  }
  // By nearest list, for queries that share it read the same codes.
  std::vector<uint32_t> order(queries.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::tuple(probes_[a]->NearestList(), a) < std::tuple(probes_[b]->NearestList(), b);
  });
  for (size_t first = 0, count = 0; first < order.size() && *whole; first += count) {
    const auto start = std::chrono::steady_clock::now();
    VDB_ASSIGN_OR_RETURN(count, ProbeNearest(std::span(order).subspan(first), whole));
    VDB_RETURN_IF_ERROR(ProbeLists(whole));
    const std::chrono::duration<double, std::micro> took =
        std::chrono::steady_clock::now() - start;
    for (size_t i = first; i < first + count && *whole; ++i) {
      const uint32_t q = order[i];
      VDB_RETURN_IF_ERROR(probes_[q]->Finish(whole, explains.empty() ? nullptr : &explains[q]));
      if (!explains.empty()) explains[q].scan_us = took.count() / static_cast<double>(count);
      hits[q] = tops_[q].TakeSorted();
      if (probes_[q]->order_bytes() > kOrderBytesKept) probes_[q]->ForgetOrder();
    }
  }
  return Status::Ok();
}

// Notes what else each query wants; returns how many queries have been asked, at least one.
StatusOr<size_t> ListMajor::ProbeNearest(std::span<const uint32_t> order, bool* whole) {
  visits_.clear();
  std::vector<uint32_t> places;
  size_t asked = 0, order_bytes = 0;
  while (asked < order.size() && *whole) {
    const uint32_t q = order[asked++];
    places.clear();
    VDB_RETURN_IF_ERROR(probes_[q]->Walk(kOwnLists, &places, whole));
    for (const uint32_t place : places) visits_.push_back({probes_[q]->ListAt(place), q, place});
    order_bytes += probes_[q]->order_bytes();
    if (order_bytes + visits_.size() * sizeof(Visit) > kWantedBytesMax) break;
  }
  std::sort(visits_.begin(), visits_.end(), [](const Visit& a, const Visit& b) {
    return std::tie(a.list, a.query) < std::tie(b.list, b.query);
  });
  return asked;
}

Status ListMajor::ProbeLists(bool* whole) {
  for (size_t begin = 0, end = 0; begin < visits_.size() && *whole; begin = end) {
    while (end < visits_.size() && visits_[end].list == visits_[begin].list) ++end;
    const auto visits = std::span(visits_).subspan(begin, end - begin);
    if (visits.size() >= kernels_.fine_batch_min) {
      VDB_RETURN_IF_ERROR(ProbeTogether(visits, whole));
      continue;
    }
    for (size_t i = 0; i < visits.size() && *whole; ++i) {
      VDB_RETURN_IF_ERROR(probes_[visits[i].query]->Probe(visits[i].place, whole));
    }
  }
  return Status::Ok();
}

void ListMajor::GatherQueries(std::span<const Visit> visits) {
  const size_t padded = input_.codebook->padded();
  const size_t rounded = CeilOf(visits.size(), index::kFineQueries) * index::kFineQueries;
  fine_ = index::AlignedRoom(&fine_room_, rounded * padded);
  scales_.clear();
  offsets_.clear();
  for (const Visit& visit : visits) {
    const index::CodedQuery& coded = probes_[visit.query]->coded();
    std::copy_n(coded.fine(), padded, fine_ + scales_.size() * padded);
    scales_.push_back(coded.fine_scale());
    offsets_.push_back(coded.fine_offset());
  }
}

Status ListMajor::ProbeTogether(std::span<const Visit> visits, bool* whole) {
  const uint32_t list = visits.front().list, padded = input_.codebook->padded();
  GatherQueries(visits);
  float* const estimates =
      index::AlignedRoom(&scores_room_, (visits.size() + 1) * kRowsTogether);
  float* const errors = estimates + visits.size() * kRowsTogether;
  uint8_t* const expanded = index::AlignedRoom(&expanded_room_, size_t{32} * padded);
  uint64_t looked_at = 0;
  for (uint32_t s = 0; s < input_.indexed.size(); ++s) {
    const index::InvertedLists* const lists = input_.indexed[s].lists;
    if (lists == nullptr) continue;  // searched as float32
    const uint64_t past = lists->row_end(list);
    for (uint64_t first = lists->row_begin(list); first < past; first += kRowsTogether) {
      const size_t count = std::min<uint64_t>(kRowsTogether, past - first);
      const uint8_t* const rows = lists->FineRows(first, first + count);
      if (rows == nullptr) {
        *whole = false;
        return Status::Ok();
      }
      kernels_.score_fine_batch({rows, lists->fine_bytes(), count, padded, fine_, visits.size(),
                                 scales_.data(), offsets_.data(), expanded},
                                estimates, errors);
      for (size_t i = 0; i < visits.size(); ++i) {
        VDB_RETURN_IF_ERROR(probes_[visits[i].query]->Consider(
            visits[i].place, s, first, {estimates + i * count, count}, errors));
      }
      looked_at += count;
    }
  }
  for (const Visit& visit : visits) probes_[visit.query]->CountTogether(looked_at);
  return Status::Ok();
}

}  // namespace vdb::query
