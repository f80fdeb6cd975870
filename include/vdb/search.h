// Nearest-neighbour search: what to ask for, and what comes back.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "vdb/filter.h"
#include "vdb/options.h"
#include "vdb/types.h"

namespace vdb {

/// Ends a query from another thread: make one, give it to the query's limits, call Cancel.
class CancelToken {
 public:
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

/// What one query may use. A query that a limit stops is no error: it returns the best found so
/// far, and says so (Answer::stopped).
struct QueryLimits {
  uint32_t deadline_ms = 0;     ///< from the call on; 0: none
  uint64_t memory_bytes = 0;    ///< for masks, candidates and results; 0: none
  std::shared_ptr<const CancelToken> cancel = {};
};

/// Why an answer may lack hits that it should have.
enum class StopReason : uint8_t { kNone, kDeadline, kMemory, kCancelled };
/// "", "deadline", "memory", "cancelled".
std::string_view StopReasonName(StopReason reason);

/// For Collection::Search. The goal is one of: exact, a recall target, or an explicit nprobe.
/// Without an index on the column every search is exact.
struct SearchOptions {
  /// Hits wanted per query. 0 gives none; more than there are rows gives all of them.
  size_t k = 10;

  /// The share of the true k nearest that the answers must hold on average over queries like those
  /// the index was calibrated on. 0 < recall <= 1; 1 means exact. A target that the index cannot
  /// prove on its calibration is answered exactly. Raising it never lowers the mean recall.
  /// A thousand queries and more in one call are searched together where the processor gains by it:
  /// what they find on the way to their target may then differ from what each finds alone.
  double recall = 0.95;

  /// Proven equal to brute force over every row, whatever `recall` and `nprobe` say.
  bool exact = false;

  /// For experts: probe exactly this many inverted lists, nearest first. 0: let `recall` decide.
  uint32_t nprobe = 0;

  /// Only documents that match: an answer has min(k, matches with a vector) hits.
  Filter filter = {};

  /// Only hits with at least this score. Together with a large k: all within a radius.
  double min_score = -std::numeric_limits<double>::infinity();

  QueryLimits limits = {};

  /// Fill SearchResult::explains.
  bool explain = false;

  /// The vector column; empty: the collection's default column.
  std::string column = {};

  /// Threads to use, the caller's included. 0: all cores for a batch, and for a single query as
  /// many as its size makes worth while. The answer does not depend on it, but for approximate ones
  /// of a thousand queries and more at a time.
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
  std::vector<Hit> hits;  ///< min(k, matching rows with a vector in the column); never padded
  bool exact = false;     ///< proven equal to brute force over every matching row
  StopReason stopped = StopReason::kNone;  ///< not kNone: incomplete, see QueryLimits
};

/// How a filter was answered.
struct FilterExplain {
  struct Predicate {
    std::string text;
    std::string index;             ///< the field index used; empty: none is there
    uint64_t estimated_count = 0;  ///< documents, by the sizes RocksDB knows; 0 without an index
    uint64_t entries_read = 0;     ///< index entries
  };
  std::string plan;                ///< "none", "indexes", "indexes, then documents", "documents"
  std::string reason;
  std::vector<Predicate> predicates;
  uint64_t document_count = 0;     ///< in the collection
  uint64_t match_count = 0;        ///< counted, not estimated
  uint64_t documents_read = 0;     ///< documents whose metadata were looked at
  uint64_t metadata_bytes = 0;     ///< of those documents; 0 if indexes alone answered
  bool cached = false;             ///< nothing was read: the mask of an earlier query stood
  double filter_us = 0;            ///< finding the matches
  double mask_us = 0;              ///< turning them into rows of the segments
};

/// How an answer came about. Counts are of one query; a row counts each time it is looked at.
struct SearchExplain {
  std::string plan;             ///< "brute force", "exact by codes", "probe", "matches", or "empty"
  std::string reason;           ///< why that plan, in a sentence
  uint64_t list_count = 0;      ///< inverted lists of the column's epoch
  uint64_t lists_probed = 0;
  uint64_t lists_skipped = 0;   ///< ranked, then left out by their margin
  uint64_t codes_scanned = 0;   ///< rows whose 1-bit code was read
  uint64_t codes_refined = 0;   ///< rows whose 4-bit code was read
  uint64_t rows_scanned = 0;    ///< float32 rows screened (rows outside the index)
  uint64_t rows_reranked = 0;   ///< rows scored in the documented order
  uint64_t rows_allowed = 0;    ///< live rows that the filter lets through; all without one
  uint64_t bytes_touched = 0;   ///< of codes, rows and centroids, by what was asked for
  double recall_target = 0;     ///< 0: exact or explicit nprobe
  double margin = 0;            ///< calibrated width: lists beyond it are skipped
  double bound_slack = 0;       ///< how many standard errors a code's estimate may be off
  double prepare_us = 0;        ///< microseconds: rotation and tables
  double rank_us = 0;           ///< ranking the lists
  double scan_us = 0;           ///< scanning codes, or rows
  double rerank_us = 0;         ///< scoring the survivors
  FilterExplain filter;         ///< plan "none" without a filter
};

/// The answers to a request, in the order of its queries.
struct SearchResult {
  std::vector<Answer> answers;
  std::vector<SearchExplain> explains;  ///< one per query if SearchOptions::explain, else none
  uint64_t batch_number = 0;  ///< the state that was searched
};

}  // namespace vdb
