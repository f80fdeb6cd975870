// The walk of the first pass: private to legacy_json_outline.cc (the way to the entries) and
// legacy_json_entry.cc (what is inside one).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/legacy_json_outline.h"

namespace vdb::format {

// What hostile files may cost: entries of a few bytes must not make an index far larger than the
// file. Real vectors take hundreds of bytes.
inline constexpr uint64_t kJsonFreePlaces = 1u << 20;
inline constexpr uint64_t kJsonEntryBytesMean = 64;

/// Functions that return bool: false ends the walk, the reason is in `end`, in the status, or in
/// the scanner.
class JsonOutliner {
 public:
  JsonOutliner(const ByteSource& source, const JsonShape& shape, const JsonProgress& progress,
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

}  // namespace vdb::format
