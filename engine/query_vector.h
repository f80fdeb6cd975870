// From a vector clause to the one vector that is searched for.
#pragma once

#include <string>
#include <vector>

#include "engine/query_scope.h"

namespace vdb::engine {

struct ClauseQuery {
  std::string column;         // its name
  std::vector<float> values;
  std::vector<std::string> like;  // keys of documents that are examples
};

/// The examples of a clause, as vdb/query.h combines them. `number`: of the clause, for messages.
StatusOr<ClauseQuery> ClauseQueryOf(const QueryScope& scope, size_t number);

/// The unit vectors that documents have in a column; empty: it has none there.
StatusOr<std::vector<float>> UnitVectorOf(const QueryScope& scope,
                                          const format::ColumnEntry& column, std::string_view key);

/// The column of that name, or the default one.
StatusOr<const format::ColumnEntry*> ColumnOf(const format::CollectionEntry& collection,
                                              std::string_view name);

}  // namespace vdb::engine
