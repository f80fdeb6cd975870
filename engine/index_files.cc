// See index_files.h.
#include "engine/index_files.h"

#include <cmath>

#include "format/checksum.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

// The mapping alone keeps the bytes, also when the name goes: snapshots outlive generations.
Status MapWhole(storage::FileSystem& fs, const std::string& path, uint64_t bytes,
                std::shared_ptr<const storage::Mapping>* mapping) {
  VDB_ASSIGN_OR_RETURN(const auto file, fs.Open(path, storage::OpenMode::kRead));
  VDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size != bytes) {
    return Status::Corruption("'" + path + "': expected " + std::to_string(bytes) +
                              " bytes, found " + std::to_string(size));
  }
  VDB_ASSIGN_OR_RETURN(*mapping, file->Map(bytes));
  return Status::Ok();
}

std::string_view BytesOf(const storage::Mapping& mapping, uint64_t bytes) {
  return {reinterpret_cast<const char*>(mapping.data()), bytes};
}

Status Contradicts(const std::string& path) {
  return Status::Corruption("'" + path + "': whole, but not what the manifest says of it");
}

}  // namespace

query::Calibration CalibrationOf(const format::EpochEntry& entry) {
  query::Calibration calibration;
  calibration.query_count = entry.query_count;
  calibration.row_count = entry.row_count;
  calibration.own_queries = entry.own_queries;
  for (const format::CalibrationStepEntry& step : entry.steps) {
    calibration.steps.push_back(
        {{step.margin, step.probes_max, step.coarse_errors, step.fine_errors}, step.recall_lower});
  }
  return calibration;
}

void SetCalibration(const query::Calibration& calibration, format::EpochEntry* entry) {
  entry->query_count = calibration.query_count;
  entry->row_count = calibration.row_count;
  entry->own_queries = calibration.own_queries;
  entry->steps.clear();
  for (const query::CalibrationStep& step : calibration.steps) {
    const query::Effort& effort = step.effort;
    if (!std::isfinite(effort.margin) || entry->steps.size() == format::kCalibrationStepsMax) {
      continue;  // of vectors at the edge of float; the next step proves as much
    }
    entry->steps.push_back({effort.margin, effort.probes_max, effort.coarse_errors,
                            effort.fine_errors, step.recall_lower});
  }
}

EpochFile::EpochFile(storage::FileSystem& fs, const std::string& directory,
                     format::EpochEntry entry, const format::ColumnEntry& column)
    : entry_(std::move(entry)), calibration_(CalibrationOf(entry_)),
      path_(format::JoinPath(directory, format::EpochFileName(entry_.id))),
      dimension_(column.dimension), metric_(column.metric) {
  mapped_ = MapWhole(fs, path_, entry_.file_bytes, &mapping_);
  damaged_ = !mapped_.ok();
}

Status EpochFile::Load() const {
  VDB_RETURN_IF_ERROR(mapped_);
  const std::string_view bytes = BytesOf(*mapping_, entry_.file_bytes);
  if (format::Hash64(bytes) != entry_.checksum) {
    return Status::Corruption("'" + path_ + "': checksum differs from the manifest's");
  }
  VDB_ASSIGN_OR_RETURN(codebook_, index::Codebook::Open(bytes, path_, mapping_));
  const format::EpochHeader& header = codebook_->header();
  const bool agrees = header.epoch_id == entry_.id && header.column_id == entry_.column_id &&
                      header.dimension == dimension_ && codebook_->metric() == metric_ &&
                      header.list_count == entry_.list_count;
  return agrees ? Status::Ok() : Contradicts(path_);
}

StatusOr<std::shared_ptr<const index::Codebook>> EpochFile::Get() const {
  std::call_once(once_, [this] {
    loaded_ = Load();
    if (!loaded_.ok()) damaged_ = true;
  });
  VDB_RETURN_IF_ERROR(loaded_);
  return codebook_;
}

IndexFile::IndexFile(storage::FileSystem& fs, const std::string& directory,
                     const format::SegmentEntry& entry, uint32_t dimension, uint32_t list_count)
    : path_(format::JoinPath(directory, format::SegmentFileName(entry.id,
                                                                format::SegmentFile::kIndex))),
      segment_id_(entry.id), epoch_id_(entry.epoch_id), rows_(entry.rows),
      checksum_(entry.index_checksum), bytes_(entry.index_bytes),
      padded_(format::PaddedDimension(dimension)), list_count_(list_count) {
  mapped_ = MapWhole(fs, path_, bytes_, &mapping_);
  damaged_ = !mapped_.ok();
}

Status IndexFile::Load() const {
  VDB_RETURN_IF_ERROR(mapped_);
  VDB_ASSIGN_OR_RETURN(lists_, index::InvertedLists::Open(BytesOf(*mapping_, bytes_), checksum_,
                                                          path_, mapping_));
  const format::ListHeader& header = lists_->header();
  const bool agrees = header.segment_id == segment_id_ && header.epoch_id == epoch_id_ &&
                      header.rows == rows_ && header.padded_dimension == padded_ &&
                      header.list_count == list_count_;
  return agrees ? Status::Ok() : Contradicts(path_);
}

StatusOr<std::shared_ptr<const index::InvertedLists>> IndexFile::Get() const {
  std::call_once(once_, [this] {
    loaded_ = Load();
    (loaded_.ok() ? ready_ : damaged_).store(true);
  });
  VDB_RETURN_IF_ERROR(loaded_);
  return lists_;
}

bool IndexFile::damaged() const {
  if (damaged_.load(std::memory_order_acquire)) return true;
  return ready_.load(std::memory_order_acquire) && lists_->damaged();
}

}  // namespace vdb::engine
