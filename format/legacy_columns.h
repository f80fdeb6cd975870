// The columns of a legacy cache: one per (model, dimension), named after the model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/legacy_cache.h"

namespace vdb::format {

/// Index of the column of (model, dimension); added if there is none: named after the model (bytes
/// that a name cannot have become '_'; "embedding" if the cache names no model), with "-DIM" where
/// that name is taken, and a number where that is taken too.
uint32_t LegacyColumnOf(std::string_view model, uint32_t dimension,
                        std::vector<LegacyColumn>* columns);

/// A name for a column that is not in `columns` yet.
std::string LegacyColumnName(std::string_view wanted, uint32_t dimension,
                             const std::vector<LegacyColumn>& columns);

}  // namespace vdb::format
