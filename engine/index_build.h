// IndexBuilder: the part of an index build that needs no lock. From a view it reads the rows that
// are not indexed (or all, to train anew), puts them in the order of their lists, and writes them
// as new sealed segments with index files beside them. Nothing refers to what it wrote until the
// engine publishes it (index_publish.cc); until then it is garbage.
//
// Memory: 12 bytes per row, the training sample, and buffers of a few ten MiB.
// Threads: one caller; its work is spread over IndexOptions::thread_count threads.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/segment_rewrite.h"
#include "vdb/collection.h"

namespace vdb::engine {

struct BuildInput {
  storage::FileSystem* fs = nullptr;
  std::string segments_dir, epochs_dir;
  format::ColumnEntry column;
  std::shared_ptr<const View> view;  // the column's segments are all sealed
  uint64_t epoch_id = 0;             // for a new epoch
  uint64_t first_segment_id = 0, past_segment_id = 0;  // reserved for what it writes
  storage::SegmentCapacity capacity;
  const IndexOptions* options = nullptr;
  uint64_t memory_bytes_max = 0;     // for training; 0: no limit
  uint64_t space_bytes = UINT64_MAX; // of disk, that it may fill
};

class IndexBuilder {
 public:
  explicit IndexBuilder(BuildInput input);

  /// Train, assign, write, calibrate: whichever is needed. kCorruption names a damaged row.
  Status Run();

  /// Without an epoch: the column has no live row, and so no index.
  SegmentRewrite rewrite() const { return {"index build", sources_, outputs_, epoch_}; }
  const IndexReport& report() const { return report_; }

 private:
  Status Decide();
  bool MustTrain(const ColumnView& column, uint64_t live_rows);
  Status ListRows();
  Status CheckSpace() const;
  Status Train();
  Status Assign();
  Status AssignBlock(uint64_t from, uint64_t past);
  void SortByList();
  Status Write();
  Status WritePieces();
  Status WritePiece(uint64_t from, uint64_t past, uint64_t key_bytes);
  Status AppendBatch(SegmentWriter* writer, uint64_t from, uint64_t past);
  Status FinishPiece(SegmentWriter* writer);
  Status WriteEpoch();
  Status Calibrate();
  StatusOr<std::vector<float>> SampleRows(std::vector<uint64_t>* docnos) const;

  Status Tick(std::string_view stage, uint64_t done, uint64_t total) const;
  /// Runs body(0..count-1) on all threads, and on the caller's, which ticks between its blocks.
  Status Parallel(std::string_view stage, uint64_t count,
                  const std::function<Status(uint64_t)>& body) const;

  const SegmentView& SourceOf(uint64_t ref) const { return *sources_[ref >> 32]; }
  static uint64_t RowOf(uint64_t ref) { return ref & UINT32_MAX; }
  uint64_t DocnoOf(uint64_t ref) const {
    return SourceOf(ref).segment->records()[RowOf(ref)].docno;
  }
  bool SourceVector(const SegmentView& segment, uint64_t row, float* out) const;

  const BuildInput input_;
  const uint32_t dimension_;
  const uint32_t threads_;
  const index::Kernels* kernels_ = nullptr;
  std::vector<const SegmentView*> sources_, kept_;
  std::shared_ptr<const index::Codebook> codebook_;
  std::shared_ptr<const EpochFile> epoch_;
  format::EpochEntry epoch_entry_;
  std::vector<uint64_t> rows_;       // live rows of the sources: source << 32 | row
  std::vector<uint32_t> lists_;      // of each of them; list_count: loose
  std::vector<uint64_t> list_start_; // [list_count + 2], once sorted
  uint64_t next_segment_id_ = 0;
  std::vector<RewrittenSegment> outputs_;
  bool wrote_epoch_ = false;
  IndexReport report_;
};

}  // namespace vdb::engine
