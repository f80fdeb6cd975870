// Codes: what the index keeps of a row beside the row itself.
//
// Everything here lives in the *coded space*: y = scale * rotation(x), where x is the stored unit
// vector under cosine and norm * unit under dot and L2, and p = scale * rotation(q) for the query
// (cosine: of q / |q|). The *key* of a row is what ranks it, higher is closer:
//     cosine, dot:  key = <p, y>              L2:  key = -|p - y|^2 / 2
// Both codes describe the residual r = y - c from the centroid c of the row's list, and both give
//     key ~ list_key + base + factor * <t, w>,      t = p - mean (mean: of the column, coded)
// where list_key is the key of the centroid itself, w the code's vector, and base absorbs what does
// not depend on the query:
//     base = (cosine, dot: <r, c>;  L2: -|r|^2 / 2)  -  factor * <c - mean, w>
//  - coarse code (plane A): w = sign(r) in {-1, +1}^D, factor f = |r|^2 / sum |r_i|. Unbiased, with
//    standard error about 0.6 * f * |p - c| (RaBitQ: Gao, Long, SIGMOD 2024). Picks candidates.
//    base and f are stored as bfloat16, rounded to nearest; base is computed with the rounded f.
//  - fine code (plane B): w_i = code_i - 7.5, code_i in 0..15, factor delta = <r, w> / <w, w>, and
//    error >= |r - delta * w|, rounded up, so that rigorously (Cauchy-Schwarz)
//        | key - (list_key + base + delta * <t, w>) | <= |p - c| * error
//    in real arithmetic; FineSlack covers float rounding.
// A zero residual has f = delta = error = 0. Layouts: format/index_layout.h.
//
// Threads: pure functions, and values that do not change after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "format/index_layout.h"
#include "index/kernels/kernel_table.h"
#include "index/rotation.h"
#include "vdb/types.h"

namespace vdb::index {

/// What encoding a row found out.
struct EncodedRow {
  double residual = 0;  ///< |r|
  /// >= |delta * w| and >= |exact coded vector - c|, rounded up: lists keep the largest (radius).
  float reconstructed = 0;
  float base = 0;  ///< of the fine code
};

/// Encodes the coarse code of the row at position `slot` (0..63) of a block (BlockBytes, zeroed
/// before its first row). `y`, `centroid`, `mean`: [padded].
void EncodeCoarse(Metric metric, uint32_t padded, const float* y, const float* centroid,
                  const float* mean, uint8_t* block, uint32_t slot);

/// Encodes the fine code of one row into FineRowBytes(padded) bytes. `rounding` is a bound on
/// |y - exact coded vector| that the stored error has to cover too: Codebook::RoundingBound.
EncodedRow EncodeFine(Metric metric, uint32_t padded, const float* y, const float* centroid,
                      const float* mean, double rounding, uint8_t* out);

/// The coarse code of one row by itself: its signs, 8 dimensions a byte, then base and factor as in
/// the block. What Take takes, Place puts, bit for bit.
inline constexpr size_t CoarseRowBytes(uint32_t padded) { return padded / 8 + 4; }
void TakeCoarse(uint32_t padded, const uint8_t* block, uint32_t slot, uint8_t* out);
void PlaceCoarse(uint32_t padded, const uint8_t* code, uint8_t* block, uint32_t slot);
/// The base of a row's fine code.
float FineBase(const uint8_t* fine);

/// Rows with coordinates beyond this, or not finite, cannot be coded: they are loose.
inline constexpr float kCodedMax = 1e15f;

/// A query, made ready for every kernel that reads codes. One per query; reusable for the next.
class CodedQuery {
 public:
  /// `q` [dimension] is the source: the query (cosine: q / |q|). No allocation after the first use.
  void Prepare(const Kernels& kernels, const Rotation& rotation, double scale, const float* mean,
               const float* q);

  /// False: the query's length is beyond kCodedMax, or not finite. Then p and t are zeros, and
  /// table_error, fine_error and slacks are infinite, so that codes exclude nothing: do without.
  bool coded() const { return coded_; }
  const float* p() const { return p_.data(); }  ///< [padded]
  double p_length() const { return p_length_; }
  /// Nibble tables of t: 16 bytes per 4 dimensions, entries 0..31 (fewer levels above 8,192
  /// dimensions). <t, signs> ~ table_scale * sum + table_offset.
  const uint8_t* tables() const { return tables_.data(); }
  float table_scale() const { return table_scale_; }
  float table_offset() const { return table_offset_; }
  /// Standard error of that approximation.
  float table_error() const { return table_error_; }

  /// t as int8: <t, w> ~ fine_scale * dot + fine_offset, dot = sum of code_i * fine()[i].
  const int8_t* fine() const { return fine_.data(); }  ///< [padded], -127..127
  float fine_scale() const { return fine_scale_; }
  float fine_offset() const { return fine_offset_; }
  /// |t - its int8 approximation|, rounded up.
  double fine_error() const { return fine_error_; }
  double t_length() const { return t_length_; }
  /// What denormals may add to |computed p - exact p|, beside the relative error of the rotation.
  double underflow() const { return underflow_; }

 private:
  void BuildTables(const Kernels& kernels);
  void BuildFine(const Kernels& kernels);

  std::vector<float> p_, t_, scratch_;
  std::vector<uint8_t> tables_;  // 64-byte aligned start is not required
  std::vector<int8_t> fine_;
  bool coded_ = false;
  double p_length_ = 0, t_length_ = 0, fine_error_ = 0, underflow_ = 0;
  float table_scale_ = 0, table_offset_ = 0, table_error_ = 0;
  float fine_scale_ = 0, fine_offset_ = 0;
};

/// A list as one query sees it.
struct ListKey {
  double key = 0;       ///< of the centroid: <p, c> or -|p - c|^2 / 2
  double distance = 0;  ///< |p - c|, rounded up
};
/// From <p, c> and |c|^2, both summed in double.
ListKey MakeListKey(Metric metric, double p_dot_c, double c_squared, double p_length);

/// Rigorous slack of fine keys of one list of one segment, in key units: with it,
///     | exact key - (list_key + estimate) | <= distance * error + FineSlack
/// where the exact key is of the query and row as given to Rotation (each of whose coordinates may
/// have been rounded to float once: norm * unit, q / |q|), and `estimate` is Kernels::score_fine's.
/// Covers the query's int8 rounding, all float32 rounding along the way, the rotation's on either
/// side, and the rounding of a comparison that the caller evaluates in float32 with up to four
/// roundings, as
///     float(list_key + slack - threshold) + estimate + float(distance) * error >= 0.
/// `c_length`: |c|; `radius`, `base_max`: of the segment; `rotation_error`: Rotation::ErrorBound().
double FineSlack(const CodedQuery& query, const ListKey& list, double c_length, double radius,
                 double base_max, uint32_t padded, double rotation_error);

}  // namespace vdb::index
