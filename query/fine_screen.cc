#include "query/fine_screen.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "index/aligned_room.h"
#include "index/matrix_product.h"

namespace vdb::query {
namespace {

// From so many queries on a matrix product finds the keys of lists sooner.
constexpr size_t kMatrixQueriesMin = 8;

// The largest float that is not above `value`.
float FloatBelow(double value) {
  const auto rounded = static_cast<float>(value);
  if (static_cast<double>(rounded) <= value || std::isnan(value)) return rounded;
  return std::nextafter(rounded, -std::numeric_limits<float>::infinity());
}

}  // namespace

FineQueries::FineQueries(const index::Codebook& codebook, Metric metric,
                         const index::Kernels& kernels, std::span<const ScreenQuery> queries)
    : codebook_(&codebook), metric_(metric), kernels_(&kernels) {
  constexpr size_t kWhole = index::kFineQueries;
  const size_t rounded = (queries.size() + kWhole - 1) / kWhole * kWhole;
  fine_ = index::AlignedRoom(&fine_room_, rounded * codebook.padded());
  queries_.reserve(queries.size());
  for (const ScreenQuery& query : queries) {
    queries_.emplace_back(codebook, metric, kernels);
    queries_.back().Prepare(query);
    const index::CodedQuery& coded = queries_.back().coded();
    std::copy_n(coded.fine(), codebook.padded(), fine_ + scales_.size() * codebook.padded());
    scales_.push_back(coded.fine_scale());
    offsets_.push_back(coded.fine_offset());
  }
  FindKeys();
}

void FineQueries::FindKeys() {
  const size_t padded = codebook_->padded(), lists = codebook_->list_count();
  std::vector<float> dots(count() * lists);
  if (count() < kMatrixQueriesMin) {
    for (size_t q = 0; q < count(); ++q) {
      kernels_->screen_dots(codebook_->centroid(0), lists, padded, query(q).coded().p(),
                            dots.data() + q * lists);
    }
  } else {
    std::vector<float> p;
    p.reserve(count() * padded);
    for (const ProbeQuery& query : queries_) {
      p.insert(p.end(), query.coded().p(), query.coded().p() + padded);
    }
    index::MultiplyQueriesByRows(p.data(), count(), codebook_->centroid(0), lists, padded,
                                 dots.data());
  }
  keys_.reserve(dots.size());
  for (size_t q = 0; q < count(); ++q) {
    const double p_length = query(q).coded().p_length();
    for (uint32_t list = 0; list < lists; ++list) {
      const double squared = codebook_->centroid_squared(list);
      index::ListKey key =
          index::MakeListKey(metric_, double{dots[q * lists + list]}, squared, p_length);
      const double error = KeyError(q, std::sqrt(squared));
      key.distance = std::sqrt(key.distance * key.distance + 2 * error) * (1 + 0x1p-50);
      keys_.push_back(key);
    }
  }
}

double FineQueries::KeyError(size_t query, double centroid_length) const {
  const double p_length = queries_[query].coded().p_length();
  const uint32_t padded = codebook_->padded();
  return index::AnyOrderErrorBound(padded) * p_length * centroid_length +
         index::ScreenUnderflow(padded) * (1 + p_length + centroid_length);
}

FineScreen::FineScreen(const FineQueries& queries, const index::InvertedLists& lists,
                       const uint64_t* allow)
    : queries_(queries), lists_(lists), allow_(allow),
      rotation_error_(queries.codebook().rotation().ErrorBound()) {
  for (size_t q = 0; q < queries.count(); ++q) slack_.push_back(SlackOfAllLists(q));
}

uint32_t FineScreen::ListOf(uint64_t row) const {
  const uint32_t* const begins = lists_.row_begins();
  const uint32_t* const past = begins + queries_.codebook().list_count() + 1;
  return static_cast<uint32_t>(std::upper_bound(begins, past, static_cast<uint32_t>(row)) -
                               begins - 1);
}

// Every term of a slack rises with the list's key, distance, length and radius.
double FineScreen::SlackOfAllLists(size_t query) const {
  const index::Codebook& codebook = queries_.codebook();
  index::ListKey most;
  double squared = 0;
  float radius = 0;
  for (uint32_t list = 0; list < codebook.list_count(); ++list) {
    const index::ListKey& key = queries_.key(query, list);
    most.key = std::max(most.key, std::abs(key.key));
    most.distance = std::max(most.distance, key.distance);
    squared = std::max(squared, codebook.centroid_squared(list));
    radius = std::max(radius, lists_.radius(list));
  }
  const double length = std::sqrt(squared);
  const ProbeQuery& probe = queries_.query(query);
  return index::FineSlack(probe.coded(), most, length, static_cast<double>(radius),
                          lists_.header().base_max, codebook.padded(), rotation_error_) +
         queries_.KeyError(query, length) + probe.OrderSlack(length, static_cast<double>(radius));
}

// The key that no row of a list exceeds, but for the slack. With y the row's coded vector and R the
// radius: <p, y> <= <p, c> + |p| R; under L2 |p - y| >= |p - c| - R. A list's distance is rounded
// up, so this one is taken from its key, less what that may be off by.
double FineScreen::Ceiling(size_t query, uint32_t list) const {
  const index::ListKey& key = queries_.key(query, list);
  const auto radius = static_cast<double>(lists_.radius(list));
  if (queries_.metric() != Metric::kL2) {
    return key.key + queries_.query(query).coded().p_length() * radius * (1 + 0x1p-40);
  }
  const double squared = std::max(0.0, -2 * key.key - 2 * slack_[query]);
  const double gap = std::max(0.0, std::sqrt(squared) * (1 - 0x1p-40) - radius);
  return -gap * gap / 2 * (1 - 0x1p-40);
}

bool FineScreen::AllBelow(size_t query, uint64_t first, size_t count, double kth_score) const {
  const double floor = queries_.query(query).KeyOfScore(kth_score) - slack_[query];
  const uint32_t* const begins = lists_.row_begins();
  for (uint32_t list = ListOf(first); begins[list] < first + count; ++list) {
    // Not "or above": a slack that is not a number proves nothing.
    if (!(Ceiling(query, list) < floor)) return false;
  }
  return true;
}

// Run by run of allowed rows; the others' estimates keep them out wherever there is a limit.
void FineScreen::LookAtAllowed(uint64_t first, size_t count, const uint8_t* rows,
                               Scratch* scratch) const {
  const auto allowed = [this](uint64_t row) { return ((allow_[row / 64] >> (row % 64)) & 1) != 0; };
  std::fill_n(scratch->estimates, queries_.count() * count, std::numeric_limits<float>::lowest());
  std::fill_n(scratch->errors, count, 0.0f);
  const uint32_t padded = queries_.codebook().padded();
  for (size_t i = 0; i < count;) {
    if (!allowed(first + i)) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    while (end < count && allowed(first + end)) ++end;
    for (size_t q = 0; q < queries_.count(); ++q) {
      queries_.kernels().score_fine(rows + i * lists_.fine_bytes(), lists_.fine_bytes(), end - i,
                                    padded, queries_.fine() + q * padded, queries_.scales()[q],
                                    queries_.offsets()[q],
                                    scratch->estimates + q * count + i, scratch->errors + i);
    }
    i = end;
  }
}

bool FineScreen::Look(uint64_t first, size_t count, Scratch* scratch) const {
  const uint8_t* const rows = lists_.FineRows(first, first + count);
  if (rows == nullptr) return false;
  const uint32_t padded = queries_.codebook().padded();
  scratch->estimates = index::AlignedRoom(&scratch->floats, (queries_.count() + 1) * count);
  scratch->errors = scratch->estimates + queries_.count() * count;
  scratch->first_list = ListOf(first);
  if (allow_ != nullptr) {
    LookAtAllowed(first, count, rows, scratch);
    return true;
  }
  queries_.kernels().score_fine_batch(
      {rows, lists_.fine_bytes(), count, padded, queries_.fine(), queries_.count(),
       queries_.scales(), queries_.offsets(),
       index::AlignedRoom(&scratch->expanded, size_t{32} * padded)},
      scratch->estimates, scratch->errors);
  return true;
}

// A row of a list can reach the key `floor` only if
//     estimate + distance * error + slack >= floor - list key.
// The comparison is made in float32 as estimate < a * error + c with a = -distance, c = floor - key
// - slack; a and c are moved down by 2^-20 of their magnitudes, which pays for its roundings (error
// is at most the radius' size, so |a * error| rounds by less than what slack has for it).
size_t FineScreen::Candidates(size_t query, uint64_t first, size_t count, double kth_score,
                              const Scratch& scratch, uint32_t* out) const {
  const index::Codebook& codebook = queries_.codebook();
  const index::Kernels& kernels = queries_.kernels();
  const ProbeQuery& probe = queries_.query(query);
  const float* const estimates = scratch.estimates + query * count;
  const double floor = probe.KeyOfScore(kth_score);
  const double base_max = lists_.header().base_max;
  const uint32_t* const begins = lists_.row_begins();
  uint32_t list = scratch.first_list;
  size_t found = 0;
  for (size_t done = 0; done < count;) {
    while (begins[list + 1] <= first + done) ++list;
    const size_t end = static_cast<size_t>(std::min<uint64_t>(count, begins[list + 1] - first));
    const index::ListKey& key = queries_.key(query, list);
    const double length = std::sqrt(codebook.centroid_squared(list));
    const double slack =
        index::FineSlack(probe.coded(), key, length, lists_.radius(list), base_max,
                         codebook.padded(), rotation_error_) +
        queries_.KeyError(query, length) + probe.OrderSlack(length, lists_.radius(list));
    const double c = floor - key.key - slack;
    const float* const errors = scratch.errors + done;
    const size_t more = kernels.find_at_least_affine(
        estimates + done, errors, errors, end - done, FloatBelow(-key.distance * (1 + 0x1p-20)),
        0.0f, FloatBelow(c - std::abs(c) * 0x1p-20), out + found);
    for (size_t i = 0; i < more; ++i) out[found + i] += static_cast<uint32_t>(done);
    found += more;
    done = end;
  }
  return found;
}

}  // namespace vdb::query
