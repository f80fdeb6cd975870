// Which documents of a collection match a filter, on one view: by field indexes as far as they
// reach, else by reading documents.
#pragma once

#include <memory>

#include "engine/view.h"
#include "query/budget.h"
#include "query/docno_set.h"
#include "query/filter_tree.h"
#include "vdb/search.h"

namespace vdb::engine {

/// The documents that match, or, if `complement`, those that do not.
struct FilterMatches {
  query::DocnoSet docnos;
  bool complement = false;
  uint64_t match_count = 0;      // counted
  StopReason stopped = StopReason::kNone;  // not kNone: some matches may be missing, none is wrong
  FilterExplain explain;
};

/// `filter` is OK and does not match all. A filter that only part of is indexed is answered from
/// the indexed conjuncts and their documents, or by a scan of all documents, whichever is cheaper;
/// the answer is the same.
StatusOr<FilterMatches> RunFilter(const View& view, const format::CollectionEntry& collection,
                                  const Filter& filter, query::Budget* budget);

class DocnoKeys;

/// The same, and, where indexes gave them away, the keys of the documents in `keys`: those of all
/// matches, among others, if `*keys_complete`.
StatusOr<FilterMatches> RunFilterForKeys(const View& view,
                                         const format::CollectionEntry& collection,
                                         const Filter& filter, query::Budget* budget,
                                         DocnoKeys* keys, bool* keys_complete);

}  // namespace vdb::engine
