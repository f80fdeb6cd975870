// Calibration: which effort reaches which recall on this column, measured, with a confidence bound.
//
// Sample queries (the caller's, else stored rows, each left out of its own answer by docno) are
// answered exactly, then all or a part of them approximately at every step of a ladder of efforts
// (see the source for how both give one figure). What is kept per step
// and k is a lower bound on the mean recall at 95 % confidence. A request takes the least step
// whose bound reaches its target; a target that no step reaches is answered exactly. Filters are
// measured as well: with random masks of two selectivities, at k = 10.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "query/list_search.h"

namespace vdb::query {

/// One step of the ladder; persisted in the manifest.
struct CalibrationStep {
  Effort effort;
  std::vector<float> recall_lower;  ///< by kCalibrationKs, then by kCalibrationShares at k = 10
};
inline constexpr uint32_t kCalibrationKs[] = {1, 10, 100};
inline constexpr double kCalibrationShares[] = {0.1, 0.01};  ///< of rows that a mask allows

/// Steps ascend in every part of the effort.
struct Calibration {
  uint32_t query_count = 0;
  uint64_t row_count = 0;    ///< live rows then
  bool own_queries = false;  ///< the caller's; false: stored rows
  std::vector<CalibrationStep> steps;
};

struct CalibrateInput {
  ListSearchInput search;               ///< queries: the sample; k and effort are ignored
  std::span<const uint64_t> self_docnos;  ///< one per query, or empty: nothing to leave out
  uint64_t row_count = 0;
  std::function<bool()> go_on = {};     ///< false: kCancelled
};
StatusOr<Calibration> Calibrate(const CalibrateInput& input);

/// The least effort that reaches `recall` at `k`, `drift` (|rows now - then| / then) considered:
/// each fifth of drift takes one step more. `share`: of rows that a mask allows; between two that
/// were measured it must satisfy both, and at other k than 10 takes one step more. Nothing: not
/// proven, answer exactly.
std::optional<Effort> EffortFor(const Calibration& calibration, double recall, size_t k,
                                double drift, double share = 1);

/// Targets among 0.80, 0.90, 0.95, 0.99, 0.999 that EffortFor can serve at k = 10.
std::vector<double> RecallsProven(const Calibration& calibration, double drift);

}  // namespace vdb::query
