#include "format/json_reader.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "vdb/json_text.h"

namespace vdb::format {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendUtf8(std::string* out, uint32_t code) {
  const auto push = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xC0 | (code >> 6));
    push(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    push(0xE0 | (code >> 12));
    push(0x80 | ((code >> 6) & 0x3F));
    push(0x80 | (code & 0x3F));
  } else {
    push(0xF0 | (code >> 18));
    push(0x80 | ((code >> 12) & 0x3F));
    push(0x80 | ((code >> 6) & 0x3F));
    push(0x80 | (code & 0x3F));
  }
}

// Whether a non-zero number that no double can hold is too large, rather than too small: by the
// power of ten of its first digit that is not zero.
bool IsHuge(std::string_view text) {
  const size_t exponent_at = text.find_first_of("eE");
  const std::string_view digits = text.substr(0, exponent_at);
  int64_t exponent = 0;
  if (exponent_at != std::string_view::npos) {
    size_t from = exponent_at + 1;
    if (text[from] == '+') ++from;
    const auto done = std::from_chars(text.data() + from, text.data() + text.size(), exponent);
    if (done.ec != std::errc()) return text[from] != '-';
    exponent = std::clamp(exponent, -(int64_t{1} << 40), int64_t{1} << 40);
  }
  const size_t first = digits.find_first_of("123456789");
  if (first == std::string_view::npos) return false;
  size_t point = digits.find('.');
  if (point == std::string_view::npos) point = digits.size();
  return static_cast<int64_t>(point) - static_cast<int64_t>(first) > -exponent;
}

}  // namespace

bool JsonNumberToDouble(std::string_view text, double* value) {
  const char* end = text.data() + text.size();
  const auto done = std::from_chars(text.data(), end, *value);
  if (done.ec == std::errc() && done.ptr == end) return true;
  if (IsHuge(text)) return false;
  *value = text[0] == '-' ? -0.0 : 0.0;
  return true;
}

std::string JsonReader::Found(size_t offset) const {
  if (offset >= text_.size()) return "the end of the text";
  const std::string_view rest = text_.substr(offset);
  for (const std::string_view word : {"NaN", "Infinity", "-Infinity", "nan", "inf", "-inf"}) {
    if (rest.starts_with(word)) return std::string(word) + ", which JSON does not have";
  }
  const auto byte = static_cast<unsigned char>(rest[0]);
  if (byte > 0x20 && byte < 0x7F) return std::string("'") + rest[0] + "'";
  char hex[3] = {};
  std::to_chars(hex + (byte < 16), hex + 2, byte, 16);
  if (byte < 16) hex[0] = '0';
  return std::string("byte 0x") + hex;
}

bool JsonReader::Fail(size_t offset, std::string_view expected, std::string_view found) {
  if (!ok_) return false;
  ok_ = false;
  error_offset_ = offset;
  error_detail_ = "expected " + std::string(expected) + ", found " + std::string(found);
  return false;
}

Status JsonReader::status() const {
  if (ok_) return Status::Ok();
  return Status::InvalidArgument("JSON: at byte " + std::to_string(error_offset_) + ": " +
                                 error_detail_);
}

void JsonReader::SkipSpace() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c != ' ' && c != '\n' && c != '\t' && c != '\r') break;
    ++at_;
  }
}

JsonKind JsonReader::Peek() {
  if (!ok_) return JsonKind::kError;
  SkipSpace();
  const char c = at_ < text_.size() ? text_[at_] : '\0';
  switch (c) {
    case '{': return JsonKind::kObject;
    case '[': return JsonKind::kArray;
    case '"': return JsonKind::kString;
    case 't':
    case 'f': return JsonKind::kBool;
    case 'n': return text_.substr(at_, 3) == "nan" ? (FailHere("a value"), JsonKind::kError)
                                                   : JsonKind::kNull;
    default: break;
  }
  if (IsDigit(c) || (c == '-' && text_.substr(at_ + 1, 1) != "I" &&
                     text_.substr(at_ + 1, 1) != "i")) {
    return JsonKind::kNumber;
  }
  FailHere("a value");
  return JsonKind::kError;
}

bool JsonReader::ReadLiteral(std::string_view literal) {
  if (!ok_) return false;
  SkipSpace();
  if (text_.substr(at_, literal.size()) != literal) return FailHere(literal);
  at_ += literal.size();
  first_ = false;
  return true;
}

bool JsonReader::ReadNull() { return ReadLiteral("null"); }

bool JsonReader::ReadBool(bool* value) {
  if (Peek() != JsonKind::kBool) return ok_ && FailHere("true or false");
  *value = text_[at_] == 't';
  return ReadLiteral(*value ? "true" : "false");
}

size_t JsonReader::ScanDigits(size_t at) const {
  while (at < text_.size() && IsDigit(text_[at])) ++at;
  return at;
}

bool JsonReader::ReadNumber(JsonNumber* number) {
  if (Peek() != JsonKind::kNumber) return ok_ && FailHere("a number");
  const auto byte_at = [this](size_t at) { return at < text_.size() ? text_[at] : '\0'; };
  size_t at = at_ + (text_[at_] == '-');
  const size_t digits_end = ScanDigits(at);
  if (digits_end == at) return Fail(at, "a digit", Found(at));
  if (text_[at] == '0' && digits_end > at + 1) {
    return Fail(at, "no zero before a number's first digit", Found(at));
  }
  at = digits_end;
  number->is_integer = true;
  if (byte_at(at) == '.') {
    number->is_integer = false;
    const size_t end = ScanDigits(at + 1);
    if (end == at + 1) return Fail(end, "a digit after the point", Found(end));
    at = end;
  }
  if (byte_at(at) == 'e' || byte_at(at) == 'E') {
    number->is_integer = false;
    ++at;
    if (byte_at(at) == '+' || byte_at(at) == '-') ++at;
    const size_t end = ScanDigits(at);
    if (end == at) return Fail(end, "a digit in the exponent", Found(end));
    at = end;
  }
  number->text = text_.substr(at_, at - at_);
  number->offset = at_;
  at_ = at;
  first_ = false;
  return true;
}

bool JsonReader::ReadDouble(double* value) {
  JsonNumber number;
  if (!ReadNumber(&number)) return false;
  if (JsonNumberToDouble(number.text, value)) return true;
  return Fail(number.offset, "a number that a double can hold (at most 1.8e308)",
              number.text.substr(0, 40));
}

bool JsonReader::ReadString(std::string* scratch, std::string_view* value) {
  if (Peek() != JsonKind::kString) return ok_ && FailHere("a string");
  const size_t begin = ++at_;
  for (; at_ < text_.size(); ++at_) {
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte == '"') {
      *value = text_.substr(begin, at_ - begin);
      ++at_;
      first_ = false;
      return true;
    }
    if (byte == '\\') {
      scratch->assign(text_, begin, at_ - begin);
      return ReadEscapes(scratch, value);
    }
    if (byte < 0x20) break;
  }
  return FailHere(at_ < text_.size() ? "a control character to be escaped" : "'\"'");
}

// The rest of a string whose first escape is next; `scratch` has what came before.
bool JsonReader::ReadEscapes(std::string* scratch, std::string_view* value) {
  while (at_ < text_.size()) {
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte == '"') {
      ++at_;
      first_ = false;
      *value = *scratch;
      return true;
    }
    if (byte == '\\') {
      if (!ReadEscape(scratch)) return false;
      continue;
    }
    if (byte < 0x20) return FailHere("a control character to be escaped");
    scratch->push_back(text_[at_++]);
  }
  return FailHere("'\"'");
}

bool JsonReader::ReadEscape(std::string* out) {
  ++at_;  // the backslash
  const char c = at_ < text_.size() ? text_[at_] : '\0';
  switch (c) {
    case '"':
    case '\\':
    case '/': out->push_back(c); break;
    case 'b': out->push_back('\b'); break;
    case 'f': out->push_back('\f'); break;
    case 'n': out->push_back('\n'); break;
    case 'r': out->push_back('\r'); break;
    case 't': out->push_back('\t'); break;
    case 'u': return ReadUnicodeEscape(out);
    default: return FailHere("one of \"\\/bfnrtu after a backslash");
  }
  ++at_;
  return true;
}

int JsonReader::HexAt(size_t at) const {
  if (at > text_.size() || text_.size() - at < 4) return -1;
  unsigned value = 0;
  const char* from = text_.data() + at;
  const auto done = std::from_chars(from, from + 4, value, 16);  // takes no sign for unsigned
  return done.ec == std::errc() && done.ptr == from + 4 ? static_cast<int>(value) : -1;
}

bool JsonReader::ReadUnicodeEscape(std::string* out) {
  ++at_;  // the u
  const int unit = HexAt(at_);
  if (unit < 0) return FailHere("four hexadecimal digits after \\u");
  at_ += 4;
  if (unit >= 0xD800 && unit < 0xDC00 && text_.substr(at_, 2) == "\\u") {
    const int low = HexAt(at_ + 2);
    if (low >= 0xDC00 && low < 0xE000) {
      at_ += 6;
      AppendUtf8(out, 0x10000u + (static_cast<uint32_t>(unit - 0xD800) << 10) +
                          static_cast<uint32_t>(low - 0xDC00));
      return true;
    }
  }
  if (unit >= 0xDC80 && unit <= 0xDCFF) {
    out->push_back(static_cast<char>(unit - 0xDC00));
  } else {
    AppendUtf8(out, static_cast<uint32_t>(unit));
  }
  return true;
}

bool JsonReader::Enter(char open, const char* expected) {
  if (!ok_) return false;
  SkipSpace();
  if (at_ >= text_.size() || text_[at_] != open) return FailHere(expected);
  if (depth_ == depth_max_) {
    return Fail(at_, "at most " + std::to_string(depth_max_) + " levels of nesting", "more");
  }
  ++depth_;
  ++at_;
  first_ = true;
  return true;
}

bool JsonReader::NextMember(char close, const char* expected) {
  if (!ok_) return false;
  SkipSpace();
  if (at_ < text_.size() && text_[at_] == close) {
    ++at_;
    --depth_;
    first_ = false;
    return false;
  }
  if (first_) {
    first_ = false;
    return true;
  }
  if (at_ >= text_.size() || text_[at_] != ',') return FailHere(expected);
  ++at_;
  return true;
}

bool JsonReader::EnterObject() { return Enter('{', "'{' (a JSON object)"); }
bool JsonReader::EnterArray() { return Enter('[', "'[' (an array)"); }
bool JsonReader::NextElement() { return NextMember(']', "',' or ']'"); }

bool JsonReader::NextField(std::string* scratch, std::string_view* name) {
  if (!NextMember('}', "',' or '}'")) return false;
  SkipSpace();
  if (at_ >= text_.size() || text_[at_] != '"') return FailHere("a field name in quotes");
  if (!ReadString(scratch, name)) return false;
  SkipSpace();
  if (at_ >= text_.size() || text_[at_] != ':') return FailHere("':'");
  ++at_;
  return true;
}

// Recursion is bounded by depth_max.
bool JsonReader::SkipValue() {
  std::string scratch;
  std::string_view string;
  JsonNumber number;
  bool flag = false;
  switch (Peek()) {
    case JsonKind::kNull: return ReadNull();
    case JsonKind::kBool: return ReadBool(&flag);
    case JsonKind::kNumber: return ReadNumber(&number);
    case JsonKind::kString: return ReadString(&scratch, &string);
    case JsonKind::kArray:
      if (!EnterArray()) return false;
      while (NextElement()) {
        if (!SkipValue()) return false;
      }
      return ok_;
    case JsonKind::kObject:
      if (!EnterObject()) return false;
      while (NextField(&scratch, &string)) {
        if (!SkipValue()) return false;
      }
      return ok_;
    case JsonKind::kError: break;
  }
  return false;
}

bool JsonReader::ReadRaw(std::string_view* raw) {
  if (!ok_) return false;
  SkipSpace();
  const size_t begin = at_;
  if (!SkipValue()) return false;
  *raw = text_.substr(begin, at_ - begin);
  return true;
}

bool JsonReader::Finish() {
  if (!ok_) return false;
  SkipSpace();
  return at_ == text_.size() || FailHere("the end of the text");
}

}  // namespace vdb::format

namespace vdb {

StatusOr<std::string> ParseJsonString(std::string_view json) {
  format::JsonReader reader(json, 0);
  std::string scratch;
  std::string_view value;
  if (!reader.ReadString(&scratch, &value) || !reader.Finish()) return reader.status();
  return std::string(value);
}

}  // namespace vdb
