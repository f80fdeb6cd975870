// The shape detector: from a sketch of a JSON file to the shape that reads it. One table of names
// for vectors, keys and containers; no reader per vendor. What it cannot tell it refuses with the
// reason and the next command.
#pragma once

#include <string>

#include "format/legacy_cache.h"
#include "format/legacy_json_shape.h"
#include "format/legacy_json_sketch.h"

namespace vdb::format {

struct JsonDetection {
  bool vemb_v1 = false;     // not by shape: the reader of its own
  JsonShape shape;
  std::string taken;        // what was taken for key, vector, metadata
  std::string key_field;    // "" if the map's key or the row number is the key
  std::string warning;      // "" if there is none
  std::string refusal;      // not empty: no shape; says what to do
};

/// `has_matrix`: a .npy file stands beside the JSON file.
JsonDetection DetectJson(const JsonSketch& sketch, const LegacyOptions& options, bool has_matrix);

/// What a file is that is no JSON, and what to do with it; "" if its first bytes do not tell.
std::string DescribeForeignFile(std::string_view first_bytes, uint64_t file_bytes);

}  // namespace vdb::format
