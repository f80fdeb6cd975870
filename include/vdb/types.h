// Words every other header shares: metrics, views on vectors, names of columns, limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vdb {

/// How close two vectors are. Fixed per column at creation. Scores are always "higher is closer".
/// Persisted: never renumber.
enum class Metric : uint8_t {
  kCosine = 1,  ///< score = cosine of the angle; zero vectors are refused
  kDot = 2,     ///< score = inner product
  kL2 = 3,      ///< score = minus the squared Euclidean distance
};

/// What a field index can answer. Persisted: never renumber.
enum class FieldIndexKind : uint8_t {
  kOrdered = 1,  ///< equality, ranges, prefixes, array elements, order
  kText = 2,     ///< words, ranked by BM25
};

/// "cosine", "dot", "l2".
std::string_view MetricName(Metric metric);

/// One vector: `dimension` finite floats. Not owned; read during the call only.
using VectorView = std::span<const float>;

/// Several vectors: row-major [row_count x dimension], no gaps. Not owned; read during the call
/// only.
struct MatrixView {
  const float* data = nullptr;
  size_t row_count = 0;
  size_t dimension = 0;

  MatrixView() = default;
  MatrixView(const float* d, size_t rows, size_t dim) : data(d), row_count(rows), dimension(dim) {}
  /// A single vector is a matrix of one row.
  MatrixView(VectorView vector)  // NOLINT: implicit on purpose
      : data(vector.data()), row_count(1), dimension(vector.size()) {}

  VectorView row(size_t i) const { return {data + i * dimension, dimension}; }
};

/// Limits. Input beyond one is refused with kInvalidArgument or kResourceExhausted that names it.
inline constexpr uint32_t kDimensionMax = 65535;
inline constexpr size_t kKeyBytesMax = 64 * 1024;
inline constexpr size_t kNameBytesMax = 255;  // of collections and columns
inline constexpr size_t kModelBytesMax = 1024;
inline constexpr size_t kMetadataBytesMax = 16u << 20;  // of the JSON text
inline constexpr size_t kMetadataDepthMax = 100;
inline constexpr size_t kBodyBytesMax = 256u << 20;
inline constexpr size_t kColumnCountMax = 1024;        // per collection
inline constexpr size_t kCollectionCountMax = 16384;   // per database
inline constexpr size_t kBatchBytesMax = 1u << 30;     // of one WriteBatch
inline constexpr size_t kSearchKMax = 1u << 20;        // larger k is answered like this one

}  // namespace vdb
