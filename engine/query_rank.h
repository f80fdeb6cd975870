// Ranked queries: candidates of the clauses, fused, thinned out and grouped, in rounds.
//
// A round asks each clause for so many candidates; while the page is not full and a clause has
// more, the next asks for twice as many, and what it brings that was not there yet comes after what
// was. So a list only grows, and its pages fit together, although fusion, diversity and
// approximate answers each depend on the number of candidates.
#pragma once

#include "engine/query_scope.h"

namespace vdb::engine {

StatusOr<QueryResult> RunRanked(QueryScope* scope);

}  // namespace vdb::engine
