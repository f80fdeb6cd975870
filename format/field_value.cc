#include "format/field_value.h"

#include <algorithm>
#include <bit>

#include "format/metadata_view.h"
#include "format/timestamp.h"

namespace vdb::format {
namespace {

constexpr uint64_t kSignBit = uint64_t{1} << 63;

template <typename T>
void AppendBigEndian(std::string* out, T value) {
  for (int shift = static_cast<int>(8 * sizeof(T)) - 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>((value >> shift) & 0xFF));
  }
}

std::string OnlyType(FieldType type) { return std::string(1, static_cast<char>(type)); }

std::string EncodeNumber(const NumberOrder& order) {
  std::string out = OnlyType(FieldType::kNumber);
  AppendBigEndian(&out, order.nearest);
  AppendBigEndian(&out, order.remainder);
  return out;
}

std::string EncodeString(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 3);
  out.push_back(static_cast<char>(FieldType::kString));
  for (const char c : bytes) {
    out.push_back(c);
    if (c == '\0') out.push_back('\xFF');
  }
  out.append("\0\1", 2);
  return out;
}

std::string EncodeTime(const Timestamp& time) {
  std::string out = OnlyType(FieldType::kTime);
  AppendBigEndian(&out, static_cast<uint64_t>(time.seconds) ^ kSignBit);
  AppendBigEndian(&out, time.nanoseconds);
  return out;
}

FieldEntry StringEntry(std::string_view bytes) {
  return {EncodeString(bytes.substr(0, kFieldStringBytesMax)), bytes.size() > kFieldStringBytesMax};
}

void AppendEntries(const MetadataValue& value, std::vector<FieldEntry>* entries) {
  const auto add = [entries](std::string encoded) { entries->push_back({std::move(encoded)}); };
  Timestamp time;
  switch (value.kind) {
    case MetadataKind::kNull: add(OnlyType(FieldType::kNull)); break;
    case MetadataKind::kBool:
      add(OnlyType(value.uint_value != 0 ? FieldType::kTrue : FieldType::kFalse));
      break;
    case MetadataKind::kInt: add(EncodeNumber(OrderOfNumber(value.int_value))); break;
    case MetadataKind::kUint: add(EncodeNumber(OrderOfNumber(value.uint_value))); break;
    case MetadataKind::kDouble: add(EncodeNumber(OrderOfNumber(value.double_value))); break;
    case MetadataKind::kString:
      entries->push_back(StringEntry(value.string));
      if (IsTimestamp(value.string, &time)) add(EncodeTime(time));
      break;
    case MetadataKind::kArray:
    case MetadataKind::kObject: add(OnlyType(FieldType::kOther)); break;
  }
}

void SortAndUnite(std::vector<FieldEntry>* entries) {
  if (entries->size() < 2) return;
  std::sort(entries->begin(), entries->end());
  // Of equal encodings the cut one comes last, and stays.
  size_t kept = 0;
  for (size_t i = 1; i < entries->size(); ++i) {
    if ((*entries)[i].value != (*entries)[kept].value) ++kept;
    if (i != kept) (*entries)[kept] = std::move((*entries)[i]);
  }
  entries->resize(kept + 1);
}

// Bytes of a string's encoding up to its end mark; 0 if there is none.
size_t StringBytes(std::string_view bytes) {
  for (size_t at = 1;; at += 2) {
    at = bytes.find('\0', at);
    if (at == std::string_view::npos || at + 1 == bytes.size()) return 0;
    if (bytes[at + 1] == '\1') return at + 2;
    if (bytes[at + 1] != '\xFF') return 0;
  }
}

struct Encoder {
  std::string operator()(bool value) const {
    return OnlyType(value ? FieldType::kTrue : FieldType::kFalse);
  }
  std::string operator()(int64_t value) const { return EncodeNumber(OrderOfNumber(value)); }
  std::string operator()(uint64_t value) const { return EncodeNumber(OrderOfNumber(value)); }
  std::string operator()(double value) const { return EncodeNumber(OrderOfNumber(value)); }
  std::string operator()(const std::string& value) const { return EncodeString(value); }
  std::string operator()(const Timestamp& value) const { return EncodeTime(value); }
};

}  // namespace

NumberOrder OrderOfNumber(double value) {
  if (value == 0) value = 0;  // -0
  const auto bits = std::bit_cast<uint64_t>(value);
  return {(bits & kSignBit) != 0 ? ~bits : bits | kSignBit};
}

// The remainder is at most 1,024 either way, half the distance of doubles near 2^64, so differences
// modulo 2^64 are it. The nearest double may be 2^64 itself, which wraps to 0.
NumberOrder OrderOfNumber(uint64_t value) {
  const auto nearest = static_cast<double>(value);
  const uint64_t back = nearest >= 0x1p64 ? 0 : static_cast<uint64_t>(nearest);
  NumberOrder order = OrderOfNumber(nearest);
  order.remainder = static_cast<uint16_t>(value - back + 0x8000);
  return order;
}

NumberOrder OrderOfNumber(int64_t value) {
  const auto nearest = static_cast<double>(value);
  const uint64_t back =
      nearest >= 0x1p63 ? kSignBit : static_cast<uint64_t>(static_cast<int64_t>(nearest));
  NumberOrder order = OrderOfNumber(nearest);
  order.remainder = static_cast<uint16_t>(static_cast<uint64_t>(value) - back + 0x8000);
  return order;
}

StatusOr<std::vector<FieldEntry>> FieldEntriesOf(const FieldPath& path, std::string_view key,
                                                 std::string_view metadata) {
  std::vector<FieldEntry> entries;
  if (path.is_key()) entries.push_back(StringEntry(key));
  if (path.steps.empty()) return entries;
  const Walk walk = WalkField(metadata, path.steps, [&entries](const MetadataValue& value) {
    AppendEntries(value, &entries);
    return true;
  });
  if (walk == Walk::kDamaged) return MetadataDamaged(metadata);
  SortAndUnite(&entries);
  return entries;
}

std::string EncodeFieldValue(const FilterValue& value) {
  return std::visit(Encoder(), value.variant());
}

size_t FieldValueBytes(std::string_view bytes) {
  if (bytes.empty()) return 0;
  const auto fixed = [&bytes](size_t size) { return bytes.size() >= size ? size : 0; };
  switch (static_cast<FieldType>(bytes[0])) {
    case FieldType::kNull:
    case FieldType::kFalse:
    case FieldType::kTrue:
    case FieldType::kOther: return 1;
    case FieldType::kNumber: return fixed(1 + 8 + 2);
    case FieldType::kTime: return fixed(1 + 8 + 4);
    case FieldType::kString: return StringBytes(bytes);
  }
  return 0;
}

std::optional<std::string> DecodeFieldString(std::string_view encoded) {
  if (encoded.empty() || static_cast<FieldType>(encoded[0]) != FieldType::kString ||
      StringBytes(encoded) != encoded.size()) {
    return std::nullopt;
  }
  std::string bytes;
  bytes.reserve(encoded.size() - 3);
  for (size_t i = 1; i + 2 < encoded.size(); ++i) {
    bytes.push_back(encoded[i]);
    if (encoded[i] == '\0') ++i;  // its 0xFF
  }
  return bytes;
}

}  // namespace vdb::format
