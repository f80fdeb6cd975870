// What a JSON cache looks like: where its entries stand, and which fields of an entry are vectors
// and which its key. Made by the detector (legacy_json_detect.h) or, for vemb, known beforehand;
// the outline and the conversion of entries follow it and know no vendor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vdb::format {

/// One step from a value to a value inside it.
struct JsonStep {
  enum class Kind : uint8_t {
    kName,      // the member `name`
    kMembers,   // every member of an object
    kElements,  // every element of an array
  };
  Kind kind = Kind::kName;
  std::string name = {};
};
using JsonPath = std::vector<JsonStep>;

JsonStep JsonMember(std::string name);
JsonStep JsonMembers();
JsonStep JsonElements();
/// For people: "entries.*", "data[].embedding".
std::string JsonPathText(const JsonPath& path);

enum class JsonRole : uint8_t {
  kVector,    // an array of numbers, or base64 of float32
  kKey,       // a string or a number
  kModel,     // a string: the entry's own model
  kFile,      // vemb: the file that was embedded
  kIgnore,    // left out: the same vector in a form that is not read
};

/// A field of an entry. In a vector's path kMembers stands for the names of columns, and kElements
/// for several vectors of one key: each becomes an entry of its own, KEY#0, KEY#1.
struct JsonField {
  JsonRole role = JsonRole::kVector;
  JsonPath path = {};  // empty: the entry itself
};

/// Values beside the entries that belong to them: by their place in an array (parallel arrays) or
/// by key.
struct JsonCompanion {
  JsonPath path;     // from the root, as JsonShape::entries; ends in kElements or kMembers
  std::string name;  // of the member of the metadata that it becomes; empty: it is the key
};

struct JsonShape {
  static constexpr size_t kFieldsMax = 32;

  std::string format = "unknown";
  JsonPath entries = {};  // from a root value; at depth 0 a log's members count as an object's
  std::vector<JsonField> fields = {};          // at most kFieldsMax
  std::vector<JsonCompanion> companions = {};  // at most kFieldsMax
  JsonPath matrix = {};   // to a string of base64 that holds all vectors, row by row; or empty
  bool row_numbers = false;  // an entry's value is its row in a matrix of another file
  bool null_deletes = false;  // a log: an entry that is null takes the key out
  bool has_map_keys() const {
    return !entries.empty() && entries.back().kind == JsonStep::Kind::kMembers;
  }
};

/// Sets of a shape's fields as bits, followed step by step into an entry.
class JsonFieldSet {
 public:
  explicit JsonFieldSet(const std::vector<JsonField>& fields) : fields_(&fields) {}
  uint32_t all() const { return static_cast<uint32_t>((uint64_t{1} << fields_->size()) - 1); }
  /// Of `active`, those whose step at `level` takes the member `name`, or the elements.
  uint32_t Member(uint32_t active, size_t level, std::string_view name) const;
  uint32_t Elements(uint32_t active, size_t level) const;
  /// Of `active`, one whose path has just `steps` steps; -1 if none.
  int Ending(uint32_t active, size_t steps) const;

 private:
  const std::vector<JsonField>* fields_;
};

}  // namespace vdb::format
