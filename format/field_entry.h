// Entries of ordered field indexes in RocksDB: which document has which value.
//
//   key    'F', u32 BE field index id, the encoded value (format/field_value.h), the document's key
//   value  varint docno, u8 flags (1: the value is a string that was cut)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "vdb/status.h"

namespace vdb::format {

inline constexpr size_t kFieldEntryPrefixBytes = 5;

/// The common prefix of an index's entries. Ids stay below UINT32_MAX, so id + 1 ends its range.
std::string FieldIndexPrefix(uint32_t index_id);
std::string FieldEntryKey(uint32_t index_id, std::string_view encoded, std::string_view key);
std::string FieldEntryValue(uint64_t docno, bool cut);
/// The same in the place of what `out` has, for callers that make many.
void MakeFieldEntryKey(uint32_t index_id, std::string_view encoded, std::string_view key,
                       std::string* out);

/// Views into the entry's key.
struct FieldEntryView {
  std::string_view encoded;
  std::string_view key;
  uint64_t docno = 0;
  bool cut = false;
};

/// False unless both are exactly what the functions above make.
bool DecodeFieldEntry(std::string_view store_key, std::string_view value, FieldEntryView* entry);
/// For an entry that does not decode.
Status FieldEntryDamaged(std::string_view store_key);

}  // namespace vdb::format
