#include "format/legacy_json_outline.h"

#include <algorithm>

#include "format/legacy_json_outliner.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::format {
namespace {

constexpr size_t kLengthsMax = 256;  // distinct ones that are counted, per column
constexpr size_t kHeadersMax = 64;
constexpr uint64_t kHeaderBytesMax = 1024;

bool IsBegin(JsonEvent event) {
  return event == JsonEvent::kBeginObject || event == JsonEvent::kBeginArray;
}

}  // namespace

// False ends the walk: the reason is in end_ or status_.
bool JsonOutliner::Stop(LegacyReason reason, uint64_t offset, std::string detail) {
  end_->reason = reason;
  end_->offset = offset;
  end_->detail = std::move(detail);
  return false;
}

StatusOr<JsonOutline> JsonOutliner::Run() {
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

bool JsonOutliner::Root(const JsonToken& token) {
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

bool JsonOutliner::Walk(JsonToken value, size_t level) {
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

bool JsonOutliner::WalkElements(size_t level) {
  for (;;) {
    const JsonToken value = scanner_.Next();
    if (value.event == JsonEvent::kEndArray) return true;
    if (!Walk(value, level + 1)) return false;
  }
}

bool JsonOutliner::WalkMembers(size_t level) {
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
bool JsonOutliner::Aside(const JsonToken& key, size_t level) {
  std::string_view view;
  if (!Name(key, &view)) return false;
  const std::string name(view);
  const JsonToken value = scanner_.Next();
  if (value.event == JsonEvent::kError) return false;
  return AsideValue(name, value, level);
}

bool JsonOutliner::AsideValue(std::string_view name, const JsonToken& value, size_t level) {
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

bool JsonOutliner::NoteHeader(std::string_view name, const JsonToken& value) {
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
bool JsonOutliner::NoteHeaderObject(const JsonToken& /*value*/) {
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

bool JsonOutliner::Companion(size_t index, const JsonToken& value, size_t level) {
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

bool JsonOutliner::AddBeside(const JsonBeside& beside, std::vector<JsonBeside>* list) {
  if (list->size() > kJsonFreePlaces && list->size() > size_ / kJsonEntryBytesMean) {
    return Stop(LegacyReason::kTooLarge, beside.offset, "more values than a cache has");
  }
  list->push_back(beside);
  return true;
}

// Numbers in an array come as one event; here each is wanted by itself.
bool JsonOutliner::BesideNumbers(const JsonToken& run, std::vector<JsonBeside>* list) {
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
  return JsonOutliner(source, shape, progress, on_file, end).Run();
}

}  // namespace vdb::format
