// JsonSketch: what stands where in the first part of a JSON file, as one tree for all values of the
// same place: elements of an array are one node, members of one name are one node. Bounded,
// whatever the file: names beyond the first 64 of an object share a node.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/byte_source.h"
#include "format/json_scan.h"
#include "vdb/status.h"

namespace vdb::format {

struct JsonNode {
  uint64_t objects = 0, arrays = 0, strings = 0, numbers = 0, words = 0, nulls = 0;
  uint64_t vectors = 0;       // arrays of nothing but numbers (not among `arrays`)
  uint64_t empty_arrays = 0;  // neither
  uint64_t base64 = 0, zlib = 0;  // strings: of float32; of something compressed
  uint64_t length_first = 0, length_min = 0, length_max = 0;  // of vectors
  bool fractions = false;     // a vector had a number with a point or an exponent
  std::vector<std::pair<std::string, std::unique_ptr<JsonNode>>> members;
  std::unique_ptr<JsonNode> others;   // members beyond kMembersMax
  std::unique_ptr<JsonNode> element;

  uint64_t seen() const {
    return objects + arrays + strings + numbers + words + nulls + vectors + empty_arrays;
  }
  const JsonNode* member(std::string_view name) const;
};

struct JsonSketch {
  static constexpr size_t kMembersMax = 64;
  static constexpr size_t kNodesMax = 20000;

  JsonNode root;         // all root values; of a log: an object with its members
  uint64_t roots = 0;    // root values, at most those of the part that was read
  bool log = false;      // members at depth 0
  bool whole = false;    // the file was read to its end
  uint64_t vectors = 0;  // arrays of at least 8 numbers
  Status error;          // what is wrong with the text, if anything
  uint64_t error_offset = 0;
};

/// Reads until there are enough vectors to judge by, or to the end. Errors: kIoError; kCancelled.
StatusOr<JsonSketch> SketchJson(const ByteSource& source, const JsonProgress& progress);

}  // namespace vdb::format
