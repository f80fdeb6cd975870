#include "format/legacy_json_sketch.h"

#include <algorithm>

#include "format/legacy_json_outline.h"

namespace vdb::format {
namespace {

constexpr uint64_t kVectorNumbers = 8;   // fewer are not counted as a reason to stop
constexpr uint64_t kVectorsEnough = 64;
constexpr uint64_t kBytesEnough = 8u << 20;
constexpr size_t kNameBytesMax = 256;    // of names that are told apart
constexpr uint64_t kLook = 256;          // bytes of a value that are looked at

class Sketcher {
 public:
  Sketcher(const ByteSource& source, const JsonProgress& progress) : scanner_(&source, progress) {}
  StatusOr<JsonSketch> Run();

 private:
  struct Frame {
    JsonNode* node;  // null: beyond what is kept
    bool array;
    JsonNode* next = nullptr;  // of the member whose name was read
    uint64_t runs = 0, others = 0, count = 0;
    bool fractions = false;
  };

  JsonNode* Target();
  JsonNode* NewNode(std::unique_ptr<JsonNode>* place);
  JsonNode* MemberNode(JsonNode* node, const JsonToken& key);
  void Take(const JsonToken& token);
  void TakeKey(const JsonToken& token);
  void TakeString(const JsonToken& token, JsonNode* node);
  void EndArray(const Frame& frame);
  std::string_view Look(uint64_t offset, uint64_t end);

  JsonScanner scanner_;
  JsonSketch sketch_;
  std::vector<Frame> stack_;
  JsonNode* root_next_ = nullptr;  // of a log's member
  std::string scratch_;
  size_t nodes_ = 0;
};

std::string_view Sketcher::Look(uint64_t offset, uint64_t end) {
  const auto bytes = scanner_.Bytes(offset, std::min(end, offset + kLook), &scratch_);
  return bytes.ok() ? *bytes : std::string_view();
}

JsonNode* Sketcher::NewNode(std::unique_ptr<JsonNode>* place) {
  if (*place == nullptr && nodes_ < JsonSketch::kNodesMax) {
    *place = std::make_unique<JsonNode>();
    ++nodes_;
  }
  return place->get();
}

// Where the value that begins now belongs.
JsonNode* Sketcher::Target() {
  if (stack_.empty()) return sketch_.log ? root_next_ : &sketch_.root;
  Frame& frame = stack_.back();
  if (!frame.array) return frame.next;
  ++frame.others;
  return frame.node == nullptr ? nullptr : NewNode(&frame.node->element);
}

JsonNode* Sketcher::MemberNode(JsonNode* node, const JsonToken& key) {
  if (node == nullptr) return nullptr;
  std::string name;
  if (key.end - key.offset <= kNameBytesMax) DecodeJsonKey(Look(key.offset, key.end), &name);
  for (auto& [known, child] : node->members) {
    if (known == name) return child.get();
  }
  if (node->members.size() == JsonSketch::kMembersMax || nodes_ == JsonSketch::kNodesMax) {
    return NewNode(&node->others);
  }
  node->members.emplace_back(std::move(name), nullptr);
  return NewNode(&node->members.back().second);
}

void Sketcher::TakeKey(const JsonToken& token) {
  if (!stack_.empty()) {
    stack_.back().next = MemberNode(stack_.back().node, token);
    return;
  }
  if (!sketch_.log) {
    sketch_.log = true;
    ++sketch_.root.objects;
  }
  root_next_ = MemberNode(&sketch_.root, token);
}

void Sketcher::EndArray(const Frame& frame) {
  JsonNode* node = frame.node;
  if (frame.count >= kVectorNumbers && frame.others == 0) ++sketch_.vectors;
  if (node == nullptr) return;
  if (frame.others > 0) {
    ++node->arrays;
  } else if (frame.runs == 0) {
    ++node->empty_arrays;
  } else {
    if (node->vectors++ == 0) node->length_first = node->length_min = frame.count;
    node->length_min = std::min(node->length_min, frame.count);
    node->length_max = std::max(node->length_max, frame.count);
    node->fractions = node->fractions || frame.fractions;
  }
}

// Whether a string may be base64 of float32, and whether of something that zlib made.
void Sketcher::TakeString(const JsonToken& token, JsonNode* node) {
  ++node->strings;
  const uint64_t size = token.end - token.offset - 2;
  if (size < 8 || size % 4 != 0 || token.escaped) return;
  const std::string_view look = Look(token.offset + 1, token.end - 1);
  const auto plain = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '+' || c == '/' || c == '=';
  };
  if (!std::all_of(look.begin(), look.end(), plain)) return;
  // zlib's first byte is 0x78, its second says how hard it tried.
  if (look[0] == 'e' && std::string_view("AFJN").find(look[1]) != std::string_view::npos) {
    ++node->zlib;
  }
  const std::string_view tail = Look(token.end - 3, token.end - 1);
  const uint64_t padding = (tail[0] == '=') + (tail[1] == '=');
  if ((size / 4 * 3 - padding) % sizeof(float) == 0) ++node->base64;
}

void Sketcher::Take(const JsonToken& token) {
  if (token.event == JsonEvent::kNumbers) {
    Frame& frame = stack_.back();
    ++frame.runs;
    frame.count += token.count;
    frame.fractions = frame.fractions ||
                      Look(token.offset, token.end).find_first_of(".eE") != std::string_view::npos;
    return;
  }
  JsonNode* node = Target();
  const bool begins = token.event == JsonEvent::kBeginObject ||
                      token.event == JsonEvent::kBeginArray;
  if (begins) stack_.push_back({node, token.event == JsonEvent::kBeginArray});
  if (node == nullptr) return;
  switch (token.event) {
    case JsonEvent::kBeginObject: ++node->objects; break;
    case JsonEvent::kBeginArray: break;
    case JsonEvent::kString: TakeString(token, node); break;
    case JsonEvent::kNumber: ++node->numbers; break;
    case JsonEvent::kNull: ++node->nulls; break;
    default: ++node->words; break;
  }
}

StatusOr<JsonSketch> Sketcher::Run() {
  for (;;) {
    const JsonToken token = scanner_.Next();
    switch (token.event) {
      case JsonEvent::kEnd: sketch_.whole = true; return std::move(sketch_);
      case JsonEvent::kError:
        if (scanner_.status().code() != StatusCode::kInvalidArgument) return scanner_.status();
        sketch_.error = scanner_.status();
        sketch_.error_offset = scanner_.error_offset();
        // What was begun counts as well: the arrays at least.
        for (const Frame& frame : stack_) {
          if (frame.array && frame.others > 0) EndArray(frame);
        }
        return std::move(sketch_);
      case JsonEvent::kKey:
        if (stack_.empty()) ++sketch_.roots;
        TakeKey(token);
        break;
      case JsonEvent::kEndObject: stack_.pop_back(); break;
      case JsonEvent::kEndArray: {
        const Frame frame = stack_.back();
        stack_.pop_back();
        EndArray(frame);
        break;
      }
      default:
        if (stack_.empty() && !sketch_.log) ++sketch_.roots;
        Take(token);
        break;
    }
    if (sketch_.vectors >= kVectorsEnough && scanner_.offset() >= kBytesEnough) {
      // An array that is still open counts.
      for (const Frame& frame : stack_) {
        if (frame.array && frame.others > 0) EndArray(frame);
      }
      return std::move(sketch_);
    }
  }
}

}  // namespace

const JsonNode* JsonNode::member(std::string_view name) const {
  for (const auto& [known, child] : members) {
    if (known == name) return child.get();
  }
  return nullptr;
}

StatusOr<JsonSketch> SketchJson(const ByteSource& source, const JsonProgress& progress) {
  return Sketcher(source, progress).Run();
}

}  // namespace vdb::format
