#include "engine/query_projection.h"

#include <span>

#include "format/json_reader.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"
#include "vdb/types.h"

namespace vdb::engine {
namespace {

using format::JsonKind;
using format::JsonReader;

Status Damaged(const JsonReader& reader) {
  return Status::Corruption("metadata: " + reader.status().message());
}

// Appends what is kept of the next value, and says whether anything is.
bool AppendKept(JsonReader* reader, const FieldTree& fields, std::string* out);

bool AppendKeptObject(JsonReader* reader, const FieldTree& fields, std::string* out) {
  const size_t begin = out->size();
  *out += '{';
  std::string scratch;
  std::string_view name;
  if (!reader->EnterObject()) return false;
  while (reader->NextField(&scratch, &name)) {
    const auto found = fields.below.find(name);
    if (found == fields.below.end()) {
      reader->SkipValue();
      continue;
    }
    const size_t member = out->size();
    if (member > begin + 1) *out += ',';
    AppendJsonString(out, name);
    *out += ':';
    if (!AppendKept(reader, found->second, out)) out->resize(member);
  }
  *out += '}';
  return out->size() > begin + 2;
}

bool AppendKept(JsonReader* reader, const FieldTree& fields, std::string* out) {
  const JsonKind kind = reader->Peek();
  if (fields.whole) {
    std::string_view raw;
    reader->ReadRaw(&raw);
    *out += raw;
    return true;
  }
  if (kind == JsonKind::kObject) return AppendKeptObject(reader, fields, out);
  if (kind != JsonKind::kArray) {
    reader->SkipValue();
    return false;
  }
  const size_t begin = out->size();
  bool any = false;
  *out += '[';
  if (!reader->EnterArray()) return false;
  while (reader->NextElement()) {
    if (reader->Peek() != JsonKind::kObject) {
      reader->SkipValue();
      continue;
    }
    if (out->size() > begin + 1) *out += ',';
    any |= AppendKeptObject(reader, fields, out);
  }
  *out += ']';
  return any;
}

// Appends the value at `steps` (not none) below the next value, and says whether there is one.
bool AppendAt(JsonReader* reader, std::span<const std::string> steps, std::string* out) {
  const JsonKind kind = reader->Peek();
  bool found = false;
  if (kind == JsonKind::kObject) {
    std::string scratch;
    std::string_view name;
    if (!reader->EnterObject()) return false;
    while (reader->NextField(&scratch, &name)) {
      std::string_view raw;
      if (name != steps[0]) {
        reader->SkipValue();
      } else if (steps.size() > 1) {
        found = AppendAt(reader, steps.subspan(1), out);
      } else if (reader->ReadRaw(&raw)) {
        *out += raw;
        found = true;
      }
    }
    return found;
  }
  if (kind != JsonKind::kArray) {
    reader->SkipValue();
    return false;
  }
  const size_t begin = out->size();
  *out += '[';
  if (!reader->EnterArray()) return false;
  while (reader->NextElement()) {
    const size_t element = out->size();
    if (element > begin + 1) *out += ',';
    // Paths go into an array one level deep, as filters do.
    const bool has = reader->Peek() == JsonKind::kObject ? AppendAt(reader, steps, out)
                                                         : (reader->SkipValue(), false);
    if (!has) out->resize(element);
    found |= has;
  }
  *out += ']';
  if (!found) out->resize(begin);
  return found;
}

}  // namespace

StatusOr<FieldTree> FieldTreeOf(const std::vector<std::string>& paths) {
  FieldTree root;
  for (const std::string& text : paths) {
    auto path = format::ParseFieldPath(text);
    if (!path.ok()) {
      return Status(path.status().code(), "fields: '" + text + "': " + path.status().message());
    }
    if (path->steps.empty()) {
      return Status::InvalidArgument("fields: expected paths of metadata, found '" + text +
                                     "'; the key always comes, the body has its own switch");
    }
    FieldTree* at = &root;
    for (const std::string& step : path->steps) at = &at->below[step];
    at->whole = true;
  }
  return root;
}

StatusOr<std::string> ProjectMetadata(std::string_view json, const FieldTree& fields) {
  JsonReader reader(json, kMetadataDepthMax);
  std::string out;
  const bool any = AppendKeptObject(&reader, fields, &out);
  if (!reader.Finish()) return Damaged(reader);
  return any ? out : std::string("{}");
}

StatusOr<std::optional<std::string>> MetadataValueAt(std::string_view json,
                                                     const format::FieldPath& path) {
  JsonReader reader(json, kMetadataDepthMax);
  std::string out;
  const bool found = AppendAt(&reader, path.steps, &out);
  if (!reader.Finish()) return Damaged(reader);
  if (!found) return std::optional<std::string>();
  return std::optional<std::string>(std::move(out));
}

}  // namespace vdb::engine
