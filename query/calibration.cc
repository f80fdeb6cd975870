// See calibration.h.
//
// Stored rows are easier queries than what users ask: they lie on the data, and their lists were
// trained with them. So half of the sample is moved off the data: by a random direction, as far as
// the row's own k-th neighbour is. A step's bound is the worse of the two halves.
//
// Queries that miss much are rare, and a small sample may have none of them. So all of the sample
// is answered exactly, which also says whether the lists of its true neighbours are within a step's
// margin; searched step by step is a part of it only. What that part found beyond, or short of, its
// covered neighbours corrects the covered share of all: the difference estimator of two-phase
// sampling (Cochran, Sampling Techniques, chapter 12).
#include "query/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "format/status_macros.h"
#include "index/kernels/kernels.h"
#include "query/probe_query.h"
#include "query/row_scorer.h"

namespace vdb::query {
namespace {

constexpr size_t kKs = std::size(kCalibrationKs);
constexpr size_t kShares = std::size(kCalibrationShares);
// 1.645 would be 95 % of a normal mean; margins and step are chosen on the same queries, so that
// its bounds held less often (93 % of resamples). calibration_test asks for 95 %.
constexpr double kConfidence = 2;

// Fewer queries prove nothing.
constexpr double kPopulationMin = 32;

constexpr float kSaturated = 0.995f;
constexpr float kGood = 0.99f;
constexpr uint32_t kCommonK = 10;

// Masks that allow fewer rows say nothing, and searches among so few rows are scans.
constexpr double kMaskedRowsMin = 1000;

// Stored rows that stand in for queries, and those of them that are searched at each step; each has
// a twin.
constexpr size_t kStoredRowsMax = 512;
constexpr size_t kSearchedRows = 128;
constexpr size_t kCallerQueriesMax = 1000;
// Answered exactly at a time: between them a build can be cancelled.
constexpr size_t kTruthQueries = 128;

// Which shares of the true neighbours' lists the steps' margins cover, and how sure their codes
// are.
struct Rung {
  double covered;
  float coarse_errors, fine_errors;
};
constexpr std::array kRungs = {
    Rung{0.75, 1.6f, 2.2f},  Rung{0.85, 1.7f, 2.3f},   Rung{0.91, 1.8f, 2.4f},
    Rung{0.94, 1.8f, 2.4f},  Rung{0.96, 1.9f, 2.5f},   Rung{0.97, 2.0f, 2.6f},
    Rung{0.98, 2.0f, 2.6f},  Rung{0.986, 2.1f, 2.7f},  Rung{0.99, 2.1f, 2.7f},
    Rung{0.993, 2.2f, 2.8f}, Rung{0.9955, 2.3f, 2.9f}, Rung{0.9975, 2.5f, 3.0f},
    Rung{0.999, 2.8f, 3.3f}, Rung{0.9997, 3.1f, 3.6f}, Rung{1.0, 3.4f, 3.9f},
};
// Beyond what the sample knows.
constexpr float kLastStepWider = 0.25f;

class Calibrator {
 public:
  explicit Calibrator(const CalibrateInput& input, const index::Kernels& kernels)
      : input_(input), kernels_(kernels), search_(input.search) {}

  StatusOr<Calibration> Run();

 private:
  Status GoOn() const {
    if (!input_.go_on || input_.go_on()) return Status::Ok();
    return Status::Cancelled("calibration: cancelled by the caller");
  }
  size_t DropSelf(size_t query, std::vector<RowHit>* hits) const;
  Status FindTruth(std::span<const size_t> which, uint32_t k);
  Status AddMovedTwins();
  MatrixView Queries() const {
    return {queries_.data(), queries_.size() / input_.search.dimension, input_.search.dimension};
  }
  std::optional<uint32_t> ListOf(const RowHit& hit) const;
  Status FindMargins();
  StatusOr<std::vector<std::vector<RowHit>>> SearchWithoutSelf(const Effort& effort, uint32_t k);
  StatusOr<std::vector<float>> Measure(const Effort& effort, const std::vector<float>& before,
                                       size_t step);
  StatusOr<float> MeasureAt(const Effort& effort, uint32_t k, bool masked);
  Status MeasureLadder(Calibration* calibration);
  Status SetMasks(double share);
  Status MeasureMasked(double share, Calibration* calibration);
  bool IsSearched(size_t row) const;
  Status FindAllTruth(size_t first, size_t stride);
  double CoveredShare(size_t query, double margin) const;
  double LowerBound(const std::vector<double>& recalls, uint32_t k,
                    std::optional<double> margin) const;

  const CalibrateInput& input_;
  const index::Kernels& kernels_;
  ListSearchInput search_;                  // the input's, later with masks
  std::vector<std::shared_ptr<const RowMask>> masks_;
  std::vector<IndexedSegment> indexed_;
  std::vector<ScanSegment> unindexed_;
  std::vector<uint32_t> list_allowed_;
  std::vector<std::vector<RowHit>> truth_;  // per query, itself left out
  std::vector<double> margins_;             // of true neighbours' lists, ascending
  std::vector<std::vector<double>> margins_of_;  // per query; what is always found: -infinity
  size_t sample_rows_ = 0;                  // queries, twins not counted
  std::vector<size_t> searched_;            // these queries, ascending
  std::vector<float> queries_;      // [queries x dimension]
  std::vector<uint64_t> selves_;    // one per query, or none
  std::vector<size_t> self_rank_;   // its place in its own true answer, or past the end
};

// Where it was, or the number of hits.
size_t Calibrator::DropSelf(size_t query, std::vector<RowHit>* hits) const {
  const auto self = selves_.empty() ? hits->end()
                                    : std::find_if(hits->begin(), hits->end(), [&](const auto& h) {
                                        return h.docno == selves_[query];
                                      });
  const auto rank = static_cast<size_t>(self - hits->begin());
  if (self != hits->end()) hits->erase(self);
  return rank;
}

// Fills in truth_ of some queries.
Status Calibrator::FindTruth(std::span<const size_t> which, uint32_t k) {
  const size_t dimension = input_.search.dimension;
  truth_.resize(Queries().row_count);
  self_rank_.resize(truth_.size());
  for (size_t begin = 0; begin < which.size(); begin += kTruthQueries) {
    VDB_RETURN_IF_ERROR(GoOn());
    std::vector<float> some;
    const auto members = which.subspan(begin, std::min(kTruthQueries, which.size() - begin));
    for (const size_t q : members) {
      const VectorView query = Queries().row(q);
      some.insert(some.end(), query.begin(), query.end());
    }
    ListSearchInput search = search_;
    search.exact = true;
    search.explain = false;
    search.queries = {some.data(), members.size(), dimension};
    search.k = k + (selves_.empty() ? 0 : 1);
    VDB_ASSIGN_OR_RETURN(auto found, ListSearchAtLevel(search, kernels_));
    for (size_t i = 0; i < members.size(); ++i) {
      truth_[members[i]] = std::move(found.hits[i]);
      self_rank_[members[i]] = DropSelf(members[i], &truth_[members[i]]);
    }
  }
  return Status::Ok();
}

// All of a caller's queries; of stored rows so many, spread evenly over them.
bool Calibrator::IsSearched(size_t row) const {
  if (selves_.empty() || sample_rows_ <= kSearchedRows) return true;
  return row * kSearchedRows / sample_rows_ != (row + 1) * kSearchedRows / sample_rows_;
}

// Of each `stride`-th query from `first` on. Only of those that are searched the truth is wanted
// for every k.
Status Calibrator::FindAllTruth(size_t first, size_t stride) {
  std::vector<size_t> searched, others;
  for (size_t q = first; q < Queries().row_count; q += stride) {
    (IsSearched(q / stride) ? searched : others).push_back(q);
  }
  VDB_RETURN_IF_ERROR(FindTruth(searched, kCalibrationKs[kKs - 1]));
  return FindTruth(others, kCommonK);
}

// From the stored rows' truth: each row is followed by its twin.
Status Calibrator::AddMovedTwins() {
  const ListSearchInput& search = input_.search;
  const size_t dimension = search.dimension;
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<float> both;
  std::vector<uint64_t> selves;
  for (size_t q = 0; q < truth_.size(); ++q) {
    const float* row = queries_.data() + q * dimension;
    double distance = 0;
    if (!truth_[q].empty()) {
      const RowHit& near = truth_[q][std::min<size_t>(truth_[q].size(), kCommonK) - 1];
      const ScanSegment& scan = near.segment < search.indexed.size()
                                    ? search.indexed[near.segment].scan
                                    : search.unindexed[near.segment - search.indexed.size()];
      const double norm =
          search.metric == Metric::kCosine ? 1 : scan.records[near.row].norm;
      distance = std::sqrt(kernels_.squared_l2_exact(scan.rows + near.row * dimension, norm, row,
                                                     dimension));
    }
    const double step = distance / std::sqrt(static_cast<double>(dimension));
    both.insert(both.end(), row, row + dimension);
    double length = 0;
    for (size_t i = 0; i < dimension; ++i) {
      const auto moved = static_cast<float>(static_cast<double>(row[i]) + step * normal(random));
      both.push_back(std::isfinite(moved) ? moved : row[i]);
      length += std::abs(static_cast<double>(both.back()));
    }
    if (!(length > 0)) std::copy_n(row, dimension, both.end() - static_cast<long>(dimension));
    selves.insert(selves.end(), 2, selves_[q]);
  }
  queries_ = std::move(both);
  selves_ = std::move(selves);
  std::vector<std::vector<RowHit>> truth(selves_.size());
  std::vector<size_t> self_rank(selves_.size());
  for (size_t q = 0; q < truth_.size(); ++q) {
    truth[2 * q] = std::move(truth_[q]);
    self_rank[2 * q] = self_rank_[q];
  }
  truth_ = std::move(truth);
  self_rank_ = std::move(self_rank);
  return Status::Ok();
}

// The list of an indexed row; nothing for others.
std::optional<uint32_t> Calibrator::ListOf(const RowHit& hit) const {
  const ListSearchInput& search = input_.search;
  if (hit.segment >= search.indexed.size()) return std::nullopt;
  const index::InvertedLists& lists = *search.indexed[hit.segment].lists;
  if (hit.row >= lists.loose_begin()) return std::nullopt;
  const uint32_t* begins = lists.row_begins();
  const uint32_t* past = begins + search.codebook->list_count() + 1;
  return static_cast<uint32_t>(std::upper_bound(begins, past, static_cast<uint32_t>(hit.row)) -
                               begins - 1);
}

// The margin that each true neighbour's list has for the query, given the true k-th key.
Status Calibrator::FindMargins() {
  const ListSearchInput& search = input_.search;
  const index::Codebook& codebook = *search.codebook;
  const double error = index::ScreenErrorBound(search.dimension);
  std::vector<float> unit(search.dimension);
  ProbeQuery probe(codebook, search.metric, kernels_);
  std::vector<index::ListKey> keys(codebook.list_count());
  std::vector<double> order(codebook.list_count());  // the first list has the least
  margins_of_.assign(truth_.size(), {});
  for (size_t q = 0; q < truth_.size(); ++q) {
    VDB_ASSIGN_OR_RETURN(const ScreenQuery query,
                         MakeScreenQuery(kernels_, Queries().row(q).data(), search.dimension, error,
                                         unit.data()));
    probe.Prepare(query);
    if (!probe.coded().coded()) continue;  // searched without codes: it says nothing of lists
    for (uint32_t list = 0; list < codebook.list_count(); ++list) {
      keys[list] = probe.KeyOfList(list);
      order[list] = search.metric == Metric::kDot ? -keys[list].key : keys[list].distance;
    }
    const auto rank = [&](uint32_t list) {
      return static_cast<double>(std::count_if(order.begin(), order.end(), [&](double other) {
        return other < order[list];
      }));
    };
    const double reach = search.metric == Metric::kDot
                             ? probe.coded().p_length()
                             : *std::min_element(order.begin(), order.end());
    const ListMargin margin = {&codebook, search.metric, reach};
    const size_t k = std::min<size_t>(truth_[q].size(), kCommonK);
    for (size_t i = 0; i < k; ++i) {
      const std::optional<uint32_t> list = ListOf(truth_[q][i]);
      const double value = !list ? -std::numeric_limits<double>::infinity()
                                 : margin.Of(*list, keys[*list], rank(*list),
                                             probe.KeyOfScore(truth_[q][k - 1].score));
      margins_of_[q].push_back(value);
      if (std::isfinite(value)) margins_.push_back(value);
    }
  }
  std::sort(margins_.begin(), margins_.end());
  return Status::Ok();
}

double Calibrator::CoveredShare(size_t query, double margin) const {
  const std::vector<double>& values = margins_of_[query];
  if (values.empty()) return 1;
  const auto within =
      std::count_if(values.begin(), values.end(), [&](double value) { return !(value > margin); });
  return static_cast<double>(within) / static_cast<double>(values.size());
}

double MeanOf(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Of two measurements of the same things; of one with itself, its variance.
double CovarianceOf(std::span<const double> a, std::span<const double> b) {
  const double mean_a = MeanOf(a), mean_b = MeanOf(b);
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean_a) * (b[i] - mean_b);
  return sum / (static_cast<double>(a.size()) - 1);
}

// Of the mean recall at a margin, given those of the searched queries. A stored query and its moved
// twin alternate; a caller's queries are one population.
double Calibrator::LowerBound(const std::vector<double>& recalls, uint32_t k,
                              std::optional<double> margin) const {
  double worst = 1;
  const size_t populations = selves_.empty() ? 1 : 2;
  const bool more = margin && k == kCommonK && truth_.size() > searched_.size();
  for (size_t p = 0; p < populations; ++p) {
    std::vector<double> beyond, covered, covered_of_all;
    for (size_t i = p; i < recalls.size(); i += populations) {
      covered.push_back(more ? CoveredShare(searched_[i], *margin) : 0);
      beyond.push_back(recalls[i] - covered.back());
    }
    const auto n = static_cast<double>(beyond.size());
    if (n < kPopulationMin) return 0;
    // Not surer than the sample allows where no query, or hardly one, missed anything.
    const double miss = std::max(0.5, 1.0 / k);
    double mean = MeanOf(beyond), variance = CovarianceOf(beyond, beyond) / n;
    double least = miss / static_cast<double>(recalls.size());
    if (more) {
      for (size_t q = p; q < truth_.size(); q += populations) {
        covered_of_all.push_back(CoveredShare(q, *margin));
      }
      const auto all = static_cast<double>(covered_of_all.size());
      mean = std::min(1.0, mean + MeanOf(covered_of_all));
      variance += (CovarianceOf(covered_of_all, covered_of_all) +
                   std::max(0.0, 2 * CovarianceOf(covered, beyond))) /
                  all;
      // A list that is not probed can cost a query everything, a code one neighbour: the first is
      // seen in all queries; of the second three that nobody saw may be there (rule of three).
      least = miss / static_cast<double>(truth_.size()) +
              3.0 / (k * static_cast<double>(recalls.size()));
    }
    worst = std::min(worst, mean - kConfidence * (std::sqrt(variance) + least));
  }
  return std::max(0.0, worst);
}

// The k nearest of every query but itself. One that is among its own k + 1 nearest asks for so
// many; another (a short row under dot) for k, lest its search be easier than a user's.
StatusOr<std::vector<std::vector<RowHit>>> Calibrator::SearchWithoutSelf(const Effort& effort,
                                                                         uint32_t k) {
  const size_t dimension = input_.search.dimension;
  std::vector<std::vector<RowHit>> hits(truth_.size());
  for (const bool with_self : {false, true}) {
    std::vector<size_t> members;
    std::vector<float> some;
    for (const size_t q : searched_) {
      if ((!selves_.empty() && self_rank_[q] <= k) != with_self) continue;
      members.push_back(q);
      const VectorView query = Queries().row(q);
      some.insert(some.end(), query.begin(), query.end());
    }
    if (members.empty()) continue;
    ListSearchInput search = search_;
    search.exact = false;
    search.effort = effort;
    search.one_by_one = true;  // the hardest case
    search.explain = false;
    search.queries = {some.data(), members.size(), dimension};
    search.k = k + (with_self ? 1 : 0);
    VDB_ASSIGN_OR_RETURN(auto found, ListSearchAtLevel(search, kernels_));
    for (size_t i = 0; i < members.size(); ++i) {
      DropSelf(members[i], &found.hits[i]);
      hits[members[i]] = std::move(found.hits[i]);
    }
  }
  return hits;
}

StatusOr<std::vector<float>> Calibrator::Measure(const Effort& effort,
                                                 const std::vector<float>& before, size_t step) {
  std::vector<float> bounds;
  for (const uint32_t k : kCalibrationKs) {
    // Every second step is enough for the k in less use; what can hardly rise is left as it is.
    // The last step costs as much as several others.
    const bool last = step + 1 == kRungs.size();
    const float enough = last && k != kCommonK ? kGood : kSaturated;
    const bool skip = !before.empty() && (before[bounds.size()] >= enough ||
                                          (k != kCommonK && step % 2 == 1));
    if (skip) {
      bounds.push_back(before[bounds.size()]);
      continue;
    }
    VDB_ASSIGN_OR_RETURN(const float bound, MeasureAt(effort, k, /*masked=*/false));
    bounds.push_back(bound);
  }
  return bounds;
}

// `masked`: among some of the rows, of which the margins say nothing.
StatusOr<float> Calibrator::MeasureAt(const Effort& effort, uint32_t k, bool masked) {
  VDB_RETURN_IF_ERROR(GoOn());
  VDB_ASSIGN_OR_RETURN(auto hits, SearchWithoutSelf(effort, k));
  std::vector<double> recalls;
  for (const size_t q : searched_) {
    const size_t wanted = std::min<size_t>(k, truth_[q].size());
    if (wanted == 0) {
      recalls.push_back(1);
      continue;
    }
    // A row that ties with the k-th is as good as it.
    const double kth = truth_[q][wanted - 1].score;
    size_t good = 0;
    for (size_t i = 0; i < std::min(wanted, hits[q].size()); ++i) {
      good += hits[q][i].score >= kth ? 1 : 0;
    }
    recalls.push_back(static_cast<double>(good) / static_cast<double>(wanted));
  }
  const auto margin = masked ? std::nullopt : std::optional<double>(effort.margin);
  return static_cast<float>(LowerBound(recalls, k, margin));
}

StatusOr<Calibration> Calibrator::Run() {
  const MatrixView given = input_.search.queries;
  const bool stored = !input_.self_docnos.empty();
  const size_t count = std::min(given.row_count, stored ? kStoredRowsMax : kCallerQueriesMax);
  for (size_t i = 0; i < count; ++i) {  // spread evenly over those given
    const size_t from = i * given.row_count / count;
    const VectorView query = given.row(from);
    queries_.insert(queries_.end(), query.begin(), query.end());
    if (stored) selves_.push_back(input_.self_docnos[from]);
  }
  sample_rows_ = count;
  VDB_RETURN_IF_ERROR(FindAllTruth(0, 1));
  if (stored) {
    VDB_RETURN_IF_ERROR(AddMovedTwins());
    VDB_RETURN_IF_ERROR(GoOn());
    VDB_RETURN_IF_ERROR(FindAllTruth(1, 2));
  }
  for (size_t q = 0; q < truth_.size(); ++q) {
    if (IsSearched(q / (stored ? 2 : 1))) searched_.push_back(q);
  }
  VDB_RETURN_IF_ERROR(GoOn());
  VDB_RETURN_IF_ERROR(FindMargins());
  Calibration calibration;
  calibration.query_count = static_cast<uint32_t>(Queries().row_count);
  calibration.row_count = input_.row_count;
  calibration.own_queries = input_.self_docnos.empty();
  if (margins_.empty()) return calibration;
  VDB_RETURN_IF_ERROR(MeasureLadder(&calibration));
  for (const double share : kCalibrationShares) {
    VDB_RETURN_IF_ERROR(MeasureMasked(share, &calibration));
  }
  return calibration;
}

Status Calibrator::MeasureLadder(Calibration* calibration) {
  for (const Rung& rung : kRungs) {
    const auto at = static_cast<size_t>(rung.covered * static_cast<double>(margins_.size() - 1));
    auto margin = static_cast<float>(margins_[at]);
    if (rung.covered == 1) margin += kLastStepWider * std::abs(margin);
    CalibrationStep step;
    step.effort = {margin, 0, rung.coarse_errors, rung.fine_errors};
    const auto before = calibration->steps.empty() ? std::vector<float>()
                                                   : calibration->steps.back().recall_lower;
    VDB_ASSIGN_OR_RETURN(step.recall_lower,
                         Measure(step.effort, before, calibration->steps.size()));
    // Sampling noise must not make a wider step look worse.
    for (size_t i = 0; i < before.size(); ++i) {
      step.recall_lower[i] = std::max(step.recall_lower[i], before[i]);
    }
    calibration->steps.push_back(std::move(step));
  }
  return Status::Ok();
}

// Masks of about a share of the live rows, chosen by a hash of their docnos.
Status Calibrator::SetMasks(double share) {
  const auto limit = static_cast<uint64_t>(share * 0x1p53);
  masks_.clear();
  indexed_.assign(input_.search.indexed.begin(), input_.search.indexed.end());
  unindexed_.assign(input_.search.unindexed.begin(), input_.search.unindexed.end());
  DeadRows dead_rows;
  const auto mask = [&](ScanSegment* scan) {
    std::vector<uint64_t> words((scan->row_count + 63) / 64);
    for (uint64_t row = 0; row < scan->row_count; ++row) {
      if ((scan->records[row].docno * 0x9E3779B97F4A7C15ull >> 11) >= limit) continue;
      VDB_ASSIGN_OR_RETURN(const bool dead, dead_rows.Test(*scan, row));
      if (!dead) words[row / 64] |= uint64_t{1} << (row % 64);
    }
    masks_.push_back(RowMask::FromWords(std::move(words), scan->row_count));
    scan->allow = masks_.back().get();
    return Status::Ok();
  };
  list_allowed_.assign(search_.codebook->list_count(), 0);
  for (IndexedSegment& segment : indexed_) {
    VDB_RETURN_IF_ERROR(mask(&segment.scan));
    CountByList(*segment.scan.allow, *segment.lists, list_allowed_);
  }
  for (ScanSegment& segment : unindexed_) VDB_RETURN_IF_ERROR(mask(&segment));
  search_.indexed = indexed_;
  search_.unindexed = unindexed_;
  search_.list_allowed = list_allowed_;
  return Status::Ok();
}

// Appends the bounds of a share to every step.
Status Calibrator::MeasureMasked(double share, Calibration* calibration) {
  const bool enough = share * static_cast<double>(input_.row_count) >= kMaskedRowsMin;
  if (enough) {
    VDB_RETURN_IF_ERROR(SetMasks(share));
    VDB_RETURN_IF_ERROR(FindTruth(searched_, kCommonK));
  }
  float bound = 0;  // every second step is enough
  for (size_t i = 0; i < calibration->steps.size(); ++i) {
    CalibrationStep& step = calibration->steps[i];
    if (enough && bound < kSaturated && i % 2 == 1) {
      VDB_ASSIGN_OR_RETURN(const float measured, MeasureAt(step.effort, kCommonK, /*masked=*/true));
      bound = std::max(bound, measured);
    }
    step.recall_lower.push_back(bound);
  }
  return Status::Ok();
}

}  // namespace

StatusOr<Calibration> Calibrate(const CalibrateInput& input) {
  VDB_ASSIGN_OR_RETURN(const index::Kernels* kernels, index::ActiveKernels());
  return Calibrator(input, *kernels).Run();
}

namespace {

// The least of the bounds that a request at k, among a share of the rows, must rely on. Nothing:
// they were not measured.
std::optional<double> BoundOf(const std::vector<float>& lower, size_t k, double share) {
  // k between two that were measured must satisfy both.
  size_t high = 0;
  while (high + 1 < kKs && kCalibrationKs[high] < k) ++high;
  const size_t low = kCalibrationKs[high] > k && high > 0 ? high - 1 : high;
  const size_t measured = share < 1 ? kKs + kShares : kKs;
  if (lower.size() < measured) return std::nullopt;  // by an older vdb
  double bound = std::min(static_cast<double>(lower[low]), static_cast<double>(lower[high]));
  if (share >= 1) return bound;
  for (size_t i = 0; i < kShares; ++i) {  // descending shares: the next above, and the next below
    bound = std::min(bound, static_cast<double>(lower[kKs + i]));
    if (kCalibrationShares[i] <= share) return bound;
  }
  return std::nullopt;  // among fewer than were measured
}

}  // namespace

std::optional<Effort> EffortFor(const Calibration& calibration, double recall, size_t k,
                                double drift, double share) {
  if (!(recall < 1) || k > kCalibrationKs[kKs - 1]) return std::nullopt;
  auto wider = static_cast<size_t>(std::max(0.0, std::min(drift, 10.0)) * 5);
  if (share < 1 && k != kCommonK) ++wider;
  for (size_t i = 0; i + wider < calibration.steps.size(); ++i) {
    const auto bound = BoundOf(calibration.steps[i].recall_lower, k, share);
    if (!bound) return std::nullopt;
    if (*bound >= recall) return calibration.steps[i + wider].effort;
  }
  return std::nullopt;
}

std::vector<double> RecallsProven(const Calibration& calibration, double drift) {
  std::vector<double> proven;
  for (const double target : {0.80, 0.90, 0.95, 0.99, 0.999}) {
    if (EffortFor(calibration, target, 10, drift)) proven.push_back(target);
  }
  return proven;
}

}  // namespace vdb::query
