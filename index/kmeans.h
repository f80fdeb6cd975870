// K-means (Lloyd 1982) under L2, by matrix products: the training of a codebook.
//
// Results do not depend on the number of threads: rows are assigned in fixed blocks, and each
// centroid is the mean of its rows in row order.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace vdb::index {

/// The nearest centroid of each row (ties: the lowest): rows [count x dimension] -> lists [count].
/// `half_squared`: |c|^2 / 2 of the centroids [list_count x dimension]. `scratch` grows as needed.
void NearestLists(const float* rows, size_t count, uint32_t dimension, const float* centroids,
                  const float* half_squared, uint32_t list_count, uint32_t* lists,
                  std::vector<float>* scratch);

struct KMeansInput {
  const float* rows = nullptr;  ///< [row_count x dimension], in random order: the first are seeds
  size_t row_count = 0;         ///< at least list_count
  uint32_t dimension = 0;       ///< a multiple of 8
  uint32_t list_count = 0;      ///< at least 1
  uint32_t thread_count = 1;
  /// Called between steps with (done, total); false stops.
  std::function<bool(uint64_t, uint64_t)> progress = {};
};

struct KMeansResult {
  bool cancelled = false;
  std::vector<float> centroids;  ///< [list_count x dimension]
  std::vector<float> rho;        ///< root mean square distance of a list's rows to its centroid
  double mean_residual = 0;      ///< mean distance of a row to its centroid
  double imbalance = 0;          ///< list_count * sum of (share of the list)^2; 1 is balanced
};

KMeansResult TrainKMeans(const KMeansInput& input);

}  // namespace vdb::index
