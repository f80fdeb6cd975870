#include "format/field_path.h"

namespace vdb::format {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsWordByte(char c) { return IsLetter(c) || (c >= '0' && c <= '9'); }

size_t WordEnd(std::string_view text, size_t at) {
  while (at < text.size() && IsWordByte(text[at])) ++at;
  return at;
}

std::string Found(std::string_view text, size_t at) {
  if (at >= text.size()) return "the end";
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte > 0x20 && byte < 0x7F) return std::string("'") + text[at] + "'";
  static constexpr char kHex[] = "0123456789abcdef";
  return std::string("byte 0x") + kHex[byte >> 4] + kHex[byte & 15];
}

Status Expected(std::string_view expected, std::string_view text, size_t at) {
  return Status::InvalidArgument("expected " + std::string(expected) + ", found " +
                                 Found(text, at));
}

// Reads the step at *at and moves past it; on an error *at is its byte.
Status ReadStep(std::string_view text, size_t* at, std::string* step) {
  const char first = *at < text.size() ? text[*at] : '\0';
  if (IsLetter(first)) {
    const size_t end = WordEnd(text, *at);
    *step = text.substr(*at, end - *at);
    *at = end;
    return Status::Ok();
  }
  if (first != '`') {
    return Expected("a field name (in backquotes unless it is letters, digits and _)", text, *at);
  }
  for (++*at; *at < text.size(); ++*at) {
    const char c = text[*at];
    if (c == '\0') return Expected("a field name without NUL", text, *at);
    if (c == '`') {
      if (*at + 1 == text.size() || text[*at + 1] != '`') {
        ++*at;
        return Status::Ok();
      }
      ++*at;
    }
    step->push_back(c);
  }
  return Expected("a backquote that ends the field name", text, *at);
}

StatusOr<FieldPath> ReadDollar(std::string_view text, size_t* end) {
  const size_t word_end = WordEnd(text, 1);
  const std::string_view word = text.substr(1, word_end - 1);
  if (word != "key" && word != "body") {
    *end = 0;
    return Status::InvalidArgument("expected $key or $body (other names with $ need backquotes), "
                                   "found $" + std::string(word.substr(0, 40)));
  }
  *end = word_end;
  FieldPath path;
  path.body = word == "body";
  return path;
}

bool IsIdentifier(std::string_view step) {
  return !step.empty() && IsLetter(step[0]) && WordEnd(step, 0) == step.size();
}

}  // namespace

StatusOr<FieldPath> ReadFieldPath(std::string_view text, size_t* end) {
  *end = 0;
  if (!text.empty() && text[0] == '$') return ReadDollar(text, end);
  FieldPath path;
  size_t bytes = 0;
  while (true) {
    const size_t begin = *end;
    std::string step;
    if (Status status = ReadStep(text, end, &step); !status.ok()) return status;
    bytes += step.size() + 1;
    path.steps.push_back(std::move(step));
    if (path.steps.size() > kFieldStepsMax || bytes > kFieldPathBytesMax + 1) {
      *end = begin;
      return Status::InvalidArgument("expected a path of at most " +
                                     std::to_string(kFieldStepsMax) + " names and " +
                                     std::to_string(kFieldPathBytesMax) + " bytes, found more");
    }
    if (*end == text.size() || text[*end] != '.') return path;
    ++*end;
  }
}

StatusOr<FieldPath> ParseFieldPath(std::string_view text) {
  size_t end = 0;
  StatusOr<FieldPath> path = ReadFieldPath(text, &end);
  if (path.ok() && end == text.size()) return path;
  if (path.ok()) path = Expected(path->steps.empty() ? "the end" : "'.' or the end", text, end);
  return Status::InvalidArgument("field path: at byte " + std::to_string(end) + ": " +
                                 path.status().message());
}

std::string QuotedFieldStep(std::string_view step) {
  std::string text = "`";
  for (const char c : step) {
    if (c == '`') text.push_back('`');
    text.push_back(c);
  }
  text.push_back('`');
  return text;
}

std::string FieldPathText(const FieldPath& path) {
  if (path.steps.empty()) return path.body ? "$body" : "$key";
  std::string text;
  for (const std::string& step : path.steps) {
    if (!text.empty()) text.push_back('.');
    text += IsIdentifier(step) ? step : QuotedFieldStep(step);
  }
  return text;
}

}  // namespace vdb::format
