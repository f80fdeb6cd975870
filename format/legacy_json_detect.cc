#include "format/legacy_json_detect.h"

#include <algorithm>
#include <array>
#include <optional>

namespace vdb::format {
namespace {

// Where a vector of an unknown name is believed to be one: positions in space and lists of numbers
// are shorter, or are whole numbers, or differ in length.
constexpr uint64_t kUnnamedLengthMin = 16;
constexpr size_t kUnnamedMax = 4;
constexpr size_t kDepthMax = 5;  // of containers above the entries

// In the order in which they are trusted.
constexpr std::array<std::string_view, 12> kVectorNames = {
    "values",  "embedding", "vector",   "vec",        "embeddings", "vectors",
    "float",   "emb",       "features", "descriptor", "descriptors", "matrix"};
constexpr std::array<std::string_view, 16> kKeyNames = {
    "id",   "ID",       "Id",        "__id__",    "_id",      "custom_id", "qid",  "uuid",
    "key",  "doc_id",   "chunk_id",  "path",      "file",     "filename",  "label", "index"};
constexpr std::array<std::string_view, 3> kKeyMaps = {"metadata_dict", "text_id_to_ref_doc_id",
                                                      "text_id_to_doc_id"};

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

bool IsVectorName(std::string_view name) {
  const size_t rank = VectorRank(name);
  return rank > 0 && rank <= kVectorNames.size();
}

bool IsVector(const JsonNode& node) {
  return node.vectors > 0 || (node.base64 > 0 && node.zlib < node.base64);
}

JsonPath With(JsonPath path, JsonStep step) {
  path.push_back(std::move(step));
  return path;
}

struct Found {
  JsonPath entries;
  std::vector<JsonPath> vectors;  // below an entry; one empty path: the entry itself
  const JsonNode* entry = nullptr;  // one of them; null if they are vectors
  uint64_t count = 0;             // vectors seen
  bool by_name = true;
};

class Detector {
 public:
  Detector(const JsonSketch& sketch, const LegacyOptions& options, bool has_matrix)
      : sketch_(sketch), options_(options), has_matrix_(has_matrix) {}

  JsonDetection Run();

 private:
  using Vectors = std::vector<std::pair<size_t, JsonPath>>;  // with their rank

  bool TakeKnown(JsonDetection* done);
  bool TakeMatrix(JsonDetection* done);
  void Container(const JsonNode& node, const JsonPath& path, size_t depth);
  void ArrayContainer(const JsonNode& node, const JsonPath& path, size_t depth);
  bool MapContainer(const JsonNode& node, const JsonPath& path);
  void Offer(Found found);
  // The vectors of a record, best first.
  std::vector<JsonPath> VectorsOf(const JsonNode& record) const;
  void NamedVectors(const JsonNode& record, const JsonPath& path, size_t depth,
                    Vectors* vectors) const;
  void InsideName(const JsonNode& child, const JsonPath& path, size_t rank, size_t depth,
                  Vectors* vectors) const;
  std::vector<JsonPath> UnnamedVectors(const JsonNode& record) const;
  std::vector<JsonPath> WantedVector(const JsonNode& record) const;
  std::optional<JsonPath> KeyOf(const JsonNode& record) const;
  void AddRecordFields(const Found& best, JsonDetection* done) const;
  void AddCompanions(const Found& best, JsonShape* shape) const;
  void Name(const Found& best, JsonDetection* done) const;
  std::string WhyNone() const;
  static const JsonNode* At(const JsonNode& from, const JsonPath& path);
  static std::optional<JsonPath> FieldPath(const JsonNode& record, std::string_view field);

  const JsonSketch& sketch_;
  const LegacyOptions& options_;
  bool has_matrix_;
  std::optional<Found> best_;
};

// The node below `from`; of several members the first one.
const JsonNode* Detector::At(const JsonNode& from, const JsonPath& path) {
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

// "a.b" is the member "a.b", or else the member "b" of "a".
std::optional<JsonPath> Detector::FieldPath(const JsonNode& record, std::string_view field) {
  JsonPath path;
  for (const JsonNode* node = &record; node != nullptr; node = At(record, path)) {
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

std::vector<JsonPath> Detector::WantedVector(const JsonNode& record) const {
  const auto found = FieldPath(record, options_.vector_field);
  if (!found.has_value()) return {};
  const JsonPath& path = *found;
  const JsonNode* node = At(record, path);
  if (IsVector(*node)) return {path};
  if (node->element != nullptr && IsVector(*node->element)) return {With(path, JsonElements())};
  return {};
}

// What stands below a name that speaks for vectors.
void Detector::InsideName(const JsonNode& child, const JsonPath& path, size_t rank, size_t depth,
                          Vectors* vectors) const {
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

void Detector::NamedVectors(const JsonNode& record, const JsonPath& path, size_t depth,
                            Vectors* vectors) const {
  if (depth > kDepthMax) return;
  for (const auto& [name, child] : record.members) {
    const size_t rank = VectorRank(name);
    if (rank > 0 && Lower(name) != "matrix") {
      InsideName(*child, With(path, JsonMember(name)), rank, depth, vectors);
    }
  }
}

std::vector<JsonPath> Detector::UnnamedVectors(const JsonNode& record) const {
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

std::vector<JsonPath> Detector::VectorsOf(const JsonNode& record) const {
  if (!options_.vector_field.empty()) return WantedVector(record);
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

void Detector::Offer(Found found) {
  if (!best_.has_value() || found.count > best_->count) best_ = std::move(found);
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

uint64_t VectorCount(const JsonNode& record, const std::vector<JsonPath>& vectors) {
  uint64_t count = 0;
  for (const JsonPath& path : vectors) count += VectorCount(record, path, 0);
  return count;
}

void Detector::ArrayContainer(const JsonNode& node, const JsonPath& path, size_t depth) {
  const JsonPath inside = With(path, JsonElements());
  const JsonNode& element = *node.element;
  if (element.objects > 0) {
    auto vectors = VectorsOf(element);
    if (!vectors.empty()) {
      const uint64_t count = VectorCount(element, vectors);
      Offer({inside, std::move(vectors), &element, count});
      return;
    }
  }
  if (IsVector(element) && options_.vector_field.empty()) {
    Offer({inside, {{}}, nullptr, element.vectors + element.base64});
    return;
  }
  Container(element, inside, depth + 1);
}

// A member that is no entry though vectors stand in it: {"embedding": {"values": [...]}} is one
// record, and {"store": {"embeddings": {KEY: [...]}}} is a map further down.
bool IsNested(std::string_view name, const JsonNode& member, const std::vector<JsonPath>& vectors) {
  if (IsVectorName(name)) return true;
  const bool map = std::all_of(vectors.begin(), vectors.end(), [](const JsonPath& path) {
    return path.back().kind == JsonStep::Kind::kMembers;
  });
  return map && std::none_of(member.members.begin(), member.members.end(), [](const auto& m) {
           return m.second->strings + m.second->numbers > 0;
         });
}

// An object whose members are entries: vectors, or records with vectors. True: it is such a map.
bool Detector::MapContainer(const JsonNode& node, const JsonPath& path) {
  uint64_t plain = 0, named = 0, records = 0, others = 0, count = 0;
  std::vector<JsonPath> vectors;
  const JsonNode* entry = nullptr;
  for (const auto& [name, child] : node.members) {
    if (child->vectors > 0) {
      plain += 1;
      named += IsVectorName(name);
      continue;
    }
    auto of_child = child->objects > 0 ? VectorsOf(*child) : std::vector<JsonPath>();
    if (of_child.empty()) {
      others += child->strings + child->numbers + child->words > 0 || child->element != nullptr;
      continue;
    }
    if (IsNested(name, *child, of_child)) continue;
    ++records;
    count += VectorCount(*child, of_child);
    for (JsonPath& of : of_child) {
      const std::string text = JsonPathText(of);
      const bool known = std::any_of(vectors.begin(), vectors.end(), [&text](const JsonPath& p) {
        return JsonPathText(p) == text;
      });
      if (!known && vectors.size() < JsonShape::kFieldsMax / 2) vectors.push_back(std::move(of));
    }
    if (entry == nullptr) entry = child.get();
  }
  const JsonPath inside = With(path, JsonMembers());
  if (records > 0 && records >= plain && (sketch_.log || records > others)) {
    Offer({inside, std::move(vectors), entry, count});
    return true;
  }
  if (plain > others && named < plain && options_.vector_field.empty()) {
    Offer({inside, {{}}, nullptr, plain});
    return true;
  }
  return false;
}

void Detector::Container(const JsonNode& node, const JsonPath& path, size_t depth) {
  if (depth > kDepthMax) return;
  if (path.empty() && IsVector(node) && node.objects == 0 && options_.vector_field.empty()) {
    Offer({path, {{}}, nullptr, node.vectors});  // the whole file is a vector
  }
  if (node.element != nullptr) ArrayContainer(node, path, depth);
  if (node.objects == 0) return;
  if (MapContainer(node, path)) return;
  for (const auto& [name, child] : node.members) {
    Container(*child, With(path, JsonMember(name)), depth + 1);
  }
  if (!path.empty() || sketch_.log) return;
  // A record by itself; of several root values each is one.
  auto vectors = VectorsOf(node);
  const bool lines = sketch_.roots > 1;
  if (vectors.empty() && lines) {  // stored answers: vectors further down
    for (const JsonPath& deep :
         {JsonPath{JsonMember("response"), JsonMember("body"), JsonMember("data")},
          JsonPath{JsonMember("body"), JsonMember("data")}, JsonPath{JsonMember("data")},
          JsonPath{JsonMember("response"), JsonMember("data")}}) {
      const JsonNode* list = At(node, deep);
      if (list == nullptr || list->element == nullptr) continue;
      for (JsonPath& below : VectorsOf(*list->element)) {
        JsonPath whole = With(deep, JsonElements());
        whole.insert(whole.end(), below.begin(), below.end());
        vectors.push_back(std::move(whole));
      }
    }
  }
  if (vectors.empty()) return;
  uint64_t count = VectorCount(node, vectors);
  if (lines) count = ~uint64_t{0};
  if (lines || !best_.has_value()) Offer({path, std::move(vectors), &node, count});
}

std::optional<JsonPath> Detector::KeyOf(const JsonNode& record) const {
  if (!options_.key_field.empty()) return FieldPath(record, options_.key_field);
  for (const std::string_view name : kKeyNames) {
    const JsonNode* node = record.member(name);
    if (node != nullptr && node->strings + node->numbers > 0 &&
        (node->strings + node->numbers) * 10 >= record.objects * 9) {
      return JsonPath{JsonMember(std::string(name))};
    }
  }
  return std::nullopt;
}

void Detector::AddRecordFields(const Found& best, JsonDetection* done) const {
  JsonShape& shape = done->shape;
  if (best.entry == nullptr) return;
  if (!shape.has_map_keys() || !options_.key_field.empty()) {
    const auto key = KeyOf(*best.entry);
    if (key.has_value()) {
      done->key_field = JsonPathText(*key);
      shape.fields.push_back({JsonRole::kKey, *key});
    } else if (!options_.key_field.empty()) {
      done->refusal = "expected keys in the field '" + options_.key_field + "', found none";
    }
  }
  // An entry names its own model only where it looks like an answer kept with its settings.
  for (const std::string_view name :
       {"model", "embedding_model", "embeddingModel", "model_name", "generator_name"}) {
    const JsonNode* node = best.entry->member(name);
    const bool settings = best.entry->member("dimensions") != nullptr ||
                          best.entry->member("dim") != nullptr || name != "model";
    if (node == nullptr || node->strings == 0 || !settings) continue;
    shape.fields.push_back({JsonRole::kModel, {JsonMember(std::string(name))}});
    return;
  }
}

std::string Singular(std::string_view name) {
  if (name == "metadatas") return "metadata";
  return std::string(name.ends_with('s') ? name.substr(0, name.size() - 1) : name);
}

// Arrays beside an array of vectors, and maps beside a map.
void Detector::AddCompanions(const Found& best, JsonShape* shape) const {
  size_t arrays = 0;
  for (const JsonStep& step : best.entries) arrays += step.kind == JsonStep::Kind::kElements;
  const bool map = shape->has_map_keys();
  for (size_t level = 0; level < best.entries.size(); ++level) {
    if (best.entries[level].kind != JsonStep::Kind::kName) return;
    const JsonPath above(best.entries.begin(), best.entries.begin() + static_cast<ptrdiff_t>(level));
    const JsonNode* node = At(sketch_.root, above);
    if (node == nullptr) return;
    for (const auto& [name, child] : node->members) {
      if (name == best.entries[level].name || shape->companions.size() == JsonShape::kFieldsMax) {
        continue;
      }
      JsonPath path = With(above, JsonMember(name));
      if (map) {
        if (std::find(kKeyMaps.begin(), kKeyMaps.end(), name) == kKeyMaps.end()) continue;
        path.push_back(JsonMembers());
        shape->companions.push_back({path, name == "metadata_dict" ? "metadata" : "ref_doc_id"});
        continue;
      }
      if (best.entry != nullptr || (child->element == nullptr && child->vectors == 0)) continue;
      for (size_t i = 0; i < arrays; ++i) path.push_back(JsonElements());
      shape->companions.push_back({path, name == "ids" ? "" : Singular(name)});
    }
  }
}

void Detector::Name(const Found& best, JsonDetection* done) const {
  JsonShape& shape = done->shape;
  const bool list = !best.entries.empty() && best.entries.back().kind == JsonStep::Kind::kElements;
  const bool answer = sketch_.root.member("object") != nullptr ||
                      sketch_.root.member("predictions") != nullptr || best.entries.empty();
  const bool ids = std::any_of(shape.companions.begin(), shape.companions.end(),
                               [](const JsonCompanion& c) { return c.name.empty(); });
  if (sketch_.log) {
    shape.format = "ajson";
    shape.null_deletes = true;
  } else if (sketch_.roots > 1) {
    shape.format = "json-lines";
  } else if (shape.has_map_keys()) {
    shape.format = "json-map";
  } else if (list && best.entry == nullptr) {
    shape.format = ids ? "json-columns" : "json-answer";
  } else {
    shape.format = answer ? "json-answer" : "json-records";
  }
  std::string& taken = done->taken;
  taken = "entries: " + (shape.entries.empty() ? "each value" : "'" + JsonPathText(shape.entries) + "'");
  taken += "; key: ";
  taken += !done->key_field.empty() ? "'" + done->key_field + "'"
           : shape.has_map_keys()   ? "the map's key"
           : ids                    ? "'ids'"
           : shape.entries.empty() && sketch_.roots <= 1 ? "the file's name"
                                                          : "the row number";
  taken += "; vector: ";
  for (size_t i = 0; i < best.vectors.size(); ++i) {
    if (i > 0) taken += ", ";
    taken += best.vectors[i].empty() ? "the value" : "'" + JsonPathText(best.vectors[i]) + "'";
  }
  taken += best.entry != nullptr            ? "; metadata: all other fields"
           : shape.companions.size() > ids  ? "; metadata: what stands beside"
                                            : "; metadata: none";
}

// nano-vectordb: records in `data`, their vectors in one string.
bool Detector::TakeMatrix(JsonDetection* done) {
  const JsonNode* matrix = sketch_.root.member("matrix");
  const JsonNode* data = sketch_.root.member("data");
  if (matrix == nullptr || matrix->base64 == 0 || data == nullptr || data->element == nullptr ||
      data->element->objects == 0) {
    return false;
  }
  JsonShape& shape = done->shape;
  shape.format = "json-matrix";
  shape.entries = {JsonMember("data"), JsonElements()};
  shape.matrix = {JsonMember("matrix")};
  AddRecordFields({shape.entries, {}, data->element.get()}, done);
  for (const auto& [name, child] : data->element->members) {
    if (VectorRank(name) > 0 && child->zlib > 0) {
      shape.fields.push_back({JsonRole::kIgnore, {JsonMember(name)}});
    }
  }
  done->taken = "entries: 'data[]'; key: " +
                (done->key_field.empty() ? "the row number" : "'" + done->key_field + "'") +
                "; vector: the rows of 'matrix'; metadata: all other fields";
  return true;
}

// Caches with a reader of their own, and matrices in other files.
bool Detector::TakeKnown(JsonDetection* done) {
  const JsonNode& root = sketch_.root;
  if (root.objects == 0 || sketch_.log) return false;
  const JsonNode* entries = root.member("entries");
  if (entries != nullptr && entries->objects > 0 && root.member("version") != nullptr) {
    done->vemb_v1 = std::any_of(entries->members.begin(), entries->members.end(),
                                [](const auto& m) { return m.second->member("values") != nullptr; });
    if (done->vemb_v1) return true;
  }
  const auto rows = [](const JsonNode* map) {
    return map != nullptr && map->objects > 0 && !map->members.empty() &&
           std::all_of(map->members.begin(), map->members.end(),
                       [](const auto& m) { return m.second->numbers > 0; });
  };
  if (root.member("version") != nullptr && rows(root.member("keys"))) {
    done->refusal = "this is the manifest of a vemb cache, whose vectors stand in vectors.npy: "
                    "migrate the folder that holds .vemb";
    return true;
  }
  const JsonNode* chunks = root.member("chunks");
  if (chunks != nullptr && chunks->element != nullptr && root.member("num_chunks") != nullptr &&
      VectorsOf(*chunks->element).empty()) {
    done->refusal = "this is the metadata of an nndex index, whose vectors stand in "
                    "embeddings.npy: migrate the folder that holds .nndex";
    return true;
  }
  if (!rows(root.member("text_to_index"))) return false;
  if (!has_matrix_) {
    done->refusal = "its entries are rows of a .npy file of the same name, and there is none "
                    "beside it";
    return true;
  }
  done->shape.format = "json-matrix";
  done->shape.entries = {JsonMember("text_to_index"), JsonMembers()};
  done->shape.row_numbers = true;
  done->taken = "entries: 'text_to_index.*'; key: the map's key; vector: the row of the .npy file "
                "beside it; metadata: none";
  return true;
}

bool HasZlib(const JsonNode& node) {
  if (node.zlib > 0) return true;
  for (const auto& [name, child] : node.members) {
    if (HasZlib(*child)) return true;
  }
  return node.element != nullptr && HasZlib(*node.element);
}

std::string Detector::WhyNone() const {
  const std::string next =
      "; if it does hold vectors, name their field with --vector-field, or export them as JSON "
      "lines and run `vdbtool import`";
  if (!options_.vector_field.empty()) {
    return "expected vectors in the field '" + options_.vector_field + "', found none";
  }
  if (HasZlib(sketch_.root)) {
    return "its vectors are compressed (base64 of zlib), which is not read: export them as JSON "
           "lines and run `vdbtool import`";
  }
  if (sketch_.vectors > 0) return "expected a field of vectors, found none by name or shape" + next;
  return "expected vectors, found none" + next;
}

JsonDetection Detector::Run() {
  JsonDetection done;
  if (TakeKnown(&done) || TakeMatrix(&done)) return done;
  Container(sketch_.root, {}, 0);
  if (!best_.has_value() || best_->count == 0) {
    done.refusal = WhyNone();
    return done;
  }
  done.shape.entries = best_->entries;
  for (const JsonPath& path : best_->vectors) {
    done.shape.fields.push_back({JsonRole::kVector, path});
  }
  AddCompanions(*best_, &done.shape);
  AddRecordFields(*best_, &done);
  Name(*best_, &done);
  return done;
}

}  // namespace

JsonDetection DetectJson(const JsonSketch& sketch, const LegacyOptions& options, bool has_matrix) {
  return Detector(sketch, options, has_matrix).Run();
}

}  // namespace vdb::format
