// Lists: queries without vectors and text, in the order of a key or a field.
#pragma once

#include "engine/query_scope.h"

namespace vdb::engine {

/// The page of the list that the scope's request asks for.
StatusOr<QueryResult> RunList(QueryScope* scope);

}  // namespace vdb::engine
