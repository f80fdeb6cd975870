// The tree behind vdb::Filter: what its text form and its builder make, and what plans and
// evaluators read. Meaning of every predicate: docs/filters.md.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "format/field_path.h"
#include "vdb/filter.h"

namespace vdb::query {

enum class FilterOp : uint8_t {
  // Of children.
  kAnd,   ///< of none: true
  kOr,    ///< of none: false
  kNot,   ///< of one
  // Predicates on `path`.
  kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual,  ///< with values[0]
  kBetween,     ///< values[0] <= it <= values[1], of one type
  kIn,          ///< one of values
  kExists,
  kIsNull,
  kStartsWith,  ///< values[0], a string
  kContains,    ///< values[0], a string
};

/// Made by query/filter_build.h alone, within the limits of vdb/filter.h.
struct FilterNode {
  FilterOp op = FilterOp::kAnd;
  format::FieldPath path;  ///< of predicates; of no step: the document's key
  std::vector<FilterValue> values;  ///< of kIn: ascending (query/filter_value.h), each once
  std::vector<std::shared_ptr<const FilterNode>> children;

  bool is_predicate() const { return op > FilterOp::kNot; }

  // The text form, made when it is first asked for (query/filter_text.h): caches are keyed by it.
  mutable std::once_flag text_made;
  mutable std::string text;
};
using FilterNodePtr = std::shared_ptr<const FilterNode>;

/// Whether a document matches. `metadata`: a FlexBuffer as format/metadata.h writes them, or empty.
/// kCorruption if it is damaged where it is looked at.
StatusOr<bool> Matches(const FilterNode& filter, std::string_view key, std::string_view metadata);

}  // namespace vdb::query
