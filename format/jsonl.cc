#include "format/jsonl.h"

#include <algorithm>
#include <cmath>

#include "vdb/types.h"

namespace vdb::format {
namespace {

// Halfway between the largest float and the next power of two: from here on a double rounds to
// infinity.
constexpr double kFloatOverflow = 0x1.ffffffp127;

// Metadata may be nested as deep as it may be on its own, one level further in.
constexpr size_t kDepthMax = kMetadataDepthMax + 1;

}  // namespace

bool ReadFloats(JsonReader* reader, std::vector<float>* values) {
  if (!reader->EnterArray()) return false;
  JsonNumber number;
  while (reader->NextElement()) {
    if (!reader->ReadNumber(&number)) return false;
    double value = 0;
    if (!JsonNumberToDouble(number.text, &value) || std::fabs(value) >= kFloatOverflow) {
      return reader->Fail(number.offset, "a number that float32 can hold (at most 3.4e38)",
                          number.text.substr(0, 40));
    }
    values->push_back(static_cast<float>(value));
  }
  return reader->ok();
}

bool JsonlParser::Once(bool* seen, std::string_view name, size_t offset) {
  if (*seen) {
    return reader_->Fail(offset, "each field once", "'" + std::string(name) + "' again");
  }
  return *seen = true;
}

bool JsonlParser::ReadId() {
  std::string_view text;
  switch (reader_->Peek()) {
    case JsonKind::kString:
      if (!reader_->ReadString(&scratch_, &text)) return false;
      document_->id = text;
      return true;
    case JsonKind::kNumber: {
      JsonNumber number;
      if (!reader_->ReadNumber(&number)) return false;
      if (!number.is_integer) {
        return reader_->Fail(number.offset, "a string or an integer as the id",
                             number.text.substr(0, 40));
      }
      document_->id = number.text;
      return true;
    }
    case JsonKind::kError: return false;
    default:
      return reader_->Fail(reader_->offset(), "a string or an integer as the id",
                           reader_->Found(reader_->offset()));
  }
}

bool JsonlParser::ReadMetadata() {
  const JsonKind kind = reader_->Peek();
  if (kind == JsonKind::kNull) return reader_->ReadNull();
  if (kind == JsonKind::kObject) return reader_->ReadRaw(&document_->metadata);
  return reader_->Fail(reader_->offset(), "an object or null as the metadata",
                       reader_->Found(reader_->offset()));
}

bool JsonlParser::ReadBody() {
  if (reader_->Peek() == JsonKind::kNull) return reader_->ReadNull();
  std::string_view text;
  if (!reader_->ReadString(&body_scratch_, &text)) return false;
  document_->body = text;
  return true;
}

bool JsonlParser::ReadVectors() {
  if (reader_->Peek() == JsonKind::kNull) return reader_->ReadNull();
  if (!reader_->EnterObject()) return false;
  std::string_view column;
  while (reader_->NextField(&column_scratch_, &column)) {
    if (!ReadVector(column, reader_->offset())) return false;
  }
  return reader_->ok();
}

bool JsonlParser::ReadUnitAndNorm(JsonlDocument::Vector* vector, size_t offset) {
  if (!reader_->EnterObject()) return false;
  bool seen_unit = false, seen_norm = false;
  std::string_view name;
  while (reader_->NextField(&unit_scratch_, &name)) {
    if (name == "unit") {
      if (!Once(&seen_unit, name, reader_->offset())) return false;
      if (!ReadFloats(reader_, &document_->values)) return false;
    } else if (name == "norm") {
      if (!Once(&seen_norm, name, reader_->offset())) return false;
      if (!reader_->ReadDouble(&vector->norm)) return false;
    } else {
      return reader_->Fail(reader_->offset(), "unit or norm before here",
                           "the field '" + std::string(name.substr(0, 80)) + "'");
    }
  }
  if (!reader_->ok()) return false;
  if (!seen_unit || !seen_norm) {
    return reader_->Fail(offset, "an array, or an object of unit and norm", "one without them");
  }
  const auto first = document_->values.begin() + static_cast<ptrdiff_t>(vector->first);
  const bool zero = std::all_of(first, document_->values.end(), [](float v) { return v == 0; });
  if (vector->norm < 0 || (vector->norm == 0 && !zero)) {
    return reader_->Fail(offset, "a norm above 0, or 0 and a unit of zeros",
                         std::to_string(vector->norm));
  }
  return true;
}

bool JsonlParser::ReadVector(std::string_view column, size_t offset) {
  if (reader_->Peek() == JsonKind::kNull) return reader_->ReadNull();
  for (const auto& other : document_->vectors) {
    if (other.column == column) {
      return reader_->Fail(offset, "one vector per column",
                           "a second one for column '" + std::string(column) + "'");
    }
  }
  JsonlDocument::Vector vector{std::string(column), document_->values.size(), 0, 0};
  if (reader_->Peek() == JsonKind::kObject) {
    if (!ReadUnitAndNorm(&vector, offset)) return false;
  } else if (!ReadFloats(reader_, &document_->values)) {
    return false;
  }
  vector.count = document_->values.size() - vector.first;
  if (vector.count < 1 || vector.count > kDimensionMax) {
    return reader_->Fail(offset, "1 to " + std::to_string(kDimensionMax) + " numbers in a vector",
                         std::to_string(vector.count));
  }
  document_->vectors.push_back(std::move(vector));
  return true;
}

bool JsonlParser::ReadField(std::string_view name, size_t offset) {
  if (name == "id") return Once(&seen_id_, name, offset) && ReadId();
  if (name == "metadata") return Once(&seen_metadata_, name, offset) && ReadMetadata();
  if (name == "body") return Once(&seen_body_, name, offset) && ReadBody();
  if (name == "vectors") return Once(&seen_vectors_, name, offset) && ReadVectors();
  if (name == "vector") return ReadVector(name, offset);
  if (name == "version") return reader_->SkipValue();
  return reader_->Fail(offset, "id, metadata, body, vectors or vector before here",
                       "the field '" + std::string(name.substr(0, 80)) + "'");
}

Status JsonlParser::Parse(std::string_view line, JsonlDocument* document) {
  JsonReader reader(line, kDepthMax);
  reader_ = &reader;
  document_ = document;
  seen_id_ = seen_metadata_ = seen_body_ = seen_vectors_ = false;
  document->id.clear();
  document->metadata = {};
  document->body.reset();
  document->vectors.clear();
  document->values.clear();
  if (reader.EnterObject()) {
    std::string_view name;
    while (reader.NextField(&name_scratch_, &name)) {
      if (!ReadField(name, reader.offset())) break;
    }
  }
  reader.Finish();
  if (reader.ok() && !seen_id_) {
    return Status::InvalidArgument("JSON: expected a field 'id', found none");
  }
  return reader.status();
}

}  // namespace vdb::format
