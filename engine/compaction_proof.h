// What a compaction proves before it is published: that the new segments, read back from their
// files, hold exactly the live rows of the old ones, with the same codes in the same lists; and
// that both answer queries alike.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "engine/row_stream.h"

namespace vdb::engine {

/// A multiset of rows: a sum of hashes over (docno, norm, row, key, list, codes).
struct RowsHash {
  uint64_t count = 0, low = 0, high = 0;
  bool operator==(const RowsHash&) const = default;
};

/// Adds the live rows of a segment, in the order of the file, and not by way of RowStream: what
/// that leaves out must show. Every row passes its checksum. `tick` is called now and then with the
/// rows done since. kCorruption names the file and the row.
Status AddLiveRows(const MergeSource& source, const std::function<Status(uint64_t)>& tick,
                   RowsHash* hash);

/// Sampled rows as queries: exact answers from the old segments, from rows of the new ones, and,
/// where these have an index, by its codes. All must be equal, scores to the last bit. Returns how
/// many queries were asked; kCorruption.
StatusOr<uint64_t> ProbeAlike(const format::ColumnEntry& column,
                              const std::shared_ptr<const EpochFile>& epoch,
                              std::span<const SegmentView* const> sources,
                              std::span<const RewrittenSegment> outputs, uint64_t seed);

}  // namespace vdb::engine
