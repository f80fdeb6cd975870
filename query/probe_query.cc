#include "query/probe_query.h"

#include <algorithm>

namespace vdb::query {

void ProbeQuery::Prepare(const ScreenQuery& query) {
  const double scale = codebook_->header().scale;
  // Cosine scores are keys already: unit vectors, scale 1.
  key_per_score_ = metric_ == Metric::kCosine ? 1
                   : metric_ == Metric::kDot  ? scale * scale
                                              : scale * scale / 2;
  coded_.Prepare(*kernels_, codebook_->rotation(), scale, codebook_->mean(),
                 metric_ == Metric::kCosine ? query.unit : query.query);
}

index::ListKey ProbeQuery::KeyOfList(uint32_t list) const {
  float dot = 0;
  kernels_->screen_dots(codebook_->centroid(list), 1, codebook_->padded(), coded_.p(), &dot);
  return index::MakeListKey(metric_, static_cast<double>(dot), codebook_->centroid_squared(list),
                            coded_.p_length());
}

index::ListKey ProbeQuery::ExactKeyOfList(uint32_t list) const {
  const double dot =
      kernels_->dot_exact(codebook_->centroid(list), coded_.p(), codebook_->padded());
  return index::MakeListKey(metric_, dot, codebook_->centroid_squared(list), coded_.p_length());
}

// Relative to |p| |y| (cosine, dot) or (|p| + |y|)^2 (L2), see screen_limit.cc: (d + 32) 2^-51 for
// the documented order, and under cosine 1.004 * 2^-24 for the unit query. |y| <= |c| + |r|, and
// four bits reconstruct at least a 32nd of any residual's length, so |r| <= 32 radius.
double ProbeQuery::OrderSlack(double centroid_length, double radius) const {
  const double y = centroid_length + 32 * radius;
  const double sum = coded_.p_length() + y;
  const double order = (static_cast<double>(codebook_->padded()) + 64) * 0x1p-50 * sum * sum;
  return metric_ == Metric::kCosine ? order + 0x1.1p-24 * y : order;
}

double ListMargin(const index::Codebook& codebook, Metric metric, double p_length, uint32_t list,
                  const index::ListKey& key, double threshold) {
  constexpr double kTiny = 1e-30;  // lists of equal rows, queries on a centroid
  const double rho = std::max(static_cast<double>(codebook.rho(list)), kTiny);
  const double reach = metric == Metric::kDot ? p_length : key.distance;
  const double drop = metric == Metric::kL2 ? rho * rho / 2 : 0;
  return (threshold - key.key + drop) / (rho * std::max(reach, kTiny));
}

}  // namespace vdb::query
