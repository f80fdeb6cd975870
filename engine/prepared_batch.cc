#include "engine/prepared_batch.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "format/document_record.h"
#include "format/metadata.h"
#include "format/status_macros.h"
#include "index/kernels/kernels.h"

namespace vdb::engine {
namespace {

using Kind = WriteBatch::Kind;

class Preparer {
 public:
  Preparer(const format::CollectionEntry& collection, const WriteBatch& batch,
           const index::Kernels& kernels)
      : collection_(collection), batch_(batch), kernels_(kernels) {}

  StatusOr<PreparedBatch> Run() {
    if (batch_.size_bytes() > kBatchBytesMax) {
      return Status::ResourceExhausted(
          "collection '" + collection_.name + "': a batch of " +
          std::to_string(batch_.size_bytes()) + " bytes, at most " +
          std::to_string(kBatchBytesMax) + " are taken; split it");
    }
    out_.collection_id = collection_.id;
    out_.size_bytes = batch_.size_bytes();
    out_.changes.reserve(batch_.changes().size());
    if (!batch_.floats().empty()) {
      units_.reset(new float[batch_.floats().size()]);  // not zeroed: written where used
    }
    for (position_ = 0; position_ < batch_.changes().size(); ++position_) {
      VDB_RETURN_IF_ERROR(PrepareChange(batch_.changes()[position_]));
    }
    if (units_) out_.unit_storage.push_back(std::move(units_));
    return std::move(out_);
  }

 private:
  Status Refuse(const std::string& what) const {
    return Status::InvalidArgument("collection '" + collection_.name + "', change " +
                                   std::to_string(position_) + ": " + what);
  }

  Status PrepareChange(const WriteBatch::Change& from) {
    PreparedChange to;
    to.kind = from.kind;
    to.version = from.version;
    to.key = batch_.text(from.key_offset, from.key_bytes);
    if (to.key.empty() || to.key.size() > kKeyBytesMax) {
      return Refuse("key of " + std::to_string(to.key.size()) + " bytes, expected 1 to " +
                    std::to_string(kKeyBytesMax));
    }
    const bool deletes = from.kind == Kind::kDelete || from.kind == Kind::kDeleteIfVersion;
    if (!deletes && from.kind != Kind::kSetVector) {
      auto metadata = format::MetadataFromJson(batch_.text(from.metadata_offset,
                                                           from.metadata_bytes));
      if (!metadata.ok()) {
        return Status(metadata.status().code(), Refuse(metadata.status().message()).message());
      }
      to.metadata = std::move(*metadata);
    }
    if (from.has_body) {
      if (from.body_bytes > kBodyBytesMax) {
        return Refuse("body of " + std::to_string(from.body_bytes) + " bytes, expected at most " +
                      std::to_string(kBodyBytesMax));
      }
      to.body = batch_.text(from.body_offset, from.body_bytes);
      to.body_checksum = format::BodyChecksum(*to.body);
    }
    VDB_RETURN_IF_ERROR(PrepareVectors(from, &to));
    out_.changes.push_back(std::move(to));
    return Status::Ok();
  }

  Status PrepareVectors(const WriteBatch::Change& from, PreparedChange* to) {
    for (uint64_t i = 0; i < from.vector_count; ++i) {
      const WriteBatch::VectorRef& ref = batch_.vectors()[from.first_vector + i];
      const std::string_view name = batch_.text(ref.column_offset, ref.column_bytes);
      const format::ColumnEntry* column = format::FindColumn(collection_, name);
      if (column == nullptr) {
        return Status::NotFound("collection '" + collection_.name + "', change " +
                                std::to_string(position_) + ": no column '" + std::string(name) +
                                "'; add it first (AddColumn, `vdbtool column add`)");
      }
      for (const PreparedVector& other : to->vectors) {
        if (other.column_id == column->id) {
          return Refuse("two vectors for column '" + column->name + "', expected at most one");
        }
      }
      VDB_ASSIGN_OR_RETURN(const PreparedVector vector, PrepareVector(*column, ref));
      to->vectors.push_back(vector);
    }
    std::sort(to->vectors.begin(), to->vectors.end(),
              [](const auto& a, const auto& b) { return a.column_id < b.column_id; });
    return Status::Ok();
  }

  StatusOr<PreparedVector> PrepareVector(const format::ColumnEntry& column,
                                         const WriteBatch::VectorRef& ref) {
    const float* values = batch_.floats().data() + ref.values_offset;
    const size_t count = ref.values_count;
    const std::string where = "column '" + column.name + "': ";
    if (count != column.dimension) {
      return Refuse(where + "expected dimension " + std::to_string(column.dimension) + ", found " +
                    std::to_string(count));
    }
    const size_t bad = kernels_.find_not_finite(values, count);
    if (bad != count) {
      return Refuse(where + "expected finite values, found " +
                    (std::isnan(values[bad]) ? "NaN" : "infinity") + " at position " +
                    std::to_string(bad));
    }
    const double norm = std::sqrt(kernels_.sum_squares(values, count));
    if (ref.norm != 0) {
      if (!(ref.norm > 0) || !std::isfinite(ref.norm) || !(std::abs(norm - 1) <= kUnitTolerance)) {
        return Refuse(where + "expected a unit vector with a finite norm above 0, found a vector "
                              "of length " + std::to_string(norm) + " with norm " +
                      std::to_string(ref.norm));
      }
      return PreparedVector{column.id, values, ref.norm};
    }
    if (norm == 0 && column.metric == Metric::kCosine) {
      return Refuse(where + "a zero vector has no direction, so cosine refuses it; leave the "
                            "vector out or use metric dot or l2");
    }
    if (std::abs(norm - 1) <= kUnitTolerance) return PreparedVector{column.id, values, 1.0};
    float* unit = units_.get() + ref.values_offset;
    if (norm == 0) {
      std::memset(unit, 0, count * sizeof(float));
    } else {
      kernels_.scale_to_float(values, 1.0 / norm, unit, count);
    }
    return PreparedVector{column.id, unit, norm};
  }

  const format::CollectionEntry& collection_;
  const WriteBatch& batch_;
  const index::Kernels& kernels_;
  std::unique_ptr<float[]> units_;  // one place for each float of the batch, used where scaled
  PreparedBatch out_;
  size_t position_ = 0;
};

}  // namespace

StatusOr<PreparedBatch> Prepare(const format::CollectionEntry& collection,
                                const WriteBatch& batch) {
  VDB_ASSIGN_OR_RETURN(const index::Kernels* kernels, index::ActiveKernels());
  return Preparer(collection, batch, *kernels).Run();
}

}  // namespace vdb::engine
