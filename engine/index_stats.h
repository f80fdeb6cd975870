// Figures of a column's index, from its files.
#pragma once

#include "engine/view.h"
#include "vdb/collection.h"

namespace vdb::engine {

/// Of a column that has an epoch. Loads the epoch and the directories of index files, no codes.
IndexStats IndexStatsOf(const ColumnView& column);

}  // namespace vdb::engine
