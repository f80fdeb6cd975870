#include "query/filter_lexer.h"

#include <charconv>

#include "format/json_reader.h"
#include "vdb/json_text.h"

namespace vdb::query {
namespace {

constexpr size_t kFoundBytesMax = 40;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_';
}

// Integers exactly, others as doubles. Null, or what was expected.
const char* ReadConstant(const format::JsonNumber& number, FilterValue* value) {
  const char* begin = number.text.data();
  const char* end = begin + number.text.size();
  if (!number.is_integer) {
    double real = 0;
    if (!format::JsonNumberToDouble(number.text, &real)) return "a number that a double can hold";
    *value = real;
    return nullptr;
  }
  int64_t integer = 0;
  uint64_t natural = 0;
  if (std::from_chars(begin, end, integer).ec == std::errc()) {
    *value = integer;
  } else if (*begin != '-' && std::from_chars(begin, end, natural).ec == std::errc()) {
    *value = natural;
  } else {
    return "an integer of at most 64 bits (with a point it is a double)";
  }
  return nullptr;
}

}  // namespace

Status FilterLexer::Error(size_t offset, std::string_view detail) {
  return Status::InvalidArgument("filter, column " + std::to_string(offset + 1) + ": " +
                                 std::string(detail));
}

Status FilterLexer::Error(size_t offset, std::string_view expected, std::string_view found) {
  return Error(offset, "expected " + std::string(expected) + ", found " + std::string(found));
}

std::string FilterLexer::Found(const FilterToken& token) const {
  if (token.kind == FilterTokenKind::kEnd) return "the end of the filter";
  std::string_view slice = Slice(token).substr(0, kFoundBytesMax);
  const bool shortened = slice.size() < Slice(token).size();
  // Not in the middle of a character.
  for (int i = 0; i < 3 && shortened && !IsValidUtf8(slice); ++i) slice.remove_suffix(1);
  bool printable = IsValidUtf8(slice);
  for (const char c : slice) printable = printable && (c < 0 || (c >= 0x20 && c < 0x7F));
  if (!printable) {
    static constexpr char kHex[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(slice[0]);
    if (byte < 0x20 || byte >= 0x7F) {
      return std::string("byte 0x") + kHex[byte >> 4] + kHex[byte & 15];
    }
    return "bytes that are no text";
  }
  return "'" + std::string(slice) + (shortened ? "...'" : "'");
}

StatusOr<FilterToken> FilterLexer::Next() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' ||
                                text_[at_] == '\r')) {
    ++at_;
  }
  FilterToken token;
  token.begin = token.end = at_;
  if (at_ == text_.size()) return token;
  const char c = text_[at_];
  token.end = ++at_;
  switch (c) {
    case '(': token.kind = FilterTokenKind::kOpen; return token;
    case ')': token.kind = FilterTokenKind::kClose; return token;
    case ',': token.kind = FilterTokenKind::kComma; return token;
    case '"': return ReadString(std::move(token));
    case '=':
    case '!':
    case '<':
    case '>': return ReadOperator(std::move(token));
    default: break;
  }
  if (IsDigit(c) || c == '-') return ReadNumber(std::move(token));
  if (IsWordByte(c) || c == '`' || c == '$') return ReadWord(std::move(token));
  token.kind = FilterTokenKind::kUnknown;
  return token;
}

StatusOr<FilterToken> FilterLexer::ReadOperator(FilterToken token) {
  const char first = text_[token.begin];
  const char second = at_ < text_.size() ? text_[at_] : '\0';
  const bool pair = second == '=' || (first == '<' && second == '>');
  token.kind = FilterTokenKind::kOperator;
  token.end = at_ += pair ? 1 : 0;
  if (first == '!' && !pair) return Error(token.begin, "'!=' (or 'not')", Found(token));
  token.negated = first == '!' || (first == '<' && second == '>');
  if (first == '=' || token.negated) {
    token.op = FilterOp::kEqual;
  } else if (first == '<') {
    token.op = pair ? FilterOp::kLessOrEqual : FilterOp::kLess;
  } else {
    token.op = pair ? FilterOp::kGreaterOrEqual : FilterOp::kGreater;
  }
  return token;
}

StatusOr<FilterToken> FilterLexer::ReadNumber(FilterToken token) {
  format::JsonReader reader(text_.substr(token.begin), 0);
  format::JsonNumber number;
  if (!reader.ReadNumber(&number)) {
    return Error(token.begin + reader.error_offset(), reader.error_detail());
  }
  token.kind = FilterTokenKind::kConstant;
  token.end = at_ = token.begin + number.text.size();
  if (const char* expected = ReadConstant(number, &token.value)) {
    return Error(token.begin, expected, Found(token));
  }
  if (at_ < text_.size() && (IsWordByte(text_[at_]) || text_[at_] == '.')) {
    return Error(at_, "the end of the number", std::string("'") + text_[at_] + "'");
  }
  return token;
}

StatusOr<FilterToken> FilterLexer::ReadString(FilterToken token) {
  format::JsonReader reader(text_.substr(token.begin), 0);
  std::string scratch;
  std::string_view value;
  if (!reader.ReadString(&scratch, &value)) {
    return Error(token.begin + reader.error_offset(), reader.error_detail());
  }
  token.kind = FilterTokenKind::kConstant;
  token.value = value;
  token.end = at_ = token.begin + reader.offset();
  return token;
}

StatusOr<FilterToken> FilterLexer::ReadWord(FilterToken token) {
  while (token.end < text_.size() && IsWordByte(text_[token.end])) ++token.end;
  if (const auto keyword = FilterKeywordOf(Slice(token))) {
    token.kind = FilterTokenKind::kKeyword;
    token.keyword = *keyword;
    at_ = token.end;
    return token;
  }
  size_t bytes = 0;
  auto path = format::ReadFieldPath(text_.substr(token.begin), &bytes);
  if (!path.ok()) return Error(token.begin + bytes, path.status().message());
  token.kind = FilterTokenKind::kField;
  token.path = std::move(*path);
  token.end = at_ = token.begin + bytes;
  return token;
}

}  // namespace vdb::query
