// Filters as text and back. Grammar: docs/filters.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "query/filter_tree.h"

namespace vdb::query {

/// Words that are fields only in backquotes, in any case.
enum class FilterKeyword : uint8_t {
  kAnd, kOr, kNot, kIn, kBetween, kExists, kIs, kNull, kStarts, kWith, kContains, kTrue, kFalse,
  kTimestamp,
};
std::optional<FilterKeyword> FilterKeywordOf(std::string_view word);

/// Null if `text` is blank: it matches every document. Errors as vdb/filter.h has them.
StatusOr<FilterNodePtr> ParseFilter(std::string_view text);

/// The canonical text form; made once, and kept by the node. Threads: any.
const std::string& FilterText(const FilterNode& filter);

}  // namespace vdb::query
