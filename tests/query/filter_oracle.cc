#include "tests/query/filter_oracle.h"

#include <algorithm>
#include <cstdio>

#include "vdb/json_text.h"

namespace vdb::query {
namespace {

const std::string kNul(1, '\0');
const std::string kBase(999, 'x');  // encodings of strings are cut after 1,000 bytes

struct KnownTime {
  const char* text;
  int64_t seconds;
  uint32_t nanoseconds;
};
// date -u -d ... +%s
const KnownTime kTimes[] = {
    {"2020-02-29T12:00:00Z", 1582977600, 0},
    {"2020-02-29t13:00:00+01:00", 1582977600, 0},
    {"2020-02-29 12:00:00.000000001Z", 1582977600, 1},
    {"2020-02-29T12:00:00.5z", 1582977600, 500000000},
    {"1969-12-31T23:59:59.75Z", -1, 750000000},
    {"1970-01-01T00:00:00Z", 0, 0},
    {"2016-12-31T23:59:60Z", 1483228800, 0},
    {"2017-01-01T00:00:00-00:00", 1483228800, 0},
};
const char* const kNoTimes[] = {"2020-02-30T12:00:00Z", "2020-02-29T12:00:00", "2020-02-29",
                                "2020-02-29T12:00:00Z "};

std::vector<std::string> Strings() {
  return {"", "a", "b", "ab", "abc", "B", kNul, "a" + kNul, "a" + kNul + "b", "\xFF", "a\xFF",
          "\xFF\xFF", "a\xC3\xA9", "and", "1", "true", "null", kBase, kBase + "x", kBase + "y",
          kBase + "xx", kBase + "xy", kBase + kNul, kBase + kNul + "z", kBase + "\xFF",
          kBase + "xabc", kBase + "xab", kBase + kBase + "z"};
}

std::string JsonString(const std::string& bytes) {
  std::string text;
  AppendJsonString(&text, bytes);
  return text;
}

void Collect(const OracleValue& object, const std::vector<std::string>& path, size_t step,
             std::vector<const OracleValue*>* found) {
  if (object.kind != OracleValue::kObject) return;
  const auto field = object.fields.find(path[step]);
  if (field == object.fields.end()) return;
  std::vector<const OracleValue*> values;
  if (field->second.kind == OracleValue::kArray && !field->second.elements.empty()) {
    for (const OracleValue& element : field->second.elements) values.push_back(&element);
  } else {
    values.push_back(&field->second);
  }
  for (const OracleValue* value : values) {
    if (step + 1 == path.size()) {
      found->push_back(value);
    } else {
      Collect(*value, path, step + 1, found);
    }
  }
}

// -1, 0, 1; 9: not of one type.
int Compare(const OracleValue& value, const OracleConstant& constant) {
  const auto sign = [](const auto& a, const auto& b) { return a < b ? -1 : b < a ? 1 : 0; };
  const OracleValue& other = constant.value;
  if (constant.as_time) {
    const bool both = value.kind == OracleValue::kString && value.is_time;
    return both ? sign(value.time, other.time) : 9;
  }
  if (value.kind != other.kind) return 9;
  switch (value.kind) {
    case OracleValue::kBool: return sign(value.flag, other.flag);
    case OracleValue::kNumber: return sign(value.number, other.number);
    case OracleValue::kString: {
      const std::basic_string<unsigned char> a(value.string.begin(), value.string.end());
      const std::basic_string<unsigned char> b(other.string.begin(), other.string.end());
      return sign(a, b);
    }
    default: return 9;
  }
}

bool Holds(const OracleFilter& filter, const OracleValue& value) {
  const auto order = [&](size_t i) { return Compare(value, filter.constants[i]); };
  switch (filter.op) {
    case OracleFilter::kEqual: return order(0) == 0;
    case OracleFilter::kLess: return order(0) == -1;
    case OracleFilter::kLessOrEqual: return order(0) == -1 || order(0) == 0;
    case OracleFilter::kGreater: return order(0) == 1;
    case OracleFilter::kGreaterOrEqual: return order(0) == 1 || order(0) == 0;
    case OracleFilter::kBetween:
      return (order(0) == 0 || order(0) == 1) && (order(1) == 0 || order(1) == -1);
    case OracleFilter::kIn:
      for (size_t i = 0; i < filter.constants.size(); ++i) {
        if (order(i) == 0) return true;
      }
      return false;
    case OracleFilter::kExists: return true;
    case OracleFilter::kIsNull: return value.kind == OracleValue::kNull;
    case OracleFilter::kStartsWith:
      return value.kind == OracleValue::kString &&
             value.string.rfind(filter.constants[0].value.string, 0) == 0;
    case OracleFilter::kContains:
      return value.kind == OracleValue::kString &&
             value.string.find(filter.constants[0].value.string) != std::string::npos;
    default: return false;
  }
}

// The predicate that a negated form negates.
OracleFilter Positive(const OracleFilter& filter) {
  OracleFilter positive = filter;
  switch (filter.op) {
    case OracleFilter::kNotEqual: positive.op = OracleFilter::kEqual; break;
    case OracleFilter::kNotBetween: positive.op = OracleFilter::kBetween; break;
    case OracleFilter::kNotIn: positive.op = OracleFilter::kIn; break;
    case OracleFilter::kIsNotNull: positive.op = OracleFilter::kIsNull; break;
    default: break;
  }
  return positive;
}

std::string PathText(const std::vector<std::string>& path) {
  if (path.empty()) return "$key";
  std::string text;
  for (const std::string& step : path) {
    const bool plain = step.size() == 1 && step[0] >= 'a';
    text += (text.empty() ? "" : ".") + (plain ? step : "`" + step + "`");
  }
  return text;
}

}  // namespace

bool OracleFilter::Matches(const std::string& key, const OracleValue& document) const {
  const OracleFilter positive = Positive(*this);
  if (positive.op != op) return !positive.Matches(key, document);
  if (op == kNot) return !children[0].Matches(key, document);
  if (op == kAnd || op == kOr) {
    size_t count = 0;
    for (const OracleFilter& child : children) count += child.Matches(key, document);
    return op == kAnd ? count == children.size() : count > 0;
  }
  OracleValue of_key;
  of_key.kind = OracleValue::kString;
  of_key.string = key;
  std::vector<const OracleValue*> values;
  if (path.empty()) {
    values.push_back(&of_key);
  } else {
    Collect(document, path, 0, &values);
  }
  return std::any_of(values.begin(), values.end(),
                     [this](const OracleValue* value) { return Holds(*this, *value); });
}

std::string OracleFilter::Text() const {
  static const char* const kWords[] = {
      "and", "or", "NOT", "=", "!=", "<", "<=", ">", ">=", "between", "not Between", "in",
      "not IN", "exists", "is null", "Is Not Null", "starts with", "contains"};
  const std::string word = kWords[op];
  if (op == kNot) return word + " (" + children[0].Text() + ")";
  std::string text;
  if (op == kAnd || op == kOr) {
    for (const OracleFilter& child : children) {
      text += (text.empty() ? "(" : " " + word + " (") + child.Text() + ")";
    }
    return text;
  }
  text = PathText(path) + " " + word;
  if (op == kIn || op == kNotIn) {
    for (size_t i = 0; i < constants.size(); ++i) {
      text += (i == 0 ? " (" : ", ") + constants[i].text;
    }
    return text + ")";
  }
  for (size_t i = 0; i < constants.size(); ++i) {
    text += (i == 0 ? " " : " and ") + constants[i].text;
  }
  return text;
}

Filter OracleFilter::Build() const {
  std::vector<Filter> filters;
  for (const OracleFilter& child : children) filters.push_back(child.Build());
  std::vector<FilterValue> values;
  for (const OracleConstant& constant : constants) values.push_back(constant.library);
  const Field field = path.empty() ? Field::Key() : Field(PathText(path));
  switch (op) {
    case kAnd: return Filter::And(filters);
    case kOr: return Filter::Or(filters);
    case kNot: return Filter::Not(filters[0]);
    case kEqual: return field.Equals(values[0]);
    case kNotEqual: return field.NotEquals(values[0]);
    case kLess: return field.Less(values[0]);
    case kLessOrEqual: return field.LessOrEqual(values[0]);
    case kGreater: return field.Greater(values[0]);
    case kGreaterOrEqual: return field.GreaterOrEqual(values[0]);
    case kBetween: return field.Between(values[0], values[1]);
    case kNotBetween: return Filter::Not(field.Between(values[0], values[1]));
    case kIn: return field.In(values);
    case kNotIn: return Filter::Not(field.In(values));
    case kExists: return field.Exists();
    case kIsNull: return field.IsNull();
    case kIsNotNull: return Filter::Not(field.IsNull());
    case kStartsWith: return field.StartsWith(constants[0].value.string);
    case kContains: return field.Contains(constants[0].value.string);
  }
  return Filter();
}

std::string OracleMaker::Key() { return String().string; }

OracleValue OracleMaker::Number() {
  OracleValue value;
  value.kind = OracleValue::kNumber;
  switch (Pick(4)) {
    case 0: {  // near the limits of exactness
      static const uint64_t kNear[] = {uint64_t{1} << 53, uint64_t{1} << 63, 0,
                                       (uint64_t{1} << 63) + 2048};
      const uint64_t number = kNear[Pick(4)] + Pick(5) - 2;
      value.text = std::to_string(number);
      value.number = static_cast<long double>(number);
      break;
    }
    case 1: {
      const auto number = static_cast<int64_t>(random_()) >> Pick(64);
      value.text = std::to_string(number);
      value.number = static_cast<long double>(number);
      break;
    }
    case 2: {
      static const double kDoubles[] = {0x1p53, 0x1p53 + 2, 0x1p63, 0x1p64, -0x1p63, -0.0, 0.5,
                                        5e-324, 1e300, 1, 2, -3};
      const double number = kDoubles[Pick(12)];
      char text[40];
      snprintf(text, sizeof(text), "%.17e", number);
      value.text = text;
      value.number = number;
      break;
    }
    default: {
      const auto number = static_cast<int64_t>(Pick(8)) - 3;
      value.text = std::to_string(number);
      value.number = static_cast<long double>(number);
    }
  }
  return value;
}

OracleValue OracleMaker::String() {
  static const std::vector<std::string> strings = Strings();
  OracleValue value;
  value.kind = OracleValue::kString;
  if (Pick(4) == 0) {
    const KnownTime& time = kTimes[Pick(std::size(kTimes))];
    value.string = time.text;
    value.is_time = true;
    value.time = {time.seconds, time.nanoseconds};
  } else {
    value.string = Pick(8) == 0 ? kNoTimes[Pick(std::size(kNoTimes))]
                                : strings[Pick(static_cast<uint32_t>(strings.size()))];
  }
  value.text = JsonString(value.string);
  return value;
}

OracleValue OracleMaker::Scalar() {
  OracleValue value;
  switch (Pick(5)) {
    case 0:
      value.text = "null";
      return value;
    case 1:
      value.kind = OracleValue::kBool;
      value.flag = Pick(2) != 0;
      value.text = value.flag ? "true" : "false";
      return value;
    case 2: return Number();
    default: return String();
  }
}

OracleValue OracleMaker::Any(int depth) {
  if (depth >= 4 || Pick(5) < 2) return Scalar();
  if (Pick(2) == 0) return Object(depth);
  OracleValue value;
  value.kind = OracleValue::kArray;
  value.text = "[";
  for (uint32_t i = Pick(5); i > 0; --i) {
    value.elements.push_back(Any(depth + 1));
    value.text += value.elements.back().text + (i > 1 ? "," : "");
  }
  value.text += "]";
  return value;
}

OracleValue OracleMaker::Object(int depth) {
  static const char* const kNames[] = {"a", "b", "c", "in", ""};
  OracleValue value;
  value.kind = OracleValue::kObject;
  for (const char* name : kNames) {
    if (Pick(depth == 0 ? 5 : 2) != 0) value.fields[name] = Any(depth + 1);
  }
  for (const auto& [name, field] : value.fields) {
    value.text += (value.text.empty() ? "{" : ",") + JsonString(name) + ":" + field.text;
  }
  value.text = value.text.empty() ? "{}" : value.text + "}";
  return value;
}

OracleConstant OracleMaker::Constant() {
  OracleConstant constant;
  do {
    constant.value = Scalar();
  } while (constant.value.kind == OracleValue::kNull);
  const OracleValue& value = constant.value;
  constant.text = value.text;
  switch (value.kind) {
    case OracleValue::kBool: constant.library = value.flag; break;
    case OracleValue::kNumber:
      if (value.text.find_first_of(".e") != std::string::npos) {
        constant.library = static_cast<double>(value.number);
      } else if (value.number < 0) {
        constant.library = static_cast<int64_t>(value.number);
      } else {
        constant.library = static_cast<uint64_t>(value.number);
      }
      break;
    default:
      constant.library = value.string;
      if (value.is_time && Pick(3) != 0) {
        constant.as_time = true;
        constant.text = "timestamp " + value.text;
        constant.library = Timestamp{value.time.first, value.time.second};
      }
  }
  return constant;
}

OracleConstant OracleMaker::ConstantLike(const OracleConstant& other) {
  while (true) {
    OracleConstant constant = Constant();
    if (constant.value.kind == other.value.kind && constant.as_time == other.as_time) {
      return constant;
    }
  }
}

OracleFilter OracleMaker::Predicate() {
  static const std::vector<std::string> kPaths[] = {
      {"a"}, {"b"}, {"c"}, {"in"}, {""}, {}, {"a", "b"}, {"b", "a"}, {"a", "in"}, {"c", "", "b"},
      {"a", "a", "a"}, {"z"}, {"a", "z"}};
  OracleFilter filter;
  filter.op = static_cast<OracleFilter::Op>(OracleFilter::kEqual + Pick(15));
  filter.path = kPaths[Pick(std::size(kPaths))];
  switch (filter.op) {
    case OracleFilter::kExists:
    case OracleFilter::kIsNull:
    case OracleFilter::kIsNotNull: break;
    case OracleFilter::kBetween:
    case OracleFilter::kNotBetween:
      filter.constants.push_back(Constant());
      filter.constants.push_back(ConstantLike(filter.constants[0]));
      break;
    case OracleFilter::kIn:
    case OracleFilter::kNotIn:
      for (uint32_t i = 1 + Pick(6); i > 0; --i) filter.constants.push_back(Constant());
      break;
    case OracleFilter::kStartsWith:
    case OracleFilter::kContains: {
      OracleConstant constant;
      constant.value = String();
      constant.text = constant.value.text;
      filter.constants.push_back(constant);
      break;
    }
    default: filter.constants.push_back(Constant());
  }
  return filter;
}

OracleFilter OracleMaker::AnyFilter(int depth) {
  if (depth == 0 || Pick(3) == 0) return Predicate();
  OracleFilter filter;
  filter.op = static_cast<OracleFilter::Op>(Pick(3));
  const uint32_t count = filter.op == OracleFilter::kNot ? 1 : 2 + Pick(3);
  for (uint32_t i = 0; i < count; ++i) filter.children.push_back(AnyFilter(depth - 1));
  return filter;
}

}  // namespace vdb::query
