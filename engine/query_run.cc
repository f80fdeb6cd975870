#include "engine/query_run.h"

#include <chrono>
#include <cmath>

#include "engine/query_list.h"
#include "engine/query_rank.h"
#include "engine/query_scope.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

bool IsList(const QueryRequest& request) { return request.vectors.empty() && !request.text; }

Status Wrong(const std::string& what) { return Status::InvalidArgument("query: " + what); }

bool IsWeight(double weight) { return std::isfinite(weight) && weight > 0; }

Status CheckVectors(const QueryRequest& request) {
  for (size_t i = 0; i < request.vectors.size(); ++i) {
    const VectorClause& clause = request.vectors[i];
    const std::string where = "vector clause " + std::to_string(i) + ": ";
    if (!IsWeight(clause.weight)) return Wrong(where + "expected a weight above 0");
    if (clause.examples.empty()) return Wrong(where + "expected examples, found none");
    for (const VectorExample& example : clause.examples) {
      if (!std::isfinite(example.weight) || example.weight == 0) {
        return Wrong(where + "expected examples with a finite weight other than 0");
      }
      if (example.values.empty() == example.like.empty()) {
        return Wrong(where + "an example has either values or the key of a document");
      }
    }
  }
  return Status::Ok();
}

Status CheckGroups(const GroupBy& group_by) {
  if (group_by.field.empty()) return Status::Ok();
  auto path = format::ParseFieldPath(group_by.field);
  if (!path.ok()) {
    return Wrong("group by '" + group_by.field + "': " + path.status().message());
  }
  if (path->steps.empty()) return Wrong("group by: expected a field of the metadata");
  if (group_by.size == 0) return Wrong("group by: expected at least one hit per group");
  return Status::Ok();
}

// What means nothing without, or with, clauses is a mistake.
Status CheckRequest(const QueryRequest& request) {
  VDB_RETURN_IF_ERROR(request.filter.status());
  VDB_RETURN_IF_ERROR(CheckVectors(request));
  VDB_RETURN_IF_ERROR(CheckGroups(request.group_by));
  if (request.text && !IsWeight(request.text->weight)) {
    return Wrong("text: expected a weight above 0");
  }
  if (std::isnan(request.min_score)) return Wrong("expected a minimum score, found NaN");
  const double lambda = request.diversity_lambda;
  if (!(lambda >= 0 && lambda <= 1)) return Wrong("expected a diversity_lambda from 0 to 1");
  if (lambda < 1 && request.vectors.empty()) return Wrong("diversity needs a vector clause");
  const bool ranked = !IsList(request);
  if (ranked && (!request.order_by.field.empty() || request.order_by.descending)) {
    return Wrong("vectors and text rank hits by score; order_by is for lists");
  }
  if (!ranked && (!request.group_by.field.empty() || !std::isinf(request.min_score))) {
    return Wrong("group_by and min_score need vectors or text");
  }
  return Status::Ok();
}

}  // namespace

StatusOr<QueryResult> RunQuery(const DatabaseImpl& database, const View& view,
                               const format::CollectionEntry& collection,
                               const QueryRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  VDB_RETURN_IF_ERROR(CheckRequest(request));
  query::Budget budget(request.limits, database.clock());
  QueryScope scope = {database, view, collection, request, &budget};
  VDB_ASSIGN_OR_RETURN(scope.fields, FieldTreeOf(request.projection.fields));
  scope.bytes = RequestBytes(collection, request);
  scope.start.skip = request.offset;
  if (!request.cursor.empty()) {
    VDB_ASSIGN_OR_RETURN(scope.start, DecodeCursor(request.cursor, scope.bytes));
    if (scope.start.ranked == IsList(request)) return Wrong("the cursor is of another request");
  }
  VDB_ASSIGN_OR_RETURN(QueryResult result, IsList(request) ? RunList(&scope) : RunRanked(&scope));
  result.stopped = scope.stop_reason();
  result.batch_number = view.batch;
  if (request.explain) {
    if (scope.explain.filter.plan.empty()) scope.explain.filter.plan = "none";
    scope.explain.total_us = std::chrono::duration<double, std::micro>(
                                 std::chrono::steady_clock::now() - start)
                                 .count();
    result.explain = std::move(scope.explain);
  }
  return result;
}

}  // namespace vdb::engine
