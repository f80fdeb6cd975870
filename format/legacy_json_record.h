// JsonRecord: the text of one entry of a JSON cache, converted: its vectors in double, each with a
// verdict, and everything else as the members of a metadata object, verbatim.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/json_scan.h"
#include "format/legacy_cache.h"
#include "format/legacy_json_shape.h"

namespace vdb::format {

/// A value that stands where a vector should, and what is wrong with it.
struct JsonRecordVector {
  uint32_t field = 0;
  std::string label;
  bool null = false;  // stands for no vector
  std::vector<double> values;
  LegacyReason reason = LegacyReason::kNone;
  std::string detail;
};

/// Appends JSON with null for each bare NaN, Infinity and -Infinity outside its strings.
void AppendJsonNulled(std::string_view text, std::string* out);

/// Reusable: Parse begins anew and keeps the memory.
class JsonRecord {
 public:
  /// `shape` must outlive the record. Members of the names `reserved` are renamed "entry_NAME".
  explicit JsonRecord(const JsonShape& shape, std::vector<std::string_view> reserved = {})
      : shape_(&shape), fields_(shape.fields), reserved_(std::move(reserved)) {}

  /// `text` is one value, which begins at `offset` of the source. If it is no JSON where the first
  /// pass did not look, error() says so.
  void Parse(std::string_view text, uint64_t offset);

  JsonEvent kind() const { return kind_; }  // what the value is
  size_t vector_count() const { return vector_count_; }
  JsonRecordVector& vector(size_t i) { return vectors_[i]; }
  /// Of an entry with several vectors for one field: which of vector() each of them has, as
  /// [first, last). Those of other fields go with the one before them, or with the first.
  std::pair<size_t, size_t> part(uint32_t i) const {
    const size_t first = i == 0 ? 0 : part_begins_[i];
    return {first, i + 1 < part_begins_.size() ? part_begins_[i + 1] : vector_count_};
  }
  uint32_t part_count() const { return static_cast<uint32_t>(part_begins_.size()); }
  /// `"a":1,"b":[2]`, without those that were vectors.
  const std::string& members() const { return members_; }
  const std::string& model() const { return model_; }
  const std::string& file() const { return file_; }
  /// NaN or Infinity stood in the metadata and became null.
  bool has_nulled() const { return has_nulled_; }
  const std::string& error() const { return error_; }

 private:
  bool Value(JsonScanner* scanner, const JsonToken& value);
  bool Object(JsonScanner* scanner, uint32_t active, size_t level, std::string* out);
  bool Member(JsonScanner* scanner, const JsonToken& key, uint32_t found, size_t level,
              std::string* out);
  bool Elements(JsonScanner* scanner, uint32_t active, size_t level);
  bool Vector(JsonScanner* scanner, const JsonToken& value, uint32_t field);
  bool VectorArray(JsonScanner* scanner, JsonRecordVector* vector);
  bool VectorText(std::string_view text, JsonRecordVector* vector);
  bool TakeText(const JsonToken& value, JsonRole role);
  // Leaves a value behind and appends its text to `out`.
  bool Copy(JsonScanner* scanner, const JsonToken& value, std::string* out);
  std::string_view Slice(uint64_t offset, uint64_t end) const {
    return text_.substr(offset - offset_, end - offset);
  }

  const JsonShape* shape_;
  JsonFieldSet fields_;
  std::vector<std::string_view> reserved_;
  std::string_view text_;
  uint64_t offset_ = 0;
  JsonEvent kind_ = JsonEvent::kEnd;
  std::vector<JsonRecordVector> vectors_;
  size_t vector_count_ = 0;
  size_t length_hint_ = 0;  // of the vector before
  std::vector<size_t> part_begins_;  // ascending places in vectors_
  std::string label_, members_, model_, file_, error_, scratch_, name_;
  bool has_nulled_ = false;
};

}  // namespace vdb::format
