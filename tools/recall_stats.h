// The arithmetic of vdbtool recall: sampling, recall of one answer, mean with interval, quantiles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "vdb/search.h"

namespace vdb::tools {

/// A mean of values in [0, 1] and its 95 % interval.
struct Interval {
  double mean = 0;
  double low = 0;
  double high = 0;
};

/// Interval for the mean recall over queries like these. Wilson's score interval; the hits of one
/// query succeed or fail together, so they do not count as independent trials: as many trials are
/// taken as would spread like the recalls do between queries, at most `hits_per_query` per query.
/// If every recall is the same, nothing is known of the spread, and each query counts once.
/// `recalls` must not be empty.
Interval MeanRecall(const std::vector<double>& recalls, double hits_per_query);

/// The share of the hits of `truth` that `found` has, by key; 1 if `truth` is empty. A hit that
/// only ties with the last true one does not count, so that recall is never overstated.
double RecallOf(const std::vector<Hit>& found, const std::vector<Hit>& truth);

/// The value that a share `q` of `values` does not exceed. `values` must not be empty.
double Quantile(std::vector<double> values, double q);

/// `count` ascending positions below `total` (all of them if `count` is larger): one drawn from
/// each of `count` equal stretches, the same ones every time.
std::vector<uint64_t> SpreadPositions(uint64_t count, uint64_t total);

}  // namespace vdb::tools
