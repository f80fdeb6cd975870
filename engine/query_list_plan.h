// How a list is made: which filter runs first, and what is walked or sorted.
#pragma once

#include <optional>
#include <string>

#include "engine/filter_reader.h"
#include "engine/filter_run.h"
#include "engine/query_order.h"
#include "engine/query_scope.h"

namespace vdb::engine {

enum class ListSource {
  kWalkKeys,     // documents in the order asked for, testing each
  kWalkIndex,    // entries of the order's index, then documents without the field
  kSortMatches,  // the keys that a filter's indexes named
  kSortAll,      // all documents
};

/// Which documents belong to a list: all, those of a filter that has been run, or those that match
/// when they are looked at.
class ListFilter {
 public:
  explicit ListFilter(QueryScope* scope) : scope_(scope) {}

  /// Estimates; reads nothing but counts. Call first.
  Status Start();
  /// Runs the filter as a whole; from here on its matches decide.
  Status Run();

  bool matches_all() const { return scope_->request.filter.matches_all(); }
  bool was_run() const { return matches_.has_value(); }
  /// Of those that can be told without the document: whether it may be in the list.
  bool MayHold(uint64_t docno) const;
  /// Whether MayHold is all there is to ask.
  bool knows() const { return matches_all() || was_run(); }
  StatusOr<bool> Holds(const format::DocumentPeek& document, std::string_view key);

  uint64_t document_count() const { return document_count_; }
  /// Of the filter, counted or estimated; all documents if nothing is known.
  uint64_t match_count() const;
  /// Nanoseconds to run it by indexes; none: it has none that help.
  std::optional<double> index_cost() const { return index_cost_; }
  bool has_keys() const { return has_keys_; }
  DocnoKeys& keys() { return keys_; }

  FilterExplain TakeExplain();

 private:
  QueryScope* const scope_;
  std::optional<FilterReader> reader_;  // of a filter that is not run as a whole
  uint64_t document_count_ = 0;
  std::optional<double> index_cost_;
  uint64_t estimate_ = 0;
  std::optional<FilterMatches> matches_;
  DocnoKeys keys_;
  bool has_keys_ = false;
};

struct ListPlan {
  ListSource source = ListSource::kWalkKeys;
  std::string name, reason;
  uint64_t reads_max = 0;  // of kWalkIndex: documents, beyond which sorting is cheaper. 0: no bound
};

/// Runs the filter if that comes first.
StatusOr<ListPlan> PlanList(QueryScope* scope, const ListOrder& order, ListFilter* filter);
/// Once kWalkIndex has read as much as its plan allows.
ListPlan PlanWithoutIndex(const ListOrder& order);

}  // namespace vdb::engine
