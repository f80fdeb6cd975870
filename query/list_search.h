// Search through the vector index: rank the inverted lists, scan coarse codes of the near ones,
// refine survivors with fine codes, rerank the best on the float32 rows.
//
// Two goals. *Approximate*: lists are probed by rising margin z, the number of residual lengths by
// which a list's row must exceed its centroid to enter the top k; lists beyond the calibrated
// margin are skipped, and codes pick candidates with probabilistic bounds. *Exact*: every list is
// screened with the fine codes' rigorous bound, so that only rows proven to lie below the k-th are
// left out; equal to ExactSearch, ties included. In both, rows outside the index (fresh segments,
// loose rows, segments whose index is damaged) are searched exactly, and every score comes from the
// float32 row in the documented order (exact_search.h).
//
// Sources: RaBitQ (Gao, Long 2024) for the coarse codes' estimator; VA-file (Weber, Schek, Blott
// 1998) for screening by codes with a rigorous bound. docs/architecture.md, Index.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "index/codebook.h"
#include "index/inverted_lists.h"
#include "query/exact_search.h"
#include "vdb/search.h"
#include "vdb/status.h"

namespace vdb::query {

/// A segment with its index. `scan.row_count` rows, as the index has.
struct IndexedSegment {
  ScanSegment scan;
  const index::InvertedLists* lists = nullptr;  ///< never null in an input
};

/// How wide an approximate search is. Wider in any part never lowers the mean recall.
struct Effort {
  float margin = 1e30f;     ///< lists with a larger z are skipped
  uint32_t probes_max = 0;  ///< 0: no limit
  float coarse_errors = 3;  ///< standard errors that a coarse key may be too low
  float fine_errors = 3.5;  ///< the same for fine keys
};

/// Adds a mask's rows to the counts by list that ListSearchInput::list_allowed wants.
void CountByList(const RowMask& allow, const index::InvertedLists& lists,
                 std::span<uint32_t> counts);

struct ListSearchInput {
  std::shared_ptr<const index::Codebook> codebook;
  std::span<const IndexedSegment> indexed;
  std::span<const ScanSegment> unindexed;
  Metric metric = Metric::kCosine;
  uint32_t dimension = 0;
  MatrixView queries;         ///< validated, as in ExactSearchInput
  size_t k = 10;
  uint32_t thread_count = 0;  ///< 0: decide here
  bool exact = false;
  Effort effort;              ///< approximate searches
  /// Approximate searches: each query as if alone, however many there are (see list_major.h).
  bool one_by_one = false;
  /// With masks (ScanSegment::allow, then of every segment): rows allowed in each list, all
  /// segments together. Empty: without masks.
  std::span<const uint32_t> list_allowed = {};
  /// Only hits that reach it are of interest.
  double min_score = -std::numeric_limits<double>::infinity();
  Budget* budget = nullptr;   ///< see ExactSearchInput
  bool explain = false;
};

struct ListSearchResult {
  /// Best first. RowHit::segment counts the indexed segments first, then the unindexed ones.
  std::vector<std::vector<RowHit>> hits;
  std::vector<SearchExplain> explains;  ///< if asked for
};

/// Errors as ExactSearch. A damaged index is no error: its segment is searched as float32, and
/// InvertedLists::damaged() says so.
StatusOr<ListSearchResult> ListSearch(const ListSearchInput& input);
StatusOr<ListSearchResult> ListSearchAtLevel(const ListSearchInput& input,
                                             const index::Kernels& kernels);

}  // namespace vdb::query
