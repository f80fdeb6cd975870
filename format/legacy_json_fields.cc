#include "format/legacy_json_fields.h"

#include <algorithm>
#include <array>
#include <utility>

namespace vdb::format {
namespace {

// Where a vector of an unknown name is believed to be one: positions in space and lists of numbers
// are shorter, or are whole numbers, or differ in length.
constexpr uint64_t kUnnamedLengthMin = 16;
constexpr size_t kUnnamedMax = 4;

// In the order in which they are trusted.
constexpr std::array<std::string_view, 12> kVectorNames = {
    "values",  "embedding", "vector",   "vec",        "embeddings", "vectors",
    "float",   "emb",       "features", "descriptor", "descriptors", "matrix"};
constexpr std::array<std::string_view, 16> kKeyNames = {
    "id",   "ID",       "Id",        "__id__",    "_id",      "custom_id", "qid",  "uuid",
    "key",  "doc_id",   "chunk_id",  "path",      "file",     "filename",  "label", "index"};

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lower;
}

// How far a name speaks for a vector: 0 not at all, else the less the better.
size_t VectorRank(std::string_view name) {
  const std::string lower = Lower(name);
  for (size_t i = 0; i < kVectorNames.size(); ++i) {
    if (lower == kVectorNames[i]) return i + 1;
  }
  if (lower.find("sparse") != std::string::npos) return 0;
  for (const std::string_view part : {"embedding", "vector", "_vec", "_emb"}) {
    if (lower.find(part) != std::string::npos) return kVectorNames.size() + 1;
  }
  return 0;
}

using Vectors = std::vector<std::pair<size_t, JsonPath>>;  // with their rank

void NamedVectors(const JsonNode& record, const JsonPath& path, size_t depth, Vectors* vectors);

// "a.b" is the member "a.b", or else the member "b" of "a".
std::optional<JsonPath> FieldPath(const JsonNode& record, std::string_view field) {
  JsonPath path;
  for (const JsonNode* node = &record; node != nullptr; node = NodeAt(record, path)) {
    if (node->member(field) != nullptr) {
      path.push_back(JsonMember(std::string(field)));
      return path;
    }
    const size_t point = field.find('.');
    if (point == std::string_view::npos) break;
    path.push_back(JsonMember(std::string(field.substr(0, point))));
    field.remove_prefix(point + 1);
  }
  return std::nullopt;
}

std::vector<JsonPath> WantedVector(const JsonNode& record, std::string_view wanted) {
  const auto found = FieldPath(record, wanted);
  if (!found.has_value()) return {};
  const JsonPath& path = *found;
  const JsonNode* node = NodeAt(record, path);
  if (IsVector(*node)) return {path};
  if (node->element != nullptr && IsVector(*node->element)) return {With(path, JsonElements())};
  return {};
}

// What stands below a name that speaks for vectors.
void InsideName(const JsonNode& child, const JsonPath& path, size_t rank, size_t depth,
                Vectors* vectors) {
  if (IsVector(child)) {
    vectors->emplace_back(rank, path);
    return;
  }
  if (child.element != nullptr && IsVector(*child.element)) {
    vectors->emplace_back(rank, With(path, JsonElements()));
    return;
  }
  if (child.objects == 0) return;
  // Nothing but vectors, under names of their own: each name is a column.
  const auto is_vector = [](const auto& member) { return IsVector(*member.second); };
  const auto& members = child.members;
  if (std::all_of(members.begin(), members.end(), is_vector) &&
      std::any_of(members.begin(), members.end(),
                  [](const auto& member) { return VectorRank(member.first) == 0; })) {
    vectors->emplace_back(rank, With(path, JsonMembers()));
    return;
  }
  const size_t before = vectors->size();
  NamedVectors(child, path, depth + 1, vectors);
  if (vectors->size() > before) return;
  // Names of models: every member alike.
  for (const auto& [name, member] : child.members) {
    Vectors inside;
    if (member->objects > 0) NamedVectors(*member, With(path, JsonMembers()), depth + 1, &inside);
    if (!inside.empty()) {
      vectors->insert(vectors->end(), inside.begin(), inside.end());
      return;
    }
  }
}

void NamedVectors(const JsonNode& record, const JsonPath& path, size_t depth,
                  Vectors* vectors) {
  if (depth > kJsonNestingMax) return;
  for (const auto& [name, child] : record.members) {
    const size_t rank = VectorRank(name);
    if (rank > 0 && Lower(name) != "matrix") {
      InsideName(*child, With(path, JsonMember(name)), rank, depth, vectors);
    }
  }
}

std::vector<JsonPath> UnnamedVectors(const JsonNode& record) {
  std::vector<JsonPath> found;
  bool others = false;
  for (const auto& [name, child] : record.members) {
    others = others || child->strings > 0 || child->numbers > 0 || child->objects > 0;
    if (child->vectors > 0 && child->arrays == 0 && child->length_min == child->length_max &&
        child->length_min >= kUnnamedLengthMin && child->fractions) {
      found.push_back({JsonMember(name)});
    }
  }
  if (!others || found.size() > kUnnamedMax) found.clear();
  return found;
}

uint64_t VectorCount(const JsonNode& node, const JsonPath& path, size_t level) {
  if (level == path.size()) return node.vectors + node.base64;
  const JsonStep& step = path[level];
  uint64_t count = 0;
  if (step.kind == JsonStep::Kind::kElements) {
    return node.element == nullptr ? 0 : VectorCount(*node.element, path, level + 1);
  }
  for (const auto& [name, child] : node.members) {
    if (step.kind == JsonStep::Kind::kMembers || step.name == name) {
      count += VectorCount(*child, path, level + 1);
    }
  }
  return count;
}

}  // namespace

bool IsVectorName(std::string_view name) {
  const size_t rank = VectorRank(name);
  return rank > 0 && rank <= kVectorNames.size();
}

bool IsVector(const JsonNode& node) {
  const bool base64 = node.base64 > 0 && node.base64 * 10 >= node.strings * 9;
  return node.vectors > 0 || (base64 && node.zlib < node.base64);
}

JsonPath With(JsonPath path, JsonStep step) {
  path.push_back(std::move(step));
  return path;
}bool IsRankedVectorName(std::string_view name) { return VectorRank(name) > 0; }

const JsonNode* NodeAt(const JsonNode& from, const JsonPath& path) {
  const JsonNode* node = &from;
  for (const JsonStep& step : path) {
    switch (step.kind) {
      case JsonStep::Kind::kName: node = node->member(step.name); break;
      case JsonStep::Kind::kElements: node = node->element.get(); break;
      case JsonStep::Kind::kMembers:
        node = node->members.empty() ? nullptr : node->members[0].second.get();
        break;
    }
    if (node == nullptr) return nullptr;
  }
  return node;
}

std::vector<JsonPath> VectorsOf(const JsonNode& record, std::string_view wanted) {
  if (!wanted.empty()) return WantedVector(record, wanted);
  Vectors vectors;
  NamedVectors(record, {}, 0, &vectors);
  std::stable_sort(vectors.begin(), vectors.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<JsonPath> paths;
  for (auto& [rank, path] : vectors) {
    if (paths.size() < JsonShape::kFieldsMax / 2) paths.push_back(std::move(path));
  }
  return paths.empty() ? UnnamedVectors(record) : paths;
}
std::vector<JsonPath> VectorsBelow(const JsonNode& record, std::string_view wanted) {
  Vectors vectors;
  for (const auto& [name, child] : record.members) {
    if (child->objects > 0 && wanted.empty()) {
      NamedVectors(*child, {JsonMember(name)}, 1, &vectors);
    }
  }
  std::vector<JsonPath> paths;
  for (auto& [rank, path] : vectors) {
    if (paths.size() < JsonShape::kFieldsMax / 2) paths.push_back(std::move(path));
  }
  return paths;
}

uint64_t VectorCount(const JsonNode& record, const std::vector<JsonPath>& vectors) {
  uint64_t count = 0;
  for (const JsonPath& path : vectors) count += VectorCount(record, path, 0);
  return count;
}
std::optional<JsonPath> KeyOf(const JsonNode& record, std::string_view wanted) {
  if (!wanted.empty()) return FieldPath(record, wanted);
  for (const std::string_view name : kKeyNames) {
    const JsonNode* node = record.member(name);
    if (node != nullptr && node->strings + node->numbers > 0 &&
        (node->strings + node->numbers) * 10 >= record.objects * 9) {
      return JsonPath{JsonMember(std::string(name))};
    }
  }
  return std::nullopt;
}

}  // namespace vdb::format
