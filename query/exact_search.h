// Exact nearest-neighbour search over mapped rows: screen in float32, rescore in the documented
// order.
//
// Every row gets a cheap float32 score with a rigorous error bound (screen_limit.h). Rows whose
// upper bound reaches the k-th best score so far are scored again in double (kernels.h, exact
// order), and enter a bounded heap ordered by (score descending, docno ascending). What is skipped
// is proven to lie below the k-th, so the answer equals brute force in the documented score, ties
// included, whatever the number of threads, the SIMD level, the split into segments or the size of
// the batch.
//
// Scores. cosine: dot_exact(u, q) / |q|, |q| = sqrt(sum_squares(q)). dot: norm * dot_exact(u, q).
// L2: 0 - squared_l2_exact(u, norm, q).
//
// The proof needs rows as they are stored: of length 1 within kRowLengthSlack, or zero. Rows from
// damaged bytes are never a reason to crash or hang, but may be missing from an answer.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "format/row_record.h"
#include "index/kernels/kernel_table.h"
#include "query/budget.h"
#include "query/row_mask.h"
#include "storage/delete_mask.h"
#include "vdb/status.h"
#include "vdb/types.h"

namespace vdb::query {

/// A cheaper screen than the float32 rows, with as rigorous a bound: the index's codes.
/// Threads: const methods from any thread, each with a scratch of its own.
class RowScreen {
 public:
  /// What a look at some rows leaves for their candidates.
  struct Scratch {
    float* estimates = nullptr;  // [queries x rows], in floats
    float* errors = nullptr;     // [rows], in floats
    uint32_t first_list = 0;
    std::vector<float> floats;
    std::vector<uint8_t> expanded;  // a kernel's
  };
  virtual ~RowScreen() = default;

  /// Whether rows first to first + count - 1 are all proven to score strictly below `kth_score`
  /// without a look at their codes: by what is known of the lists they are in.
  virtual bool AllBelow(size_t query, uint64_t first, size_t count, double kth_score) const = 0;

  /// Looks at the codes of rows first to first + count - 1, for all queries. False: cannot tell
  /// (damaged codes); the rows themselves must be screened.
  virtual bool Look(uint64_t first, size_t count, Scratch* scratch) const = 0;

  /// After a look at the same rows: positions i in [0, count) of rows first + i whose score may
  /// reach `kth_score`, ascending, into `out` (room for `count`); returns how many. Every other row
  /// is proven to score strictly below it.
  virtual size_t Candidates(size_t query, uint64_t first, size_t count, double kth_score,
                            const Scratch& scratch, uint32_t* out) const = 0;
};

/// Rows of one segment as one view sees them.
struct ScanSegment {
  const float* rows = nullptr;                 ///< [row_count x dimension]
  const format::RowRecord* records = nullptr;  ///< [row_count]
  uint64_t row_count = 0;
  const storage::DeleteMask* deletes = nullptr;  ///< null: no row is dead
  uint64_t first_row = 0;              ///< rows before it are not searched
  const RowScreen* screen = nullptr;   ///< for all rows searched; null: none
  const RowMask* allow = nullptr;      ///< the only rows that may be found; null: all
};

/// One row found. `segment` indexes the input's segments.
struct RowHit {
  double score = 0;
  uint64_t docno = 0;
  uint32_t segment = 0;
  uint64_t row = 0;
};

struct ExactSearchInput {
  std::span<const ScanSegment> segments;
  uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  MatrixView queries;         ///< validated: dimension fits, finite, nonzero under cosine
  size_t k = 10;              ///< more than kSearchKMax is answered like kSearchKMax
  uint32_t thread_count = 0;  ///< 0: decide here (see SearchOptions::thread_count)
  /// Per query a score that k live rows of these segments are known to reach, or -infinity; empty:
  /// not known. Only speeds the search up.
  std::span<const double> kth_scores_known = {};
  /// Asked once per block of rows; null: none. Once it stops, answers are the best found so far.
  Budget* budget = nullptr;
  /// Per query how many rows were scored in the documented order; empty: not wanted.
  std::span<uint64_t> rows_rescored = {};
  /// How many rows (allowed ones) had their codes looked at; null: not wanted.
  uint64_t* code_rows = nullptr;
};

/// hits[q] for each query, best first, min(k, live rows allowed) of them. Memory: O(queries x (k +
/// dimension)) plus a few MiB per thread; rows are never copied. Runs in the standard float mode
/// and leaves the caller's as it was. A batch uses OpenBLAS with one BLAS thread per caller: the
/// first one calls openblas_set_num_threads(1), for the whole process. Errors: kCorruption from a
/// mask file, or a live row whose norm (where the metric uses it) is not finite or is negative, or
/// whose score is not finite; kInvalidArgument from VDB_SIMD_LEVEL, or for queries that break their
/// contract.
StatusOr<std::vector<std::vector<RowHit>>> ExactSearch(const ExactSearchInput& input);

/// The same with the kernels of a given level, for tests and benches.
StatusOr<std::vector<std::vector<RowHit>>> ExactSearchAtLevel(const ExactSearchInput& input,
                                                              const index::Kernels& kernels);

}  // namespace vdb::query
