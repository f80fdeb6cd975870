#include "format/legacy_json_detect.h"

#include <algorithm>
#include <array>
#include <optional>

#include "format/legacy_json_fields.h"

namespace vdb::format {
namespace {

// Of LlamaIndex: maps beside the vectors, with the same keys.
constexpr std::array<std::string_view, 3> kKeyMaps = {"metadata_dict", "text_id_to_ref_doc_id",
                                                      "text_id_to_doc_id"};

struct Found {
  JsonPath entries;
  std::vector<JsonPath> vectors;  // below an entry; one empty path: the entry itself
  const JsonNode* entry = nullptr;  // one of them; null if they are vectors
  uint64_t count = 0;             // vectors seen
};

class Detector {
 public:
  Detector(const JsonSketch& sketch, const LegacyOptions& options, bool has_matrix)
      : sketch_(sketch), options_(options), has_matrix_(has_matrix) {}

  JsonDetection Run();

 private:
  bool TakeKnown(JsonDetection* done);
  bool TakeMatrix(JsonDetection* done);
  void Container(const JsonNode& node, const JsonPath& path, size_t depth);
  void ArrayContainer(const JsonNode& node, const JsonPath& path, size_t depth);
  bool MapContainer(const JsonNode& node, const JsonPath& path);
  void Offer(Found found);
  std::vector<JsonPath> VectorsIn(const JsonNode& record) const {
    return VectorsOf(record, options_.vector_field);
  }
  void AddRecordFields(const Found& best, JsonDetection* done) const;
  void AddCompanions(const Found& best, JsonShape* shape) const;
  void Name(const Found& best, JsonDetection* done) const;
  std::string WhyNone() const;

  const JsonSketch& sketch_;
  const LegacyOptions& options_;
  bool has_matrix_;
  std::optional<Found> best_;
};

void Detector::Offer(Found found) {
  if (!best_.has_value() || found.count > best_->count) best_ = std::move(found);
}

void Detector::ArrayContainer(const JsonNode& node, const JsonPath& path, size_t depth) {
  const JsonPath inside = With(path, JsonElements());
  const JsonNode& element = *node.element;
  if (element.objects > 0) {
    auto vectors = VectorsIn(element);
    if (vectors.empty()) vectors = VectorsBelow(element, options_.vector_field);
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
    auto of_child = child->objects > 0 ? VectorsIn(*child) : std::vector<JsonPath>();
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
  if (depth > kJsonNestingMax) return;
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
  auto vectors = VectorsIn(node);
  const bool lines = sketch_.roots > 1;
  if (vectors.empty() && lines) {  // stored answers: vectors further down
    for (const JsonPath& deep :
         {JsonPath{JsonMember("response"), JsonMember("body"), JsonMember("data")},
          JsonPath{JsonMember("body"), JsonMember("data")}, JsonPath{JsonMember("data")},
          JsonPath{JsonMember("response"), JsonMember("data")}}) {
      const JsonNode* list = NodeAt(node, deep);
      if (list == nullptr || list->element == nullptr) continue;
      for (JsonPath& below : VectorsIn(*list->element)) {
        JsonPath whole = With(deep, JsonElements());
        whole.insert(whole.end(), below.begin(), below.end());
        vectors.push_back(std::move(whole));
      }
    }
  }
  if (vectors.empty() && lines) vectors = VectorsBelow(node, options_.vector_field);
  if (vectors.empty()) return;
  uint64_t count = VectorCount(node, vectors);
  if (lines) count = ~uint64_t{0};
  if (lines || !best_.has_value()) Offer({path, std::move(vectors), &node, count});
}

void Detector::AddRecordFields(const Found& best, JsonDetection* done) const {
  JsonShape& shape = done->shape;
  if (best.entry == nullptr) return;
  if (!shape.has_map_keys() || !options_.key_field.empty()) {
    const auto key = KeyOf(*best.entry, options_.key_field);
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
    const auto from = best.entries.begin();
    const JsonPath above(from, from + static_cast<ptrdiff_t>(level));
    const JsonNode* node = NodeAt(sketch_.root, above);
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
      if (name == "included") continue;  // Chroma's list of what it was asked for
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
  taken = "entries: ";
  taken += shape.entries.empty() ? "each value" : "'" + JsonPathText(shape.entries) + "'";
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
    if (IsRankedVectorName(name) && child->zlib > 0) {
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
    done->vemb_v1 = std::any_of(
        entries->members.begin(), entries->members.end(),
        [](const auto& entry) { return entry.second->member("values") != nullptr; });
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
      VectorsIn(*chunks->element).empty()) {
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
