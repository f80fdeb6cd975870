#include "format/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdio>

namespace vdb::format {

uint64_t Hash64(const void* data, size_t size) { return XXH3_64bits(data, size); }

struct StreamingHash::State {
  XXH3_state_t xxh;
};

StreamingHash::StreamingHash() : state_(new State) { XXH3_64bits_reset(&state_->xxh); }
StreamingHash::~StreamingHash() = default;
StreamingHash::StreamingHash(StreamingHash&&) noexcept = default;
StreamingHash& StreamingHash::operator=(StreamingHash&&) noexcept = default;

// Both variants of XXH3 share their state and its reset; only the digest differs.
void StreamingHash::Update(const void* data, size_t size) {
  XXH3_64bits_update(&state_->xxh, data, size);
}
uint64_t StreamingHash::Digest64() const { return XXH3_64bits_digest(&state_->xxh); }
Hash128 StreamingHash::Digest128() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh);
  return {hash.high64, hash.low64};
}
std::string StreamingHash::Digest128Hex() const { return Hex128(Digest128()); }

std::string Hex64(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return std::string(text, 16);
}

}  // namespace vdb::format
