// base64 (RFC 4648, standard alphabet) of float32 rows, as JSON caches hold vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vdb::format {

/// Bytes that `text_bytes` characters decode to, at most; exact without padding.
constexpr uint64_t Base64Bytes(uint64_t text_bytes) { return text_bytes * 3 / 4; }

/// Appends what `text` decodes to; padding is optional. False: `text` is not base64.
bool DecodeBase64(std::string_view text, std::string* bytes);

}  // namespace vdb::format
