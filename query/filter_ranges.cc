#include "query/filter_ranges.h"

#include <algorithm>
#include <optional>

#include "query/filter_value.h"

namespace vdb::query {
namespace {

using format::FieldType;
using format::kFieldStringBytesMax;

// --- Ranges ---

std::string Byte(FieldType type, int plus = 0) {
  return std::string(1, static_cast<char>(static_cast<int>(type) + plus));
}

// The least encoding above `encoded`, which is one: none continues another.
std::string After(std::string encoded) { return std::move(encoded) + '\0'; }

// All encodings of the type of a constant.
FieldRange TypeRange(const FilterValue& value) {
  switch (ComparableOf(value).index()) {
    case 0: return {Byte(FieldType::kFalse), Byte(FieldType::kTrue, 1)};
    case 1: return {Byte(FieldType::kNumber), Byte(FieldType::kNumber, 1)};
    case 2: return {Byte(FieldType::kString), Byte(FieldType::kString, 1)};
    default: return {Byte(FieldType::kTime), Byte(FieldType::kTime, 1)};
  }
}

// An end of an interval of values, in encodings. A string so long that it may be cut, or that cut
// ones may equal, has the encoding of its beginning, and entries there are tested.
struct End {
  std::string encoded;
  bool test = false;

  explicit End(const FilterValue& value) {
    const std::string* text = StringOf(value);
    test = text != nullptr && text->size() >= kFieldStringBytesMax;
    encoded = format::EncodeFieldValue(
        test ? FilterValue(text->substr(0, kFieldStringBytesMax)) : value);
  }
};

// Values from `low` (null: from the first of the type) to `high` (null: to the last).
void AppendInterval(const FilterValue* low, bool with_low, const FilterValue* high, bool with_high,
                    std::vector<FieldRange>* ranges) {
  if (low != nullptr && high != nullptr && ComparableOf(*low) > ComparableOf(*high)) return;
  FieldRange sure = TypeRange(low != nullptr ? *low : *high);
  std::optional<std::string> tested_last;
  if (low != nullptr) {
    const End end(*low);
    if (end.test) ranges->push_back({end.encoded, After(end.encoded), true});
    sure.first = with_low && !end.test ? end.encoded : After(end.encoded);
  }
  if (high != nullptr) {
    const End end(*high);
    sure.past = with_high && !end.test ? After(end.encoded) : end.encoded;
    if (end.test) tested_last = end.encoded;
  }
  if (sure.first < sure.past) ranges->push_back(std::move(sure));
  if (tested_last && (ranges->empty() || ranges->back().first != *tested_last)) {
    ranges->push_back({*tested_last, After(*tested_last), true});
  }
}

std::vector<FieldRange> PrefixRanges(std::string_view prefix) {
  if (prefix.size() > kFieldStringBytesMax) {
    const End end{FilterValue(prefix)};
    return {{end.encoded, After(end.encoded), true}};
  }
  FieldRange range;
  range.first = format::EncodeFieldValue(prefix);
  range.first.resize(range.first.size() - 2);  // its end mark
  range.past = range.first;
  while (range.past.back() == '\xFF') range.past.pop_back();
  ++range.past.back();  // at the latest the type byte
  return {std::move(range)};
}

std::vector<FieldRange> ListRanges(const std::vector<FilterValue>& values) {
  std::vector<FieldRange> ranges;
  for (const FilterValue& value : values) AppendInterval(&value, true, &value, true, &ranges);
  std::sort(ranges.begin(), ranges.end(),
            [](const FieldRange& a, const FieldRange& b) { return a.first < b.first; });
  // Long strings with the same beginning share a range; both are tested.
  const auto last = std::unique(
      ranges.begin(), ranges.end(),
      [](const FieldRange& a, const FieldRange& b) { return a.first == b.first; });
  ranges.erase(last, ranges.end());
  return ranges;
}

// --- Entries ---

// How an entry's value may stand to a constant: a set of these.
enum : unsigned { kBelow = 1, kSame = 2, kAbove = 4, kAnyOrder = 7 };

unsigned OrderOf(int comparison) {
  return comparison < 0 ? kBelow : comparison > 0 ? kAbove : kSame;
}

unsigned OrdersAllowed(FilterOp op) {
  switch (op) {
    case FilterOp::kLess: return kBelow;
    case FilterOp::kLessOrEqual: return kBelow | kSame;
    case FilterOp::kGreater: return kAbove;
    case FilterOp::kGreaterOrEqual: return kAbove | kSame;
    default: return kSame;
  }
}

class EntryTest {
 public:
  EntryTest(std::string_view encoded, bool cut)
      : encoded_(encoded), text_(format::DecodeFieldString(encoded)), cut_(cut) {}

  EntryVerdict Test(const FilterNode& predicate) const {
    const auto& values = predicate.values;
    switch (predicate.op) {
      case FilterOp::kExists: return EntryVerdict::kYes;
      case FilterOp::kIsNull: return Sure(encoded_ == Byte(FieldType::kNull));
      case FilterOp::kStartsWith: return StartsWith(*StringOf(values[0]));
      case FilterOp::kContains: return Contains(*StringOf(values[0]));
      case FilterOp::kIn: return InList(values);
      case FilterOp::kBetween: return Between(values);
      default: return Compare(values[0], OrdersAllowed(predicate.op));
    }
  }

 private:
  static EntryVerdict Sure(bool yes) { return yes ? EntryVerdict::kYes : EntryVerdict::kNo; }

  EntryVerdict Compare(const FilterValue& constant, unsigned allowed) const {
    const unsigned possible = PossibleOrders(constant);
    if ((possible & allowed) == 0) return EntryVerdict::kNo;
    return (possible & ~allowed) == 0 ? EntryVerdict::kYes : EntryVerdict::kLook;
  }

  // Empty if they are of different types.
  unsigned PossibleOrders(const FilterValue& constant) const {
    const std::string* other = StringOf(constant);
    if (other != nullptr) return text_ ? PossibleOrders(std::string_view(*other)) : 0;
    const FieldRange type = TypeRange(constant);
    if (encoded_ < type.first || encoded_ >= type.past) return 0;
    return OrderOf(encoded_.compare(format::EncodeFieldValue(constant)));
  }

  // Of a cut string only the beginning is known. Its whole is taken to be as long or longer: in an
  // entry that stands for several strings one may end here.
  unsigned PossibleOrders(std::string_view other) const {
    const std::string_view text = *text_;
    if (!cut_ || !other.starts_with(text)) return OrderOf(text.compare(other));
    return other.size() > text.size() ? unsigned{kAnyOrder} : unsigned{kSame | kAbove};
  }

  EntryVerdict StartsWith(std::string_view prefix) const {
    if (!text_) return EntryVerdict::kNo;
    if (text_->starts_with(prefix)) return EntryVerdict::kYes;
    return cut_ && prefix.starts_with(*text_) ? EntryVerdict::kLook : EntryVerdict::kNo;
  }

  EntryVerdict Contains(std::string_view part) const {
    if (!text_) return EntryVerdict::kNo;
    if (text_->find(part) != std::string::npos) return EntryVerdict::kYes;
    return cut_ ? EntryVerdict::kLook : EntryVerdict::kNo;
  }

  EntryVerdict InList(const std::vector<FilterValue>& values) const {
    EntryVerdict verdict = EntryVerdict::kNo;
    for (const FilterValue& value : values) {
      const EntryVerdict one = Compare(value, kSame);
      if (one == EntryVerdict::kYes) return one;
      if (one == EntryVerdict::kLook) verdict = one;
    }
    return verdict;
  }

  EntryVerdict Between(const std::vector<FilterValue>& values) const {
    const EntryVerdict low = Compare(values[0], kSame | kAbove);
    const EntryVerdict high = Compare(values[1], kSame | kBelow);
    if (low == EntryVerdict::kNo || high == EntryVerdict::kNo) return EntryVerdict::kNo;
    return low == high ? low : EntryVerdict::kLook;
  }

  std::string_view encoded_;
  std::optional<std::string> text_;
  bool cut_;
};

}  // namespace

std::vector<FieldRange> RangesOf(const FilterNode& predicate) {
  const auto& values = predicate.values;
  std::vector<FieldRange> ranges;
  switch (predicate.op) {
    case FilterOp::kEqual: AppendInterval(&values[0], true, &values[0], true, &ranges); break;
    case FilterOp::kLess: AppendInterval(nullptr, false, &values[0], false, &ranges); break;
    case FilterOp::kLessOrEqual: AppendInterval(nullptr, false, &values[0], true, &ranges); break;
    case FilterOp::kGreater: AppendInterval(&values[0], false, nullptr, false, &ranges); break;
    case FilterOp::kGreaterOrEqual:
      AppendInterval(&values[0], true, nullptr, false, &ranges);
      break;
    case FilterOp::kBetween: AppendInterval(&values[0], true, &values[1], true, &ranges); break;
    case FilterOp::kIn: return ListRanges(values);
    case FilterOp::kExists:
      return {{Byte(FieldType::kNull), Byte(FieldType::kOther, 1)}};
    case FilterOp::kIsNull: return {{Byte(FieldType::kNull), Byte(FieldType::kNull, 1)}};
    case FilterOp::kStartsWith: return PrefixRanges(*StringOf(values[0]));
    case FilterOp::kContains: {
      FieldRange range = TypeRange(values[0]);
      range.test = !StringOf(values[0])->empty();
      return {std::move(range)};
    }
    case FilterOp::kAnd:
    case FilterOp::kOr:
    case FilterOp::kNot: break;
  }
  return ranges;
}

EntryVerdict EntryMatches(const FilterNode& predicate, std::string_view encoded, bool cut) {
  return EntryTest(encoded, cut).Test(predicate);
}

}  // namespace vdb::query
