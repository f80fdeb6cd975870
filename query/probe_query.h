// ProbeQuery: one query in the coded space of a column's codebook: its codes, the keys of lists,
// and how scores and keys translate.
//
// Threads: one object per thread; const methods from any once it is prepared.
#pragma once

#include <cstdint>
#include <vector>

#include "index/codebook.h"
#include "query/screen_limit.h"
#include "vdb/types.h"

namespace vdb::query {

class ProbeQuery {
 public:
  ProbeQuery(const index::Codebook& codebook, Metric metric, const index::Kernels& kernels)
      : codebook_(&codebook), metric_(metric), kernels_(&kernels) {}

  void Prepare(const ScreenQuery& query);

  const index::CodedQuery& coded() const { return coded_; }

  /// The key of a centroid, summed in float32: to rank.
  index::ListKey KeyOfList(uint32_t list) const;

  /// The key that belongs to a score, and -infinity or infinity to theirs.
  double KeyOfScore(double score) const { return score * key_per_score_; }

  /// How far the documented score of a row of a list may lie from its key in coded space, beside
  /// FineSlack: rounding of the unit query, of the documented order, and of scaling. In key units.
  double OrderSlack(double centroid_length, double radius) const;

 private:
  const index::Codebook* codebook_;
  Metric metric_;
  const index::Kernels* kernels_;
  index::CodedQuery coded_;
  double key_per_score_ = 1;
};

/// How unlikely a list is to hold a row that reaches `threshold`: the residual lengths (rho) by
/// which such a row must exceed the centroid towards the query, plus a term that grows with the
/// list's rank, for a query has few near lists and many far ones. See list_probe.h.
struct ListMargin {
  const index::Codebook* codebook = nullptr;
  Metric metric = Metric::kCosine;
  double reach = 0;  ///< the distance of the nearest list (dot: |p|)

  double Of(uint32_t list, const index::ListKey& key, double rank, double threshold) const;
};

}  // namespace vdb::query
