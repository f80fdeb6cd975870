// Parts of a document's metadata, by path, out of its canonical JSON text.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/field_path.h"
#include "vdb/status.h"

namespace vdb::engine {

/// The fields to keep, as a tree of names.
struct FieldTree {
  bool whole = false;  // this value with all below it
  std::map<std::string, FieldTree, std::less<>> below;
};

/// kInvalidArgument for a path that is none, or is the key or the body.
StatusOr<FieldTree> FieldTreeOf(const std::vector<std::string>& paths);

/// The object with nothing but those fields. Objects on the way that have none of them are left
/// out. A path goes into the objects of an array: the array then has one object for each of them,
/// which may be empty.
StatusOr<std::string> ProjectMetadata(std::string_view json, const FieldTree& fields);

/// The JSON of the value at a path; through an array, an array of what its objects have there.
/// Nothing: the document lacks it.
StatusOr<std::optional<std::string>> MetadataValueAt(std::string_view json,
                                                     const format::FieldPath& path);

}  // namespace vdb::engine
