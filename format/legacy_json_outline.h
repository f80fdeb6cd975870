// The first pass over a JSON cache whose shape is known: where each entry stands, which lengths its
// vectors have, what stands beside the entries. No number is converted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/json_scan.h"
#include "format/legacy_cache.h"
#include "format/legacy_json_shape.h"

namespace vdb::format {

/// One entry. 48 bytes.
struct JsonPlace {
  static constexpr uint32_t kWhole = ~uint32_t{0};
  static constexpr uint32_t kTooLong = ~uint32_t{0};

  uint64_t offset = 0;      // of its value
  uint64_t key_offset = 0;  // of its key as it stands; key_bytes 0: it has none
  uint64_t key_hash = 0;    // of the key's bytes, decoded
  uint64_t row = 0;         // its place among all entries
  uint32_t bytes = 0;       // of its value; kTooLong if above kEntryBytesMax
  uint32_t key_bytes = 0;   // kTooLong if above kKeyTextMax
  uint32_t part = kWhole;   // which of an entry's several vectors
  uint32_t deleted = 0;     // the value is null, in a log
};

/// A value beside the entries. 24 bytes.
struct JsonBeside {
  uint64_t offset = 0;
  uint64_t key_hash = 0;  // of a map
  uint64_t bytes = 0;
};

/// A column as the entries have it: a field, and the label that a member's name or an entry's model
/// gives.
struct JsonColumnVote {
  uint32_t field = 0;
  std::string label;
  std::vector<std::pair<uint64_t, uint64_t>> lengths;  // length and how often, as first seen

  /// The commonest length, of equals the first.
  uint64_t Winner() const;
  void Add(uint64_t length);
};

struct JsonOutline {
  /// An entry longer than this is refused: its text is held as a whole.
  static constexpr uint64_t kEntryBytesMax = 64u << 20;
  /// A key's text; every byte of a key may be an escape of six.
  static constexpr uint64_t kKeyTextMax = 6 * 64 * 1024 + 2;
  static constexpr size_t kColumnsMax = 1024;

  std::vector<JsonPlace> places;
  std::vector<JsonColumnVote> columns;
  std::vector<std::vector<JsonBeside>> companions;         // as the shape's
  std::vector<std::pair<std::string, std::string>> headers;  // scalars beside the path, as text
  JsonBeside matrix;            // the string of the shape's matrix; bytes 0: not there
  bool matrix_escaped = false;
  uint64_t roots = 0;           // root values and a log's members
  uint64_t second_root = 0;     // where the second one begins
  JsonEvent first_root = JsonEvent::kEnd;
  bool reached = false;         // the container of the entries was there
  uint64_t without_key = 0;     // entries that lack the key field
  uint64_t too_many_columns = 0;

  /// The text of a header scalar; "" if there is none. Strings are decoded.
  std::string Header(std::string_view name) const;
};

/// Told of the file of each entry (JsonRole::kFile) with its key, both decoded.
using JsonFileListener = std::function<void(std::string_view key, std::string_view file)>;

/// Why the pass did not reach the end.
struct JsonOutlineEnd {
  LegacyReason reason = LegacyReason::kNone;  // kNotJson, kTooLarge
  uint64_t offset = 0;
  std::string detail;
};

/// Errors: kIoError; kCancelled. Anything wrong with the text is in `end`; the outline then has the
/// complete entries before it.
StatusOr<JsonOutline> OutlineJson(const ByteSource& source, const JsonShape& shape,
                                  const JsonProgress& progress, const JsonFileListener& on_file,
                                  JsonOutlineEnd* end);

/// Drops the entries that a later one of the same key replaced, and what a null deleted. Keys of
/// equal hash are compared by their bytes.
struct JsonDuplicates {
  uint64_t replaced = 0, deleted = 0;
  std::vector<uint64_t> renamed;  // places whose key is a number with the text of another's string
};
StatusOr<JsonDuplicates> DropReplaced(const ByteSource& source, std::vector<JsonPlace>* places);

/// A key as it stands (a string in quotes, or a number) as the bytes it means; false: bad escapes.
bool DecodeJsonKey(std::string_view text, std::string* key);

}  // namespace vdb::format
