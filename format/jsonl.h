// One document a line of JSON:
//
//   {"id": "k1", "metadata": {"year": 2020}, "body": "...", "vectors": {"vector": [0.1, 0.2]}}
//
// "id" is a string, or an integer that stands for its decimal text. A "vector" beside "vectors" is
// short for the column of that name. A vector is an array of numbers, or, kept bit for bit,
// {"unit": [...], "norm": 2.5}: norm 0 goes with zeros and stands for the zero vector. null for
// metadata, body, vectors or a vector means absent. "version", which `vdbtool get --json` writes,
// is read over. Any other field is an error, and so is a field that comes twice: a misspelt one
// must not be dropped without a word.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/json_reader.h"
#include "vdb/status.h"

namespace vdb::format {

/// A line, parsed. Filled by JsonlParser, whose buffers it views: valid until the next Parse, and
/// while the line lives.
struct JsonlDocument {
  struct Vector {
    std::string column;
    size_t first = 0;  // in values
    size_t count = 0;
    double norm = 0;   // as in NamedVector: above 0, the values are a unit vector
  };

  std::string id;
  std::string_view metadata;  // its text as it stands, empty if absent; checked as JSON only
  std::optional<std::string_view> body;
  std::vector<Vector> vectors;
  std::vector<float> values;

  std::span<const float> values_of(const Vector& v) const {
    return {values.data() + v.first, v.count};
  }
};

class JsonlParser {
 public:
  /// Errors: kInvalidArgument with byte offset, expected and found. Numbers of vectors are rounded
  /// to double, then to float; one that overflows float is an error.
  Status Parse(std::string_view line, JsonlDocument* document);

 private:
  bool ReadField(std::string_view name, size_t offset);
  bool ReadId();
  bool ReadMetadata();
  bool ReadBody();
  bool ReadVectors();
  bool ReadVector(std::string_view column, size_t offset);
  bool ReadUnitAndNorm(JsonlDocument::Vector* vector, size_t offset);
  bool Once(bool* seen, std::string_view name, size_t offset);

  JsonReader* reader_ = nullptr;   // during Parse
  JsonlDocument* document_ = nullptr;
  std::string name_scratch_, column_scratch_, body_scratch_, unit_scratch_, scratch_;
  bool seen_id_ = false, seen_metadata_ = false, seen_body_ = false, seen_vectors_ = false;
};

/// Appends the numbers of an array to `values`. False: see the reader's status.
bool ReadFloats(JsonReader* reader, std::vector<float>* values);

}  // namespace vdb::format
