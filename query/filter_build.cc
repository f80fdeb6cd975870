#include "query/filter_build.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "format/status_macros.h"
#include "format/timestamp.h"
#include "query/filter_value.h"

namespace vdb::query {
namespace {

Status Expected(const std::string& expected, const std::string& found) {
  return Status::InvalidArgument("expected " + expected + ", found " + found);
}

// The key is always there: the shortest filter that matches nothing is that it is not.
FilterNodePtr MatchNothing() {
  auto exists = std::make_shared<FilterNode>();
  exists->op = FilterOp::kExists;
  return MakeNot(std::move(exists));
}

void SortAndUnite(std::vector<FilterValue>* values) {
  std::stable_sort(values->begin(), values->end(), [](const FilterValue& a, const FilterValue& b) {
    return ComparableOf(a) < ComparableOf(b);
  });
  const auto last = std::unique(values->begin(), values->end(),
                                [](const FilterValue& a, const FilterValue& b) {
                                  return ComparableOf(a) == ComparableOf(b);
                                });
  values->erase(last, values->end());
}

}  // namespace

FilterSize SizeOf(const FilterNode& filter) {
  if (filter.is_predicate()) return {0, 1 + filter.values.size()};
  FilterSize size;
  for (const FilterNodePtr& child : filter.children) {
    const FilterSize of_child = SizeOf(*child);
    size.depth = std::max(size.depth, of_child.depth);
    size.node_count += of_child.node_count;
  }
  ++size.depth;
  return size;
}

Status CheckSize(const FilterNode& filter) {
  const FilterSize size = SizeOf(filter);
  if (size.depth > kFilterDepthMax) {
    return Expected("and, or, not nested at most " + std::to_string(kFilterDepthMax) + " deep",
                    std::to_string(size.depth));
  }
  if (size.node_count > kFilterNodesMax) {
    return Expected("at most " + std::to_string(kFilterNodesMax) + " predicates and constants",
                    std::to_string(size.node_count));
  }
  return Status::Ok();
}

Status CheckConstant(FilterValue* value) {
  if (const auto* number = std::get_if<uint64_t>(&value->variant())) {
    if (*number <= INT64_MAX) *value = static_cast<int64_t>(*number);
  } else if (const auto* real = std::get_if<double>(&value->variant())) {
    if (!std::isfinite(*real)) return Expected("a finite number", std::to_string(*real));
  } else if (const auto* time = std::get_if<Timestamp>(&value->variant())) {
    if (time->nanoseconds >= 1'000'000'000 || time->seconds < format::kTimestampSecondsMin ||
        time->seconds > format::kTimestampSecondsMax) {
      return Expected("a timestamp within the years 0000 to 9999",
                      std::to_string(time->seconds) + " seconds and " +
                          std::to_string(time->nanoseconds) + " nanoseconds");
    }
  }
  return Status::Ok();
}

Status CheckBetween(const FilterValue& low, const FilterValue& high) {
  if (ComparableOf(low).index() == ComparableOf(high).index()) return Status::Ok();
  return Expected("both ends of 'between' to be of one type", "two types");
}

StatusOr<FilterNodePtr> MakePredicate(FilterOp op, format::FieldPath path,
                                      std::vector<FilterValue> values) {
  if (path.body) return Expected("a field of the metadata, or $key", "$body");
  for (FilterValue& value : values) VDB_RETURN_IF_ERROR(CheckConstant(&value));
  if (op == FilterOp::kBetween) VDB_RETURN_IF_ERROR(CheckBetween(values[0], values[1]));
  if (op == FilterOp::kIn) {
    if (values.empty()) return Expected("a constant for 'in'", "none");
    SortAndUnite(&values);
  }
  auto node = std::make_shared<FilterNode>();
  node->op = op;
  node->path = std::move(path);
  node->values = std::move(values);
  VDB_RETURN_IF_ERROR(CheckSize(*node));
  return FilterNodePtr(std::move(node));
}

FilterNodePtr MakeJunction(FilterOp op, const std::vector<FilterNodePtr>& children) {
  auto node = std::make_shared<FilterNode>();
  node->op = op;
  for (const FilterNodePtr& child : children) {
    if (child == nullptr) {
      if (op == FilterOp::kOr) return nullptr;
    } else if (child->op == op) {
      node->children.insert(node->children.end(), child->children.begin(), child->children.end());
    } else {
      node->children.push_back(child);
    }
  }
  if (node->children.size() == 1) return node->children[0];
  if (node->children.empty()) return op == FilterOp::kAnd ? nullptr : MatchNothing();
  return node;
}

FilterNodePtr MakeNot(FilterNodePtr child) {
  if (child == nullptr) return MatchNothing();
  auto node = std::make_shared<FilterNode>();
  node->op = FilterOp::kNot;
  node->children.push_back(std::move(child));
  return node;
}

}  // namespace vdb::query
