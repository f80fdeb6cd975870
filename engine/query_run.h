// Collection::Query on one view.
#pragma once

#include "engine/database_impl.h"
#include "vdb/query.h"

namespace vdb::engine {

StatusOr<QueryResult> RunQuery(const DatabaseImpl& database, const View& view,
                               const format::CollectionEntry& collection,
                               const QueryRequest& request);

}  // namespace vdb::engine
