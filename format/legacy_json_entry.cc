// Inside one entry: its key, its vectors' lengths, its model and file.
#include "format/base64.h"
#include "format/checksum.h"
#include "format/legacy_json_outliner.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

constexpr size_t kVectorsMax = 4096;  // of one entry

}  // namespace

bool JsonOutliner::Name(const JsonToken& key, std::string_view* name) {
  if (key.end - key.offset > JsonOutline::kKeyTextMax) {
    *name = {};
    return true;
  }
  const auto text = scanner_.Bytes(key.offset, key.end, &scratch_);
  if (!text.ok()) {
    status_ = text.status();
    return false;
  }
  *name = text->substr(1, text->size() - 2);
  if (key.escaped) {
    // A name that cannot be decoded is none of ours.
    if (!DecodeJsonKey(*text, &name_)) name_.clear();
    *name = name_;
  }
  return true;
}

bool JsonOutliner::TakeKey(const JsonToken& key, JsonPlace* place) {
  return HashKey(key.offset, key.end, place);
}

bool JsonOutliner::HashKey(uint64_t offset, uint64_t end, JsonPlace* place) {
  place->key_offset = offset;
  if (end - offset > JsonOutline::kKeyTextMax) {
    place->key_bytes = JsonPlace::kTooLong;
    place->key_hash = Hash64(&offset, sizeof(offset));  // like no other
    return true;
  }
  const auto text = scanner_.Bytes(offset, end, &scratch_);
  if (!text.ok()) {
    status_ = text.status();
    return false;
  }
  place->key_bytes = static_cast<uint32_t>(end - offset);
  if (!DecodeJsonKey(*text, &key_)) key_ = *text;  // refused when it is converted
  place->key_hash = Hash64(key_);
  return true;
}

// One entry, whose value has begun.
bool JsonOutliner::Entry(const JsonToken& value, JsonPlace place) {
  if (value.event == JsonEvent::kError || value.event == JsonEvent::kEnd) return false;
  place.offset = value.offset;
  place.row = rows_++;
  seen_.clear();
  parts_ = 0;
  model_.clear();
  label_.clear();
  file_.clear();
  if (place.key_bytes == 0) key_.clear();
  const JsonEvent event = value.event;
  const int itself = fields_.Ending(fields_.all(), 0);
  if (itself >= 0 && event == JsonEvent::kBeginArray) {
    if (!Vector(value, static_cast<uint32_t>(itself))) return false;
  } else if (itself < 0 && event == JsonEvent::kBeginObject) {
    if (!Record(fields_.all(), 0, &place)) return false;
  } else {
    if (!scanner_.Skip(value)) return false;
    place.deleted = shape_.null_deletes && event == JsonEvent::kNull;
  }
  return Finish(place);
}

bool JsonOutliner::Finish(const JsonPlace& done) {
  JsonPlace place = done;
  const uint64_t bytes = scanner_.offset() - place.offset;
  place.bytes = bytes > JsonOutline::kEntryBytesMax ? JsonPlace::kTooLong
                                                    : static_cast<uint32_t>(bytes);
  if (on_file_) on_file_(key_, file_);
  for (Seen& seen : seen_) {
    if (seen.label.empty()) seen.label = model_;
    Vote(seen);
  }
  if (place.key_bytes == 0) ++outline_.without_key;
  if (parts_ <= 1) return Add(place);
  for (place.part = 0; place.part < parts_; ++place.part) {
    if (!Add(place)) return false;
  }
  return true;
}

bool JsonOutliner::Add(const JsonPlace& place) {
  const uint64_t count = outline_.places.size();
  if (count > kJsonFreePlaces && count > size_ / kJsonEntryBytesMean) {
    return Stop(LegacyReason::kTooLarge, place.offset,
                "more than " + std::to_string(count) + " entries of fewer than " +
                    std::to_string(kJsonEntryBytesMean) + " bytes: no cache of vectors");
  }
  outline_.places.push_back(place);
  return true;
}

// Inside an object of an entry; `active` are the fields that may be here, `level` steps down.
bool JsonOutliner::Record(uint32_t active, size_t level, JsonPlace* place) {
  for (;;) {
    const JsonToken key = scanner_.Next();
    if (key.event == JsonEvent::kEndObject) return true;
    std::string_view name;
    if (key.event != JsonEvent::kKey || !Name(key, &name)) return false;
    if (level == 0) label_.clear();
    const uint32_t found = fields_.Member(active, level, name);
    if (found == 0) {
      const JsonToken value = scanner_.Next();
      if (value.event == JsonEvent::kError || !scanner_.Skip(value)) return false;
      continue;
    }
    for (size_t i = 0; i < shape_.fields.size(); ++i) {
      if ((found >> i & 1) != 0 && shape_.fields[i].path[level].kind == JsonStep::Kind::kMembers) {
        label_ = name;
        break;
      }
    }
    const JsonToken value = scanner_.Next();
    if (!Field(value, found, level + 1, place)) return false;
  }
}

bool JsonOutliner::Field(const JsonToken& value, uint32_t active, size_t level, JsonPlace* place) {
  if (value.event == JsonEvent::kError) return false;
  const int ending = fields_.Ending(active, level);
  if (ending < 0) {
    if (value.event == JsonEvent::kBeginObject) return Record(active, level, place);
    const uint32_t elements = fields_.Elements(active, level);
    if (value.event != JsonEvent::kBeginArray || elements == 0) return scanner_.Skip(value);
    for (;;) {
      const JsonToken element = scanner_.Next();
      if (element.event == JsonEvent::kEndArray) return true;
      if (!Field(element, elements, level + 1, place)) return false;
      if (++parts_ > kVectorsMax) {
        return Stop(LegacyReason::kTooLarge, element.offset, "more vectors than an entry may have");
      }
    }
  }
  switch (shape_.fields[static_cast<size_t>(ending)].role) {
    case JsonRole::kVector: return Vector(value, static_cast<uint32_t>(ending));
    case JsonRole::kModel: return Text(value, &model_);
    case JsonRole::kFile: return Text(value, &file_);
    case JsonRole::kIgnore: return scanner_.Skip(value);
    case JsonRole::kKey: break;
  }
  if (value.event != JsonEvent::kString && value.event != JsonEvent::kNumber) {
    return scanner_.Skip(value);
  }
  return HashKey(value.offset, value.end, place);  // before the map's key, if that is wanted
}

bool JsonOutliner::Text(const JsonToken& value, std::string* text) {
  if (value.event != JsonEvent::kString ||
      value.end - value.offset > JsonOutline::kKeyTextMax) {
    return scanner_.Skip(value);
  }
  const auto bytes = scanner_.Bytes(value.offset, value.end, &scratch_);
  if (!bytes.ok()) {
    status_ = bytes.status();
    return false;
  }
  if (!DecodeJsonKey(*bytes, text)) text->clear();
  return true;
}

bool JsonOutliner::Vector(const JsonToken& value, uint32_t field) {
  if (seen_.size() == kVectorsMax) {
    return Stop(LegacyReason::kTooLarge, value.offset, "more vectors than an entry may have");
  }
  uint64_t length = 0;
  if (value.event == JsonEvent::kString) {
    length = Base64Bytes(value.end - value.offset - 2) / sizeof(float);
  } else if (value.event == JsonEvent::kBeginArray) {
    const JsonToken run = scanner_.Next();
    if (run.event == JsonEvent::kError) return false;
    if (run.event == JsonEvent::kEndArray) {
      seen_.push_back({field, label_, 0});
      return true;
    }
    JsonToken next = run;
    bool clean = run.event == JsonEvent::kNumbers;
    length = run.count;
    // Whatever else stands in there: to the end of the array.
    while (next.event != JsonEvent::kEndArray) {
      if (next.event == JsonEvent::kError || !scanner_.Skip(next)) return false;
      next = scanner_.Next();
      if (next.event != JsonEvent::kEndArray) clean = false;
    }
    if (!clean) length = 0;
  } else if (!scanner_.Skip(value)) {
    return false;
  }
  seen_.push_back({field, label_, length});
  return true;
}

void JsonOutliner::Vote(const Seen& seen) {
  if (seen.length == 0 || seen.length > kDimensionMax) return;
  for (JsonColumnVote& column : outline_.columns) {
    if (column.field == seen.field && column.label == seen.label) return column.Add(seen.length);
  }
  if (outline_.columns.size() == JsonOutline::kColumnsMax) {
    ++outline_.too_many_columns;
    return;
  }
  outline_.columns.push_back({seen.field, seen.label, {}});
  outline_.columns.back().Add(seen.length);
}

}  // namespace vdb::format
