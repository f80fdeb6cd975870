#include "query/fine_screen.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vdb::query {
namespace {

// The largest float that is not above `value`.
float FloatBelow(double value) {
  const auto rounded = static_cast<float>(value);
  if (static_cast<double>(rounded) <= value || std::isnan(value)) return rounded;
  return std::nextafter(rounded, -std::numeric_limits<float>::infinity());
}

}  // namespace

FineQueries::FineQueries(const index::Codebook& codebook, Metric metric,
                         const index::Kernels& kernels, std::span<const ScreenQuery> queries)
    : codebook_(&codebook), kernels_(&kernels) {
  queries_.reserve(queries.size());
  keys_.reserve(queries.size() * codebook.list_count());
  for (const ScreenQuery& query : queries) {
    queries_.emplace_back(codebook, metric, kernels);
    queries_.back().Prepare(query);
    for (uint32_t list = 0; list < codebook.list_count(); ++list) {
      keys_.push_back(queries_.back().ExactKeyOfList(list));
    }
  }
}

// Run by run of allowed rows; the others' estimates keep them out wherever there is a limit.
void FineScreen::ScoreAllowed(size_t query, uint64_t first, size_t count, const uint8_t* rows,
                              float* estimates, float* errors) const {
  const index::CodedQuery& coded = queries_.query(query).coded();
  const auto allowed = [this](uint64_t row) {
    return allow_ == nullptr || ((allow_[row / 64] >> (row % 64)) & 1) != 0;
  };
  if (allow_ != nullptr) {
    std::fill_n(estimates, count, std::numeric_limits<float>::lowest());
    std::fill_n(errors, count, 0.0f);
  }
  for (size_t i = 0; i < count;) {
    if (!allowed(first + i)) {
      ++i;
      continue;
    }
    size_t end = allow_ == nullptr ? count : i + 1;
    while (end < count && allowed(first + end)) ++end;
    queries_.kernels().score_fine(rows + i * lists_.fine_bytes(), lists_.fine_bytes(), end - i,
                                  queries_.codebook().padded(), coded.fine(), coded.fine_scale(),
                                  coded.fine_offset(), estimates + i, errors + i);
    i = end;
  }
}

// A row of a list can reach the key `floor` only if
//     estimate + distance * error + slack >= floor - list key.
// The comparison is made in float32 as estimate < a * error + c with a = -distance, c = floor - key
// - slack; a and c are moved down by 2^-20 of their magnitudes, which pays for its roundings (error
// is at most the radius' size, so |a * error| rounds by less than what slack has for it).
bool FineScreen::Candidates(size_t query, uint64_t first, size_t count, double kth_score,
                            float* scratch, uint32_t* out, size_t* found) const {
  const uint8_t* const rows = lists_.FineRows(first, first + count);
  if (rows == nullptr) return false;
  const index::Codebook& codebook = queries_.codebook();
  const index::Kernels& kernels = queries_.kernels();
  const ProbeQuery& probe = queries_.query(query);
  const index::CodedQuery& coded = probe.coded();
  const uint32_t padded = codebook.padded();
  float* const estimates = scratch;
  float* const errors = scratch + count;
  ScoreAllowed(query, first, count, rows, estimates, errors);
  const double floor = probe.KeyOfScore(kth_score);
  const double base_max = lists_.header().base_max;
  const double rotation_error = codebook.rotation().ErrorBound();
  const std::span<const uint32_t> begins(lists_.row_begins(), codebook.list_count() + 1);
  size_t done = 0;
  auto list = static_cast<uint32_t>(
      std::upper_bound(begins.begin(), begins.end(), static_cast<uint32_t>(first)) -
      begins.begin() - 1);
  *found = 0;
  while (done < count) {
    while (begins[list + 1] <= first + done) ++list;
    const size_t end = static_cast<size_t>(std::min<uint64_t>(count, begins[list + 1] - first));
    const index::ListKey& key = queries_.key(query, list);
    const double length = std::sqrt(codebook.centroid_squared(list));
    const double slack =
        index::FineSlack(coded, key, length, lists_.radius(list), base_max, padded,
                         rotation_error) +
        probe.OrderSlack(length, lists_.radius(list));
    const double c = floor - key.key - slack;
    const size_t more = kernels.find_at_least_affine(
        estimates + done, errors + done, errors + done, end - done,
        FloatBelow(-key.distance * (1 + 0x1p-20)), 0.0f,
        FloatBelow(c - std::abs(c) * 0x1p-20), out + *found);
    for (size_t i = 0; i < more; ++i) out[*found + i] += static_cast<uint32_t>(done);
    *found += more;
    done = end;
  }
  return true;
}

}  // namespace vdb::query
