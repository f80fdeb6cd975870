#include "format/metadata.h"

#include <flatbuffers/flexbuffers.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include "format/json_reader.h"
#include "format/metadata_view.h"
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

class MetadataPrinter {
 public:
  explicit MetadataPrinter(std::string_view bytes) : view_(bytes) {}

  bool Print() {
    MetadataValue root;
    return view_.Root(&root) && PrintValue(root, 0);
  }

  std::string& text() { return text_; }

 private:
  // No text that MetadataFromJson takes prints longer: at worst each byte becomes \udcXX.
  static constexpr size_t kTextBytesMax = 6 * kMetadataBytesMax;

  bool PrintValue(const MetadataValue& value, size_t depth) {
    if (text_.size() > kTextBytesMax) return false;
    switch (value.kind) {
      case MetadataKind::kNull: text_ += "null"; return true;
      case MetadataKind::kBool: text_ += value.uint_value != 0 ? "true" : "false"; return true;
      case MetadataKind::kInt: PrintNumber(value.int_value); return true;
      case MetadataKind::kUint: PrintNumber(value.uint_value); return true;
      case MetadataKind::kDouble: PrintDouble(value.double_value); return true;
      case MetadataKind::kString: AppendJsonString(&text_, value.string); return true;
      case MetadataKind::kArray: return depth < kMetadataDepthMax && PrintArray(value, depth + 1);
      case MetadataKind::kObject: return depth < kMetadataDepthMax && PrintObject(value, depth + 1);
    }
    return false;
  }

  template <typename T>
  void PrintNumber(T value) {
    char buffer[32];
    const auto done = std::to_chars(buffer, buffer + sizeof(buffer), value);
    text_.append(buffer, done.ptr);
  }

  void PrintDouble(double value) {
    const size_t begin = text_.size();
    PrintNumber(value);
    // So that it is read back as a double.
    if (text_.find_first_of(".e", begin) == std::string::npos) text_ += ".0";
  }

  bool PrintArray(const MetadataValue& array, size_t depth) {
    text_.push_back('[');
    for (uint64_t i = 0; i < array.count; ++i) {
      if (i > 0) text_.push_back(',');
      MetadataValue value;
      if (!view_.Element(array, i, &value) || !PrintValue(value, depth)) return false;
    }
    text_.push_back(']');
    return true;
  }

  bool PrintObject(const MetadataValue& object, size_t depth) {
    text_.push_back('{');
    std::string_view name, last;
    for (uint64_t i = 0; i < object.count; ++i) {
      if (!view_.Name(object, i, &name) || (i > 0 && name <= last)) return false;
      if (i > 0) text_.push_back(',');
      last = name;
      AppendJsonString(&text_, name);
      text_.push_back(':');
      MetadataValue value;
      if (!view_.Element(object, i, &value) || !PrintValue(value, depth)) return false;
    }
    text_.push_back('}');
    return true;
  }

  MetadataView view_;
  std::string text_;
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
  if (!printer.Print()) return MetadataDamaged(flexbuffer);
  return std::move(printer.text());
}

}  // namespace vdb::format
