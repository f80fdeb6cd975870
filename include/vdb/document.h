// A document as it comes back from the store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vdb {

/// A vector as it is kept: the unit vector bit for bit, and the norm. The vector that was put is
/// norm x unit, rounded once from double to float.
struct StoredVector {
  std::vector<float> unit;
  double norm = 1;
};

/// One vector of a document.
struct DocumentVector {
  std::string column;
  StoredVector stored;
  /// norm x unit, rounded once. Empty where that overflows float32; use `stored` then.
  std::vector<float> values;
};

/// A document, owning all its parts.
struct Document {
  std::string key;
  uint64_t version = 0;              ///< batch number of its last change; see ReplaceIfVersion
  std::string metadata;              ///< JSON object, fields sorted by name; "{}" if none
  std::optional<std::string> body;
  std::vector<DocumentVector> vectors;  ///< in the order of the collection's columns
};

/// Which parts of a document a read loads.
struct DocumentParts {
  bool metadata = true;
  bool body = true;
  bool vectors = true;
};

}  // namespace vdb
