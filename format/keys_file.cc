#include "format/keys_file.h"

#include "format/json_reader.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

// Calls `use(line)` for every line until it returns false; gives whether all returned true.
template <typename Use>
bool ForEachLine(std::string_view text, Use use) {
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    if (!use(text.substr(begin, end - begin), end)) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

StatusOr<KeysFile> KeysFile::Parse(std::string_view text) {
  KeysFile file;
  std::string scratch;
  file.is_json_ = ForEachLine(text, [&](std::string_view line, size_t) {
    JsonReader reader(line, 0);
    std::string_view key;
    if (!reader.ReadString(&scratch, &key) || !reader.Finish()) return false;
    file.decoded_ += key;
    file.ends_.push_back(file.decoded_.size());
    return true;
  });
  if (!file.is_json_) {
    file.decoded_.clear();
    file.ends_.clear();
    ForEachLine(text, [&](std::string_view, size_t end) {
      file.ends_.push_back(end);
      return true;
    });
    file.text_ = text;
  }
  for (size_t i = 0; i < file.size(); ++i) {
    const size_t bytes = file.key(i).size();
    if (bytes >= 1 && bytes <= kKeyBytesMax) continue;
    return Status::InvalidArgument("keys file: line " + std::to_string(i + 1) +
                                   ": expected a key of 1 to " + std::to_string(kKeyBytesMax) +
                                   " bytes, found " + std::to_string(bytes));
  }
  return file;
}

}  // namespace vdb::format
