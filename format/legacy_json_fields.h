// Which fields of a record are vectors and which is its key: by the table of names, and by shape.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/legacy_json_shape.h"
#include "format/legacy_json_sketch.h"

namespace vdb::format {

/// Containers above the entries, and objects around a vector inside them.
inline constexpr size_t kJsonNestingMax = 5;

/// Whether the name is one of the table's; ranked also are those that only contain one.
bool IsVectorName(std::string_view name);
bool IsRankedVectorName(std::string_view name);
/// Arrays of numbers, or base64 of float32, and not something compressed.
bool IsVector(const JsonNode& node);

JsonPath With(JsonPath path, JsonStep step);
/// The node below `from`; of several members the first one. Null if there is none.
const JsonNode* NodeAt(const JsonNode& from, const JsonPath& path);
/// The vectors of a record, best first; `wanted` is a field of the caller's choice, or empty.
std::vector<JsonPath> VectorsOf(const JsonNode& record, std::string_view wanted);
/// The same one object further down: {"_id": "a", "_source": {"embedding": [...]}}.
std::vector<JsonPath> VectorsBelow(const JsonNode& record, std::string_view wanted);
/// How many vectors were seen in these fields.
uint64_t VectorCount(const JsonNode& record, const std::vector<JsonPath>& vectors);
/// The key's field.
std::optional<JsonPath> KeyOf(const JsonNode& record, std::string_view wanted);

}  // namespace vdb::format
