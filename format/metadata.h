// Metadata of a document: JSON text outside, a FlexBuffer (one map at its root) on disk, so that
// filters can read a field without parsing text. No metadata is the empty string on disk.
//
// Exact for 64-bit integers, signed and unsigned, and for doubles; strings and field names are
// bytes (include/vdb/json_text.h), except that a field name holds no NUL. In the FlexBuffer:
//   null, true and false        FBT_NULL, FBT_BOOL
//   -2^63 .. 2^63-1             FBT_INT;  2^63 .. 2^64-1: FBT_UINT
//   numbers with point or "e"   FBT_FLOAT
//   strings, arrays, objects    FBT_STRING, FBT_VECTOR, FBT_MAP (keys ascending, each one once)
// Nothing else is valid. The decoder takes bytes from disk: each offset is checked before it is
// followed, depth is bounded, and so is the work.
#pragma once

#include <string>
#include <string_view>

#include "vdb/status.h"

namespace vdb::format {

/// `json` is an object of at most kMetadataBytesMax bytes and kMetadataDepthMax levels. Empty text
/// and {} give an empty string. Of fields of the same name the last one counts.
/// Errors: kInvalidArgument with byte offset, expected and found.
StatusOr<std::string> MetadataFromJson(std::string_view json);

/// Canonical text: fields sorted by name bytewise, no white space. kCorruption if the bytes are not
/// what MetadataFromJson writes.
StatusOr<std::string> MetadataToJson(std::string_view flexbuffer);

}  // namespace vdb::format
