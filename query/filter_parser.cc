// Recursive descent over the grammar of docs/filters.md. The first error ends it; nesting is
// counted before it is entered.
#include <string>

#include "format/timestamp.h"
#include "query/filter_build.h"
#include "query/filter_lexer.h"
#include "query/filter_text.h"

namespace vdb::query {
namespace {

using Kind = FilterTokenKind;

class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : text_(text), lexer_(text) {}

  StatusOr<FilterNodePtr> Parse() {
    if (text_.size() > kFilterBytesMax) {
      Fail(kFilterBytesMax, "at most " + std::to_string(kFilterBytesMax) + " bytes",
           std::to_string(text_.size()));
      return status_;
    }
    Advance();
    if (!status_.ok()) return status_;
    if (token_.kind == Kind::kEnd) return FilterNodePtr();
    FilterNodePtr filter = ParseJunction(FilterOp::kOr);
    if (status_.ok() && token_.kind != Kind::kEnd) {
      FailAtToken("'and', 'or' or the end of the filter");
    }
    if (!status_.ok()) return status_;
    return filter;
  }

 private:
  // All of these return null once something is wrong.
  std::nullptr_t Fail(size_t offset, std::string_view expected, std::string_view found) {
    if (status_.ok()) status_ = FilterLexer::Error(offset, expected, found);
    return nullptr;
  }
  std::nullptr_t FailAtToken(std::string_view expected) {
    return Fail(token_.begin, expected, lexer_.Found(token_));
  }

  void Advance() {
    if (!status_.ok()) return;
    StatusOr<FilterToken> next = lexer_.Next();
    if (next.ok()) {
      token_ = std::move(*next);
    } else {
      status_ = next.status();
    }
  }

  bool Take(FilterKeyword keyword) {
    if (!status_.ok() || !token_.Is(keyword)) return false;
    Advance();
    return true;
  }

  // One more predicate or constant.
  void CountNode(size_t offset) {
    if (++node_count_ > kFilterNodesMax) {
      Fail(offset, "at most " + std::to_string(kFilterNodesMax) + " predicates and constants",
           "more");
    }
  }

  FilterNodePtr ParseJunction(FilterOp op) {
    const bool is_or = op == FilterOp::kOr;
    const FilterKeyword word = is_or ? FilterKeyword::kOr : FilterKeyword::kAnd;
    std::vector<FilterNodePtr> parts;
    const size_t begin = token_.begin;
    do {
      parts.push_back(is_or ? ParseJunction(FilterOp::kAnd) : ParseUnary());
      if (!status_.ok()) return nullptr;
    } while (Take(word));
    if (!status_.ok()) return nullptr;
    return parts.size() == 1 ? std::move(parts[0])
                             : CheckDepth(begin, MakeJunction(op, parts));
  }

  // What junctions make deep, beyond parentheses, is known only once they are read.
  FilterNodePtr CheckDepth(size_t begin, FilterNodePtr node) {
    if (SizeOf(*node).depth <= kFilterDepthMax) return node;
    return FailDepth(begin);
  }
  std::nullptr_t FailDepth(size_t offset) {
    return Fail(offset, "nesting of at most " + std::to_string(kFilterDepthMax) + " levels",
                "more");
  }

  FilterNodePtr ParseUnary() {
    if (token_.kind != Kind::kOpen && !token_.Is(FilterKeyword::kNot)) return ParsePredicate();
    const size_t begin = token_.begin;
    if (++nesting_ > kFilterDepthMax) return FailDepth(begin);
    const bool is_not = token_.kind != Kind::kOpen;
    Advance();
    if (!status_.ok()) return nullptr;
    FilterNodePtr node = is_not ? ParseUnary() : ParseJunction(FilterOp::kOr);
    if (!status_.ok()) return nullptr;
    --nesting_;
    if (is_not) return CheckDepth(begin, MakeNot(std::move(node)));
    if (token_.kind != Kind::kClose) return FailAtToken("'and', 'or' or ')'");
    Advance();
    return node;
  }

  FilterNodePtr ParsePredicate() {
    if (token_.kind != Kind::kField) return FailNoField();
    if (token_.path.body) return FailAtToken("a field of the metadata, or $key");
    const size_t begin = token_.begin;
    path_ = std::move(token_.path);
    CountNode(begin);
    Advance();
    if (!status_.ok()) return nullptr;
    if (token_.kind == Kind::kOperator) return ParseComparison(begin);
    if (Take(FilterKeyword::kNot)) return ParseNegated(begin);
    if (Take(FilterKeyword::kIn)) return ParseList();
    if (Take(FilterKeyword::kBetween)) return ParseBetween();
    if (Take(FilterKeyword::kExists)) return Make(FilterOp::kExists, {});
    if (Take(FilterKeyword::kIs)) return ParseIsNull(begin);
    if (Take(FilterKeyword::kContains)) return ParseStringTest(FilterOp::kContains);
    if (Take(FilterKeyword::kStarts)) {
      if (status_.ok() && !token_.Is(FilterKeyword::kWith)) {
        return FailAtToken("'with' after 'starts'");
      }
      Advance();
      return ParseStringTest(FilterOp::kStartsWith);
    }
    return FailAtToken("an operator after the field (=, !=, <, <=, >, >=, in, not in, between, "
                       "not between, exists, is null, is not null, starts with, contains)");
  }

  std::nullptr_t FailNoField() {
    if (token_.kind == Kind::kConstant) {
      return FailAtToken("a field on the left (constants stand on the right: year >= 2020)");
    }
    if (token_.kind == Kind::kKeyword) {
      return FailAtToken("a field (one named like a keyword needs backquotes: " +
                         format::QuotedFieldStep(lexer_.Slice(token_)) + ")");
    }
    return FailAtToken("a field, 'not' or '('");
  }

  FilterNodePtr ParseComparison(size_t begin) {
    const FilterOp op = token_.op;
    const bool negated = token_.negated;
    Advance();
    if (status_.ok() && token_.Is(FilterKeyword::kNull)) {
      return FailAtToken(negated ? "a constant (write: is not null)"
                                 : "a constant (write: is null)");
    }
    FilterValue value = ReadConstant();
    FilterNodePtr node = Make(op, {std::move(value)});
    return negated ? Negate(begin, std::move(node)) : node;
  }

  FilterNodePtr ParseNegated(size_t begin) {
    if (Take(FilterKeyword::kIn)) return Negate(begin, ParseList());
    if (Take(FilterKeyword::kBetween)) return Negate(begin, ParseBetween());
    return FailAtToken("'in' or 'between' (before all else 'not' precedes the field)");
  }

  FilterNodePtr ParseIsNull(size_t begin) {
    const bool negated = Take(FilterKeyword::kNot);
    if (!Take(FilterKeyword::kNull)) {
      return FailAtToken(negated ? "'null' after 'is not'" : "'null' or 'not null' after 'is'");
    }
    FilterNodePtr node = Make(FilterOp::kIsNull, {});
    return negated ? Negate(begin, std::move(node)) : node;
  }

  FilterNodePtr ParseList() {
    if (status_.ok() && token_.kind != Kind::kOpen) return FailAtToken("'(' after 'in'");
    Advance();
    std::vector<FilterValue> values;
    while (true) {
      values.push_back(ReadConstant());
      if (!status_.ok()) return nullptr;
      if (token_.kind != Kind::kComma) break;
      Advance();
    }
    if (token_.kind != Kind::kClose) return FailAtToken("',' or ')'");
    Advance();
    return Make(FilterOp::kIn, std::move(values));
  }

  FilterNodePtr ParseBetween() {
    FilterValue low = ReadConstant();
    if (status_.ok() && !token_.Is(FilterKeyword::kAnd)) {
      return FailAtToken("'and' between the two ends");
    }
    Advance();
    const size_t begin = token_.begin;
    FilterValue high = ReadConstant();
    if (!status_.ok()) return nullptr;
    if (!CheckBetween(low, high).ok()) {
      return Fail(begin, "both ends of 'between' to be of one type", "two types");
    }
    return Make(FilterOp::kBetween, {std::move(low), std::move(high)});
  }

  FilterNodePtr ParseStringTest(FilterOp op) {
    const bool is_string = token_.kind == Kind::kConstant &&
                           std::holds_alternative<std::string>(token_.value.variant());
    if (status_.ok() && !is_string) return FailAtToken("a string in double quotes");
    FilterValue value = ReadConstant();
    return Make(op, {std::move(value)});
  }

  FilterValue ReadConstant() {
    FilterValue value = false;
    if (!status_.ok()) return value;
    CountNode(token_.begin);
    if (token_.kind == Kind::kConstant) {
      value = std::move(token_.value);
    } else if (token_.Is(FilterKeyword::kTrue) || token_.Is(FilterKeyword::kFalse)) {
      value = token_.Is(FilterKeyword::kTrue);
    } else if (token_.Is(FilterKeyword::kTimestamp)) {
      value = ReadTime();
    } else if (token_.Is(FilterKeyword::kNull)) {
      FailAtToken("a constant (null is found with: is null)");
    } else {
      FailAtToken("a constant (a number, a string in double quotes, true, false, timestamp)");
    }
    Advance();
    return value;
  }

  // At the keyword; leaves the string to be passed.
  FilterValue ReadTime() {
    Timestamp time;
    Advance();
    const std::string* text = std::get_if<std::string>(&token_.value.variant());
    if (!status_.ok()) return time;
    if (token_.kind != Kind::kConstant || text == nullptr) {
      FailAtToken("an RFC 3339 time in double quotes");
      return time;
    }
    size_t at = 0;
    if (const char* expected = format::ReadTimestamp(*text, &time, &at)) {
      // Escapes would shift the columns.
      const bool plain = token_.end - token_.begin == text->size() + 2;
      Fail(token_.begin + (plain ? 1 + at : 0), std::string(expected) + " (RFC 3339)",
           at < text->size() ? lexer_.Found(token_) : "its end");
    }
    return time;
  }

  FilterNodePtr Make(FilterOp op, std::vector<FilterValue> values) {
    if (!status_.ok()) return nullptr;
    StatusOr<FilterNodePtr> node = MakePredicate(op, std::move(path_), std::move(values));
    if (node.ok()) return std::move(*node);
    status_ = FilterLexer::Error(token_.begin, node.status().message());
    return nullptr;
  }

  FilterNodePtr Negate(size_t begin, FilterNodePtr node) {
    if (!status_.ok()) return nullptr;
    return CheckDepth(begin, MakeNot(std::move(node)));
  }

  std::string_view text_;
  FilterLexer lexer_;
  FilterToken token_;  // the next one
  format::FieldPath path_;
  size_t nesting_ = 0;  // of parentheses and nots
  size_t node_count_ = 0;
  Status status_;
};

}  // namespace

StatusOr<FilterNodePtr> ParseFilter(std::string_view text) { return FilterParser(text).Parse(); }

}  // namespace vdb::query
