// JSON strings for bytes: how keys, names and bodies that need not be UTF-8 appear in JSON text,
// and how they come back. Reversible for every byte string, and the same convention as Python's
// "surrogateescape", so `text.encode("utf-8", "surrogateescape")` gives the bytes in Python.
#pragma once

#include <string>
#include <string_view>

#include "vdb/status.h"

namespace vdb {

/// Append `bytes` to `out` as a JSON string, quotes included. Valid UTF-8 is written as it is;
/// quotes, backslashes and control characters are escaped; each byte that is no part of valid UTF-8
/// becomes the lone surrogate escape \udc80 to \udcff. The text appended is always valid UTF-8.
void AppendJsonString(std::string* out, std::string_view bytes);

/// The bytes of a JSON string, quotes included in `json`; white space around it is allowed. The
/// inverse of AppendJsonString: a lone \udc80 to \udcff is that byte. Other lone surrogates become
/// their three-byte form (WTF-8). Bytes of `json` outside escapes are taken as they are.
/// Errors: kInvalidArgument names the byte offset, what was expected and what was found.
StatusOr<std::string> ParseJsonString(std::string_view json);

/// Append the shortest number that gives `value` again, whether it is read as a float, or as a
/// double that is then rounded. Finite values only.
void AppendJsonFloat(std::string* out, float value);

/// Whether `bytes` is valid UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF).
bool IsValidUtf8(std::string_view bytes);

}  // namespace vdb
