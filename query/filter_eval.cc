// Whether a document matches a filter, read straight from its metadata.
#include <algorithm>

#include "format/metadata_view.h"
#include "format/status_macros.h"
#include "format/timestamp.h"
#include "query/filter_tree.h"
#include "query/filter_value.h"

namespace vdb::query {
namespace {

using format::MetadataKind;
using format::MetadataValue;

// Whether a predicate that compares holds for `value`.
bool Holds(const FilterNode& predicate, const Comparable& value) {
  if (predicate.op == FilterOp::kIn) {
    const auto& values = predicate.values;
    const auto at = std::lower_bound(
        values.begin(), values.end(), value,
        [](const FilterValue& a, const Comparable& b) { return ComparableOf(a) < b; });
    return at != values.end() && ComparableOf(*at) == value;
  }
  const Comparable constant = ComparableOf(predicate.values[0]);
  if (constant.index() != value.index()) return false;
  switch (predicate.op) {
    case FilterOp::kEqual: return value == constant;
    case FilterOp::kLess: return value < constant;
    case FilterOp::kLessOrEqual: return value <= constant;
    case FilterOp::kGreater: return value > constant;
    case FilterOp::kGreaterOrEqual: return value >= constant;
    case FilterOp::kBetween:
      return value >= constant && value <= ComparableOf(predicate.values[1]);
    default: return false;
  }
}

bool HoldsForString(const FilterNode& predicate, std::string_view text, bool may_be_time) {
  switch (predicate.op) {
    case FilterOp::kExists: return true;
    case FilterOp::kIsNull: return false;
    case FilterOp::kStartsWith: return text.starts_with(*StringOf(predicate.values[0]));
    case FilterOp::kContains:
      return text.find(*StringOf(predicate.values[0])) != std::string_view::npos;
    default: break;
  }
  if (Holds(predicate, text)) return true;
  // Times are last in a list.
  Timestamp time;
  return may_be_time && IsTime(predicate.values.back()) && format::IsTimestamp(text, &time) &&
         Holds(predicate, time);
}

bool HoldsForValue(const FilterNode& predicate, const MetadataValue& value) {
  if (value.kind == MetadataKind::kString) return HoldsForString(predicate, value.string, true);
  if (predicate.op == FilterOp::kExists) return true;
  if (predicate.op == FilterOp::kIsNull) return value.kind == MetadataKind::kNull;
  if (predicate.op == FilterOp::kStartsWith || predicate.op == FilterOp::kContains) return false;
  switch (value.kind) {
    case MetadataKind::kBool: return Holds(predicate, value.uint_value != 0);
    case MetadataKind::kInt: return Holds(predicate, format::OrderOfNumber(value.int_value));
    case MetadataKind::kUint: return Holds(predicate, format::OrderOfNumber(value.uint_value));
    case MetadataKind::kDouble: return Holds(predicate, format::OrderOfNumber(value.double_value));
    default: return false;
  }
}

StatusOr<bool> PredicateMatches(const FilterNode& predicate, std::string_view key,
                                std::string_view metadata) {
  if (predicate.path.is_key()) return HoldsForString(predicate, key, false);
  if (predicate.path.steps.empty()) return false;  // the body
  const auto use = [&predicate](const MetadataValue& value) {
    return !HoldsForValue(predicate, value);
  };
  const format::Walk walk = format::WalkField(metadata, predicate.path.steps, use);
  if (walk == format::Walk::kDamaged) return format::MetadataDamaged(metadata);
  return walk == format::Walk::kStop;
}

}  // namespace

// Recursion is bounded by kFilterDepthMax.
StatusOr<bool> Matches(const FilterNode& filter, std::string_view key, std::string_view metadata) {
  if (filter.is_predicate()) return PredicateMatches(filter, key, metadata);
  if (filter.op == FilterOp::kNot) {
    VDB_ASSIGN_OR_RETURN(const bool matches, Matches(*filter.children[0], key, metadata));
    return !matches;
  }
  const bool decisive = filter.op == FilterOp::kOr;
  for (const FilterNodePtr& child : filter.children) {
    VDB_ASSIGN_OR_RETURN(const bool matches, Matches(*child, key, metadata));
    if (matches == decisive) return decisive;
  }
  return !decisive;
}

}  // namespace vdb::query
