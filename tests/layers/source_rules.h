// The rules of the house that a program can check: which file may include what, and what library
// code never does. Each check takes one file as text, so that the tests can plant a violation in a
// string.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vdb::layers {

/// One broken rule.
struct Finding {
  std::string file;  ///< relative to the source tree
  size_t line = 0;   ///< 1-based
  std::string message;

  std::string ToString() const { return file + ":" + std::to_string(line) + ": " + message; }
};

/// Includes point one way (include/vdb <- format <- {storage, index} <- query <- engine; tools use
/// only the public headers), and RocksDB, intrinsics and system calls stay in their one place.
std::vector<Finding> CheckIncludes(const std::string& file, std::string_view text);

/// Library code never prints, throws, or ends the process.
std::vector<Finding> CheckCalls(const std::string& file, std::string_view text);

/// ASCII, at most 100 columns, no to-do note without an issue number, TODO(#12).
std::vector<Finding> CheckText(const std::string& file, std::string_view text);

/// The text with comments, strings and character literals blanked out; line breaks stay.
std::string CodeOnly(std::string_view text);

/// Whether `word` occurs in `text` with no letter, digit or underscore beside it.
bool HasWord(std::string_view text, std::string_view word);

}  // namespace vdb::layers
