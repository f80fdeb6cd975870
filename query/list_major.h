// ListMajor: approximate search of many queries at a time, list by list.
//
// Each query ranks the lists and probes its nearest one by itself (list_probe.h), so that it
// knows a score that its k-th best reaches. Which lists it wants beyond that is noted, and the
// notes of all queries are sorted by list: a list's codes then come from memory once for all
// that want it. Where enough queries want the same list, its fine codes are multiplied with all
// of them at once (Kernels::score_fine_batch), and the coarse codes are not needed. A query
// probes every list that it would probe alone, and some more, as it knows less of its k-th best
// when it chooses them. Rows meet another threshold on the way than alone, so that answers are
// not the same; measured, recall is a little higher (docs/architecture.md).
//
// Threads: one object per thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "query/list_probe.h"

namespace vdb::query {

class ListMajor {
 public:
  ListMajor(const ListSearchInput& input, const index::Kernels& kernels);

  /// How many queries to answer at a time, of `count` on `threads` threads; 0: one after the other
  /// is sooner, or the only way.
  static size_t GroupOf(const ListSearchInput& input, const index::Kernels& kernels, size_t count,
                        size_t threads);
  static constexpr size_t kGroupMin = 1000;

  /// Adds the best rows of queries to `hits`, which may hold exact hits of rows outside the index.
  /// *whole and `explains` (one per query, or empty) as in ListProbe::Search. Memory: 64 MiB for a
  /// group, and 32 for the lists that they want.
  Status Search(std::span<const ScreenQuery> queries, std::span<std::vector<RowHit>> hits,
                std::span<SearchExplain> explains, bool* whole);

 private:
  // That a query wants the list at a place of its order.
  struct Visit {
    uint32_t list, query, place;
  };

  StatusOr<size_t> ProbeNearest(std::span<const uint32_t> order, bool* whole);
  Status ProbeLists(bool* whole);
  Status ProbeTogether(std::span<const Visit> visits, bool* whole);
  void GatherQueries(std::span<const Visit> visits);

  const ListSearchInput& input_;
  const index::Kernels& kernels_;
  ListProbe::Room room_;
  std::vector<std::unique_ptr<ListProbe>> probes_;
  std::vector<TopK> tops_;
  std::vector<Visit> visits_;  // by list
  // Of the queries that share a list.
  std::vector<int8_t> fine_room_;
  int8_t* fine_ = nullptr;
  std::vector<float> scales_, offsets_, scores_room_;
  std::vector<uint8_t> expanded_room_;
};

}  // namespace vdb::query
