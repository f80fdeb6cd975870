#include "engine/query_fusion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

namespace vdb::engine {
namespace {

constexpr double kRankOffset = 60;
constexpr double kNotFound = std::numeric_limits<double>::quiet_NaN();

double RankScore(const ClauseHits& clause, size_t rank_from_0) {
  return clause.weight / (kRankOffset + static_cast<double>(rank_from_0) + 1);
}

double LowestScore(const ClauseHits& clause) {
  return clause.hits.empty() ? 0 : clause.weight * clause.hits.back().score;
}

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

constexpr double kNoSimilarity = -2;  // nothing to be similar to yet

// Scores scaled to 0..1; all the same: 1.
std::vector<double> RelevanceOf(std::span<const Candidate> candidates) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Candidate& candidate : candidates) {
    low = std::min(low, candidate.score);
    high = std::max(high, candidate.score);
  }
  std::vector<double> relevance(candidates.size(), 1);
  for (size_t i = 0; i < candidates.size() && high > low; ++i) {
    relevance[i] = (candidates[i].score - low) / (high - low);
  }
  return relevance;
}

// Asks a budget about once per millisecond of dot products.
class DotMeter {
 public:
  explicit DotMeter(query::Budget* budget) : budget_(budget) {}

  // After a dot product of `dimension`.
  bool GoOn(size_t dimension) {
    multiplied_ += dimension + 1;
    if (multiplied_ < kMultipliedPerLook) return true;
    multiplied_ = 0;
    return budget_->GoOn();
  }

 private:
  static constexpr size_t kMultipliedPerLook = 1 << 20;
  query::Budget* const budget_;
  size_t multiplied_ = 0;
};

}  // namespace

std::vector<Candidate> Fuse(Fusion fusion, std::span<const ClauseHits> clauses) {
  std::vector<Candidate> candidates;
  std::unordered_map<std::string_view, size_t> places;
  for (size_t c = 0; c < clauses.size(); ++c) {
    for (size_t rank = 0; rank < clauses[c].hits.size(); ++rank) {
      const Hit& hit = clauses[c].hits[rank];
      const auto [place, is_new] = places.try_emplace(hit.key, candidates.size());
      if (is_new) {
        candidates.push_back({hit.key, 0, std::vector<double>(clauses.size(), kNotFound)});
      }
      Candidate& candidate = candidates[place->second];
      candidate.clause_scores[c] = hit.score;
      if (clauses.size() == 1) {
        candidate.score = hit.score;
      } else if (fusion == Fusion::kReciprocalRank) {
        candidate.score += RankScore(clauses[c], rank);
      }
    }
  }
  if (clauses.size() == 1) return candidates;
  if (fusion == Fusion::kWeightedScore) {
    for (Candidate& candidate : candidates) {
      for (size_t c = 0; c < clauses.size(); ++c) {
        const double score = candidate.clause_scores[c];
        candidate.score +=
            std::isnan(score) ? LowestScore(clauses[c]) : clauses[c].weight * score;
      }
    }
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.key < b.key;
  });
  return candidates;
}

bool MoreMayReach(Fusion fusion, std::span<const ClauseHits> clauses,
                  std::span<const Candidate> candidates, double min_score) {
  if (clauses.size() == 1) {
    return clauses[0].hits.empty() || clauses[0].hits.back().score >= min_score;
  }
  // What each clause could still add to a document that it has not found.
  std::vector<double> more(clauses.size());
  double unseen = 0;
  for (size_t c = 0; c < clauses.size(); ++c) {
    if (fusion == Fusion::kWeightedScore) {
      unseen += LowestScore(clauses[c]);  // also what it has been given already
    } else if (!clauses[c].exhausted) {
      unseen += more[c] = RankScore(clauses[c], clauses[c].hits.size());
    }
  }
  if (unseen >= min_score) return true;
  if (fusion == Fusion::kWeightedScore) return false;  // scores only sink with more hits
  return std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
    double score = candidate.score;
    if (score >= min_score) return false;
    for (size_t c = 0; c < clauses.size(); ++c) {
      if (std::isnan(candidate.clause_scores[c])) score += more[c];
    }
    return score >= min_score;
  });
}

std::vector<size_t> Diversifier::Take(std::span<const Candidate> candidates,
                                      std::vector<std::vector<float>>* vectors, size_t count,
                                      query::Budget* budget) {
  const size_t all = candidates.size();
  count = std::min(count, all);
  std::vector<bool> is_taken(all);
  std::vector<size_t> order;
  DotMeter meter(budget);
  std::vector<double> relevance = RelevanceOf(candidates);
  std::vector<double> similarity(all, kNoSimilarity), norms(all);
  const auto meet = [&](size_t i, const Taken& other) {
    const double both = norms[i] * other.norm;
    similarity[i] =
        std::max(similarity[i], both > 0 ? Dot((*vectors)[i], other.vector) / both : 0);
    return meter.GoOn((*vectors)[i].size());
  };
  bool go_on = true;
  for (size_t i = 0; i < all && go_on; ++i) {
    norms[i] = std::sqrt(Dot((*vectors)[i], (*vectors)[i]));
    go_on = meter.GoOn((*vectors)[i].size());
    for (size_t t = 0; t < taken_.size() && go_on; ++t) go_on = meet(i, taken_[t]);
  }
  while (go_on && order.size() < count && budget->GoOn()) {
    size_t best = all;
    double best_value = 0;
    for (size_t i = 0; i < all; ++i) {
      if (is_taken[i]) continue;
      const double near = similarity[i] == kNoSimilarity ? 0 : similarity[i];
      const double value = lambda_ * relevance[i] - (1 - lambda_) * near;
      if (best == all || value > best_value) {
        best = i;
        best_value = value;
      }
    }
    is_taken[best] = true;
    order.push_back(best);
    taken_.push_back({std::move((*vectors)[best]), norms[best]});
    (*vectors)[best].clear();
    for (size_t i = 0; i < all && go_on; ++i) {
      if (!is_taken[i]) go_on = meet(i, taken_.back());
    }
  }
  for (size_t i = 0; i < all && order.size() < count; ++i) {
    if (!is_taken[i]) order.push_back(i);
  }
  return order;
}

}  // namespace vdb::engine
