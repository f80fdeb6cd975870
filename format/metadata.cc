#include "format/metadata.h"

#include <flatbuffers/flexbuffers.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include "format/json_reader.h"
#include "vdb/json_text.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

// --- JSON text to FlexBuffer ---
//
// The text is first read into a flat list of nodes in text order, because a field that comes twice
// must be dropped before FlexBuffers sees it: its builder keeps both, in no defined order.

enum class NodeKind : uint8_t { kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject };

// 24 bytes, because [0,0,0,...] makes one of every two bytes of text.
struct Node {
  uint64_t value = 0;      // bits of the scalar; of a string: offset in `bytes`
  uint32_t name = 0;       // of a field: offset of its name in `bytes`
  uint32_t name_size = 0;
  uint32_t extent = 0;     // size of a string; of a container: the node after its last descendant
  NodeKind kind = NodeKind::kNull;
};
static_assert(4 * kMetadataBytesMax < UINT32_MAX, "offsets in `bytes` fit 32 bits");

class MetadataParser {
 public:
  explicit MetadataParser(std::string_view json) : reader_(json, kMetadataDepthMax) {}

  Status Parse() {
    if (reader_.EnterObject()) {
      nodes_.emplace_back().kind = NodeKind::kObject;
      ReadMembers(0);
    }
    reader_.Finish();
    return reader_.status();
  }

  bool empty() const { return nodes_[0].extent == 1; }

  std::string Build() {
    // Sharing keys costs a tree; it pays only where several objects have the same fields.
    flexbuffers::Builder builder(256, object_count_ > 1 ? flexbuffers::BUILDER_FLAG_SHARE_KEYS
                                                        : flexbuffers::BUILDER_FLAG_NONE);
    BuildNode(0, &builder);
    builder.Finish();
    const std::vector<uint8_t>& buffer = builder.GetBuffer();
    return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
  }

 private:
  // Stores with a NUL after it: the builder copies one byte more than the size it is given.
  uint32_t Store(std::string_view text) {
    const auto offset = static_cast<uint32_t>(bytes_.size());
    bytes_ += text;
    bytes_.push_back('\0');
    return offset;
  }

  void ReadMembers(size_t object) {
    ++object_count_;
    std::string_view name;
    while (reader_.NextField(&scratch_, &name)) {
      if (name.find('\0') != std::string_view::npos) {
        reader_.Fail(reader_.offset(), "a field name without NUL before here", "one with NUL");
        return;
      }
      Node node;
      node.name = Store(name);
      node.name_size = static_cast<uint32_t>(name.size());
      if (!ReadNode(node)) return;
    }
    nodes_[object].extent = static_cast<uint32_t>(nodes_.size());
  }

  void ReadElements(size_t array) {
    while (reader_.NextElement()) {
      if (!ReadNode(Node())) return;
    }
    nodes_[array].extent = static_cast<uint32_t>(nodes_.size());
  }

  // Reads a value into `node`, which already has its name. Recursion is bounded by the reader.
  bool ReadNode(Node node) {
    bool flag = false;
    std::string_view text;
    switch (reader_.Peek()) {
      case JsonKind::kNull:
        reader_.ReadNull();
        break;
      case JsonKind::kBool:
        node.kind = NodeKind::kBool;
        reader_.ReadBool(&flag);
        node.value = flag;
        break;
      case JsonKind::kNumber:
        ReadNumber(&node);
        break;
      case JsonKind::kString:
        node.kind = NodeKind::kString;
        reader_.ReadString(&scratch_, &text);
        node.value = Store(text);
        node.extent = static_cast<uint32_t>(text.size());
        break;
      case JsonKind::kArray:
        node.kind = NodeKind::kArray;
        nodes_.push_back(node);
        if (reader_.EnterArray()) ReadElements(nodes_.size() - 1);
        return reader_.ok();
      case JsonKind::kObject:
        node.kind = NodeKind::kObject;
        nodes_.push_back(node);
        if (reader_.EnterObject()) ReadMembers(nodes_.size() - 1);
        return reader_.ok();
      case JsonKind::kError:
        return false;
    }
    nodes_.push_back(node);
    return reader_.ok();
  }

  void ReadNumber(Node* node) {
    JsonNumber number;
    if (!reader_.ReadNumber(&number)) return;
    if (!number.is_integer) {
      double value = 0;
      if (!JsonNumberToDouble(number.text, &value)) {
        reader_.Fail(number.offset, "a number that a double can hold (write others as a string)",
                     number.text.substr(0, 40));
      }
      node->kind = NodeKind::kDouble;
      std::memcpy(&node->value, &value, sizeof(value));
      return;
    }
    const char* begin = number.text.data();
    const char* end = begin + number.text.size();
    int64_t value = 0;
    node->kind = NodeKind::kInt;
    if (std::from_chars(begin, end, value).ec == std::errc()) {
      node->value = static_cast<uint64_t>(value);
      return;
    }
    node->kind = NodeKind::kUint;
    if (*begin == '-' || std::from_chars(begin, end, node->value).ec != std::errc()) {
      reader_.Fail(number.offset, "an integer of at most 64 bits (write it as a string)",
                   number.text.substr(0, 40));
    }
  }

  std::string_view NameOf(size_t node) const {
    return std::string_view(bytes_).substr(nodes_[node].name, nodes_[node].name_size);
  }

  void BuildNode(size_t at, flexbuffers::Builder* builder) {
    const Node& node = nodes_[at];
    switch (node.kind) {
      case NodeKind::kNull: builder->Null(); break;
      case NodeKind::kBool: builder->Bool(node.value != 0); break;
      case NodeKind::kInt: builder->Int(static_cast<int64_t>(node.value)); break;
      case NodeKind::kUint: builder->UInt(node.value); break;
      case NodeKind::kDouble: {
        double value = 0;
        std::memcpy(&value, &node.value, sizeof(value));
        builder->Double(value);
        break;
      }
      case NodeKind::kString: builder->String(bytes_.data() + node.value, node.extent); break;
      case NodeKind::kArray: {
        const size_t start = builder->StartVector();
        for (size_t i = at + 1; i < node.extent; i = After(i)) BuildNode(i, builder);
        builder->EndVector(start, false, false);
        break;
      }
      case NodeKind::kObject: BuildObject(at, builder); break;
    }
  }

  void BuildObject(size_t at, flexbuffers::Builder* builder) {
    std::vector<size_t> fields;
    for (size_t i = at + 1; i < nodes_[at].extent; i = After(i)) fields.push_back(i);
    // Nodes stand in text order, so among equal names the last one is the one that counts.
    std::sort(fields.begin(), fields.end(), [this](size_t a, size_t b) {
      const int order = NameOf(a).compare(NameOf(b));
      return order != 0 ? order < 0 : a < b;
    });
    const size_t start = builder->StartMap();
    for (size_t i = 0; i < fields.size(); ++i) {
      if (i + 1 < fields.size() && NameOf(fields[i]) == NameOf(fields[i + 1])) continue;
      builder->Key(NameOf(fields[i]).data(), nodes_[fields[i]].name_size);
      BuildNode(fields[i], builder);
    }
    builder->EndMap(start);
  }

  size_t After(size_t node) const {
    const bool container =
        nodes_[node].kind == NodeKind::kArray || nodes_[node].kind == NodeKind::kObject;
    return container ? nodes_[node].extent : node + 1;
  }

  JsonReader reader_;
  std::vector<Node> nodes_;
  std::string bytes_;    // names and strings, each with a NUL after it
  std::string scratch_;
  size_t object_count_ = 0;
};

// --- FlexBuffer to JSON text ---
//
// FlexBuffers' own Verifier is not used: that of 2.0.8 does not check that a key ends inside the
// buffer (it stops at the first byte that is *not* NUL), and where vectors share parts its work is
// not bounded by the size. Types: https://flatbuffers.dev/flatbuffers_internals.html (FlexBuffers).

// A value: the slot that holds it (inline, or as an offset), the slot's width, and the packed type.
struct Slot {
  uint64_t at = 0;
  uint64_t width = 1;
  uint8_t packed_type = 0;
};

class MetadataPrinter {
 public:
  explicit MetadataPrinter(std::string_view bytes) : bytes_(bytes) {}

  bool Print() {
    if (bytes_.size() < 3) return false;
    const uint8_t width = static_cast<uint8_t>(bytes_.back());
    if (!IsWidth(width) || width + size_t{2} > bytes_.size()) return false;
    const Slot root{bytes_.size() - 2 - width, width,
                    static_cast<uint8_t>(bytes_[bytes_.size() - 2])};
    return (root.packed_type >> 2) == flexbuffers::FBT_MAP && PrintSlot(root, 0);
  }

  std::string& text() { return text_; }

 private:
  // No text that MetadataFromJson takes prints longer: at worst each byte becomes \udcXX.
  static constexpr size_t kTextBytesMax = 6 * kMetadataBytesMax;

  static bool IsWidth(uint64_t width) {
    return width == 1 || width == 2 || width == 4 || width == 8;
  }

  // The little-endian integer of `width` bytes at `at`; false if it is not inside the buffer.
  bool Load(uint64_t at, uint64_t width, uint64_t* value) const {
    if (at > bytes_.size() || bytes_.size() - at < width) return false;
    *value = 0;
    std::memcpy(value, bytes_.data() + at, width);
    return true;
  }

  // Where a slot's offset leads: backwards, as all offsets do.
  bool Follow(uint64_t slot, uint64_t width, uint64_t* target) const {
    uint64_t offset = 0;
    if (!Load(slot, width, &offset) || offset > slot) return false;
    *target = slot - offset;
    return true;
  }

  // The element count in front of a vector, whose elements must lie inside the buffer.
  bool LoadCount(uint64_t vector, uint64_t width, uint64_t element_bytes, uint64_t* count) const {
    return vector >= width && Load(vector - width, width, count) &&
           *count <= (bytes_.size() - vector) / element_bytes;
  }

  // Every slot of a buffer that was built from a tree has at least a byte of its own.
  bool CountSlot() { return ++slot_count_ <= bytes_.size() && text_.size() <= kTextBytesMax; }

  bool PrintSlot(const Slot& slot, size_t depth) {
    const uint64_t width = uint64_t{1} << (slot.packed_type & 3);
    uint64_t raw = 0;
    if (!CountSlot() || !Load(slot.at, slot.width, &raw)) return false;
    switch (slot.packed_type >> 2) {
      case flexbuffers::FBT_NULL:
        text_ += "null";
        return raw == 0;
      case flexbuffers::FBT_BOOL:
        text_ += raw != 0 ? "true" : "false";
        return raw <= 1;
      case flexbuffers::FBT_INT: return PrintInt(raw, slot.width);
      case flexbuffers::FBT_UINT: return PrintNumber(raw);
      case flexbuffers::FBT_FLOAT: return PrintFloat(raw, slot.width);
      case flexbuffers::FBT_STRING: return PrintString(slot, width);
      case flexbuffers::FBT_VECTOR: return PrintVector(slot, width, depth + 1);
      case flexbuffers::FBT_MAP: return PrintMap(slot, width, depth + 1);
      default: return false;
    }
  }

  template <typename T>
  bool PrintNumber(T value) {
    char buffer[32];
    const auto done = std::to_chars(buffer, buffer + sizeof(buffer), value);
    text_.append(buffer, done.ptr);
    return true;
  }

  bool PrintInt(uint64_t raw, uint64_t width) {
    const unsigned unused_bits = static_cast<unsigned>(64 - 8 * width);
    return PrintNumber(static_cast<int64_t>(raw << unused_bits) >> unused_bits);
  }

  bool PrintFloat(uint64_t raw, uint64_t width) {
    double value = 0;
    if (width == 8) {
      std::memcpy(&value, &raw, 8);
    } else if (width == 4) {
      float single = 0;
      std::memcpy(&single, &raw, 4);
      value = single;
    } else {
      return false;
    }
    if (!std::isfinite(value)) return false;
    const size_t begin = text_.size();
    PrintNumber(value);
    // So that it is read back as a double.
    if (text_.find_first_of(".e", begin) == std::string::npos) text_ += ".0";
    return true;
  }

  bool PrintString(const Slot& slot, uint64_t width) {
    uint64_t at = 0, size = 0;
    if (!Follow(slot.at, slot.width, &at) || !LoadCount(at, width, 1, &size)) return false;
    if (bytes_.size() - at == size || bytes_[at + size] != '\0') return false;
    AppendJsonString(&text_, bytes_.substr(at, size));
    return true;
  }

  bool PrintVector(const Slot& slot, uint64_t width, size_t depth) {
    uint64_t at = 0, count = 0;
    if (depth > kMetadataDepthMax || !Follow(slot.at, slot.width, &at) ||
        !LoadCount(at, width, width + 1, &count)) {
      return false;
    }
    text_.push_back('[');
    for (uint64_t i = 0; i < count; ++i) {
      if (i > 0) text_.push_back(',');
      if (!PrintSlot(ElementOf(at, width, count, i), depth)) return false;
    }
    text_.push_back(']');
    return true;
  }

  // The types stand behind the elements; LoadCount has checked that both are there.
  Slot ElementOf(uint64_t vector, uint64_t width, uint64_t count, uint64_t i) const {
    return {vector + i * width, width, static_cast<uint8_t>(bytes_[vector + count * width + i])};
  }

  // In front of a map's values: offset of its keys, their width, the count.
  bool PrintMap(const Slot& slot, uint64_t width, size_t depth) {
    uint64_t at = 0, count = 0, keys = 0, keys_width = 0, key_count = 0;
    if (depth > kMetadataDepthMax || !Follow(slot.at, slot.width, &at) || at < 3 * width ||
        !LoadCount(at, width, width + 1, &count) || !Follow(at - 3 * width, width, &keys) ||
        !Load(at - 2 * width, width, &keys_width) || !IsWidth(keys_width) ||
        !LoadCount(keys, keys_width, keys_width, &key_count) || key_count != count) {
      return false;
    }
    text_.push_back('{');
    std::string_view last;
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t key = 0;
      if (!Follow(keys + i * keys_width, keys_width, &key)) return false;
      const size_t end = bytes_.find('\0', key);
      if (end == std::string_view::npos) return false;
      const std::string_view name = bytes_.substr(key, end - key);
      if (i > 0) {
        if (name <= last) return false;
        text_.push_back(',');
      }
      last = name;
      AppendJsonString(&text_, name);
      text_.push_back(':');
      if (!PrintSlot(ElementOf(at, width, count, i), depth)) return false;
    }
    text_.push_back('}');
    return true;
  }

  std::string_view bytes_;
  std::string text_;
  uint64_t slot_count_ = 0;
};

}  // namespace

StatusOr<std::string> MetadataFromJson(std::string_view json) {
  if (json.empty() || json == "{}") return std::string();
  if (json.size() > kMetadataBytesMax) {
    return Status::InvalidArgument("metadata: expected at most " +
                                   std::to_string(kMetadataBytesMax) + " bytes of JSON, found " +
                                   std::to_string(json.size()) + "; move the bulk into the body");
  }
  MetadataParser parser(json);
  if (Status status = parser.Parse(); !status.ok()) {
    return Status::InvalidArgument("metadata: " + status.message());
  }
  return parser.empty() ? std::string() : parser.Build();
}

StatusOr<std::string> MetadataToJson(std::string_view flexbuffer) {
  if (flexbuffer.empty()) return std::string("{}");
  MetadataPrinter printer(flexbuffer);
  if (!printer.Print()) {
    return Status::Corruption("metadata of " + std::to_string(flexbuffer.size()) +
                              " bytes does not decode; run `vdbtool verify`");
  }
  return std::move(printer.text());
}

}  // namespace vdb::format
