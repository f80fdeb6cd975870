#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <cstring>

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/frame.h"

namespace vdb::fuzz {
namespace {

std::vector<Target>& Registered() {
  static auto* const targets = new std::vector<Target>;
  return *targets;
}

void StoreU64(std::string* bytes, size_t at, uint64_t value) {
  std::memcpy(bytes->data() + at, &value, sizeof(value));
}

}  // namespace

const std::vector<Target>& Targets() { return Registered(); }

Registration::Registration(const Target& target) {
  auto& targets = Registered();
  targets.insert(std::upper_bound(targets.begin(), targets.end(), target,
                                  [](const Target& a, const Target& b) { return a.name < b.name; }),
                 target);
}

std::string WithFrameFixed(std::string_view bytes, size_t payload_bytes) {
  std::string fixed(bytes);
  if (fixed.size() < format::kFrameBytes) return fixed;
  const size_t size = std::min(payload_bytes, fixed.size() - format::kFrameBytes);
  StoreU64(&fixed, 32, size);
  StoreU64(&fixed, 40, format::Hash64(fixed.data() + format::kFrameBytes, size));
  StoreU64(&fixed, 56, format::Hash64(fixed.data(), 56));
  return fixed;
}

std::vector<std::string_view> SplitInput(std::string_view bytes, size_t count) {
  std::vector<std::string_view> parts;
  format::ByteReader reader(bytes);
  while (parts.size() + 1 < count) {
    const size_t low = reader.U8();
    const size_t size = low | size_t{reader.U8()} << 8;
    parts.push_back(reader.Bytes(std::min(size, reader.remaining())));
  }
  parts.push_back(reader.ok() ? reader.Bytes(reader.remaining()) : std::string_view());
  return parts;
}

std::string JoinInput(const std::vector<std::string>& parts) {
  std::string bytes;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    bytes.push_back(static_cast<char>(parts[i].size() & 0xFF));
    bytes.push_back(static_cast<char>(parts[i].size() >> 8));
    bytes += parts[i];
  }
  return bytes + parts.back();
}

}  // namespace vdb::fuzz
