// Codebook: the trained part of a column's index (its epoch): rotation, mean and centroids, and how
// to find a row's list.
//
// Training: spherical structure is not assumed; plain k-means (Lloyd 1982) under L2 in the coded
// space on a random sample, seeded from sample rows, empty lists re-seeded from the largest ones.
// Assignment is by matrix products (index/matrix_product.h), so bits of centroids may differ
// between processors; what is stored is what counts.
//
// Threads: const methods from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "format/index_layout.h"
#include "index/codes.h"
#include "index/rotation.h"
#include "vdb/status.h"

namespace vdb::index {

/// Gives the source vector of a sample row: fills out [dimension] (cosine: the unit vector; else
/// norm * unit). False: the row cannot be had (skipped). Called by one thread, rows ascending.
using RowSource = std::function<bool(uint64_t row, float* out)>;

struct TrainOptions {
  uint64_t epoch_id = 0;
  uint32_t column_id = 0;
  uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  uint32_t list_count = 0;      ///< 0: SuggestedListCount(row_count, dimension)
  uint64_t seed = 1;
  uint32_t thread_count = 1;
  uint64_t memory_bytes_max = 0;  ///< a smaller sample rather than more; 0: no limit
  /// Called between steps; false cancels (kCancelled).
  std::function<bool(uint64_t done, uint64_t total)> progress = {};
};

/// Lists by measured cost: about twice the square root of the rows for short vectors, fewer for
/// long ones; 1 (a flat code scan) for small columns.
uint32_t SuggestedListCount(uint64_t row_count, uint32_t dimension);

class Codebook {
 public:
  /// Trains on `row_count` rows of `source`, of which it reads a sample: 64 per list, fewer of
  /// long vectors, at least 256. Memory: O(sample x D), about 512 MiB at most until there are 8,000
  /// lists or so; the peak is reported in `memory_bytes` if not null. kFailedPrecondition if none
  /// of the sample can be coded; kResourceExhausted if `memory_bytes_max` has not room for 16 rows
  /// per list.
  static StatusOr<std::shared_ptr<const Codebook>> Train(const TrainOptions& options,
                                                         uint64_t row_count,
                                                         const RowSource& source,
                                                         uint64_t* memory_bytes = nullptr);
  /// From an epoch file's bytes, which must stay while it lives (`keep` holds them).
  static StatusOr<std::shared_ptr<const Codebook>> Open(std::string_view bytes,
                                                        std::string_view file,
                                                        std::shared_ptr<const void> keep);
  /// The epoch file's bytes.
  std::string Encode() const;

  const format::EpochHeader& header() const { return header_; }
  Metric metric() const { return static_cast<Metric>(header_.metric); }
  uint32_t list_count() const { return header_.list_count; }
  uint32_t padded() const { return header_.padded_dimension; }
  const Rotation& rotation() const { return rotation_; }
  const float* mean() const { return view_.mean.data(); }
  const float* centroid(uint32_t list) const {
    return view_.centroids.data() + size_t{list} * padded();
  }
  double centroid_squared(uint32_t list) const { return centroid_squared_[list]; }
  float half_squared(uint32_t list) const { return half_squared_[list]; }  ///< |c|^2 / 2
  double mean_squared() const { return mean_squared_; }
  float rho(uint32_t list) const { return view_.rho[list]; }
  const uint8_t* centroid_blocks() const { return view_.centroid_blocks.data(); }

  /// y [padded] = scale * rotation(x [dimension]); false if it cannot be coded (loose).
  bool ToCoded(const Kernels& kernels, const float* x, float* y, float* scratch) const;

  /// The nearest list (L2) of each coded row: rows [count x padded] -> lists [count]. For the
  /// caller's thread; call from several with parts. `scratch` is grown as needed.
  void Assign(const float* rows, size_t count, uint32_t* lists, std::vector<float>* scratch) const;

  /// Bound on |computed y - exact y| for a row of length x_length (in source units) whose
  /// coordinates may have been rounded to float once.
  double RoundingBound(double x_length) const;

 private:
  explicit Codebook(const format::EpochHeader& header);
  /// Makes the view of owned_ (the mean, so far) and what was trained.
  void Adopt(std::span<const float> centroids, std::span<const float> rho, uint32_t thread_count);
  /// What follows from view_.
  void DeriveNorms();

  format::EpochHeader header_;
  Rotation rotation_;
  format::EpochView view_;               // into owned_ or the mapped file
  std::vector<float> owned_;             // trained: mean, centroids, rho
  std::vector<uint8_t> owned_blocks_;
  std::shared_ptr<const void> keep_;
  std::vector<double> centroid_squared_;
  std::vector<float> half_squared_;      // |c|^2 / 2 for Assign
  double mean_squared_ = 0;
};

}  // namespace vdb::index
