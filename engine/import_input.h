// ImportInput: the bytes of an import's source one after the other, of a file or of a caller's
// stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/file_system.h"
#include "vdb/import.h"

namespace vdb::engine {

class ImportInput {
 public:
  static StatusOr<std::unique_ptr<ImportInput>> OpenFile(const std::string& path);
  static std::unique_ptr<ImportInput> FromStream(ReadCallback read, std::string name);

  /// Up to `size` bytes; fewer only at the end.
  StatusOr<size_t> Read(char* out, size_t size);
  /// The first bytes, as many as there are up to `size`; only before the first Read.
  StatusOr<std::string_view> Head(size_t size);
  /// Read goes on from here; of files only.
  Status SeekTo(uint64_t offset);

  uint64_t offset() const { return offset_; }              // of the next byte
  std::optional<uint64_t> size() const { return size_; }   // of files
  const std::string& name() const { return name_; }        // for messages

 private:
  ImportInput() = default;
  StatusOr<size_t> ReadMore(uint64_t offset, char* out, size_t size);

  std::string name_;
  std::unique_ptr<storage::File> file_;  // null: read_
  ReadCallback read_;
  std::optional<uint64_t> size_;
  std::string head_;                     // the first bytes, once they were looked at
  uint64_t offset_ = 0;
  bool at_end_ = false;                  // of a stream
};

}  // namespace vdb::engine
