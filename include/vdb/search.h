// Nearest-neighbour search: what to ask for, and what comes back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vdb/options.h"
#include "vdb/types.h"

namespace vdb {

/// For Collection::Search. The goal is one of: exact, a recall target, or an explicit nprobe.
/// Without an index on the column every search is exact.
struct SearchOptions {
  /// Hits wanted per query. 0 gives none; more than there are rows gives all of them.
  size_t k = 10;

  /// The share of the true k nearest that the answers must hold on average over queries like those
  /// the index was calibrated on. 0 < recall <= 1; 1 means exact. A target that the index cannot
  /// prove on its calibration is answered exactly. Raising it never lowers the mean recall.
  double recall = 0.95;

  /// Proven equal to brute force over every row, whatever `recall` and `nprobe` say.
  bool exact = false;

  /// For experts: probe exactly this many inverted lists, nearest first. 0: let `recall` decide.
  uint32_t nprobe = 0;

  /// Fill SearchResult::explains.
  bool explain = false;

  /// The vector column; empty: the collection's default column.
  std::string column = {};

  /// Threads to use, the caller's included. 0: all cores for a batch, and for a single query as
  /// many as its size makes worth while. The answer does not depend on it.
  uint32_t thread_count = 0;

  /// Read as of this snapshot; null: as of now.
  const Snapshot* snapshot = nullptr;
};

/// One document found.
struct Hit {
  std::string key;
  double score = 0;  ///< higher is closer; see Metric. Accumulated in double over the float32 row.
};

/// The answer to one query. Hits come by score descending, then docno ascending (older first).
struct Answer {
  std::vector<Hit> hits;  ///< min(k, rows with a vector in the column); never padded
  bool exact = false;     ///< proven equal to brute force over every row
};

/// How an answer came about. Counts are of one query; a row counts each time it is looked at.
struct SearchExplain {
  std::string plan;             ///< "brute force", "exact by codes", "probe", or "empty"
  std::string reason;           ///< why that plan, in a sentence
  uint64_t list_count = 0;      ///< inverted lists of the column's epoch
  uint64_t lists_probed = 0;
  uint64_t lists_skipped = 0;   ///< ranked, then left out by their margin
  uint64_t codes_scanned = 0;   ///< rows whose 1-bit code was read
  uint64_t codes_refined = 0;   ///< rows whose 4-bit code was read
  uint64_t rows_scanned = 0;    ///< float32 rows screened (rows outside the index)
  uint64_t rows_reranked = 0;   ///< rows scored in the documented order
  uint64_t bytes_touched = 0;   ///< of codes, rows and centroids, by what was asked for
  double recall_target = 0;     ///< 0: exact or explicit nprobe
  double margin = 0;            ///< calibrated width: lists beyond it are skipped
  double bound_slack = 0;       ///< how many standard errors a code's estimate may be off
  double prepare_us = 0;        ///< microseconds: rotation and tables
  double rank_us = 0;           ///< ranking the lists
  double scan_us = 0;           ///< scanning codes, or rows
  double rerank_us = 0;         ///< scoring the survivors
};

/// The answers to a request, in the order of its queries.
struct SearchResult {
  std::vector<Answer> answers;
  std::vector<SearchExplain> explains;  ///< one per query if SearchOptions::explain, else none
  uint64_t batch_number = 0;  ///< the state that was searched
};

}  // namespace vdb
