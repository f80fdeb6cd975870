// The clauses of a query, run for so many candidates each.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/filter_run.h"
#include "engine/query_fusion.h"
#include "engine/query_scope.h"
#include "engine/query_vector.h"

namespace vdb::engine {

class QueryClauses {
 public:
  explicit QueryClauses(QueryScope* scope) : scope_(*scope) {}

  /// Reads examples. Call first.
  Status Start();
  /// The best `count` of each clause, documents that are examples left out.
  Status Run(size_t count);

  size_t count() const { return hits_.size(); }
  const std::vector<ClauseHits>& hits() const { return hits_; }
  bool exhausted() const;
  bool exact() const { return exact_; }
  /// The column that diversity goes by.
  const std::string& first_column() const { return queries_.front().column; }

 private:
  Status RunVector(size_t number, size_t k);
  Status RunText(size_t k);
  void Take(size_t number, size_t k, std::vector<Hit> hits);

  QueryScope& scope_;
  std::vector<ClauseQuery> queries_;
  std::set<std::string, std::less<>> like_;
  std::optional<FilterMatches> matches_;  // of text clauses
  std::vector<ClauseHits> hits_;
  bool first_ = true;
  bool exact_ = true;
};

}  // namespace vdb::engine
