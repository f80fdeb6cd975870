// The screen's side of exactness: which screened score proves that a row is not among the best k.
//
// A row's screened score s is a float32 approximation of the cosine between its unit vector and the
// query. For each metric there is a limit on s below which the row's documented score lies strictly
// below a given k-th score. The limit depends on the row's norm n only as a * n + b / n + c.
#pragma once

#include <cstddef>
#include <span>

#include "format/row_record.h"
#include "index/kernels/kernels.h"
#include "vdb/status.h"
#include "vdb/types.h"

namespace vdb::query {

/// Stored rows are zero, or their length differs from 1 by at most this.
inline constexpr double kRowLengthSlack = 1e-6;

/// One query, made ready for screening.
struct ScreenQuery {
  const float* query = nullptr;  ///< [dimension], the user's
  const float* unit = nullptr;   ///< [dimension], float(query / length); zeros for a zero query
  double length = 0;             ///< |query|
  double length_squared = 0;
  double epsilon = 0;  ///< see ScreenEpsilon
};

/// Fills `unit_out` [dimension] and returns the query. kInvalidArgument if it is not finite.
StatusOr<ScreenQuery> MakeScreenQuery(const index::Kernels& kernels, const float* query,
                                      size_t dimension, double screen_error, float* unit_out);

/// How far s may lie from the documented cosine: `screen_error` is the relative bound of whatever
/// computes s (ScreenErrorBound or AnyOrderErrorBound).
double ScreenEpsilon(size_t dimension, double screen_error);

/// A row may be skipped only if s < a * x + b * y + c, evaluated in float32 in any order, where
/// (x, y) are its NormTerms.
struct ScreenLimit {
  float a = 0;
  float b = 0;
  float c = 0;
};

/// The limit that belongs to `kth_score`. NaN where nothing can be proven: then no row is skipped.
ScreenLimit MakeScreenLimit(Metric metric, const ScreenQuery& query, size_t dimension,
                            double kth_score);

/// x[i] = float(norm), y[i] = 1 / x[i]; NaN for norms too small or too large for float32
/// arithmetic, zero and damaged ones included, so that their rows are never skipped.
void NormTerms(std::span<const format::RowRecord> records, float* x, float* y);

}  // namespace vdb::query
