// The measuring part of vdbtool recall: sample queries, their exact and approximate answers, costs.
#pragma once

#include <string>
#include <vector>

#include "vdb/collection.h"
#include "vdb/import.h"

namespace vdb::tools {

/// Queries, and the documents that they are the vectors of.
struct QuerySet {
  VectorFile vectors;
  std::vector<std::string> keys;  ///< of the documents they are of; none: from a file
};

/// Vectors of up to `wanted` documents that have one in `column`, spread evenly over the keys; the
/// same ones every time.
StatusOr<QuerySet> SampleDocuments(const Collection& collection, const ColumnStats& column,
                                   size_t wanted);

/// What the queries found and cost. Counts are means per query.
struct Measured {
  std::vector<double> recalls;
  std::vector<double> latencies_ms;
  uint64_t exact_count = 0;   ///< queries that the approximate search answered exactly
  std::string exact_reason;   ///< of the first of them
  double true_hits = 0;       ///< hits of an exact answer
  double lists = 0, lists_probed = 0, codes_scanned = 0, codes_refined = 0;
  double rows_scanned = 0, rows_reranked = 0;
};

/// Answers every query exactly, then approximately as `options` has it, then approximately again
/// against the clock. options.k hits count, without the query's own document.
StatusOr<Measured> MeasureSearch(const Collection& collection, const SearchOptions& options,
                                 const QuerySet& queries);

}  // namespace vdb::tools
