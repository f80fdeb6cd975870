// Generated vectors for benchmarks: the same ones on every machine, whatever the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vdb::bench {

struct Dataset {
  size_t dimension = 0;
  size_t row_count = 0;
  size_t query_count = 0;
  std::vector<float> rows;     ///< [row_count x dimension], unit length
  std::vector<float> queries;  ///< [query_count x dimension], unit length, not among the rows
};

/// Clusters of unequal size and shape, as embeddings have them: a few hundred centres, around each
/// a Gaussian of low rank with falling variances, and a little noise in every direction. A million
/// rows of dimension 128 take about two seconds on two cores.
Dataset MakeClustered(size_t row_count, size_t query_count, size_t dimension, uint64_t seed);

/// Nested clusters in a falling spectrum: 50 domains, in them 500 topics of very unequal size and
/// width, in 128 latent dimensions (64 below dimension 512), and a little noise in every direction.
/// Neighbours lie close together within a topic, and topics overlap: hard for an index as
/// embeddings are. Without `unit_length` the rows keep their own lengths.
Dataset MakeNested(size_t row_count, size_t query_count, size_t dimension, uint64_t seed,
                   bool unit_length = true);

}  // namespace vdb::bench
