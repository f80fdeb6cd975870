// Compaction: small segments become few, dead rows go, and the space comes back. Runs while reads
// and writes go on.
#pragma once

#include <cstdint>
#include <string>

#include "vdb/options.h"

namespace vdb {

/// For Database::Compact. The defaults compact whatever is worth it.
struct CompactionOptions {
  std::string collection = {};  ///< empty: all collections
  std::string column = {};      ///< of `collection`; empty: all its columns
  /// Rewrite every segment that has a dead row, and merge all small ones. false: only where enough
  /// is to be gained (a segment with more than a fifth of its rows dead, or many small segments).
  bool full = false;
  /// Bytes written a second at most, so that a disk shared with others stays responsive. 0: no
  /// limit.
  uint64_t bytes_per_second_max = 0;
  ProgressCallback progress = {};  ///< done and total count rows
};

/// What a compaction did.
struct CompactionReport {
  uint64_t column_count = 0;        ///< columns rewritten, in part or whole
  uint64_t segment_count_before = 0, segment_count_after = 0;  ///< of all columns looked at
  uint64_t rows_read = 0;           ///< live rows rewritten
  uint64_t rows_dropped = 0;        ///< dead rows that are gone
  uint64_t bytes_before = 0, bytes_after = 0;  ///< of the database's files, RocksDB's included
  uint64_t bytes_written = 0;
  uint64_t memory_bytes_peak = 0;   ///< the most that it held at once, mapped files left out
  uint64_t probe_query_count = 0;   ///< queries answered equally by old and new rows
  double rewrite_ms = 0, prove_ms = 0, documents_ms = 0;
};

}  // namespace vdb
