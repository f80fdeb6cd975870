#include "engine/query_clauses.h"

#include <algorithm>

#include "engine/text_search.h"
#include "format/status_macros.h"

namespace vdb::engine {

Status QueryClauses::Start() {
  const QueryRequest& request = scope_.request;
  for (size_t i = 0; i < request.vectors.size(); ++i) {
    VDB_ASSIGN_OR_RETURN(ClauseQuery query, ClauseQueryOf(scope_, i));
    like_.insert(query.like.begin(), query.like.end());
    queries_.push_back(std::move(query));
    hits_.push_back({request.vectors[i].weight, {}});
  }
  if (request.text) hits_.push_back({request.text->weight, {}});
  return Status::Ok();
}

bool QueryClauses::exhausted() const {
  return std::all_of(hits_.begin(), hits_.end(),
                     [](const ClauseHits& clause) { return clause.exhausted; });
}

void QueryClauses::Take(size_t number, size_t k, std::vector<Hit> hits) {
  ClauseHits& clause = hits_[number];
  clause.exhausted = hits.size() < k || k >= kSearchKMax;
  std::erase_if(hits, [&](const Hit& hit) { return like_.contains(hit.key); });
  // Examples that were no hits have left room for others: every round has as many candidates.
  if (hits.size() + like_.size() > k && k < kSearchKMax) {
    hits.resize(k - like_.size());
    clause.exhausted = false;
  }
  clause.hits = std::move(hits);
}

Status QueryClauses::Run(size_t count) {
  const size_t k = std::min(count + like_.size(), kSearchKMax);
  for (size_t i = 0; i < hits_.size(); ++i) {
    if (!first_ && hits_[i].exhausted) continue;
    if (!scope_.GoOn()) break;
    VDB_RETURN_IF_ERROR(i < queries_.size() ? RunVector(i, k) : RunText(k));
  }
  first_ = false;
  return Status::Ok();
}

Status QueryClauses::RunVector(size_t number, size_t k) {
  const QueryRequest& request = scope_.request;
  SearchOptions options;
  options.k = k;
  options.recall = request.recall;
  options.exact = request.exact;
  options.nprobe = request.nprobe;
  options.filter = request.filter;
  if (hits_.size() == 1) options.min_score = request.min_score;
  options.explain = request.explain;
  options.column = queries_[number].column;
  options.thread_count = request.thread_count;
  VDB_ASSIGN_OR_RETURN(auto found,
                       scope_.database.Search(scope_.view, scope_.collection,
                                              VectorView(queries_[number].values), options,
                                              scope_.budget));
  Answer& answer = found.answers.front();
  exact_ &= answer.exact;
  if (!found.explains.empty()) {
    auto& explains = scope_.explain.vectors;
    if (explains.size() <= number) explains.resize(number + 1);
    // Of wider rounds the plan counts, but the filter was run in the first one.
    FilterExplain filter = first_ ? found.explains.front().filter : explains[number].filter;
    explains[number] = std::move(found.explains.front());
    explains[number].filter = std::move(filter);
  }
  Take(number, k, std::move(answer.hits));
  return Status::Ok();
}

Status QueryClauses::RunText(size_t k) {
  if (!scope_.request.filter.matches_all() && !matches_) {
    VDB_ASSIGN_OR_RETURN(matches_, RunFilter(scope_.view, scope_.collection,
                                             scope_.request.filter, scope_.budget));
    scope_.explain.filter = matches_->explain;
  }
  VDB_ASSIGN_OR_RETURN(TextMatches found,
                       SearchText(scope_.view, scope_.collection, *scope_.request.text,
                                  matches_ ? &*matches_ : nullptr, k, scope_.budget));
  scope_.explain.postings_read += found.postings_read;
  std::vector<Hit> hits;
  hits.reserve(found.hits.size());
  for (TextHit& hit : found.hits) hits.push_back({std::move(hit.key), hit.score});
  Take(hits_.size() - 1, k, std::move(hits));
  return Status::Ok();
}

}  // namespace vdb::engine
