// The classes of vdb/filter.h.
#include "vdb/filter.h"

#include <new>

#include "query/filter_build.h"
#include "query/filter_text.h"

namespace vdb {
namespace {

Status InFilter(const Status& status) {
  return status.ok() ? status : Status::InvalidArgument("filter: " + status.message());
}

Status OutOfMemory() { return Status::ResourceExhausted("filter: out of memory"); }

}  // namespace

Filter::Filter(StatusOr<query::FilterNodePtr> root) : status_(root.status()) {
  if (root.ok()) root_ = std::move(*root);
  if (root_ == nullptr) return;
  status_ = InFilter(query::CheckSize(*root_));
  if (!status_.ok()) root_ = nullptr;
}

StatusOr<Filter> Filter::Parse(std::string_view text) try {
  StatusOr<query::FilterNodePtr> root = query::ParseFilter(text);
  if (!root.ok()) return root.status();
  return Filter(std::move(root));
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

Filter Filter::Join(query::FilterOp op, std::vector<Filter> filters) try {
  std::vector<query::FilterNodePtr> children;
  for (Filter& filter : filters) {
    if (!filter.status_.ok()) return Filter(filter.status_);
    children.push_back(std::move(filter.root_));
  }
  return Filter(query::MakeJunction(op, children));
} catch (const std::bad_alloc&) {
  return Filter(OutOfMemory());
}

Filter Filter::And(std::vector<Filter> filters) {
  return Join(query::FilterOp::kAnd, std::move(filters));
}

Filter Filter::Or(std::vector<Filter> filters) {
  return Join(query::FilterOp::kOr, std::move(filters));
}

Filter Filter::Not(Filter filter) try {
  if (!filter.status_.ok()) return filter;
  return Filter(query::MakeNot(std::move(filter.root_)));
} catch (const std::bad_alloc&) {
  return Filter(OutOfMemory());
}

std::string Filter::ToString() const {
  return root_ == nullptr ? std::string() : query::FilterText(*root_);
}

Field::Field(std::string_view path) : path_(path) {}

Field Field::Key() {
  Field field;
  field.key_ = true;
  return field;
}

Filter Field::Predicate(query::FilterOp op, std::vector<FilterValue> values) const try {
  StatusOr<format::FieldPath> path = format::FieldPath();
  if (!key_) path = format::ParseFieldPath(path_);
  if (!path.ok()) return Filter(InFilter(path.status()));
  StatusOr<query::FilterNodePtr> node =
      query::MakePredicate(op, std::move(*path), std::move(values));
  if (!node.ok()) return Filter(InFilter(node.status()));
  return Filter(std::move(node));
} catch (const std::bad_alloc&) {
  return Filter(OutOfMemory());
}

Filter Field::Equals(FilterValue value) const {
  return Predicate(query::FilterOp::kEqual, {std::move(value)});
}
Filter Field::NotEquals(FilterValue value) const { return Filter::Not(Equals(std::move(value))); }
Filter Field::Less(FilterValue value) const {
  return Predicate(query::FilterOp::kLess, {std::move(value)});
}
Filter Field::LessOrEqual(FilterValue value) const {
  return Predicate(query::FilterOp::kLessOrEqual, {std::move(value)});
}
Filter Field::Greater(FilterValue value) const {
  return Predicate(query::FilterOp::kGreater, {std::move(value)});
}
Filter Field::GreaterOrEqual(FilterValue value) const {
  return Predicate(query::FilterOp::kGreaterOrEqual, {std::move(value)});
}
Filter Field::Between(FilterValue low, FilterValue high) const {
  return Predicate(query::FilterOp::kBetween, {std::move(low), std::move(high)});
}
Filter Field::In(std::vector<FilterValue> values) const {
  return Predicate(query::FilterOp::kIn, std::move(values));
}
Filter Field::Exists() const { return Predicate(query::FilterOp::kExists, {}); }
Filter Field::IsNull() const { return Predicate(query::FilterOp::kIsNull, {}); }
Filter Field::StartsWith(std::string_view prefix) const {
  return Predicate(query::FilterOp::kStartsWith, {prefix});
}
Filter Field::Contains(std::string_view part) const {
  return Predicate(query::FilterOp::kContains, {part});
}

}  // namespace vdb
