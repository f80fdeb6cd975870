#include "engine/query_rank.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "engine/query_clauses.h"
#include "engine/query_groups.h"
#include "format/document_record.h"
#include "format/metadata.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr size_t kCandidatesFactor = 10, kCandidatesMin = 100;

uint64_t VectorBytes(const std::vector<float>& vector) { return vector.size() * sizeof(float); }

class RankRun {
 public:
  explicit RankRun(QueryScope* scope)
      : scope_(*scope), clauses_(scope), diversifier_(scope->request.diversity_lambda) {}

  StatusOr<QueryResult> Run();

 private:
  bool grouped() const { return groups_.has_value(); }
  bool diverse() const { return scope_.request.diversity_lambda < 1; }
  size_t FirstCandidates() const;
  bool IsFull() const;
  StatusOr<bool> Round(size_t candidates);
  StatusOr<std::vector<Candidate>> Diversify(std::vector<Candidate> fresh);
  Status Keep(Candidate hit);
  StatusOr<bool> Append(const Candidate& hit, const std::string& group, QueryResult* result);
  StatusOr<QueryResult> Finish(size_t first_candidates);

  QueryScope& scope_;
  QueryClauses clauses_;
  Diversifier diversifier_;
  std::vector<Candidate> list_;         // without groups
  std::optional<HitGroups> groups_;
  std::unordered_set<std::string> seen_;
};

size_t RankRun::FirstCandidates() const {
  if (scope_.start.candidates > 0) return scope_.start.candidates;
  // One more than the page says whether there is another.
  if (clauses_.count() == 1 && !grouped() && !diverse()) return scope_.page_end() + 1;
  if (scope_.request.candidates > 0) return scope_.request.candidates;
  return std::max(kCandidatesMin,
                  kCandidatesFactor * std::min(scope_.page_end(), kSearchKMax));
}

bool RankRun::IsFull() const {
  if (!grouped()) return list_.size() > scope_.page_end();
  return groups_->groups().size() > scope_.page_end() &&
         groups_->IsFull(scope_.start.skip, scope_.page_end());
}

Status RankRun::Keep(Candidate hit) {
  if (!grouped()) {
    list_.push_back(std::move(hit));
    return Status::Ok();
  }
  VDB_ASSIGN_OR_RETURN(const std::string record, ReadRecord(&scope_, hit.key));
  VDB_ASSIGN_OR_RETURN(const auto document, scope_.Peek(hit.key, record));
  scope_.explain.metadata_bytes += document.metadata.size();
  VDB_ASSIGN_OR_RETURN(const std::string metadata, format::MetadataToJson(document.metadata));
  return groups_->Add(std::move(hit), metadata);
}

// Those that are wanted, in their new order; with groups all.
StatusOr<std::vector<Candidate>> RankRun::Diversify(std::vector<Candidate> fresh) {
  VDB_ASSIGN_OR_RETURN(const format::ColumnEntry* column,
                       ColumnOf(scope_.collection, clauses_.first_column()));
  std::vector<std::vector<float>> vectors;
  for (const Candidate& candidate : fresh) {
    if (!scope_.GoOn()) return fresh;
    ++scope_.explain.documents_read;
    VDB_ASSIGN_OR_RETURN(auto vector, UnitVectorOf(scope_, *column, candidate.key));
    if (!scope_.budget->Reserve(VectorBytes(vector))) return fresh;
    vectors.push_back(std::move(vector));
  }
  const size_t wanted = grouped() ? fresh.size() : scope_.page_end() + 1 - list_.size();
  const auto order = diversifier_.Take(fresh, &vectors, wanted, scope_.budget);
  // Those of the hits taken stay, for the rounds to come.
  for (const auto& vector : vectors) scope_.budget->Release(VectorBytes(vector));
  std::vector<Candidate> ordered;
  for (const size_t i : order) ordered.push_back(std::move(fresh[i]));
  return ordered;
}

// False: there is no more to find.
StatusOr<bool> RankRun::Round(size_t candidates) {
  VDB_RETURN_IF_ERROR(clauses_.Run(candidates));
  const QueryRequest& request = scope_.request;
  auto fused = Fuse(request.fusion, clauses_.hits());
  const bool more = !clauses_.exhausted() &&
                    MoreMayReach(request.fusion, clauses_.hits(), fused, request.min_score);
  std::erase_if(fused, [&](const Candidate& candidate) {
    return candidate.score < request.min_score || seen_.contains(candidate.key);
  });
  uint64_t bytes = 0;
  for (const Candidate& candidate : fused) {
    seen_.insert(candidate.key);
    bytes += sizeof(candidate) + 2 * candidate.key.size();
  }
  scope_.budget->Reserve(bytes);
  if (diverse() && !fused.empty()) {
    VDB_ASSIGN_OR_RETURN(fused, Diversify(std::move(fused)));
  }
  for (Candidate& candidate : fused) {
    if (grouped() && !scope_.GoOn()) break;
    VDB_RETURN_IF_ERROR(Keep(std::move(candidate)));
  }
  return more;
}

StatusOr<bool> RankRun::Append(const Candidate& hit, const std::string& group,
                               QueryResult* result) {
  VDB_ASSIGN_OR_RETURN(const std::string record, ReadRecord(&scope_, hit.key));
  return AppendHit(&scope_, hit.key, record, false,
                   {.document = {}, .score = hit.score, .clause_scores = hit.clause_scores,
                    .group = group},
                   result);
}

StatusOr<QueryResult> RankRun::Finish(size_t first_candidates) {
  QueryResult result;
  const size_t found = grouped() ? groups_->groups().size() : list_.size();
  const size_t end = std::min(scope_.page_end(), found);
  bool fits = true;
  for (size_t i = std::min<size_t>(scope_.start.skip, end); i < end && fits; ++i) {
    if (!grouped()) {
      VDB_ASSIGN_OR_RETURN(fits, Append(list_[i], {}, &result));
      continue;
    }
    const HitGroup& group = groups_->groups()[i];
    for (size_t j = 0; j < group.hits.size() && fits; ++j) {
      VDB_ASSIGN_OR_RETURN(fits, Append(group.hits[j], group.value, &result));
    }
  }
  result.exact = clauses_.exact() && !scope_.stopped();
  if (found > end && scope_.request.limit > 0 && !scope_.stopped()) {
    QueryCursor next;
    next.ranked = true;
    next.skip = end;
    next.candidates = first_candidates;
    result.cursor = EncodeCursor(next, scope_.bytes);
  }
  return result;
}

StatusOr<QueryResult> RankRun::Run() {
  const QueryRequest& request = scope_.request;
  scope_.explain.plan = request.vectors.size() + (request.text ? 1 : 0) > 1 ? "fusion"
                        : request.text                                      ? "text"
                                                                            : "vector";
  if (!request.group_by.field.empty()) {
    VDB_ASSIGN_OR_RETURN(format::FieldPath field,
                         format::ParseFieldPath(request.group_by.field));
    groups_.emplace(std::move(field), request.group_by.size);
  }
  VDB_RETURN_IF_ERROR(clauses_.Start());
  const size_t first = std::min(std::max<size_t>(FirstCandidates(), 1), kSearchKMax);
  size_t candidates = first;
  bool more = request.limit > 0;
  size_t rounds = 0;
  for (; more && scope_.GoOn() && !IsFull(); candidates = std::min(2 * candidates, kSearchKMax)) {
    VDB_ASSIGN_OR_RETURN(more, Round(candidates));
    ++rounds;
  }
  if (!scope_.explain.vectors.empty()) {
    scope_.explain.filter = scope_.explain.vectors.front().filter;
  }
  scope_.explain.reason = std::to_string(first) + " candidates per clause" +
                          (rounds < 2 ? std::string()
                                      : ", doubled " + std::to_string(rounds - 1) +
                                            " times, as hits were lacking");
  return Finish(first);
}

}  // namespace

StatusOr<QueryResult> RunRanked(QueryScope* scope) { return RankRun(scope).Run(); }

}  // namespace vdb::engine
