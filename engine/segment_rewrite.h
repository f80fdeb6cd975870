// SegmentRewrite: a job's new segments for old ones of a column, and the writer that makes them.
// Index builds (index_build.h) and compactions (compactor.h) end in one, which the engine publishes
// (index_publish.cc). Until then nothing refers to what was written.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/view.h"
#include "index/inverted_lists.h"

namespace vdb::engine {

struct RewrittenSegment {
  format::SegmentEntry entry;
  SegmentView segment;
};

struct SegmentRewrite {
  std::string job;                            // "index build": for messages
  std::vector<const SegmentView*> sources;    // of the view that the job began with
  std::vector<RewrittenSegment> outputs;      // have the sources' live rows
  std::shared_ptr<const EpochFile> epoch;     // the column's from then on; null: none
};

uint64_t LiveRows(const SegmentView& segment);

/// A sealed segment while it is written, with an index file beside it where StartIndex was called.
class SegmentWriter {
 public:
  struct Place {
    storage::FileSystem* fs = nullptr;
    std::string segments_dir;
  };

  /// `size`: exactly what will be appended.
  static StatusOr<std::unique_ptr<SegmentWriter>> Create(const Place& place,
                                                         const format::SegmentIdentity& identity,
                                                         const storage::SegmentCapacity& size);

  /// Before the first row. `row_begin` as InvertedListsWriter wants it; `codebook` must stay.
  Status StartIndex(const index::Codebook& codebook, std::vector<uint32_t> row_begin);
  index::InvertedListsWriter& index() { return *index_; }

  Status Append(std::span<const storage::NewRow> rows);
  /// What was written so far survives power loss, but for directory entries.
  Status Sync();
  /// Seals and syncs the files, and opens them as searches will.
  StatusOr<RewrittenSegment> Finish();

 private:
  SegmentWriter(Place place, uint64_t rows, std::shared_ptr<storage::Segment> segment)
      : place_(std::move(place)), rows_(rows), segment_(std::move(segment)) {}

  const Place place_;
  const uint64_t rows_;
  std::shared_ptr<storage::Segment> segment_;
  const index::Codebook* codebook_ = nullptr;
  std::unique_ptr<storage::File> index_file_;
  std::unique_ptr<index::InvertedListsWriter> index_;
  format::WatermarkRecord mark_;
};

}  // namespace vdb::engine
