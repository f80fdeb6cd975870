// Keys files: the keys of the rows of a vector file, in order, a key a line.
//
// If every line is a JSON string, the keys are the strings' bytes (include/vdb/json_text.h): for
// keys that hold newlines, begin with a quote, or are hard to type. Else each line is a key as it
// stands. The newline after the last key may be missing. "\r" is not special in keys that are
// lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

class KeysFile {
 public:
  /// `text` must outlive the object. Errors: kInvalidArgument names the line (1-based) of a key
  /// that is empty or longer than kKeyBytesMax.
  static StatusOr<KeysFile> Parse(std::string_view text);

  size_t size() const { return ends_.size(); }
  std::string_view key(size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1] + (is_json_ ? 0 : 1);
    return (is_json_ ? std::string_view(decoded_) : text_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string_view text_;
  bool is_json_ = false;
  std::string decoded_;        // keys without separators, if the lines were JSON strings
  std::vector<size_t> ends_;   // in decoded_, or else of the lines in text_
};

}  // namespace vdb::format
