// From the hits of several clauses to one order, and to a diverse one. No reads: values in, values
// out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "query/budget.h"
#include "vdb/query.h"

namespace vdb::engine {

/// What one clause found, best first.
struct ClauseHits {
  double weight = 1;
  std::vector<Hit> hits;
  bool exhausted = false;  // there are no more
};

struct Candidate {
  std::string key;
  double score = 0;
  std::vector<double> clause_scores;  // NaN: not found by it
};

/// By score descending, then key ascending. One clause: its hits as they are.
std::vector<Candidate> Fuse(Fusion fusion, std::span<const ClauseHits> clauses);

/// Whether more hits of the clauses could bring a document to `min_score` that Fuse did not.
bool MoreMayReach(Fusion fusion, std::span<const ClauseHits> clauses,
                  std::span<const Candidate> candidates, double min_score);

/// Maximal marginal relevance: takes from `candidates` (in plain order), until `count` are taken,
/// the one whose lambda * r - (1 - lambda) * s is greatest: r its score, scaled to 0..1 over the
/// candidates; s its greatest cosine to those taken, in this call or before; 0 if there is none, or
/// no vector. Ties in plain order. Returns indexes; those that `budget` leaves no time to compare
/// follow in plain order.
class Diversifier {
 public:
  explicit Diversifier(double lambda) : lambda_(lambda) {}

  /// `vectors`: one per candidate, of one dimension; empty: it has none. Those of candidates that
  /// are taken by comparing are moved from, and empty after it.
  std::vector<size_t> Take(std::span<const Candidate> candidates,
                           std::vector<std::vector<float>>* vectors, size_t count,
                           query::Budget* budget);

 private:
  struct Taken {
    std::vector<float> vector;
    double norm = 0;
  };
  const double lambda_;
  std::vector<Taken> taken_;
};

}  // namespace vdb::engine
