// The files of a column's index as a view has them: mapped when the view is made, read and checked
// when a search first needs them. A missing or damaged one is no reason to refuse the database: its
// segments are searched as float32, and verify and the next build find it.
//
// Threads: const methods from any thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "format/manifest.h"
#include "index/codebook.h"
#include "index/inverted_lists.h"
#include "query/calibration.h"
#include "storage/file_system.h"

namespace vdb::engine {

/// An epoch of the manifest with its file.
class EpochFile {
 public:
  /// Never fails: what is wrong with the file is what Get says.
  EpochFile(storage::FileSystem& fs, const std::string& directory, format::EpochEntry entry,
            const format::ColumnEntry& column);

  const format::EpochEntry& entry() const { return entry_; }
  const query::Calibration& calibration() const { return calibration_; }
  /// OK if the file was there, of the right size. Does not read it.
  const Status& mapped() const { return mapped_; }

  /// The codebook; an error stays, and marks the file as damaged.
  StatusOr<std::shared_ptr<const index::Codebook>> Get() const;
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }
  const std::string& path() const { return path_; }

 private:
  Status Load() const;

  const format::EpochEntry entry_;
  const query::Calibration calibration_;
  const std::string path_;
  const uint32_t dimension_;
  const Metric metric_;
  std::shared_ptr<const storage::Mapping> mapping_;
  Status mapped_;
  mutable std::once_flag once_;
  mutable Status loaded_;
  mutable std::shared_ptr<const index::Codebook> codebook_;
  mutable std::atomic<bool> damaged_{false};
};

/// The index file of a sealed segment.
class IndexFile {
 public:
  /// Never fails, as above. `directory`: of the segments.
  IndexFile(storage::FileSystem& fs, const std::string& directory,
            const format::SegmentEntry& entry, uint32_t dimension, uint32_t list_count);

  uint64_t epoch_id() const { return epoch_id_; }
  uint64_t file_bytes() const { return bytes_; }
  const Status& mapped() const { return mapped_; }

  /// The lists; an error stays. Data bytes are checked as they are used (InvertedLists).
  StatusOr<std::shared_ptr<const index::InvertedLists>> Get() const;
  /// Whether anything of it was found damaged so far.
  bool damaged() const;
  const std::string& path() const { return path_; }

 private:
  Status Load() const;

  const std::string path_;
  const uint64_t segment_id_, epoch_id_, rows_, checksum_, bytes_;
  const uint32_t padded_, list_count_;
  std::shared_ptr<const storage::Mapping> mapping_;
  Status mapped_;
  mutable std::once_flag once_;
  mutable Status loaded_;
  mutable std::shared_ptr<const index::InvertedLists> lists_;
  mutable std::atomic<bool> ready_{false};  // lists_ may be looked at beside the once flag
  mutable std::atomic<bool> damaged_{false};
};

/// Between the manifest's form of a calibration and the one that searches use.
query::Calibration CalibrationOf(const format::EpochEntry& entry);
void SetCalibration(const query::Calibration& calibration, format::EpochEntry* entry);

}  // namespace vdb::engine
