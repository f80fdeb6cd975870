// Ordered encodings of metadata values: what field indexes keep, and what predicates are ranges of.
//
// A document's field has one encoding per value; an array has one per element (one level), and a
// string that is an RFC 3339 time a second one as a time. Bytewise order of encodings is the order
// of values of one type. Layout: a type byte, then
//   0x10  null: nothing
//   0x20  false: nothing       0x21  true: nothing
//   0x30  number: u64 BE of the nearest double (sign-flipped so that bytes order), u16 BE of the
//         integer minus that double, plus 0x8000. Exact for int64, uint64 and double; -0 is 0.
//   0x40  string: bytes, 0x00 as 0x00 0xFF, then 0x00 0x01. Cut after kFieldStringBytesMax bytes.
//   0x50  time: i64 seconds (sign bit flipped, BE), u32 BE nanoseconds
//   0x60  anything else (object, array in an array, empty array): nothing; says only that it exists
// All are self-delimiting.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/field_path.h"
#include "vdb/filter.h"
#include "vdb/status.h"

namespace vdb::format {

inline constexpr size_t kFieldStringBytesMax = 1000;

enum class FieldType : uint8_t {
  kNull = 0x10, kFalse = 0x20, kTrue = 0x21, kNumber = 0x30, kString = 0x40, kTime = 0x50,
  kOther = 0x60,
};

/// How numbers are ordered: the nearest double, then what is missing to it. Exact for int64, uint64
/// and double.
struct NumberOrder {
  uint64_t nearest = 0;    ///< its bits, turned so that they order
  uint16_t remainder = 0x8000;

  friend auto operator<=>(const NumberOrder&, const NumberOrder&) = default;
};
NumberOrder OrderOfNumber(int64_t value);
NumberOrder OrderOfNumber(uint64_t value);
NumberOrder OrderOfNumber(double value);

/// One value of a field.
struct FieldEntry {
  std::string value;   ///< encoding
  bool cut = false;    ///< a string longer than its encoding

  friend auto operator<=>(const FieldEntry&, const FieldEntry&) = default;
};

/// All values of a field in a document, ascending, each encoding once (cut if one of the strings
/// behind it is). Empty if it is missing. `metadata` as in query/filter_tree.h. The key has one
/// string entry and no time; the body has none.
StatusOr<std::vector<FieldEntry>> FieldEntriesOf(const FieldPath& path, std::string_view key,
                                                 std::string_view metadata);

/// The encoding of a constant, in full length.
std::string EncodeFieldValue(const FilterValue& value);

/// Bytes of the encoding at the front of `bytes`; 0: there is none.
size_t FieldValueBytes(std::string_view bytes);

/// The string of an encoding of type kString (as far as it was not cut).
std::optional<std::string> DecodeFieldString(std::string_view encoded);

}  // namespace vdb::format
