// PreparedBatch: a WriteBatch after all checks that need no lock: sizes, names, dimensions, finite
// values, metadata text; vectors normalised, metadata encoded. Runs on the caller's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/manifest.h"
#include "vdb/status.h"
#include "vdb/write_batch.h"

namespace vdb::query {
struct FilterNode;
}

namespace vdb::engine {

struct PreparedVector {
  uint32_t column_id = 0;
  const float* unit = nullptr;
  double norm = 0;
};

struct PreparedChange {
  WriteBatch::Kind kind = WriteBatch::Kind::kPut;
  std::string_view key;
  std::string metadata;                  // FlexBuffer
  std::optional<std::string_view> body;
  uint64_t body_checksum = 0;
  std::vector<PreparedVector> vectors;   // ascending by column id
  uint64_t version = 0;
};

struct PreparedBatch {
  uint32_t collection_id = 0;
  std::vector<PreparedChange> changes;
  std::vector<std::unique_ptr<float[]>> unit_storage;  // of vectors that were not unit already
  size_t size_bytes = 0;
  /// Of deletes: a document that does not match it any more stays, and is not counted.
  std::shared_ptr<const query::FilterNode> delete_condition;
  bool deletes_must_exist = false;  // Collection::Delete: a missing key fails the batch
};

/// Views point into `batch`, which must outlive the result. Errors name collection, change, column,
/// expected and found.
StatusOr<PreparedBatch> Prepare(const format::CollectionEntry& collection, const WriteBatch& batch);

/// How far from 1 a norm may be for the row to be kept bit for bit with norm 1.
inline constexpr double kUnitTolerance = 5e-7;

}  // namespace vdb::engine
