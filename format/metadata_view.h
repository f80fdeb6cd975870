// MetadataView: values inside a metadata FlexBuffer (format/metadata.h), read where they lie and
// only as far as they are asked for.
//
// The bytes come from disk. Each offset is checked before it is followed, and the work of one view
// is bounded by the size of the buffer: vectors that share parts would be exponential. Depth is the
// caller's to bound. Every call returns false where the bytes are nothing that we write.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "vdb/status.h"

namespace vdb::format {

enum class MetadataKind : uint8_t {
  kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject,
};

/// A value, in terms of the buffer.
struct MetadataValue {
  MetadataKind kind = MetadataKind::kNull;
  union {
    uint64_t uint_value = 0;  ///< kUint; kBool as 0 or 1
    int64_t int_value;
    double double_value;      ///< finite
  };
  std::string_view string;
  uint64_t count = 0;         ///< elements of an array or object

  bool is_container() const { return kind >= MetadataKind::kArray; }

 private:
  friend class MetadataView;
  uint64_t at_ = 0, width_ = 1;            // of a container: its elements
  uint64_t keys_ = 0, keys_width_ = 1;     // of an object: the offsets of its field names
};

class MetadataView {
 public:
  explicit MetadataView(std::string_view bytes) : bytes_(bytes) {}

  /// The root, an object.
  bool Root(MetadataValue* root);
  /// The i-th value of a container; i < count.
  bool Element(const MetadataValue& container, uint64_t i, MetadataValue* value);
  /// The i-th field name of an object; i < count.
  bool Name(const MetadataValue& object, uint64_t i, std::string_view* name) const;
  /// A field by its name, which holds no NUL. `found`: whether it is there.
  bool Find(const MetadataValue& object, std::string_view name, MetadataValue* value,
            bool* found);

 private:
  // A value's place: the slot that holds it (inline, or as an offset), its width, the packed type.
  struct Slot {
    uint64_t at = 0;
    uint64_t width = 1;
    uint8_t packed_type = 0;
  };

  bool Load(uint64_t at, uint64_t width, uint64_t* value) const;
  bool Follow(uint64_t slot, uint64_t width, uint64_t* target) const;
  bool LoadCount(uint64_t vector, uint64_t width, uint64_t element_bytes, uint64_t* count) const;
  bool CompareName(const MetadataValue& object, uint64_t i, std::string_view name,
                   int* order) const;
  bool Read(const Slot& slot, MetadataValue* value);
  bool ReadString(const Slot& slot, uint64_t width, MetadataValue* value);
  bool ReadArray(const Slot& slot, uint64_t width, MetadataValue* value) const;
  bool ReadObject(const Slot& slot, uint64_t width, MetadataValue* value) const;

  std::string_view bytes_;
  uint64_t work_ = 0;
};

/// For bytes on which a view returned false.
Status MetadataDamaged(std::string_view bytes);

enum class Walk { kGoOn, kStop, kDamaged };

/// Calls use(const MetadataValue&), which says whether to go on, for each value of the field at
/// `steps` (not none) below `object`: the value there, or, of an array, each of its elements (one
/// level), and the array itself if it has none. A step into an array goes into its objects.
template <typename Use>
Walk WalkField(MetadataView* view, const MetadataValue& object,
               std::span<const std::string> steps, Use&& use) {
  const auto next = [&](const MetadataValue& value) {
    if (steps.size() == 1) return use(value) ? Walk::kGoOn : Walk::kStop;
    if (value.kind != MetadataKind::kObject) return Walk::kGoOn;
    return WalkField(view, value, steps.subspan(1), use);
  };
  MetadataValue value;
  bool found = false;
  if (!view->Find(object, steps[0], &value, &found)) return Walk::kDamaged;
  if (!found) return Walk::kGoOn;
  if (value.kind != MetadataKind::kArray || value.count == 0) return next(value);
  for (uint64_t i = 0; i < value.count; ++i) {
    MetadataValue element;
    if (!view->Element(value, i, &element)) return Walk::kDamaged;
    if (const Walk walk = next(element); walk != Walk::kGoOn) return walk;
  }
  return Walk::kGoOn;
}

/// The same from the root. Empty metadata has no fields.
template <typename Use>
Walk WalkField(std::string_view metadata, std::span<const std::string> steps, Use&& use) {
  if (metadata.empty()) return Walk::kGoOn;
  MetadataView view(metadata);
  MetadataValue root;
  if (!view.Root(&root)) return Walk::kDamaged;
  return WalkField(&view, root, steps, use);
}

}  // namespace vdb::format
