// Filter: which documents a query, a count or a delete is about.
//
//   auto filter = vdb::Filter::Parse(R"(year >= 2020 and tag in ("a", "b"))");
//   auto same = vdb::Filter::And({vdb::Field("year").GreaterOrEqual(2020),
//                                 vdb::Field("tag").In({"a", "b"})});
//
// docs/filters.md has the grammar and the meaning of every predicate on missing fields, null,
// arrays and values of other types. In short: a predicate is true or false, never unknown; on a
// missing field or a value of another type it is false (so its negation is true); on an array it is
// true if it is true of one of its elements.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vdb/status.h"

namespace vdb {

namespace query {
struct FilterNode;
enum class FilterOp : uint8_t;
}

/// A point in time, to the nanosecond. Documents hold it as an RFC 3339 string.
struct Timestamp {
  int64_t seconds = 0;       ///< since 1970-01-01T00:00:00Z; negative before
  uint32_t nanoseconds = 0;  ///< 0 to 999,999,999

  /// RFC 3339, e.g. "2020-02-29T12:00:00.5+01:00". kInvalidArgument says what is wrong.
  static StatusOr<Timestamp> Parse(std::string_view text);
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

/// A constant to compare with. Integers and doubles compare as numbers, exactly.
class FilterValue {
 public:
  FilterValue(bool value) : value_(value) {}                                   // NOLINT: implicit
  FilterValue(int value) : value_(int64_t{value}) {}                           // NOLINT: implicit
  FilterValue(unsigned value) : value_(int64_t{value}) {}                      // NOLINT: implicit
  FilterValue(long value) : value_(int64_t{value}) {}                          // NOLINT: implicit
  FilterValue(long long value) : value_(int64_t{value}) {}                     // NOLINT: implicit
  FilterValue(unsigned long value) : value_(uint64_t{value}) {}                // NOLINT: implicit
  FilterValue(unsigned long long value) : value_(uint64_t{value}) {}           // NOLINT: implicit
  FilterValue(double value) : value_(value) {}                                 // NOLINT: implicit
  FilterValue(const char* value) : value_(std::string(value)) {}               // NOLINT: implicit
  FilterValue(std::string_view value) : value_(std::string(value)) {}          // NOLINT: implicit
  FilterValue(std::string value) : value_(std::move(value)) {}                 // NOLINT: implicit
  FilterValue(Timestamp value) : value_(value) {}                              // NOLINT: implicit

  using Variant = std::variant<bool, int64_t, uint64_t, double, std::string, Timestamp>;
  const Variant& variant() const { return value_; }

 private:
  Variant value_;
};

/// Limits; beyond them a filter is kInvalidArgument.
inline constexpr size_t kFilterBytesMax = 1u << 20;  // of the text form
inline constexpr size_t kFilterDepthMax = 64;        // of and, or, not and parentheses
inline constexpr size_t kFilterNodesMax = 10'000;    // predicates and their constants together

/// Immutable and cheap to copy. Safe to share between threads.
class Filter {
 public:
  /// Matches every document.
  Filter() = default;

  /// From the text form. kInvalidArgument names the column (1-based, in bytes), what was expected
  /// and what was found there.
  static StatusOr<Filter> Parse(std::string_view text);

  static Filter And(std::vector<Filter> filters);  ///< of none: matches every document
  static Filter Or(std::vector<Filter> filters);   ///< of none: matches no document
  static Filter Not(Filter filter);

  bool matches_all() const { return root_ == nullptr && status_.ok(); }

  /// Not OK if it was built from something that cannot be (a bad path, a NaN, a range of two
  /// types): every call that is given such a filter fails with this.
  const Status& status() const { return status_; }

  /// The text form. Parse(ToString()) gives an equal filter. "" if it matches all.
  std::string ToString() const;

  /// For the engine. Null if it matches all.
  const std::shared_ptr<const query::FilterNode>& root() const { return root_; }

 private:
  friend class Field;
  explicit Filter(StatusOr<std::shared_ptr<const query::FilterNode>> root);
  static Filter Join(query::FilterOp op, std::vector<Filter> filters);

  std::shared_ptr<const query::FilterNode> root_;
  Status status_;
};

/// A place in the metadata, by its path as the text form has it: "year", "author.name", and with
/// backquotes for names that are not identifiers: "`strange name`.x". A step into an array goes
/// into each of its objects. Field::Key() is the document's key.
class Field {
 public:
  explicit Field(std::string_view path);
  static Field Key();

  Filter Equals(FilterValue value) const;
  Filter NotEquals(FilterValue value) const;  ///< not Equals: true where the field is missing
  Filter Less(FilterValue value) const;
  Filter LessOrEqual(FilterValue value) const;
  Filter Greater(FilterValue value) const;
  Filter GreaterOrEqual(FilterValue value) const;
  Filter Between(FilterValue low, FilterValue high) const;  ///< both included; of one type
  Filter In(std::vector<FilterValue> values) const;
  Filter Exists() const;                                    ///< there, if only as null
  Filter IsNull() const;                                    ///< there, and null
  Filter StartsWith(std::string_view prefix) const;         ///< strings
  Filter Contains(std::string_view part) const;             ///< strings: a part of it

 private:
  Field() = default;
  Filter Predicate(query::FilterOp op, std::vector<FilterValue> values) const;

  std::string path_;
  bool key_ = false;
};

}  // namespace vdb
