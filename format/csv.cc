#include "format/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>

#include "format/json_reader.h"
#include "vdb/json_text.h"

namespace vdb::format {
namespace {

// From here on a double rounds to an infinite float.
constexpr double kFloatOverflow = 0x1.ffffffp127;

Status Refuse(size_t offset, std::string_view expected, std::string_view found) {
  return Status::InvalidArgument("CSV: at byte " + std::to_string(offset) +
                                 " of the record: expected " + std::string(expected) +
                                 ", found " + std::string(found));
}

std::string_view WithoutBreak(std::string_view record) {
  if (record.ends_with('\n')) record.remove_suffix(1);
  if (record.ends_with('\r')) record.remove_suffix(1);
  return record;
}

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// Takes one pair of brackets off.
bool Unbracket(std::string_view* text) {
  for (const std::string_view pair : {"[]", "()", "{}"}) {
    if (text->size() < 2 || text->front() != pair[0] || text->back() != pair[1]) continue;
    *text = Trimmed(text->substr(1, text->size() - 2));
    return true;
  }
  return false;
}

// Reads the field that begins at `*at` and moves behind its delimiter. False: it was the last.
StatusOr<bool> ReadField(std::string_view record, char delimiter, size_t* at, std::string* field) {
  field->clear();
  if (*at < record.size() && record[*at] == '"') {
    size_t begin = *at + 1;
    while (true) {
      const size_t quote = record.find('"', begin);
      if (quote == record.npos) return Refuse(*at, "a closing quote", "the end of the record");
      field->append(record, begin, quote - begin);
      begin = quote + 1;
      if (begin >= record.size() || record[begin] != '"') break;
      field->push_back('"');
      ++begin;
    }
    *at = begin;
    if (*at < record.size() && record[*at] != delimiter) {
      return Refuse(*at, "a delimiter or the end behind a closing quote",
                    "'" + std::string(1, record[*at]) + "'");
    }
  } else {
    const size_t end = std::min(record.find(delimiter, *at), record.size());
    field->append(record, *at, end - *at);
    const size_t quote = field->find('"');
    if (quote != field->npos) {
      return Refuse(*at + quote, "quotes around the whole field", "a quote inside of it");
    }
    *at = end;
  }
  if (*at >= record.size()) return false;
  ++*at;
  return true;
}

size_t SignificantDigits(std::string_view number) {
  size_t digits = 0;
  for (const char c : number) {
    if (c == 'e' || c == 'E') break;
    if (c >= '0' && c <= '9' && (digits > 0 || c != '0')) ++digits;
  }
  return digits;
}

bool IsJsonNumber(std::string_view text, JsonNumber* number) {
  if (text.empty() || IsSpace(text.front()) || IsSpace(text.back())) return false;
  JsonReader reader(text, 0);
  return reader.ReadNumber(number) && reader.Finish();
}

// Up to 15 digits a double keeps; with more, only what it prints itself.
bool IsExactDouble(std::string_view text) {
  double value = 0;
  if (!JsonNumberToDouble(text, &value)) return false;
  if (value == 0 && SignificantDigits(text) > 0) return false;
  if (SignificantDigits(text) <= 15) return true;
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return text == std::string_view(buffer, static_cast<size_t>(end - buffer));
}

bool IsInteger(std::string_view text) {
  const char* end = text.data() + text.size();
  int64_t value = 0;
  uint64_t big = 0;
  if (text == "-0") return false;
  return std::from_chars(text.data(), end, value).ec == std::errc() ||
         (text[0] != '-' && std::from_chars(text.data(), end, big).ec == std::errc());
}

}  // namespace

size_t CsvRecordBytes(std::string_view text, size_t at, size_t* lines) {
  *lines = 0;
  bool in_quotes = false;
  for (size_t begin = at;;) {
    const size_t end = text.find('\n', begin);
    const std::string_view line = text.substr(begin, end == text.npos ? end : end - begin);
    in_quotes ^= std::count(line.begin(), line.end(), '"') % 2 != 0;
    if (end == text.npos) return text.size() - at;
    ++*lines;
    begin = end + 1;
    if (!in_quotes) return begin - at;
  }
}

Status ParseCsvRecord(std::string_view record, char delimiter, std::vector<std::string>* fields) {
  record = WithoutBreak(record);
  size_t count = 0;
  for (size_t at = 0;;) {
    if (fields->size() <= count) fields->emplace_back();
    const auto more = ReadField(record, delimiter, &at, &(*fields)[count++]);
    if (!more.ok()) return more.status();
    if (!*more) break;
  }
  fields->resize(count);
  return Status::Ok();
}

Status ParseVectorText(std::string_view text, std::vector<float>* values) {
  text = Trimmed(text);
  Unbracket(&text);
  const char* at = text.data();
  const char* const end = at + text.size();
  bool wants_number = true;
  while (at < end) {
    if (IsSpace(*at) || *at == ',' || *at == ';') {
      if (!IsSpace(*at) && wants_number) break;
      wants_number |= !IsSpace(*at);
      ++at;
      continue;
    }
    if (*at == '+' && end - at > 1 && at[1] != '-') ++at;
    double value = 0;
    const auto done = std::from_chars(at, end, value);
    if (done.ec == std::errc::result_out_of_range && done.ptr != at) {
      value = 0;
      if (!JsonNumberToDouble({at, static_cast<size_t>(done.ptr - at)}, &value)) break;
    } else if (done.ec != std::errc()) {
      break;
    }
    if (std::isfinite(value) && std::fabs(value) >= kFloatOverflow) break;
    if (done.ptr < end && !IsSpace(*done.ptr) && *done.ptr != ',' && *done.ptr != ';') break;
    values->push_back(static_cast<float>(value));
    wants_number = false;
    at = done.ptr;
  }
  if (at == end && !wants_number) return Status::Ok();
  return Status::InvalidArgument(
      "expected numbers that float32 can hold between commas or spaces, found '" +
      std::string(at, std::min<size_t>(static_cast<size_t>(end - at), 40)) + "' at byte " +
      std::to_string(at - text.data()));
}

VectorLook LookOfVector(std::string_view text) {
  std::vector<float> values;
  if (!ParseVectorText(text, &values).ok()) return VectorLook::kNo;
  text = Trimmed(text);
  if (Unbracket(&text)) return VectorLook::kBrackets;
  return values.size() > 1 ? VectorLook::kNumbers : VectorLook::kNo;
}

void AppendTypedJson(std::string_view text, std::string* out) {
  JsonNumber number;
  if (text == "true" || text == "True" || text == "TRUE") {
    *out += "true";
  } else if (text == "false" || text == "False" || text == "FALSE") {
    *out += "false";
  } else if (IsJsonNumber(text, &number) &&
             (number.is_integer ? IsInteger(text) : IsExactDouble(text))) {
    *out += text;
  } else {
    AppendJsonString(out, text);
  }
}

}  // namespace vdb::format
