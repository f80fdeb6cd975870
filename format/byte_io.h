// Little-endian integers and varints: append to a string, load from memory, and a bounds-checked
// reader for bytes from disk.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace vdb::format {

static_assert(std::endian::native == std::endian::little, "vdb runs on little-endian machines");

inline void AppendU32(std::string* out, uint32_t value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
inline void AppendU64(std::string* out, uint64_t value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
/// Length, then bytes; ByteReader::Text reads it.
inline void AppendText(std::string* out, std::string_view text) {
  AppendU32(out, static_cast<uint32_t>(text.size()));
  *out += text;
}
/// Big-endian, so that byte order is number order (RocksDB keys).
inline void AppendBigU32(std::string* out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}
inline void AppendBigU64(std::string* out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}
/// LEB128, at most 10 bytes.
inline void AppendVarint(std::string* out, uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

inline uint32_t LoadU32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline uint64_t LoadU64(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

/// Reads from a view; once anything does not fit, ok() is false for good and values read are zero.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }
  size_t remaining() const { return rest_.size(); }

  std::string_view Bytes(uint64_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string Text() {
    const uint32_t size = U32();
    return std::string(Bytes(size));
  }
  uint8_t U8() {
    const auto bytes = Bytes(1);
    return bytes.empty() ? uint8_t{0} : static_cast<uint8_t>(bytes[0]);
  }
  uint32_t U32() {
    const auto bytes = Bytes(4);
    return bytes.empty() ? 0 : LoadU32(bytes.data());
  }
  uint64_t U64() {
    const auto bytes = Bytes(8);
    return bytes.empty() ? 0 : LoadU64(bytes.data());
  }
  uint32_t BigU32() {
    uint32_t value = 0;
    for (const char c : Bytes(4)) value = (value << 8) | static_cast<uint8_t>(c);
    return value;
  }
  uint64_t BigU64() {
    uint64_t value = 0;
    for (const char c : Bytes(8)) value = (value << 8) | static_cast<uint8_t>(c);
    return value;
  }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const uint8_t byte = U8();
      if (!ok_ || (shift == 63 && byte > 1)) break;
      if (byte == 0 && shift > 0) break;  // longer than it need be: nobody wrote that
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace vdb::format
