// JsonReader: strict JSON (RFC 8259) pulled value by value out of text in memory. One pass, no
// tree, no allocation except for strings with escapes; it knows the exact byte of every error and
// of every value, so that a value can also be taken as a slice of the text.
//
//   JsonReader reader(text, 100);
//   if (reader.EnterObject())
//     while (reader.NextField(&name)) reader.SkipValue();
//   if (!reader.Finish()) return reader.status();
//
// Once something is wrong every call returns false and status() says where: byte offset, expected,
// found. Strings are bytes, as include/vdb/json_text.h has it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "vdb/status.h"

namespace vdb::format {

enum class JsonKind { kNull, kBool, kNumber, kString, kArray, kObject, kError };

/// A number as it stands in the text; its grammar has been checked.
struct JsonNumber {
  std::string_view text;
  bool is_integer = false;  // neither point nor exponent
  size_t offset = 0;        // of its first byte in the whole text
};

class JsonReader {
 public:
  /// Arrays and objects may be nested `depth_max` deep. `text` must outlive the reader.
  JsonReader(std::string_view text, size_t depth_max) : text_(text), depth_max_(depth_max) {}

  bool ok() const { return ok_; }
  /// kInvalidArgument once ok() is false.
  Status status() const;
  size_t offset() const { return at_; }
  /// For callers that name places in their own way: the byte of the error, and what was expected
  /// and found.
  size_t error_offset() const { return error_offset_; }
  const std::string& error_detail() const { return error_detail_; }

  /// What the next value is, without consuming it.
  JsonKind Peek();

  bool ReadNull();
  bool ReadBool(bool* value);
  bool ReadNumber(JsonNumber* number);
  /// A number as a double: rounded to nearest; one that overflows is an error, one that is too
  /// small is zero.
  bool ReadDouble(double* value);
  /// `value` is a slice of the text, or of `scratch` where the string has escapes.
  bool ReadString(std::string* scratch, std::string_view* value);

  bool EnterObject();
  /// True: `name` was read, the value is next. False: the object is at its end, or an error.
  bool NextField(std::string* scratch, std::string_view* name);
  bool EnterArray();
  /// True: an element is next. False: the array is at its end, or an error.
  bool NextElement();

  /// Checks a whole value and leaves it behind.
  bool SkipValue();
  /// The same, and gives its text.
  bool ReadRaw(std::string_view* raw);

  /// True if nothing but white space is left, and nothing was wrong.
  bool Finish();

  /// For checks of the caller's own: makes this reader fail with this message.
  bool Fail(size_t offset, std::string_view expected, std::string_view found);
  /// Describes what stands at `offset`: a byte, or the end of the text.
  std::string Found(size_t offset) const;

 private:
  bool FailHere(std::string_view expected) { return Fail(at_, expected, Found(at_)); }
  void SkipSpace();
  bool ReadLiteral(std::string_view literal);
  bool Enter(char open, const char* expected);
  // Handles what stands between the members of a container. True: a member follows.
  bool NextMember(char close, const char* expected);
  size_t ScanDigits(size_t at) const;
  bool ReadEscapes(std::string* scratch, std::string_view* value);
  bool ReadEscape(std::string* out);
  bool ReadUnicodeEscape(std::string* out);
  // The four hex digits at `at`, or -1.
  int HexAt(size_t at) const;

  std::string_view text_;
  size_t depth_max_;
  size_t at_ = 0;
  size_t depth_ = 0;
  bool first_ = false;  // the container entered last has had no member yet
  bool ok_ = true;
  size_t error_offset_ = 0;
  std::string error_detail_;
};

/// The double nearest to a JSON number; false if it overflows. Too small is a zero of its sign.
bool JsonNumberToDouble(std::string_view text, double* value);

}  // namespace vdb::format
