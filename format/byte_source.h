// ByteSource: the bytes of a file as readers in this folder see them, who know no files. The engine
// has one over storage::File.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "vdb/status.h"

namespace vdb::format {

/// Random access to bytes that do not change meanwhile. Thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  /// Fills `out` from `offset` on. Errors: kIoError; kCorruption if the source has become shorter.
  virtual Status ReadAt(uint64_t offset, std::span<char> out) const = 0;
};

/// Over bytes in memory, which must outlive it.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(uint64_t offset, std::span<char> out) const override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
      return Status::Corruption("bytes " + std::to_string(offset) + " to " +
                                std::to_string(offset + out.size()) + " of " +
                                std::to_string(bytes_.size()));
    }
    bytes_.copy(out.data(), out.size(), offset);
    return Status::Ok();
  }

 private:
  std::string_view bytes_;
};

}  // namespace vdb::format
