// FieldPath: where in a document's metadata a field is.
//
// Text form: steps joined by dots; a step is an identifier ([A-Za-z_][A-Za-z0-9_]*) or any text
// without NUL in backquotes (a backquote in it is doubled). "$key" is the document's key, "$body"
// its body; field names that begin with $ need backquotes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

inline constexpr size_t kFieldStepsMax = 32;
inline constexpr size_t kFieldPathBytesMax = 1024;  // of the names and the dots, without backquotes

struct FieldPath {
  std::vector<std::string> steps;  ///< none: the key (or the body)
  bool body = false;               ///< with no steps

  bool is_key() const { return steps.empty() && !body; }
  friend bool operator==(const FieldPath&, const FieldPath&) = default;
};

/// kInvalidArgument names the byte, expected and found.
StatusOr<FieldPath> ParseFieldPath(std::string_view text);
/// The path at the front of `text`, up to *end. On an error *end is its byte, and the message has
/// only what was expected and found.
StatusOr<FieldPath> ReadFieldPath(std::string_view text, size_t* end);
/// Canonical: backquotes only where they are needed. ParseFieldPath gives the path back.
std::string FieldPathText(const FieldPath& path);
/// One name in backquotes.
std::string QuotedFieldStep(std::string_view step);

}  // namespace vdb::format
