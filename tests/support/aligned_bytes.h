// AlignedBytes: a copy of bytes at a 64-byte boundary, as a mapping has it, that ends where the
// allocation ends, so that the address sanitizer sees any read past them.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

namespace vdb {

class AlignedBytes {
 public:
  explicit AlignedBytes(std::string_view bytes) : size_(bytes.size()) {
    // posix_memalign, unlike aligned_alloc, takes a size that is no multiple of 64.
    void* memory = nullptr;
    if (posix_memalign(&memory, 64, size_ + (size_ == 0)) != 0) std::abort();
    std::memcpy(memory, bytes.data(), size_);
    memory_ = std::shared_ptr<char>(static_cast<char*>(memory), std::free);
  }
  char* data() { return memory_.get(); }
  std::string_view view() const { return {memory_.get(), size_}; }
  std::shared_ptr<const void> keep() const { return memory_; }

 private:
  size_t size_;
  std::shared_ptr<char> memory_;
};

}  // namespace vdb
