#include "tools/recall_stats.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string_view>
#include <unordered_set>

namespace vdb::tools {
namespace {

constexpr double kZ = 1.959964;  // of the normal distribution: 95 % lie within

double EffectiveTrials(const std::vector<double>& recalls, double mean, double hits_per_query) {
  const auto count = static_cast<double>(recalls.size());
  double squares = 0;
  for (const double recall : recalls) squares += (recall - mean) * (recall - mean);
  const double variance_of_mean = squares / count / count;
  if (variance_of_mean <= 0) return count;
  return std::clamp(mean * (1 - mean) / variance_of_mean, count, count * hits_per_query);
}

}  // namespace

Interval MeanRecall(const std::vector<double>& recalls, double hits_per_query) {
  double sum = 0;
  for (const double recall : recalls) sum += recall;
  const double mean = std::min(sum / static_cast<double>(recalls.size()), 1.0);
  const double trials = EffectiveTrials(recalls, mean, std::max(hits_per_query, 1.0));
  const double z2 = kZ * kZ / trials;
  const double middle = (mean + z2 / 2) / (1 + z2);
  const double half = kZ / (1 + z2) * std::sqrt(mean * (1 - mean) / trials + z2 / (4 * trials));
  return {mean, std::clamp(middle - half, 0.0, mean), std::clamp(middle + half, mean, 1.0)};
}

double RecallOf(const std::vector<Hit>& found, const std::vector<Hit>& truth) {
  if (truth.empty()) return 1;
  std::unordered_set<std::string_view> keys;
  for (const Hit& hit : found) keys.insert(hit.key);
  size_t count = 0;
  for (const Hit& hit : truth) count += keys.count(hit.key);
  return static_cast<double>(count) / static_cast<double>(truth.size());
}

double Quantile(std::vector<double> values, double q) {
  const auto count = static_cast<double>(values.size());
  const auto rank = static_cast<size_t>(std::max(std::ceil(q * count) - 1, 0.0));
  const auto at = values.begin() + static_cast<ptrdiff_t>(std::min(rank, values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::vector<uint64_t> SpreadPositions(uint64_t count, uint64_t total) {
  count = std::min(count, total);
  std::mt19937_64 random(1);  // NOLINT: the same sample every time, so that figures compare
  std::vector<uint64_t> positions;
  positions.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    // Stretch i, without the overflow of i * total.
    const uint64_t begin = i * (total / count) + std::min(i, total % count);
    const uint64_t size = total / count + (i < total % count ? 1 : 0);
    positions.push_back(begin + random() % size);
  }
  return positions;
}

}  // namespace vdb::tools
