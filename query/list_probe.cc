#include "query/list_probe.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

namespace vdb::query {
namespace {

constexpr float kNotThere = -std::numeric_limits<float>::infinity();  // a list ranked already
constexpr float kNoEstimate = std::numeric_limits<float>::max();  // look at the row itself
constexpr double kNone = -std::numeric_limits<double>::infinity();

// Standard error of a coarse key over factor * |p - c|: the sine of the angle between a residual
// and its signs, which concentrates at sqrt(1 - 2 / pi).
constexpr double kCoarseError = 0.603;

// Lists whose centroids are scored in float32 at first, and as a multiple of the probes wanted: the
// coarse order is good to a few places only.
constexpr size_t kRankedMin = 32;
constexpr size_t kRankedPerProbe = 3;

// Margins rise with the distance, but for how wide a list is: after so many beyond the limit there
// is hardly one within it.
constexpr size_t kSkippedMax = 12;

// Without a threshold, so many of a list's best estimates per hit wanted are refined first: their
// lower bounds then keep nearly all others out.
constexpr size_t kFirstPerHit = 3;

// Of a block with so few rows (the others are masked, or of the next list) the fine codes are read
// at once: they are no more bytes than the block's coarse codes.
constexpr int kRefinedUnscanned = 2;

// A fine code is fetched so many codes ahead: its cache lines come one after the other else.
constexpr size_t kFineAhead = 3;

// The same among estimates of which about one in eight is refined.
constexpr size_t kEstimatesAhead = 24;

// Centroids are fetched so many ahead.
constexpr size_t kCentroidsAhead = 3;

// Candidates kept before they are looked at; far more than searches have.
size_t CandidatesMax(size_t k) { return 1024 + 4 * k; }

// Float32 rows whose first lines are fetched before they are scored.
constexpr size_t kRowsAhead = 8;

void PrefetchBytes(const void* data, size_t bytes) {
  const char* p = static_cast<const char*>(data);
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
}

double Now() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

uint64_t LanesFrom(uint64_t lane) { return ~uint64_t{0} << lane; }
uint64_t LanesBelow(uint64_t lane) { return lane >= 64 ? ~uint64_t{0} : ~LanesFrom(lane); }

}  // namespace

ListProbe::Room::Room(const ListSearchInput& input, const index::Kernels& kernels)
    : scorer(input.metric, input.dimension, kernels) {
  const size_t lists = input.codebook->list_count();
  list_keys.resize((lists + 63) / 64 * 64);
  chosen.resize(lists);
}

ListProbe::ListProbe(const ListSearchInput& input, const index::Kernels& kernels, Room* room)
    : input_(input),
      codebook_(*input.codebook),
      kernels_(kernels),
      room_(*room),
      probe_(codebook_, input.metric, kernels) {
  uint64_t rows = 1;
  for (const IndexedSegment& segment : input.indexed) {
    if (segment.lists != nullptr) rows += segment.lists->loose_begin();
  }
  rank_per_row_ = static_cast<double>(codebook_.list_count()) / static_cast<double>(rows);
}

void ListProbe::Lap(double* stage) {
  if (!timed_) return;
  const double now = Now();
  *stage += now - clock_;
  clock_ = now;
}

Status ListProbe::Search(const ScreenQuery& query, TopK* top, bool* whole,
                         SearchExplain* explain) {
  Start(query, top, explain != nullptr);
  VDB_RETURN_IF_ERROR(Walk(0, nullptr, whole));
  Lap(&counts_.scan_us);
  return Finish(whole, explain);
}

size_t ListProbe::BytesMax(const ListSearchInput& input) {
  const size_t k = std::min(input.k, kSearchKMax);
  return 20 * input.codebook->padded() + CandidatesMax(k) * sizeof(Candidate) +
         k * (sizeof(RowHit) + sizeof(double)) + 4096;
}

void ListProbe::Start(const ScreenQuery& query, TopK* top, bool timed) {
  timed_ = timed;
  clock_ = timed ? Now() : 0;
  query_ = &query;
  top_ = top;
  k_ = std::min(input_.k, kSearchKMax);
  counts_ = SearchExplain();
  candidates_.clear();
  lower_.clear();
  pending_.lanes = 0;
  probe_.Prepare(query);
  threshold_ = kNone;
  Lap(&counts_.prepare_us);
  ranked_.clear();
  ScanCentroids();
  RankMore();
  Lap(&counts_.rank_us);
}

// Lists that wait are chosen by the threshold of now. It only rises, and with it every margin: so
// they are all that a walk without `later` would probe, and some more.
Status ListProbe::Walk(size_t now, std::vector<uint32_t>* later, bool* whole) {
  const size_t probes_max = input_.effort.probes_max == 0
                                ? list_count_
                                : std::min<size_t>(input_.effort.probes_max, list_count_);
  const double margin = static_cast<double>(input_.effort.margin);
  size_t skipped_in_a_row = 0;
  for (size_t i = 0; i < list_count_ && *whole; ++i) {
    if (i >= probes_max && threshold_ > kNone) break;  // never fewer than k hits
    if (input_.budget != nullptr && !input_.budget->GoOn()) break;
    if (i == ranked_.size()) RankMore();
    if (i == ranked_.size()) break;
    if (threshold_ == kNone) {
      reach_ = ranked_[i].key.distance;
      rank_ = 0;
    }
    const double here = rank_;
    rank_ += input_.list_allowed.empty() ? 1 : rank_per_row_ * input_.list_allowed[ranked_[i].list];
    if (threshold_ > kNone && Margin(ranked_[i], here) > margin) {
      ++counts_.lists_skipped;
      if (++skipped_in_a_row == kSkippedMax) break;
      continue;
    }
    skipped_in_a_row = 0;
    if (later != nullptr && threshold_ > kNone && i >= now) {
      later->push_back(static_cast<uint32_t>(i));
      continue;
    }
    if (i + 1 < ranked_.size() && (later == nullptr || i + 1 < now)) {
      PrefetchList(ranked_[i + 1].list);
    }
    VDB_RETURN_IF_ERROR(ProbeList(WithBands(ranked_[i]), whole));
  }
  return RefinePending(std::exchange(pending_, {}), whole);
}

Status ListProbe::Probe(uint32_t place, bool* whole) {
  VDB_RETURN_IF_ERROR(ProbeList(WithBands(ranked_[place]), whole));
  return RefinePending(std::exchange(pending_, {}), whole);
}

Status ListProbe::Finish(bool* whole, SearchExplain* explain) {
  if (!*whole) return Status::Ok();
  if (timed_) clock_ = Now();
  VDB_RETURN_IF_ERROR(Rerank());
  Lap(&counts_.rerank_us);
  if (explain != nullptr) {
    counts_.list_count = codebook_.list_count();
    counts_.bytes_touched +=
        counts_.codes_refined * format::FineRowBytes(codebook_.padded()) +
        counts_.rows_reranked * input_.dimension * sizeof(float) +
        codebook_.list_count() * (codebook_.padded() / 8 + 4) +
        ranked_.size() * codebook_.padded() * sizeof(float);
    *explain = counts_;
  }
  return Status::Ok();
}

// Coarse keys of all centroids. The order is by distance, but for dot products by key: there a long
// centroid beats a near one.
void ListProbe::ScanCentroids() {
  const index::CodedQuery& coded = probe_.coded();
  const uint32_t padded = codebook_.padded();
  const size_t block_bytes = format::BlockBytes(padded);
  const uint32_t lists = codebook_.list_count();
  for (uint32_t block = 0; block * 64 < lists; ++block) {
    kernels_.scan_block(codebook_.centroid_blocks() + block * block_bytes, padded, coded.tables(),
                        coded.table_scale(), coded.table_offset(),
                        std::numeric_limits<float>::infinity(),
                        room_.list_keys.data() + block * 64);
  }
  if (input_.metric == Metric::kCosine) {
    for (uint32_t i = 0; i < lists; ++i) room_.list_keys[i] -= codebook_.half_squared(i);
  }
  std::fill(room_.list_keys.begin() + lists, room_.list_keys.end(), kNotThere);
  list_count_ = lists;
  if (!input_.list_allowed.empty()) LeaveOutEmptyLists();
  for (const Ranked& ranked : ranked_) room_.list_keys[ranked.list] = kNotThere;
  room_.owner = this;
}

void ListProbe::LeaveOutEmptyLists() {
  list_count_ = 0;
  for (size_t i = 0; i < input_.list_allowed.size(); ++i) {
    if (input_.list_allowed[i] == 0) {
      room_.list_keys[i] = kNotThere;
    } else {
      ++list_count_;
    }
  }
}

// A key that at least `count` lists reach, and not many more: the count-th largest of the maxima of
// groups of lists, or of the lists themselves where groups are too few.
float ListProbe::LeastOfBest(size_t count) {
  constexpr size_t kGroup = 8;
  room_.key_order.clear();
  if (room_.list_keys.size() / kGroup >= 2 * count) {
    for (size_t g = 0; g < room_.list_keys.size(); g += kGroup) {
      float best = room_.list_keys[g];
      for (size_t i = 1; i < kGroup; ++i) best = std::max(best, room_.list_keys[g + i]);
      room_.key_order.push_back(best);
    }
  } else {
    room_.key_order = room_.list_keys;
  }
  const auto least = room_.key_order.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(room_.key_order.begin(), least, room_.key_order.end(), std::greater<>());
  return std::max(*least, std::numeric_limits<float>::lowest());
}

// Scores the next lists of the coarse order in float32 and sorts them behind those already ranked.
void ListProbe::RankMore() {
  const size_t lists = codebook_.list_count();
  const size_t left = list_count_ - ranked_.size();
  if (left == 0) return;
  if (room_.owner != this) ScanCentroids();
  const size_t wanted = std::max<size_t>(kRankedPerProbe * input_.effort.probes_max, lists / 32);
  const size_t step = std::min(left, std::max({kRankedMin, wanted, ranked_.size()}));
  const float least = step < left ? LeastOfBest(step) : std::numeric_limits<float>::lowest();
  const size_t first = ranked_.size();
  const size_t found =
      kernels_.find_at_least(room_.list_keys.data(), lists, least, room_.chosen.data());
  const size_t centroid_bytes = codebook_.padded() * sizeof(float);
  for (size_t i = 0; i < found; ++i) {
    const uint32_t list = room_.chosen[i];
    if (i + kCentroidsAhead < found) {
      PrefetchBytes(codebook_.centroid(room_.chosen[i + kCentroidsAhead]),
                    std::min<size_t>(centroid_bytes, 1024));
    }
    if (!(room_.list_keys[list] > kNotThere)) continue;  // ranked already
    room_.list_keys[list] = kNotThere;
    const index::ListKey key = probe_.KeyOfList(list);
    const double order = input_.metric == Metric::kDot ? key.key : -key.distance;
    ranked_.push_back({std::isnan(order) ? kNone : order, key, list});
  }
  std::sort(ranked_.begin() + static_cast<std::ptrdiff_t>(first), ranked_.end(),
            [](const Ranked& a, const Ranked& b) {
              return a.order != b.order ? a.order > b.order : a.list < b.list;
            });
}

double ListProbe::Margin(const Ranked& ranked, double rank) const {
  const double reach = input_.metric == Metric::kDot ? probe_.coded().p_length()
                                                     : reach_;
  const ListMargin margin = {&codebook_, input_.metric, reach};
  return margin.Of(ranked.list, ranked.key, rank, threshold_);
}

void ListProbe::PrefetchList(uint32_t list) const {
  for (const IndexedSegment& segment : input_.indexed) {
    if (segment.lists == nullptr) continue;
    const uint32_t first = segment.lists->row_begin(list), past = segment.lists->row_end(list);
    if (first == past) continue;
    const uint8_t* block = segment.lists->Blocks(first / 64, first / 64 + 1);
    if (block != nullptr) PrefetchBytes(block, segment.lists->block_bytes());
  }
}

void ListProbe::PrefetchFine(uint32_t segment, uint64_t row) const {
  const index::InvertedLists& lists = *input_.indexed[segment].lists;
  const uint8_t* fine = lists.FineRows(row, row + 1);
  if (fine != nullptr) PrefetchBytes(fine, lists.fine_bytes());
}

// `fine_errors` standard errors of a fine key: of the code, and of the int8 query (uniform within a
// step). The float32 sums, which matter where rows are copies of each other, come on top.
ListProbe::Ranked ListProbe::WithBands(Ranked ranked) const {
  const double errors = static_cast<double>(input_.effort.fine_errors);
  ranked.code_band =
      errors * ranked.key.distance / std::sqrt(static_cast<double>(codebook_.padded()));
  ranked.query_band = errors * 0.29 * static_cast<double>(probe_.coded().fine_scale()) *
                      static_cast<double>(codebook_.rho(ranked.list));
  return ranked;
}

Status ListProbe::ProbeList(const Ranked& ranked, bool* whole) {
  ++counts_.lists_probed;
  for (uint32_t s = 0; s < input_.indexed.size() && *whole; ++s) {
    VDB_RETURN_IF_ERROR(ScanRows(ranked, s, whole));
  }
  return Status::Ok();
}

// What `coarse_errors` standard errors of a coarse key are, over its row's factor. The error of the
// tables comes on top, independent of it.
float ListProbe::CoarseBand(const index::ListKey& key) const {
  const double table = static_cast<double>(probe_.coded().table_error());
  const double error = std::hypot(kCoarseError * key.distance, table);
  return static_cast<float>(error) * input_.effort.coarse_errors;
}

Status ListProbe::ScanRows(const Ranked& ranked, uint32_t segment, bool* whole) {
  if (input_.indexed[segment].lists == nullptr) return Status::Ok();  // searched as float32
  const index::InvertedLists& lists = *input_.indexed[segment].lists;
  const uint64_t first = lists.row_begin(ranked.list), past = lists.row_end(ranked.list);
  if (first == past) return Status::Ok();
  const uint64_t first_block = first / 64, past_block = (past + 63) / 64;
  const uint8_t* block = lists.Blocks(first_block, past_block);
  if (block == nullptr) {
    *whole = false;
    return Status::Ok();
  }
  counts_.codes_scanned += past - first;
  counts_.bytes_touched += (past_block - first_block) * lists.block_bytes();
  room_.estimates.clear();
  const bool first_list = threshold_ == kNone;
  const RowMask* const allow = input_.indexed[segment].scan.allow;
  const uint64_t* const words = allow == nullptr ? nullptr : allow->Words();
  for (uint64_t b = first_block; b < past_block && *whole; ++b, block += lists.block_bytes()) {
    const uint64_t from = b * 64 < first ? first - b * 64 : 0;
    uint64_t lanes = LanesFrom(from) & LanesBelow(past - b * 64);
    if (words != nullptr) lanes &= words[b];
    if (lanes == 0) continue;
    VDB_RETURN_IF_ERROR(ScanBlock(ranked, segment, block, b * 64, lanes, whole));
  }
  return first_list && *whole ? RefineFirst(ranked, segment, whole) : Status::Ok();
}

Status ListProbe::ScanBlock(const Ranked& ranked, uint32_t segment, const uint8_t* block,
                            uint64_t first, uint64_t lanes, bool* whole) {
  if (std::popcount(lanes) <= kRefinedUnscanned) {
    for (; lanes != 0 && *whole; lanes &= lanes - 1) {
      VDB_RETURN_IF_ERROR(
          Refine(ranked, segment, first + static_cast<uint64_t>(std::countr_zero(lanes)), whole));
    }
    return Status::Ok();
  }
  alignas(64) float keys[64];
  const index::CodedQuery& coded = probe_.coded();
  const bool collect = !room_.estimates.empty() || threshold_ == kNone;
  const float band = collect ? 0 : CoarseBand(ranked.key);
  const auto threshold =
      static_cast<float>(collect ? kNone : threshold_ - ranked.key.key);
  uint64_t left = lanes & kernels_.scan_block(block, codebook_.padded(), coded.tables(),
                                              coded.table_scale(), coded.table_offset() + band,
                                              threshold, keys);
  if (collect) {
    for (; left != 0; left &= left - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(left));
      const float estimate = std::isnan(keys[lane]) ? kNoEstimate : keys[lane];
      room_.estimates.push_back({estimate, static_cast<uint32_t>(first) + lane});
    }
    return Status::Ok();
  }
  if (left == 0) return Status::Ok();
  for (uint64_t rest = left; rest != 0; rest &= rest - 1) {
    PrefetchFine(segment, first + static_cast<uint64_t>(std::countr_zero(rest)));
  }
  return RefinePending(std::exchange(pending_, {ranked, segment, first, left}), whole);
}

Status ListProbe::RefinePending(const Pending& pending, bool* whole) {
  for (uint64_t left = pending.lanes; left != 0 && *whole; left &= left - 1) {
    const uint64_t row = pending.first + static_cast<uint64_t>(std::countr_zero(left));
    VDB_RETURN_IF_ERROR(Refine(pending.ranked, pending.segment, row, whole));
  }
  return Status::Ok();
}

// Without a threshold: the best estimates of the list first, then all others against what those
// gave.
Status ListProbe::RefineFirst(const Ranked& ranked, uint32_t segment, bool* whole) {
  const size_t best = std::min(room_.estimates.size(), kFirstPerHit * k_);
  const auto past_best = room_.estimates.begin() + static_cast<std::ptrdiff_t>(best);
  std::nth_element(room_.estimates.begin(), past_best, room_.estimates.end(),
                   [](const auto& a, const auto& b) { return a.key > b.key; });
  for (size_t i = 0; i < best && *whole; ++i) {
    if (i + kFineAhead < best) PrefetchFine(segment, room_.estimates[i + kFineAhead].row);
    VDB_RETURN_IF_ERROR(Refine(ranked, segment, room_.estimates[i].row, whole));
  }
  // The factor of a row is near rho / (0.8 sqrt(D)); a quarter more is on the safe side.
  const double factor = 1.25 * static_cast<double>(codebook_.rho(ranked.list)) /
                        (0.8 * std::sqrt(static_cast<double>(codebook_.padded())));
  const double band = factor * static_cast<double>(CoarseBand(ranked.key));
  const auto may_enter = [&](size_t i) {
    return static_cast<double>(room_.estimates[i].key) + band + ranked.key.key >= threshold_;
  };
  size_t ahead = best;
  for (size_t i = best; i < room_.estimates.size() && *whole; ++i) {
    for (; ahead < std::min(room_.estimates.size(), i + kEstimatesAhead); ++ahead) {
      if (may_enter(ahead)) PrefetchFine(segment, room_.estimates[ahead].row);
    }
    if (may_enter(i)) VDB_RETURN_IF_ERROR(Refine(ranked, segment, room_.estimates[i].row, whole));
  }
  room_.estimates.clear();
  return Status::Ok();
}

Status ListProbe::Refine(const Ranked& ranked, uint32_t segment, uint64_t row, bool* whole) {
  const IndexedSegment& from = input_.indexed[segment];
  const uint8_t* fine = from.lists->FineRows(row, row + 1);
  if (fine == nullptr) {
    *whole = false;
    return Status::Ok();
  }
  const index::CodedQuery& coded = probe_.coded();
  float estimate = 0, error = 0;
  kernels_.score_fine(fine, from.lists->fine_bytes(), 1, codebook_.padded(), coded.fine(),
                      coded.fine_scale(), coded.fine_offset(), &estimate, &error);
  ++counts_.codes_refined;
  return Enter(ranked, segment, row, estimate, error);
}

void ListProbe::CountTogether(uint64_t rows) {
  ++counts_.lists_probed;
  counts_.codes_refined += rows;
}

// First in float32, for all rows, what Enter then asks of the few that are left; lowered by what
// float32 may round, and by the sums of rows near the threshold.
Status ListProbe::Consider(uint32_t place, uint32_t segment, uint64_t first,
                           std::span<const float> estimates, const float* errors) {
  const Ranked ranked = WithBands(ranked_[place]);
  const double least = threshold_ - ranked.key.key - ranked.query_band;
  const double rounding = 2e-6 * (std::abs(ranked.key.key) + std::abs(threshold_));
  room_.positions.resize(std::max(room_.positions.size(), estimates.size()));
  const size_t found = kernels_.find_at_least_affine(
      estimates.data(), errors, errors, estimates.size(),
      static_cast<float>(-ranked.code_band * (1 + 1e-6)), 0,
      static_cast<float>(least - std::abs(least) * 1e-6 - rounding), room_.positions.data());
  for (size_t i = 0; i < found; ++i) {
    const uint32_t at = room_.positions[i];
    VDB_RETURN_IF_ERROR(Enter(ranked, segment, first + at, estimates[at], errors[at]));
  }
  return Status::Ok();
}

// A row by its fine code: a candidate if it may be among the best k.
Status ListProbe::Enter(const Ranked& ranked, uint32_t segment, uint64_t row, float estimate,
                        float error) {
  // Rounded as they are kept, so that no row is below its own lower bound.
  const float key = static_cast<float>(static_cast<double>(estimate) + ranked.key.key);
  const double code = static_cast<double>(error) * ranked.code_band;
  const double sums = 1e-6 * (std::abs(ranked.key.key) + std::abs(static_cast<double>(key)));
  // Most rows end here, without the root.
  if (static_cast<double>(key) + code + ranked.query_band + sums < threshold_) return Status::Ok();
  const auto band = static_cast<float>(
      std::sqrt(code * code + ranked.query_band * ranked.query_band) + sums);
  const bool sound = std::isfinite(key) && std::isfinite(band);
  if (sound && static_cast<double>(key) + static_cast<double>(band) < threshold_) {
    return Status::Ok();
  }
  VDB_ASSIGN_OR_RETURN(const bool dead, room_.scorer.IsDead(input_.indexed[segment].scan, row));
  if (dead) return Status::Ok();
  if (candidates_.size() >= CandidatesMax(k_)) VDB_RETURN_IF_ERROR(MakeRoomForCandidates());
  if (!sound) {
    candidates_.push_back({kNoEstimate, 0, segment, static_cast<uint32_t>(row)});
    return Status::Ok();
  }
  candidates_.push_back({key, band, segment, static_cast<uint32_t>(row)});
  AddLowerBound(static_cast<double>(key) - static_cast<double>(band));
  return Status::Ok();
}

void ListProbe::AddLowerBound(double lower) {
  if (lower_.size() < k_) {
    lower_.push_back(lower);
    std::push_heap(lower_.begin(), lower_.end(), std::greater<>());
  } else if (lower > lower_.front()) {
    std::pop_heap(lower_.begin(), lower_.end(), std::greater<>());
    lower_.back() = lower;
    std::push_heap(lower_.begin(), lower_.end(), std::greater<>());
  } else {
    return;
  }
  if (lower_.size() == k_) threshold_ = lower_.front();
}

// Rows that are copies of each other, or that codes say nothing of, are all candidates.
Status ListProbe::MakeRoomForCandidates() {
  std::erase_if(candidates_, [this](const Candidate& c) {
    return static_cast<double>(c.estimate) + static_cast<double>(c.band) < threshold_;
  });
  return candidates_.size() < CandidatesMax(k_) / 2 ? Status::Ok() : Rerank();
}

// Best first, so that the k-th score soon rules the rest out.
Status ListProbe::Rerank() {
  std::erase_if(candidates_, [this](const Candidate& c) {
    return static_cast<double>(c.estimate) + static_cast<double>(c.band) < threshold_;
  });
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.estimate != b.estimate ? a.estimate > b.estimate
                                    : std::tie(a.segment, a.row) < std::tie(b.segment, b.row);
  });
  const size_t row_bytes = input_.dimension * sizeof(float);
  const auto prefetch = [&](size_t i) {
    if (i >= candidates_.size()) return;
    const Candidate& c = candidates_[i];
    const float* values = input_.indexed[c.segment].scan.rows + uint64_t{c.row} * input_.dimension;
    PrefetchBytes(values, std::min<size_t>(row_bytes, 1024));
  };
  for (size_t i = 0; i < kRowsAhead; ++i) prefetch(i);
  for (size_t i = 0; i < candidates_.size(); ++i) {
    prefetch(i + kRowsAhead);
    const Candidate& c = candidates_[i];
    const double kth_key = probe_.KeyOfScore(top_->kth_score());
    if (static_cast<double>(c.estimate) + static_cast<double>(c.band) < kth_key) continue;
    const ScanSegment& scan = input_.indexed[c.segment].scan;
    VDB_ASSIGN_OR_RETURN(const double score, room_.scorer.Score(*query_, scan, c.segment, c.row));
    top_->Push({score, scan.records[c.row].docno, c.segment, c.row});
    ++counts_.rows_reranked;
  }
  candidates_.clear();
  return Status::Ok();
}

}  // namespace vdb::query
