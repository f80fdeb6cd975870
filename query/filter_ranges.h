// A predicate as ranges of encoded field values (format/field_value.h): how an index answers it.
#pragma once

#include <string>
#include <vector>

#include "format/field_value.h"
#include "query/filter_tree.h"

namespace vdb::query {

/// Encodings e with first <= e < past, bytewise.
struct FieldRange {
  std::string first, past;
  /// Whether each encoding in the range must be tested with EntryMatches; else all match, but for
  /// entries that are cut (see below).
  bool test = false;
};

/// The ranges of a predicate, ascending and disjoint. A document matches if and only if one of its
/// entries lies in a range and, where `test`, EntryMatches.
std::vector<FieldRange> RangesOf(const FilterNode& predicate);

/// What an entry in a range of the predicate says of its document.
enum class EntryVerdict {
  kYes,
  kNo,
  kLook,  ///< the entry is cut, and only the document itself can tell
};
EntryVerdict EntryMatches(const FilterNode& predicate, std::string_view encoded, bool cut);

}  // namespace vdb::query
