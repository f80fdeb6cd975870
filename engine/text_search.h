// Documents that hold one of some words, ranked by BM25 (query/text_score.h), on one view.
#pragma once

#include <string>
#include <vector>

#include "engine/filter_run.h"
#include "engine/view.h"
#include "query/budget.h"
#include "vdb/query.h"

namespace vdb::engine {

struct TextHit {
  uint64_t docno = 0;
  std::string key;
  double score = 0;
};

struct TextMatches {
  std::vector<TextHit> hits;     // by score descending, then docno ascending
  uint64_t document_count = 0;   // that match the filter and hold a word
  uint64_t postings_read = 0;
  /// Not kNone: words of the query were left out from where the budget ended.
  StopReason stopped = StopReason::kNone;
};

/// The min(k, documents that match and hold a word) best. `matches` null: without a filter. A word
/// that is there twice in the query counts once; no word in it: no hits.
/// kInvalidArgument if a field of the clause has no ready text index, kFailedPrecondition if it
/// names none and the collection has none; kInvalidArgument too for more words than TextClause may
/// have. Once the budget has ended, at most a block of hits is read.
StatusOr<TextMatches> SearchText(const View& view, const format::CollectionEntry& collection,
                                 const TextClause& clause, const FilterMatches* matches, size_t k,
                                 query::Budget* budget);

}  // namespace vdb::engine
