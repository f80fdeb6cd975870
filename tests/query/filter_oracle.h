// Random documents and filters with their meaning spelled out on values of the test's own: no
// FlexBuffers, no encodings, no tree of the library's.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "vdb/filter.h"

namespace vdb::query {

/// A JSON value; `text` is its JSON.
struct OracleValue {
  enum Kind { kNull, kBool, kNumber, kString, kArray, kObject } kind = kNull;
  std::string text;
  bool flag = false;
  long double number = 0;  // 64 bits of mantissa: exact
  std::string string;
  bool is_time = false;    // of a string: known, not parsed
  std::pair<int64_t, uint32_t> time;
  std::vector<OracleValue> elements;
  std::map<std::string, OracleValue> fields;
};

/// A constant, as text, as value, and as the library's.
struct OracleConstant {
  OracleValue value;
  bool as_time = false;
  std::string text;
  FilterValue library = false;
};

struct OracleFilter {
  enum Op {
    kAnd, kOr, kNot, kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kBetween,
    kNotBetween, kIn, kNotIn, kExists, kIsNull, kIsNotNull, kStartsWith, kContains,
  } op = kAnd;
  std::vector<std::string> path;  // none: the key
  std::vector<OracleConstant> constants;
  std::vector<OracleFilter> children;

  bool Matches(const std::string& key, const OracleValue& document) const;
  std::string Text() const;
  Filter Build() const;
};

class OracleMaker {
 public:
  explicit OracleMaker(uint32_t seed) : random_(seed) {}

  OracleValue Document() { return Object(0); }
  std::string Key();
  OracleFilter AnyFilter(int depth);

 private:
  uint32_t Pick(uint32_t count) { return static_cast<uint32_t>(random_() % count); }
  OracleValue Scalar();
  OracleValue Number();
  OracleValue String();
  OracleValue Any(int depth);
  OracleValue Object(int depth);
  OracleConstant Constant();
  OracleConstant ConstantLike(const OracleConstant& other);
  OracleFilter Predicate();

  std::mt19937_64 random_;
};

}  // namespace vdb::query
