#include "format/legacy_json_outline.h"

#include <algorithm>

#include "format/base64.h"
#include "format/checksum.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::format {
namespace {

constexpr size_t kLengthsMax = 256;      // distinct ones that are counted, per column
constexpr size_t kHeadersMax = 64;
constexpr uint64_t kHeaderBytesMax = 1024;
constexpr size_t kVectorsMax = 4096;     // of one entry
// What hostile files may cost: entries of a few bytes must not make an index far larger than the
// file. Real vectors take hundreds of bytes.
constexpr uint64_t kFreePlaces = 1u << 20;
constexpr uint64_t kEntryBytesMean = 64;

bool IsBegin(JsonEvent event) {
  return event == JsonEvent::kBeginObject || event == JsonEvent::kBeginArray;
}

class Outliner {
 public:
  Outliner(const ByteSource& source, const JsonShape& shape, const JsonProgress& progress,
           const JsonFileListener& on_file, JsonOutlineEnd* end)
      : size_(source.size()),
        shape_(shape),
        fields_(shape.fields),
        scanner_(&source, progress),
        on_file_(on_file),
        end_(end) {
    outline_.companions.resize(shape.companions.size());
  }

  StatusOr<JsonOutline> Run();

 private:
  struct Seen {  // a vector of the entry at hand
    uint32_t field;
    std::string label;
    uint64_t length;  // 0: of no use for the vote
  };

  bool Root(const JsonToken& token);
  bool Walk(JsonToken value, size_t level);
  bool WalkMembers(size_t level);
  bool WalkElements(size_t level);
  bool Aside(const JsonToken& key, size_t level);
  bool AsideValue(std::string_view name, const JsonToken& value, size_t level);
  bool AddBeside(const JsonBeside& beside, std::vector<JsonBeside>* list);
  bool BesideNumbers(const JsonToken& run, std::vector<JsonBeside>* list);
  bool Companion(size_t index, const JsonToken& value, size_t level);
  bool NoteHeader(std::string_view name, const JsonToken& value);
  bool NoteHeaderObject(const JsonToken& value);
  bool TakeKey(const JsonToken& key, JsonPlace* place);
  bool HashKey(uint64_t offset, uint64_t end, JsonPlace* place);
  bool Entry(const JsonToken& value, JsonPlace place);
  bool Record(uint32_t active, size_t level, JsonPlace* place);
  bool Field(const JsonToken& value, uint32_t active, size_t level, JsonPlace* place);
  bool Vector(const JsonToken& value, uint32_t field);
  bool Text(const JsonToken& value, std::string* text);
  bool Finish(const JsonPlace& place);
  bool Add(const JsonPlace& place);
  void Vote(const Seen& seen);
  bool Stop(LegacyReason reason, uint64_t offset, std::string detail);
  // A member's name, decoded; valid until the next call.
  bool Name(const JsonToken& key, std::string_view* name);

  uint64_t size_;
  const JsonShape& shape_;
  JsonFieldSet fields_;
  JsonScanner scanner_;
  const JsonFileListener& on_file_;
  JsonOutlineEnd* end_;
  JsonOutline outline_;
  Status status_;
  std::string scratch_, name_, label_, key_, file_, model_;
  std::vector<Seen> seen_;
  uint32_t parts_ = 0;
  uint64_t rows_ = 0;
};

// False ends the walk: the reason is in end_ or status_.
bool Outliner::Stop(LegacyReason reason, uint64_t offset, std::string detail) {
  end_->reason = reason;
  end_->offset = offset;
  end_->detail = std::move(detail);
  return false;
}

StatusOr<JsonOutline> Outliner::Run() {
  for (;;) {
    const JsonToken token = scanner_.Next();
    if (token.event == JsonEvent::kEnd) break;
    if (token.event == JsonEvent::kError || !Root(token)) break;
  }
  if (!scanner_.status().ok() && scanner_.status().code() != StatusCode::kInvalidArgument) {
    return scanner_.status();
  }
  VDB_RETURN_IF_ERROR(status_);
  if (!scanner_.status().ok()) {
    Stop(LegacyReason::kNotJson, scanner_.error_offset(), scanner_.error_detail());
  }
  return std::move(outline_);
}

bool Outliner::Root(const JsonToken& token) {
  if (++outline_.roots == 1) outline_.first_root = token.event;
  if (outline_.roots == 2) outline_.second_root = token.offset;
  if (token.event != JsonEvent::kKey) return Walk(token, 0);
  JsonPlace place;
  if (!shape_.has_map_keys() || shape_.entries.size() != 1) {
    const JsonToken value = scanner_.Next();
    return scanner_.Skip(value);
  }
  outline_.reached = true;
  if (!TakeKey(token, &place)) return false;
  return Entry(scanner_.Next(), place);
}

bool Outliner::Walk(JsonToken value, size_t level) {
  if (value.event == JsonEvent::kError) return false;
  if (level == shape_.entries.size()) {
    outline_.reached = true;
    return Entry(value, {});
  }
  const bool elements = shape_.entries[level].kind == JsonStep::Kind::kElements;
  if (value.event != (elements ? JsonEvent::kBeginArray : JsonEvent::kBeginObject)) {
    return scanner_.Skip(value);
  }
  if (level + 1 == shape_.entries.size()) outline_.reached = true;
  return elements ? WalkElements(level) : WalkMembers(level);
}

bool Outliner::WalkElements(size_t level) {
  for (;;) {
    const JsonToken value = scanner_.Next();
    if (value.event == JsonEvent::kEndArray) return true;
    if (!Walk(value, level + 1)) return false;
  }
}

bool Outliner::WalkMembers(size_t level) {
  const JsonStep& step = shape_.entries[level];
  const bool last = level + 1 == shape_.entries.size();
  for (;;) {
    const JsonToken key = scanner_.Next();
    if (key.event == JsonEvent::kEndObject) return true;
    if (key.event != JsonEvent::kKey) return false;
    if (step.kind == JsonStep::Kind::kMembers) {
      JsonPlace place;
      if (last && !TakeKey(key, &place)) return false;
      const JsonToken value = scanner_.Next();
      if (!(last ? Entry(value, place) : Walk(value, level + 1))) return false;
      continue;
    }
    std::string_view name;
    if (!Name(key, &name)) return false;
    if (name == step.name) {
      if (!Walk(scanner_.Next(), level + 1)) return false;
    } else if (!Aside(key, level)) {
      return false;
    }
  }
}

// A member beside the path to the entries: a header, a companion, the matrix, or nothing to us.
bool Outliner::Aside(const JsonToken& key, size_t level) {
  std::string_view view;
  if (!Name(key, &view)) return false;
  const std::string name(view);
  const JsonToken value = scanner_.Next();
  if (value.event == JsonEvent::kError) return false;
  return AsideValue(name, value, level);
}

bool Outliner::AsideValue(std::string_view name, const JsonToken& value, size_t level) {
  const auto begins = [&](const JsonPath& path) {
    if (path.size() <= level || path[level].name != name) return false;
    for (size_t i = 0; i < level; ++i) {
      if (path[i].kind != shape_.entries[i].kind || path[i].name != shape_.entries[i].name) {
        return false;
      }
    }
    return true;
  };
  for (size_t i = 0; i < shape_.companions.size(); ++i) {
    if (begins(shape_.companions[i].path)) return Companion(i, value, level + 1);
  }
  if (value.event == JsonEvent::kString && begins(shape_.matrix)) {
    outline_.matrix = {value.offset, 0, value.end - value.offset};
    outline_.matrix_escaped = value.escaped;
    return true;
  }
  if (value.event == JsonEvent::kBeginObject) return NoteHeaderObject(value);
  return NoteHeader(name, value) && scanner_.Skip(value);
}

bool Outliner::NoteHeader(std::string_view name, const JsonToken& value) {
  const bool scalar = value.event == JsonEvent::kString || value.event == JsonEvent::kNumber;
  if (!scalar || value.end - value.offset > kHeaderBytesMax ||
      outline_.headers.size() == kHeadersMax) {
    return true;
  }
  const auto text = scanner_.Bytes(value.offset, value.end, &scratch_);
  if (!text.ok()) {
    status_ = text.status();
    return false;
  }
  outline_.headers.emplace_back(name, *text);
  return true;
}

// Headers often stand one level down: "metadata": {"embeddingModel": "m"}.
bool Outliner::NoteHeaderObject(const JsonToken& /*value*/) {
  for (;;) {
    const JsonToken key = scanner_.Next();
    if (key.event == JsonEvent::kEndObject) return true;
    std::string_view view;
    if (key.event != JsonEvent::kKey || !Name(key, &view)) return false;
    const std::string name(view);
    const JsonToken value = scanner_.Next();
    if (value.event == JsonEvent::kError) return false;
    if (!NoteHeader(name, value) || !scanner_.Skip(value)) return false;
  }
}

bool Outliner::Companion(size_t index, const JsonToken& value, size_t level) {
  const JsonPath& path = shape_.companions[index].path;
  if (!IsBegin(value.event)) return true;
  const bool map = value.event == JsonEvent::kBeginObject;
  const JsonStep::Kind kind = path[level].kind;
  if (kind != (map ? JsonStep::Kind::kMembers : JsonStep::Kind::kElements)) {
    return scanner_.Skip(value);
  }
  std::vector<JsonBeside>& list = outline_.companions[index];
  for (;;) {
    JsonToken item = scanner_.Next();
    if (item.event == (map ? JsonEvent::kEndObject : JsonEvent::kEndArray)) return true;
    JsonPlace place;
    if (map) {
      if (item.event != JsonEvent::kKey || !TakeKey(item, &place)) return false;
      item = scanner_.Next();
    }
    if (item.event == JsonEvent::kError) return false;
    if (level + 1 < path.size()) {
      if (!Companion(index, item, level + 1)) return false;
      continue;
    }
    if (item.event == JsonEvent::kNumbers) {
      if (!BesideNumbers(item, &list)) return false;
      continue;
    }
    if (!scanner_.Skip(item)) return false;
    if (!AddBeside({item.offset, map ? place.key_hash : 0, scanner_.offset() - item.offset},
                   &list)) {
      return false;
    }
  }
}

bool Outliner::AddBeside(const JsonBeside& beside, std::vector<JsonBeside>* list) {
  if (list->size() > kFreePlaces && list->size() > size_ / kEntryBytesMean) {
    return Stop(LegacyReason::kTooLarge, beside.offset, "more values than a cache has");
  }
  list->push_back(beside);
  return true;
}

// Numbers in an array come as one event; here each is wanted by itself.
bool Outliner::BesideNumbers(const JsonToken& run, std::vector<JsonBeside>* list) {
  constexpr uint64_t kPiece = 64 * 1024;
  constexpr std::string_view kBetween = ", \t\r\n";
  for (uint64_t at = run.offset; at < run.end;) {
    const uint64_t piece_end = std::min(run.end, at + kPiece);
    const auto piece = scanner_.Bytes(at, piece_end, &scratch_);
    if (!piece.ok()) {
      status_ = piece.status();
      return false;
    }
    const size_t begin = std::min(piece->find_first_not_of(kBetween), piece->size());
    size_t end = std::min(piece->find_first_of(kBetween, begin), piece->size());
    if (begin > 0 && end == piece->size() && piece_end < run.end) {
      at += begin;  // its end is in the next piece
      continue;
    }
    if (end > begin && !AddBeside({at + begin, 0, end - begin}, list)) return false;
    at += end;
  }
  return true;
}

bool Outliner::Name(const JsonToken& key, std::string_view* name) {
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

bool Outliner::TakeKey(const JsonToken& key, JsonPlace* place) {
  return HashKey(key.offset, key.end, place);
}

bool Outliner::HashKey(uint64_t offset, uint64_t end, JsonPlace* place) {
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
bool Outliner::Entry(const JsonToken& value, JsonPlace place) {
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

bool Outliner::Finish(const JsonPlace& done) {
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

bool Outliner::Add(const JsonPlace& place) {
  const uint64_t count = outline_.places.size();
  if (count > kFreePlaces && count > size_ / kEntryBytesMean) {
    return Stop(LegacyReason::kTooLarge, place.offset,
                "more than " + std::to_string(count) + " entries of fewer than " +
                    std::to_string(kEntryBytesMean) + " bytes: no cache of vectors");
  }
  outline_.places.push_back(place);
  return true;
}

// Inside an object of an entry; `active` are the fields that may be here, `level` steps down.
bool Outliner::Record(uint32_t active, size_t level, JsonPlace* place) {
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

bool Outliner::Field(const JsonToken& value, uint32_t active, size_t level, JsonPlace* place) {
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

bool Outliner::Text(const JsonToken& value, std::string* text) {
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

bool Outliner::Vector(const JsonToken& value, uint32_t field) {
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

void Outliner::Vote(const Seen& seen) {
  if (seen.length == 0) return;
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

}  // namespace

uint64_t JsonColumnVote::Winner() const {
  uint64_t winner = 0, most = 0;
  for (const auto& [length, count] : lengths) {
    if (count > most) {
      winner = length;
      most = count;
    }
  }
  return winner;
}

void JsonColumnVote::Add(uint64_t length) {
  for (auto& [known, count] : lengths) {
    if (known == length) {
      ++count;
      return;
    }
  }
  if (lengths.size() < kLengthsMax) lengths.emplace_back(length, 1);
}

std::string JsonOutline::Header(std::string_view name) const {
  for (const auto& [known, text] : headers) {
    std::string value;
    if (known == name && DecodeJsonKey(text, &value)) return value;
  }
  return "";
}

bool DecodeJsonKey(std::string_view text, std::string* key) {
  if (text.empty() || text[0] != '"') {
    *key = text;
    return true;
  }
  if (text.find('\\') == std::string_view::npos) {
    *key = text.substr(1, text.size() - 2);
    return true;
  }
  auto decoded = ParseJsonString(text);
  if (!decoded.ok()) return false;
  *key = std::move(decoded).value();
  return true;
}

StatusOr<JsonOutline> OutlineJson(const ByteSource& source, const JsonShape& shape,
                                  const JsonProgress& progress, const JsonFileListener& on_file,
                                  JsonOutlineEnd* end) {
  return Outliner(source, shape, progress, on_file, end).Run();
}

}  // namespace vdb::format
