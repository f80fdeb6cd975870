// CSV as RFC 4180 has it: fields between commas (or another delimiter), in double quotes where they
// hold delimiters, quotes (doubled) or line breaks. A record ends with "\n" or "\r\n" outside of
// quotes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

/// The bytes of the record that begins at `at`, its line break included; the rest if it has none.
/// `*lines` is how many line breaks it holds.
size_t CsvRecordBytes(std::string_view text, size_t at, size_t* lines);

/// The fields of one record, unquoted. `record` may end with its line break.
/// Errors: kInvalidArgument with byte offset, expected and found.
Status ParseCsvRecord(std::string_view record, char delimiter, std::vector<std::string>* fields);

/// Numbers as text: "[0.1, 0.2]", "0.1 0.2", "(1;2)". White space, commas and semicolons separate;
/// one pair of brackets may stand around. Appends to `values`.
/// Errors: kInvalidArgument; nothing but numbers that float32 can hold is taken.
Status ParseVectorText(std::string_view text, std::vector<float>* values);

/// Whether it looks like a vector: brackets, or two numbers and more.
enum class VectorLook { kNo, kNumbers, kBrackets };
VectorLook LookOfVector(std::string_view text);

/// The text of a field as a JSON value: an integer of 64 bits, a double or a boolean where that
/// says exactly the same, else a string. "007", "+1", "1e999", "nan" and "yes" are strings.
void AppendTypedJson(std::string_view text, std::string* out);

}  // namespace vdb::format
