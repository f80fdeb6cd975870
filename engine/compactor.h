// Compactor: the part of a compaction that needs no lock. From a view it merges the chosen segments
// of a column without their dead rows and proves that nothing else is missing. Rows without an
// index are merged by docno; rows with one list by list, with their codes as they are. Segments
// whose index is damaged are merged as rows without one, which the next index build takes in.
// Nothing refers to what it wrote until the engine publishes it (index_publish.cc).
//
// Memory: a batch of rows' codes, three numbers per list, and the buffers of the files.
// Threads: the caller's.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine/compaction_proof.h"
#include "vdb/compaction.h"

namespace vdb::engine {

struct CompactorInput {
  storage::FileSystem* fs = nullptr;
  std::string segments_dir;
  format::ColumnEntry column;
  std::shared_ptr<const View> view;  // the column's segments are all sealed
  uint64_t first_segment_id = 0, past_segment_id = 0;  // reserved for what it writes
  storage::SegmentCapacity capacity;
  const CompactionOptions* options = nullptr;
  CompactionReport* report = nullptr;
};

class Compactor {
 public:
  explicit Compactor(CompactorInput input)
      : input_(std::move(input)), next_segment_id_(input_.first_segment_id) {}

  /// Choose, check, write, prove. kCorruption: a row is damaged, or the proof failed.
  Status Run();

  /// Without sources: there was nothing to do.
  SegmentRewrite rewrite() const;

 private:
  struct Piece;  // an output: where it begins and ends

  Status Choose();
  Status Merge(const std::vector<MergeSource>& sources);
  StatusOr<std::vector<Piece>> Plan(const std::vector<MergeSource>& sources);
  Status WritePiece(const std::vector<MergeSource>& sources, const Piece& piece,
                    RowStream* stream);
  Status AppendBatch(const std::vector<MergeSource>& sources,
                     const std::vector<RowStream::Row>& rows, SegmentWriter* writer);
  void CoverLists(const std::vector<MergeSource>& sources, const Piece& piece,
                  SegmentWriter* writer) const;
  Status Prove();
  Status Tick(std::string_view stage, uint64_t done, uint64_t total) const;
  /// Waits where bytes_per_second_max asks for it.
  Status Written(uint64_t bytes);
  void Held(uint64_t bytes);

  const CompactorInput input_;
  std::shared_ptr<const index::Codebook> codebook_;
  std::shared_ptr<const EpochFile> epoch_;
  std::vector<MergeSource> indexed_, loose_;
  std::vector<RewrittenSegment> outputs_;
  RowsHash before_;
  uint64_t next_segment_id_ = 0;
  uint64_t rows_ = 0, rows_done_ = 0;  // live ones
  uint64_t bytes_written_ = 0;
  uint64_t plan_bytes_ = 0;  // held while pieces are written
  std::chrono::steady_clock::time_point write_start_;
};

}  // namespace vdb::engine
