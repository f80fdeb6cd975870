// How filter trees are made: by the parser and by the classes of vdb/filter.h. What comes out is in
// one form (junctions flat, integers signed where they fit, lists sorted) and within the limits.
//
// A null node matches every document. Errors are kInvalidArgument, "expected ..., found ...".
#pragma once

#include <cstddef>
#include <vector>

#include "query/filter_tree.h"

namespace vdb::query {

struct FilterSize {
  size_t depth = 0;       // of and, or, not
  size_t node_count = 0;  // predicates and their constants
};
FilterSize SizeOf(const FilterNode& filter);
Status CheckSize(const FilterNode& filter);

/// Puts it into the one form; refuses what has no text form.
Status CheckConstant(FilterValue* value);
/// Of constants that passed CheckConstant.
Status CheckBetween(const FilterValue& low, const FilterValue& high);

StatusOr<FilterNodePtr> MakePredicate(FilterOp op, format::FieldPath path,
                                      std::vector<FilterValue> values);
/// kAnd or kOr.
FilterNodePtr MakeJunction(FilterOp op, const std::vector<FilterNodePtr>& children);
FilterNodePtr MakeNot(FilterNodePtr child);

}  // namespace vdb::query
