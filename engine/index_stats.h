// Figures and verification of a column's index, from its files.
#pragma once

#include <functional>
#include <string>

#include "engine/view.h"
#include "vdb/collection.h"
#include "vdb/database.h"

namespace vdb::engine {

/// Of a column that has an epoch. Loads the epoch and the directories of index files, no codes.
IndexStats IndexStatsOf(const ColumnView& column);

/// Reads every index file that the view names once more, whole. `problem` gets file (below `root`),
/// place and message.
void VerifyIndexes(storage::FileSystem& fs, const std::string& root, const View& view,
                   VerifyReport* report,
                   const std::function<void(const std::string& file, const std::string& where,
                                            const std::string& message)>& problem);

}  // namespace vdb::engine
