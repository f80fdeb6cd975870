// See screen_limit.h. The derivation:
//
// Write u for the stored row, r = |u|, q for the query, v = q / |q|, w = float(v) for the unit
// query that screens, S for the documented score, t = u . v (real). h = 2^-24, H = 2^-53.
//
// 1. The screen. |s - u.w| <= E |u| |w| + (underflow), E being the bound of the kernel or the BLAS.
// 2. The unit query. w_i = v_i (1 + e), |e| <= h plus the roundings in double of |q| and of the
//    scaling, about (d/16 + 8) H < 2^-40; so |u.w - t| <= 1.004 h |u|. Elements of w below the
//    normal floats are off by at most 2^-150 each; the underflow term has more than that.
// 3. The documented order. dot_exact has d/8 + 4 roundings on a path at most, and |q| and the
//    division, or the product with the norm, a few more, together below (d + 32) 2^-51, relative to
//    |u| |q| (times the norm). It is charged to the cosine like the others.
// With |u| <= 1 + 1e-6, |w| <= 1 + 2 h:
//    |s - t| + (3) <= epsilon = 1.0001 (E + 1.004 h + (d + 32) 2^-51) + underflow.
//
// cosine: S <= s + epsilon. Skip if s < kth - epsilon.
// dot: S <= n |q| (s + epsilon) for n > 0. Skip if s < (kth / |q|) / n - epsilon.
// L2: the true value is -(n^2 r^2 - 2 n |q| t + |q|^2). squared_l2_exact rounds n u_i, the
//    difference (each off by H relative), the square, and the sums (d/8 + 4): all in all less than
//    (d + 32) H (n + |q|)^2 <= (d + 32) 2^-51 (n^2 + |q|^2) / 2. With R = (d + 32) 2^-51 and
//    r^2 >= 1 - 2.1e-6:
//      S <= -(n^2 (1 - 2.1e-6 - R) + |q|^2 (1 - R)) + 2 n |q| (s + epsilon).
//    Skip if s < n (1 - 2.1e-6 - R) / (2 |q|) + ((|q|^2 (1 - R) + kth) / (2 |q|)) / n - epsilon.
//
// "Skip" is strict in S < kth, so a row that ties with the k-th is never skipped.
//
// 4. The limit itself is evaluated in float32: x = n (1 + h'), y = (1 / n)(1 + 3 h'), two or four
//    roundings of terms no larger than |a| x + |b| y + |c|, below 8 h times their sum. Since x and
//    y are positive, moving each of a, b, c down by 16 h of its magnitude, and then to the float
//    below, pays for it. The ranges of n and |q| keep the terms far from overflow on the high side;
//    where b overflows downwards the limit is -infinity and nothing is skipped.
#include "query/screen_limit.h"

#include <cmath>
#include <limits>
#include <string>

namespace vdb::query {
namespace {

constexpr double kHalfUlp = 0x1p-24;
constexpr double kLengthMin = 1e-15;  // of norms and queries in float32 arithmetic
constexpr double kLengthMax = 1e15;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

double OrderSlack(size_t dimension) { return (static_cast<double>(dimension) + 32) * 0x1p-51; }

// The largest float that is not above `value`; NaN stays NaN.
float FloatBelow(double value) {
  const auto rounded = static_cast<float>(value);
  if (static_cast<double>(rounded) <= value || std::isnan(value)) return rounded;
  return std::nextafter(rounded, -std::numeric_limits<float>::infinity());
}

float LoweredTerm(double value) { return FloatBelow(value - std::abs(value) * 16 * kHalfUlp); }

ScreenLimit DotLimit(const ScreenQuery& query, double kth_score) {
  return {0, LoweredTerm(kth_score / query.length), LoweredTerm(-query.epsilon)};
}

ScreenLimit L2Limit(const ScreenQuery& query, size_t dimension, double kth_score) {
  if (!(query.length >= kLengthMin && query.length <= kLengthMax)) return {kNan, kNan, kNan};
  const double slack = OrderSlack(dimension);
  const double row_length_squared = 1 - 2.1 * kRowLengthSlack;
  const double a = (row_length_squared - slack) / (2 * query.length);
  const double b = (query.length_squared * (1 - 2 * slack) + kth_score) / (2 * query.length);
  return {LoweredTerm(a), LoweredTerm(b), LoweredTerm(-query.epsilon)};
}

}  // namespace

double ScreenEpsilon(size_t dimension, double screen_error) {
  return 1.0001 * (screen_error + 1.004 * kHalfUlp + OrderSlack(dimension)) +
         2 * index::ScreenUnderflow(dimension);
}

StatusOr<ScreenQuery> MakeScreenQuery(const index::Kernels& kernels, const float* query,
                                      size_t dimension, double screen_error, float* unit_out) {
  if (const size_t i = kernels.find_not_finite(query, dimension); i < dimension) {
    return Status::InvalidArgument("element " + std::to_string(i) + " is not finite");
  }
  ScreenQuery result;
  result.query = query;
  result.unit = unit_out;
  result.length_squared = kernels.sum_squares(query, dimension);
  result.length = std::sqrt(result.length_squared);
  result.epsilon = ScreenEpsilon(dimension, screen_error);
  const double scale = result.length > 0 ? 1 / result.length : 0;
  kernels.scale_to_float(query, scale, unit_out, dimension);
  return result;
}

ScreenLimit MakeScreenLimit(Metric metric, const ScreenQuery& query, size_t dimension,
                            double kth_score) {
  if (!(query.length > 0)) return {kNan, kNan, kNan};
  switch (metric) {
    case Metric::kCosine: return {0, 0, FloatBelow(kth_score - query.epsilon)};
    case Metric::kDot: return DotLimit(query, kth_score);
    case Metric::kL2: return L2Limit(query, dimension, kth_score);
  }
  return {kNan, kNan, kNan};
}

void NormTerms(std::span<const format::RowRecord> records, float* x, float* y) {
  for (size_t i = 0; i < records.size(); ++i) {
    const double norm = records[i].norm;
    const bool usable = norm >= kLengthMin && norm <= kLengthMax;
    x[i] = usable ? static_cast<float>(norm) : kNan;
  }
  for (size_t i = 0; i < records.size(); ++i) y[i] = 1.0f / x[i];
}

}  // namespace vdb::query
