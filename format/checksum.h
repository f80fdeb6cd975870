// XXH3: the one checksum of every file of ours. 64 bits; 128 for content hashes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace vdb::format {

/// XXH3-64 with seed 0.
uint64_t Hash64(const void* data, size_t size);
inline uint64_t Hash64(std::string_view bytes) { return Hash64(bytes.data(), bytes.size()); }

/// An XXH3-128 as a number.
struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const Hash128&) const = default;
};

/// XXH3-64 or XXH3-128 of bytes that arrive in pieces.
class StreamingHash {
 public:
  StreamingHash();
  ~StreamingHash();
  StreamingHash(StreamingHash&&) noexcept;
  StreamingHash& operator=(StreamingHash&&) noexcept;
  void Update(const void* data, size_t size);
  void Update(std::string_view bytes) { Update(bytes.data(), bytes.size()); }
  uint64_t Digest64() const;
  Hash128 Digest128() const;
  std::string Digest128Hex() const;  ///< of a hash made for 128 bits: both digests are always there

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// 16 lower-case hex digits.
std::string Hex64(uint64_t value);
/// 32 of them, as Digest128Hex has it.
inline std::string Hex128(const Hash128& value) { return Hex64(value.high) + Hex64(value.low); }

}  // namespace vdb::format
