// FlexBuffers' own Verifier is not used: that of 2.0.8 does not check that a key ends inside the
// buffer (it stops at the first byte that is *not* NUL), and where vectors share parts its work is
// not bounded by the size. Types: https://flatbuffers.dev/flatbuffers_internals.html (FlexBuffers).
#include "format/metadata_view.h"

#include <flatbuffers/flexbuffers.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vdb::format {
namespace {

bool IsWidth(uint64_t width) { return width == 1 || width == 2 || width == 4 || width == 8; }

bool ToDouble(uint64_t raw, uint64_t width, double* value) {
  if (width == 8) {
    std::memcpy(value, &raw, 8);
  } else if (width == 4) {
    float single = 0;
    std::memcpy(&single, &raw, 4);
    *value = single;
  } else {
    return false;
  }
  return std::isfinite(*value);
}

int64_t SignExtend(uint64_t raw, uint64_t width) {
  const unsigned unused_bits = static_cast<unsigned>(64 - 8 * width);
  return static_cast<int64_t>(raw << unused_bits) >> unused_bits;
}

}  // namespace

// The little-endian integer of `width` bytes at `at`; false if it is not inside the buffer.
bool MetadataView::Load(uint64_t at, uint64_t width, uint64_t* value) const {
  if (at > bytes_.size() || bytes_.size() - at < width) return false;
  const char* from = bytes_.data() + at;
  *value = 0;
  switch (width) {  // copies of a fixed size are single instructions
    case 1: std::memcpy(value, from, 1); break;
    case 2: std::memcpy(value, from, 2); break;
    case 4: std::memcpy(value, from, 4); break;
    default: std::memcpy(value, from, 8); break;
  }
  return true;
}

// Where a slot's offset leads: backwards, as all offsets do.
bool MetadataView::Follow(uint64_t slot, uint64_t width, uint64_t* target) const {
  uint64_t offset = 0;
  if (!Load(slot, width, &offset) || offset > slot) return false;
  *target = slot - offset;
  return true;
}

// The element count in front of a vector, whose elements must lie inside the buffer.
bool MetadataView::LoadCount(uint64_t vector, uint64_t width, uint64_t element_bytes,
                             uint64_t* count) const {
  return vector >= width && Load(vector - width, width, count) &&
         *count <= (bytes_.size() - vector) / element_bytes;
}

bool MetadataView::Root(MetadataValue* root) {
  if (bytes_.size() < 3) return false;
  const uint8_t width = static_cast<uint8_t>(bytes_.back());
  if (!IsWidth(width) || width + size_t{2} > bytes_.size()) return false;
  const auto packed_type = static_cast<uint8_t>(bytes_[bytes_.size() - 2]);
  return (packed_type >> 2) == flexbuffers::FBT_MAP &&
         Read({bytes_.size() - 2 - width, width, packed_type}, root);
}

// The types stand behind the elements; LoadCount has checked that both are there.
bool MetadataView::Element(const MetadataValue& container, uint64_t i, MetadataValue* value) {
  const uint64_t types = container.at_ + container.count * container.width_;
  return Read({container.at_ + i * container.width_, container.width_,
               static_cast<uint8_t>(bytes_[types + i])}, value);
}

bool MetadataView::Read(const Slot& slot, MetadataValue* value) {
  const uint64_t width = uint64_t{1} << (slot.packed_type & 3);
  uint64_t raw = 0;
  // Every slot of a buffer that was built from a tree has at least a byte of its own.
  if (++work_ > bytes_.size() || !Load(slot.at, slot.width, &raw)) return false;
  switch (slot.packed_type >> 2) {
    case flexbuffers::FBT_NULL:
      value->kind = MetadataKind::kNull;
      return raw == 0;
    case flexbuffers::FBT_BOOL:
      value->kind = MetadataKind::kBool;
      value->uint_value = raw;
      return raw <= 1;
    case flexbuffers::FBT_INT:
      value->kind = MetadataKind::kInt;
      value->int_value = SignExtend(raw, slot.width);
      return true;
    case flexbuffers::FBT_UINT:
      value->kind = MetadataKind::kUint;
      value->uint_value = raw;
      return true;
    case flexbuffers::FBT_FLOAT:
      value->kind = MetadataKind::kDouble;
      return ToDouble(raw, slot.width, &value->double_value);
    case flexbuffers::FBT_STRING: return ReadString(slot, width, value);
    case flexbuffers::FBT_VECTOR: return ReadArray(slot, width, value);
    case flexbuffers::FBT_MAP: return ReadObject(slot, width, value);
    default: return false;
  }
}

bool MetadataView::ReadString(const Slot& slot, uint64_t width, MetadataValue* value) {
  uint64_t at = 0, size = 0;
  if (!Follow(slot.at, slot.width, &at) || !LoadCount(at, width, 1, &size)) return false;
  if (bytes_.size() - at == size || bytes_[at + size] != '\0') return false;
  value->kind = MetadataKind::kString;
  value->string = bytes_.substr(at, size);
  work_ += size;  // readers look at all of it
  return work_ <= bytes_.size();
}

bool MetadataView::ReadArray(const Slot& slot, uint64_t width, MetadataValue* value) const {
  value->kind = MetadataKind::kArray;
  value->width_ = width;
  return Follow(slot.at, slot.width, &value->at_) &&
         LoadCount(value->at_, width, width + 1, &value->count);
}

// In front of a map's values: offset of its keys, their width, the count.
bool MetadataView::ReadObject(const Slot& slot, uint64_t width, MetadataValue* value) const {
  uint64_t at = 0, key_count = 0;
  if (!Follow(slot.at, slot.width, &at) || at < 3 * width ||
      !LoadCount(at, width, width + 1, &value->count) ||
      !Follow(at - 3 * width, width, &value->keys_) ||
      !Load(at - 2 * width, width, &value->keys_width_) || !IsWidth(value->keys_width_) ||
      !LoadCount(value->keys_, value->keys_width_, value->keys_width_, &key_count)) {
    return false;
  }
  value->kind = MetadataKind::kObject;
  value->at_ = at;
  value->width_ = width;
  return key_count == value->count;
}

bool MetadataView::Name(const MetadataValue& object, uint64_t i, std::string_view* name) const {
  uint64_t key = 0;
  if (!Follow(object.keys_ + i * object.keys_width_, object.keys_width_, &key)) return false;
  const size_t end = bytes_.find('\0', key);
  if (end == std::string_view::npos) return false;
  *name = bytes_.substr(key, end - key);
  return true;
}

// Like name_i.compare(name), but never looks further than `name` is long.
bool MetadataView::CompareName(const MetadataValue& object, uint64_t i, std::string_view name,
                               int* order) const {
  uint64_t key = 0;
  if (!Follow(object.keys_ + i * object.keys_width_, object.keys_width_, &key)) return false;
  const std::string_view rest = bytes_.substr(key);
  if (rest.size() <= name.size()) {
    // The end of this name must come before the end of the buffer.
    const size_t end = rest.find('\0');
    if (end == std::string_view::npos) return false;
    *order = rest.substr(0, end).compare(name);
    return true;
  }
  // A shorter name has its NUL, the least byte, where `name` has another.
  *order = std::memcmp(rest.data(), name.data(), name.size());
  if (*order == 0) *order = rest[name.size()] == '\0' ? 0 : 1;
  return true;
}

bool MetadataView::Find(const MetadataValue& object, std::string_view name, MetadataValue* value,
                        bool* found) {
  *found = false;
  uint64_t begin = 0, end = object.count;
  while (begin < end) {
    const uint64_t middle = begin + (end - begin) / 2;
    int order = 0;
    if (!CompareName(object, middle, name, &order)) return false;
    if (order == 0) {
      *found = true;
      return Element(object, middle, value);
    }
    (order < 0 ? begin : end) = order < 0 ? middle + 1 : middle;
  }
  return true;
}

Status MetadataDamaged(std::string_view bytes) {
  return Status::Corruption("metadata of " + std::to_string(bytes.size()) +
                            " bytes does not decode; run `vdbtool verify`");
}

}  // namespace vdb::format
