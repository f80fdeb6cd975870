// TopK: the best k rows of one query, and the one tie rule of every search path.
//
// A bounded heap with the worst kept row on top. Until k rows are there, a push only appends; a row
// that does not beat the worst costs one comparison. k pushes and a sort are O(k log k), so a k of
// a million is fine.
// Threads: none of it is safe; the owner locks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "query/exact_search.h"

namespace vdb::query {

/// Score descending, then docno ascending. A docno has one row in a column, so this is a total
/// order; segment and row only keep the answer defined if damaged bytes repeat a docno.
inline bool RanksBefore(const RowHit& a, const RowHit& b) {
  if (a.score != b.score) return a.score > b.score;
  return std::tie(a.docno, a.segment, a.row) < std::tie(b.docno, b.segment, b.row);
}

class TopK {
 public:
  TopK() = default;
  explicit TopK(size_t k) : k_(k) {}

  /// A row that scores strictly below this cannot enter; -infinity while there is room for any.
  double kth_score() const {
    if (hits_.size() < k_) return -std::numeric_limits<double>::infinity();
    return hits_.empty() ? std::numeric_limits<double>::infinity() : hits_.front().score;
  }

  void Push(const RowHit& hit) {
    if (hits_.size() < k_) {
      hits_.push_back(hit);
      if (hits_.size() == k_) std::make_heap(hits_.begin(), hits_.end(), RanksBefore);
    } else if (k_ > 0 && RanksBefore(hit, hits_.front())) {
      ReplaceWorst(hit);
    }
  }

  /// Every row kept so far, in no order.
  template <typename Function>
  void ForEach(const Function& function) const {
    for (const RowHit& hit : hits_) function(hit);
  }

  /// The rows, best first. The heap is empty afterwards.
  std::vector<RowHit> TakeSorted() {
    std::sort(hits_.begin(), hits_.end(), RanksBefore);
    return std::exchange(hits_, {});
  }

 private:
  // One sift down instead of pop_heap and push_heap.
  void ReplaceWorst(const RowHit& hit) {
    size_t hole = 0;
    for (size_t child = 1; child < k_; child = 2 * hole + 1) {
      if (child + 1 < k_ && RanksBefore(hits_[child], hits_[child + 1])) ++child;
      if (!RanksBefore(hit, hits_[child])) break;
      hits_[hole] = hits_[child];
      hole = child;
    }
    hits_[hole] = hit;
  }

  size_t k_ = 0;
  std::vector<RowHit> hits_;  // a heap by RanksBefore (worst in front) once it holds k_
};

}  // namespace vdb::query
