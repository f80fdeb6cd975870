// ListProbe: approximate search of one query through the index.
//
// Rank the lists by their centroids (coarse codes of all of them, float32 for the best), then probe
// from the nearest on. A list is skipped if its margin
//     z = (k-th key so far - list key + drop) / (rho * reach) + 0.09 ln(rank + 1)
// exceeds the effort's: rho is the list's root mean square residual, reach the distance of the
// nearest list (dot: |p|), drop = rho^2 / 2 under L2, rank its place in the order (ListMargin). In
// a list, blocks of coarse codes give keys; rows whose key plus `coarse_errors` standard errors
// reaches the k-th lower bound are refined with fine codes; what then still may enter is reranked
// on its float32 row, best first.
//
// With masks, lists without an allowed row do not exist, blocks without one are not read, and the
// rank of a list is the number of allowed rows before it, in lists of average length: so the margin
// means what it means without a mask. No list is skipped before k allowed rows are known.
//
// Threads: one object per thread; Search for one query after the other. Many queries at a time take
// the steps of Search one by one: list_major.h.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "query/list_search.h"
#include "query/probe_query.h"
#include "query/row_scorer.h"
#include "query/top_k.h"

namespace vdb::query {

class ListProbe {
 public:
  /// What the probes of one thread share: they use it in turn.
  struct Room {
    Room(const ListSearchInput& input, const index::Kernels& kernels);

    struct Estimate {
      float key;
      uint32_t row;
    };
    RowScorer scorer;
    const void* owner = nullptr;      // the probe whose list_keys these are
    std::vector<float> list_keys;     // [lists, rounded up to blocks] coarse keys of the centroids
    std::vector<float> key_order;     // scratch for the choice of the best
    std::vector<uint32_t> chosen;     // lists
    std::vector<uint32_t> positions;  // of rows
    std::vector<Estimate> estimates;  // of a list while there is no threshold
  };

  ListProbe(const ListSearchInput& input, const index::Kernels& kernels, Room* room);

  /// Adds the query's best rows to `top`, which may hold exact hits of rows outside the index.
  /// False in *whole: an index is damaged; the answer must be thrown away and the search run again
  /// without that segment's index. `explain`: null for none.
  Status Search(const ScreenQuery& query, TopK* top, bool* whole, SearchExplain* explain);

  // The steps of Search.

  /// `top` may hold hits of rows outside the index; the best rows are added to it.
  void Start(const ScreenQuery& query, TopK* top, bool timed);

  /// Probes the lists within the margin. With `later`, only the nearest `now` of them and whatever
  /// gives k lower bounds; the places of the others, with every list that Search would probe, are
  /// added to `later`.
  Status Walk(size_t now, std::vector<uint32_t>* later, bool* whole);

  /// Probes the list at a place that Walk left.
  Status Probe(uint32_t place, bool* whole);

  /// For rows `first` on of the list at `place`, whose fine codes somebody else has scored for this
  /// query: Kernels::score_fine's results.
  Status Consider(uint32_t place, uint32_t segment, uint64_t first,
                  std::span<const float> estimates, const float* errors);
  void CountTogether(uint64_t rows);

  Status Finish(bool* whole, SearchExplain* explain);

  /// Of the order of lists, which a wide search makes long.
  size_t order_bytes() const { return ranked_.capacity() * sizeof(Ranked); }
  void ForgetOrder() { std::vector<Ranked>().swap(ranked_); }
  /// Memory of a probe but for that, at most.
  static size_t BytesMax(const ListSearchInput& input);

  uint32_t ListAt(uint32_t place) const { return ranked_[place].list; }
  uint32_t NearestList() const { return ranked_.empty() ? 0 : ranked_.front().list; }
  const index::CodedQuery& coded() const { return probe_.coded(); }

 private:
  struct Ranked {
    double order = 0;  // higher is probed earlier
    index::ListKey key;
    uint32_t list = 0;
    // Of a fine key in this list: the error of its code over the row's, and of the int8 query.
    double code_band = 0, query_band = 0;
  };
  // Rows of a block whose fine codes are on their way from memory while the next block is scanned.
  struct Pending {
    Ranked ranked;
    uint32_t segment = 0;
    uint64_t first = 0;
    uint64_t lanes = 0;
  };
  struct Candidate {
    float estimate, band;
    uint32_t segment, row;
  };

  void ScanCentroids();
  void RankMore();
  float LeastOfBest(size_t count);
  double Margin(const Ranked& ranked, double rank) const;
  void LeaveOutEmptyLists();
  Ranked WithBands(Ranked ranked) const;
  Status ProbeList(const Ranked& ranked, bool* whole);
  Status ScanRows(const Ranked& ranked, uint32_t segment, bool* whole);
  Status ScanBlock(const Ranked& ranked, uint32_t segment, const uint8_t* block, uint64_t first,
                   uint64_t lanes, bool* whole);
  Status RefineFirst(const Ranked& ranked, uint32_t segment, bool* whole);
  Status RefinePending(const Pending& pending, bool* whole);
  Status Refine(const Ranked& ranked, uint32_t segment, uint64_t row, bool* whole);
  Status Enter(const Ranked& ranked, uint32_t segment, uint64_t row, float estimate, float error);
  Status Rerank();
  Status MakeRoomForCandidates();
  void PrefetchList(uint32_t list) const;
  void PrefetchFine(uint32_t segment, uint64_t row) const;
  float CoarseBand(const index::ListKey& key) const;
  void AddLowerBound(double lower);
  void Lap(double* stage);

  const ListSearchInput& input_;
  const index::Codebook& codebook_;
  const index::Kernels& kernels_;
  Room& room_;
  ProbeQuery probe_;
  const ScreenQuery* query_ = nullptr;
  TopK* top_ = nullptr;
  size_t k_ = 0;
  // Of the last list probed before there was a threshold: lists without live rows say nothing.
  double reach_ = 0;
  double rank_ = 0;                   // of the next list, counted from that one
  size_t list_count_ = 0;             // lists that may hold a row
  double rank_per_row_ = 0;           // with masks

  std::vector<Ranked> ranked_;
  std::vector<double> lower_;         // heap of the k best lower bounds, the worst in front
  double threshold_ = 0;              // lower_'s worst once there are k, else -infinity
  std::vector<Candidate> candidates_;
  Pending pending_;
  bool timed_ = false;
  double clock_ = 0;                  // when the running stage began
  SearchExplain counts_;
};

}  // namespace vdb::query
