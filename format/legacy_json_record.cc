#include "format/legacy_json_record.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "format/base64.h"
#include "format/legacy_json_outline.h"
#include "vdb/json_text.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

static_assert(std::endian::native == std::endian::little, "base64 holds little-endian floats");

std::string Describe(const JsonToken& token, std::string_view text) {
  constexpr size_t kShown = 40;
  std::string shown(text.substr(0, kShown));
  if (text.size() > kShown) shown += "...";
  return shown + " at byte " + std::to_string(token.offset);
}

void Judge(JsonRecordVector* vector) {
  for (size_t i = 0; i < vector->values.size(); ++i) {
    if (std::isfinite(vector->values[i])) continue;
    vector->reason = LegacyReason::kNonFinite;
    vector->detail = "expected finite numbers, found " +
                     std::string(std::isnan(vector->values[i])  ? "NaN"
                                 : vector->values[i] > 0 ? "Infinity (or above 1.8e308)"
                                                         : "-Infinity (or below -1.8e308)") +
                     " as number " + std::to_string(i);
    return;
  }
}

}  // namespace

void AppendJsonNulled(std::string_view text, std::string* out) {
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '"') {
      size_t end = i + 1;
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
      out->append(text, i, end - i);
      i = end;
      continue;
    }
    const std::string_view rest = text.substr(i);
    size_t skip = 0;
    for (const std::string_view w : {"NaN", "Infinity", "-Infinity"}) {
      if (rest.starts_with(w)) skip = w.size();
    }
    if (skip > 0) {
      *out += "null";
      i += skip;
    } else {
      out->push_back(text[i++]);
    }
  }
}

void JsonRecord::Parse(std::string_view text, uint64_t offset) {
  text_ = text;
  offset_ = offset;
  vector_count_ = 0;
  part_begins_.clear();
  members_.clear();
  model_.clear();
  file_.clear();
  label_.clear();
  error_.clear();
  has_nulled_ = false;
  JsonScanner scanner(text, offset);
  const JsonToken value = scanner.Next();
  kind_ = value.event;
  if (Value(&scanner, value) && scanner.Next().event == JsonEvent::kEnd) return;
  error_ = scanner.status().ok() ? "JSON: at byte " + std::to_string(scanner.offset()) +
                                       ": the entry is longer than it was"
                                 : scanner.status().message();
}

bool JsonRecord::Value(JsonScanner* scanner, const JsonToken& value) {
  const int itself = fields_.Ending(fields_.all(), 0);
  if (itself >= 0 && value.event == JsonEvent::kBeginArray) {
    return Vector(scanner, value, static_cast<uint32_t>(itself));
  }
  if (itself < 0 && value.event == JsonEvent::kBeginObject) {
    return Object(scanner, fields_.all(), 0, &members_);
  }
  return value.event != JsonEvent::kError && scanner->Skip(value);
}

bool JsonRecord::Object(JsonScanner* scanner, uint32_t active, size_t level, std::string* out) {
  for (;;) {
    const JsonToken key = scanner->Next();
    if (key.event == JsonEvent::kEndObject) return true;
    if (key.event != JsonEvent::kKey) return false;
    std::string_view name = Slice(key.offset + 1, key.end - 1);
    if (key.escaped) {
      if (!DecodeJsonKey(Slice(key.offset, key.end), &name_)) name_.clear();
      name = name_;
    }
    uint32_t found = active == 0 ? 0 : fields_.Member(active, level, name);
    if (level == 0) label_.clear();
    for (size_t i = 0; i < shape_->fields.size() && found != 0; ++i) {
      if ((found >> i & 1) != 0 && shape_->fields[i].path[level].kind == JsonStep::Kind::kMembers) {
        label_ = name;
        break;
      }
    }
    const size_t before = out->size();
    if (before > 0) out->push_back(',');
    if (level == 0 && std::find(reserved_.begin(), reserved_.end(), name) != reserved_.end()) {
      AppendJsonString(out, "entry_" + std::string(name));
    } else {
      out->append(Slice(key.offset, key.end));
    }
    out->push_back(':');
    const size_t value_at = out->size();
    if (!Member(scanner, key, found, level + 1, out)) return false;
    if (out->size() == value_at) out->resize(before);  // it was a vector
  }
}

// The value of a member: appended to `out`, unless it is a vector or holds nothing else.
bool JsonRecord::Member(JsonScanner* scanner, const JsonToken& /*key*/, uint32_t found,
                        size_t level, std::string* out) {
  const JsonToken value = scanner->Next();
  if (value.event == JsonEvent::kError) return false;
  const int ending = fields_.Ending(found, level);
  if (ending >= 0) {
    const JsonRole role = shape_->fields[static_cast<size_t>(ending)].role;
    if (role == JsonRole::kVector) {
      return Vector(scanner, value, static_cast<uint32_t>(ending));
    }
    if (role == JsonRole::kIgnore) return scanner->Skip(value);
    if (value.event == JsonEvent::kString && TakeText(value, role)) return true;
    return Copy(scanner, value, out);
  }
  if (found != 0 && value.event == JsonEvent::kBeginObject) {
    std::string inside;
    const size_t vectors = vector_count_;
    if (!Object(scanner, found, level, &inside)) return false;
    if (!inside.empty() || vectors == vector_count_) *out += "{" + inside + "}";
    return true;
  }
  const uint32_t elements = fields_.Elements(found, level);
  if (elements != 0 && value.event == JsonEvent::kBeginArray) {
    return Elements(scanner, elements, level + 1);
  }
  return Copy(scanner, value, out);
}

// Several vectors of one key.
bool JsonRecord::Elements(JsonScanner* scanner, uint32_t active, size_t level) {
  const int ending = fields_.Ending(active, level);
  for (;;) {
    const JsonToken value = scanner->Next();
    if (value.event == JsonEvent::kEndArray) return true;
    if (value.event == JsonEvent::kError) return false;
    part_begins_.push_back(vector_count_);
    if (ending >= 0) {
      if (!Vector(scanner, value, static_cast<uint32_t>(ending))) return false;
    } else if (value.event == JsonEvent::kBeginObject) {
      std::string beside;  // of several: no document's own
      if (!Object(scanner, active, level, &beside)) return false;
    } else if (!scanner->Skip(value)) {
      return false;
    }
  }
}

// True: the text is told elsewhere and no part of the metadata.
bool JsonRecord::TakeText(const JsonToken& value, JsonRole role) {
  if (role == JsonRole::kKey) return false;
  std::string* text = role == JsonRole::kModel ? &model_ : &file_;
  if (!DecodeJsonKey(Slice(value.offset, value.end), text)) text->clear();
  return role == JsonRole::kFile && !text->empty();
}

bool JsonRecord::Vector(JsonScanner* scanner, const JsonToken& value, uint32_t field) {
  if (vector_count_ == vectors_.size()) vectors_.emplace_back();
  JsonRecordVector& vector = vectors_[vector_count_++];
  vector.field = field;
  vector.label = label_;
  vector.null = value.event == JsonEvent::kNull;
  vector.values.clear();
  vector.reason = LegacyReason::kNone;
  vector.detail.clear();
  if (value.event == JsonEvent::kBeginArray) return VectorArray(scanner, &vector);
  if (value.event == JsonEvent::kString && VectorText(Slice(value.offset, value.end), &vector)) {
    return true;
  }
  const JsonToken begin = value;
  if (!scanner->Skip(begin)) return false;
  vector.reason = begin.event == JsonEvent::kBeginObject ? LegacyReason::kWrongShape
                                                         : LegacyReason::kWrongType;
  vector.detail = "expected an array of numbers, found " +
                  Describe(begin, Slice(begin.offset, scanner->offset()));
  return true;
}

bool JsonRecord::VectorArray(JsonScanner* scanner, JsonRecordVector* vector) {
  vector->values.reserve(length_hint_);  // whoever takes a vector takes its memory, too
  for (;;) {
    if (!scanner->TakeNumbers(&vector->values)) return false;
    const JsonToken other = scanner->Next();
    if (other.event == JsonEvent::kEndArray) break;
    if (other.event == JsonEvent::kError || !scanner->Skip(other)) return false;
    if (vector->reason != LegacyReason::kNone) continue;
    vector->reason = LegacyReason::kWrongType;  // nested arrays too: the fixtures say so
    vector->detail = "expected numbers only, found " +
                     Describe(other, Slice(other.offset, scanner->offset()));
  }
  length_hint_ = std::min<size_t>(vector->values.size(), kDimensionMax);
  if (vector->reason == LegacyReason::kNone) Judge(vector);
  return true;
}

// base64 of float32; false: it is no such thing.
bool JsonRecord::VectorText(std::string_view text, JsonRecordVector* vector) {
  name_.clear();
  if (!DecodeJsonKey(text, &scratch_) || scratch_.empty() || !DecodeBase64(scratch_, &name_) ||
      name_.size() % sizeof(float) != 0) {
    return false;
  }
  vector->values.resize(name_.size() / sizeof(float));
  for (size_t i = 0; i < vector->values.size(); ++i) {
    float value = 0;
    std::memcpy(&value, name_.data() + i * sizeof(float), sizeof(float));
    vector->values[i] = static_cast<double>(value);
  }
  Judge(vector);
  return true;
}

bool JsonRecord::Copy(JsonScanner* scanner, const JsonToken& value, std::string* out) {
  const JsonToken begin = value;
  bool non_finite = begin.non_finite;
  if (begin.event == JsonEvent::kBeginObject || begin.event == JsonEvent::kBeginArray) {
    const size_t outside = scanner->depth() - 1;
    while (scanner->depth() > outside) {
      const JsonToken& token = scanner->Next();
      if (token.event == JsonEvent::kError || token.event == JsonEvent::kEnd) return false;
      non_finite = non_finite || token.non_finite;
    }
  }
  const std::string_view slice = Slice(begin.offset, scanner->offset());
  if (!non_finite) {
    out->append(slice);
    return true;
  }
  has_nulled_ = true;
  AppendJsonNulled(slice, out);
  return true;
}

}  // namespace vdb::format
