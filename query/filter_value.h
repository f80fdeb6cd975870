// What predicates compare: constants and values of documents in one form that orders exactly.
#pragma once

#include <string_view>
#include <variant>

#include "format/field_value.h"
#include "vdb/filter.h"

namespace vdb::query {

/// Comparable if of the same alternative; else ordered by type, as encodings are. Refers to the
/// bytes of its string.
using Comparable = std::variant<bool, format::NumberOrder, std::string_view, Timestamp>;

inline Comparable ComparableOf(const FilterValue& value) {
  struct Maker {
    Comparable operator()(bool flag) const { return flag; }
    Comparable operator()(int64_t number) const { return format::OrderOfNumber(number); }
    Comparable operator()(uint64_t number) const { return format::OrderOfNumber(number); }
    Comparable operator()(double number) const { return format::OrderOfNumber(number); }
    Comparable operator()(const std::string& text) const { return std::string_view(text); }
    Comparable operator()(const Timestamp& time) const { return time; }
  };
  return std::visit(Maker(), value.variant());
}

inline bool IsTime(const FilterValue& value) {
  return std::holds_alternative<Timestamp>(value.variant());
}
/// Null if it is no string.
inline const std::string* StringOf(const FilterValue& value) {
  return std::get_if<std::string>(&value.variant());
}

}  // namespace vdb::query
