// Nearest-neighbour search: what to ask for, and what comes back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vdb/options.h"
#include "vdb/types.h"

namespace vdb {

/// For Collection::Search.
struct SearchOptions {
  /// Hits wanted per query. 0 gives none; more than there are rows gives all of them.
  size_t k = 10;

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

/// The answers to a request, in the order of its queries.
struct SearchResult {
  std::vector<Answer> answers;
  uint64_t batch_number = 0;  ///< the state that was searched
};

}  // namespace vdb
