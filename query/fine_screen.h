// FineScreen: screens the rows of one indexed segment with the fine codes' rigorous bound, for
// exact search. The proof is in index/codes.h (Cauchy-Schwarz on the residual) and FineSlack
// (rounding).
#pragma once

#include <span>
#include <vector>

#include "index/inverted_lists.h"
#include "query/exact_search.h"
#include "query/probe_query.h"

namespace vdb::query {

/// What the screens of all segments share: a group of queries and their keys of every list.
class FineQueries {
 public:
  FineQueries(const index::Codebook& codebook, Metric metric, const index::Kernels& kernels,
              std::span<const ScreenQuery> queries);
  FineQueries(const FineQueries&) = delete;
  FineQueries& operator=(const FineQueries&) = delete;

  const index::Codebook& codebook() const { return *codebook_; }
  const index::Kernels& kernels() const { return *kernels_; }
  Metric metric() const { return metric_; }
  const ProbeQuery& query(size_t i) const { return queries_[i]; }
  const index::ListKey& key(size_t query, uint32_t list) const {
    return keys_[query * codebook_->list_count() + list];
  }
  /// How far a list's key may lie from the exact one: its product was summed in float32.
  double KeyError(size_t query, double centroid_length) const;
  size_t count() const { return queries_.size(); }
  /// Of all queries, as Kernels::score_fine_batch takes them.
  const int8_t* fine() const { return fine_; }
  const float* scales() const { return scales_.data(); }
  const float* offsets() const { return offsets_.data(); }

 private:
  void FindKeys();

  const index::Codebook* codebook_;
  Metric metric_;
  const index::Kernels* kernels_;
  std::vector<ProbeQuery> queries_;
  std::vector<index::ListKey> keys_;
  std::vector<int8_t> fine_room_;
  int8_t* fine_ = nullptr;
  std::vector<float> scales_, offsets_;
};

class FineScreen final : public RowScreen {
 public:
  /// `allow` null: all rows; else only the codes of allowed rows are read, and no other row is
  /// surely left out.
  FineScreen(const FineQueries& queries, const index::InvertedLists& lists,
             const uint64_t* allow = nullptr);

  bool AllBelow(size_t query, uint64_t first, size_t count, double kth_score) const override;
  bool Look(uint64_t first, size_t count, Scratch* scratch) const override;
  size_t Candidates(size_t query, uint64_t first, size_t count, double kth_score,
                    const Scratch& scratch, uint32_t* out) const override;

 private:
  uint32_t ListOf(uint64_t row) const;
  double SlackOfAllLists(size_t query) const;
  double Ceiling(size_t query, uint32_t list) const;
  void LookAtAllowed(uint64_t first, size_t count, const uint8_t* rows, Scratch* scratch) const;

  const FineQueries& queries_;
  const index::InvertedLists& lists_;
  const uint64_t* allow_;
  double rotation_error_;
  std::vector<double> slack_;  // per query, enough for each list
};

}  // namespace vdb::query
