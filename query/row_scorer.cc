#include "query/row_scorer.h"

#include <cmath>
#include <limits>

namespace vdb::query {

StatusOr<double> RowScorer::Score(const ScreenQuery& query, const ScanSegment& segment,
                                  uint32_t segment_index, uint64_t row) const {
  const format::RowRecord& record = segment.records[row];
  const float* values = segment.rows + row * dimension_;
  const bool norm_fits =
      metric_ == Metric::kCosine || (std::isfinite(record.norm) && record.norm >= 0);
  double score = std::numeric_limits<double>::quiet_NaN();
  if (norm_fits) {
    switch (metric_) {
      case Metric::kCosine:
        score = kernels_->dot_exact(values, query.query, dimension_) / query.length;
        break;
      case Metric::kDot:
        score = record.norm * kernels_->dot_exact(values, query.query, dimension_);
        break;
      case Metric::kL2:  // 0 - x, so that an equal vector scores 0 and not -0
        score = 0 - kernels_->squared_l2_exact(values, record.norm, query.query, dimension_);
        break;
    }
  }
  if (std::isfinite(score)) return score;
  return Status::Corruption("segment " + std::to_string(segment_index) + " of this search, row " +
                            std::to_string(row) + ": the " +
                            (norm_fits ? "vector gives a score" : "norm") +
                            " that is not a valid number; run `vdbtool verify`");
}

}  // namespace vdb::query
