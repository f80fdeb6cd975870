// WriteBatch: an ordered list of changes to one collection, applied as one atomic step.
//
//   vdb::WriteBatch batch;
//   batch.Put({.key = "k1", .metadata = R"({"year": 2020})", .vectors = {{"vector", values}}});
//   batch.Delete("k0");
//   auto done = collection.Write(batch);
//
// A batch owns copies of everything given to it. Later changes in a batch see the earlier ones.
// All or nothing: if any change is refused, nothing of the batch is written, and the error names
// the change by its position (0-based).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/types.h"

namespace vdb {

/// One vector for one column of a document.
struct NamedVector {
  std::string_view column;
  VectorView values;  ///< exactly the column's dimension, all finite; not zero under cosine
  /// Above 0: `values` is a unit vector, and both are kept bit for bit (StoredVector, or a vector
  /// normalised in double). 0: `values` is the vector itself, normalised here.
  double norm = 0;
};

/// A document as a caller gives it. Views are read (and copied) during the call only.
struct DocumentView {
  std::string_view key = {};             ///< 1 to kKeyBytesMax bytes, any bytes
  std::string_view metadata = {};        ///< a JSON object as text, or empty for {}
  std::optional<std::string_view> body = {};  ///< any bytes, at most kBodyBytesMax
  std::vector<NamedVector> vectors = {}; ///< at most one per column; columns may be left out
};

/// See the head of this file. Not thread-safe; reusable after Clear().
class WriteBatch {
 public:
  /// Insert, or replace the document of this key whole: what the new one lacks is gone.
  void Put(const DocumentView& document);

  /// Insert; if the key exists, the whole batch fails with kAlreadyExists.
  void PutIfAbsent(const DocumentView& document);

  /// Replace; if the key's current version is not `version`, the whole batch fails with
  /// kFailedPrecondition (kNotFound if there is no such document).
  void ReplaceIfVersion(const DocumentView& document, uint64_t version);

  /// Set one vector of an existing document (else kNotFound). If the document never had a vector in
  /// this column only that row is written; if it had, its rows in every column are written anew.
  void SetVector(std::string_view key, std::string_view column, VectorView values);

  /// Replace the metadata of an existing document (else kNotFound). Writes nothing else.
  void SetMetadata(std::string_view key, std::string_view metadata);

  /// Remove a document. A key that does not exist is not an error; see WriteResult::missing_count.
  void Delete(std::string_view key);

  /// Remove a document. If its current version is not `version`, the whole batch fails with
  /// kFailedPrecondition (kNotFound if there is no such document).
  void DeleteIfVersion(std::string_view key, uint64_t version);

  void Clear();
  size_t change_count() const { return changes_.size(); }
  /// Bytes held, about what the batch will occupy. A batch above kBatchBytesMax is refused.
  size_t size_bytes() const { return arena_.size() + floats_.size() * sizeof(float); }

  // --- what follows is for the engine ---

  enum class Kind : uint8_t {
    kPut,
    kPutIfAbsent,
    kReplaceIfVersion,
    kSetVector,
    kSetMetadata,
    kDelete,
    kDeleteIfVersion,
  };
  struct VectorRef {
    uint64_t column_offset, column_bytes;  // in arena()
    uint64_t values_offset, values_count;  // in floats()
    double norm;                           // as in NamedVector
  };
  struct Change {
    Kind kind;
    bool has_body = false;
    uint64_t key_offset = 0, key_bytes = 0;
    uint64_t metadata_offset = 0, metadata_bytes = 0;
    uint64_t body_offset = 0, body_bytes = 0;
    uint64_t first_vector = 0, vector_count = 0;  // in vectors()
    uint64_t version = 0;
  };
  const std::vector<Change>& changes() const { return changes_; }
  const std::vector<VectorRef>& vectors() const { return vectors_; }
  const std::vector<float>& floats() const { return floats_; }
  std::string_view text(uint64_t offset, uint64_t bytes) const {
    return std::string_view(arena_).substr(offset, bytes);
  }

 private:
  uint64_t Append(std::string_view bytes);
  void AppendVector(const NamedVector& vector);
  void AppendDocument(Kind kind, const DocumentView& document, uint64_t version);

  std::string arena_;
  std::vector<float> floats_;
  std::vector<VectorRef> vectors_;
  std::vector<Change> changes_;
};

/// What a committed batch did.
struct WriteResult {
  uint64_t batch_number = 0;   ///< also the version of every document it wrote
  uint64_t written_count = 0;  ///< documents inserted, replaced or changed
  uint64_t deleted_count = 0;
  uint64_t missing_count = 0;  ///< deletes whose key did not exist
};

}  // namespace vdb
