// FilterLexer: the text form of a filter, token by token.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "query/filter_text.h"

namespace vdb::query {

enum class FilterTokenKind : uint8_t {
  kEnd, kOpen, kClose, kComma,
  kOperator,  ///< = != < <= > >= and their synonyms
  kKeyword,
  kField,
  kConstant,  ///< a number or a string
  kUnknown,   ///< a byte that begins nothing
};

struct FilterToken {
  FilterTokenKind kind = FilterTokenKind::kEnd;
  size_t begin = 0, end = 0;  ///< in the text
  FilterOp op = FilterOp::kEqual;
  bool negated = false;       ///< of an operator: it is !=
  FilterKeyword keyword = FilterKeyword::kAnd;
  format::FieldPath path;
  FilterValue value = false;

  bool Is(FilterKeyword word) const {
    return kind == FilterTokenKind::kKeyword && keyword == word;
  }
};

class FilterLexer {
 public:
  /// `text` must outlive it.
  explicit FilterLexer(std::string_view text) : text_(text) {}

  /// At the end of the text it gives kEnd for ever. Errors inside of a token as Error() makes them.
  StatusOr<FilterToken> Next();

  /// "filter, column N: expected ..., found ..."; columns count bytes from 1.
  static Status Error(size_t offset, std::string_view detail);
  static Status Error(size_t offset, std::string_view expected, std::string_view found);
  /// What an error says was found.
  std::string Found(const FilterToken& token) const;
  /// The text of a token.
  std::string_view Slice(const FilterToken& token) const {
    return text_.substr(token.begin, token.end - token.begin);
  }

 private:
  StatusOr<FilterToken> ReadOperator(FilterToken token);
  StatusOr<FilterToken> ReadNumber(FilterToken token);
  StatusOr<FilterToken> ReadString(FilterToken token);
  StatusOr<FilterToken> ReadWord(FilterToken token);

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace vdb::query
