#include "engine/query_list_plan.h"

#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using query::FilterNode;
using query::FilterOp;

// In nanoseconds, as measured in filter_run.cc.
constexpr double kEntryNs = 400;
constexpr double kDocumentNs = 1200;
constexpr double kGetNs = 30'000;
constexpr double kSortKeyNs = 200;

std::string Text(uint64_t number) { return std::to_string(number); }

std::string FieldText(const ListOrder& order) { return format::FieldPathText(order.field); }

std::string SortName(const ListOrder& order) {
  return "sort by " + (order.by_key ? std::string("key") : FieldText(order));
}

}  // namespace

Status ListFilter::Start() {
  VDB_ASSIGN_OR_RETURN(const auto counts,
                       scope_->database.ReadCounts(scope_->view, scope_->collection.id));
  document_count_ = counts.documents;
  estimate_ = document_count_;
  if (matches_all()) return Status::Ok();
  const FilterNode& root = *scope_->request.filter.root();
  reader_.emplace(scope_->view, scope_->collection, root, scope_->budget);
  VDB_RETURN_IF_ERROR(reader_->Start());
  const bool indexed = reader_->IsIndexed(root);
  const auto take = [&](const FilterNode& node) {
    const FilterReader::Estimate estimate = reader_->EstimateOf(node);
    const double cost = static_cast<double>(estimate.entries) * kEntryNs +
                        (indexed ? 0 : static_cast<double>(estimate.matches) * kGetNs);
    if (!index_cost_ || cost < *index_cost_) {
      index_cost_ = cost;
      estimate_ = estimate.matches;
    }
  };
  if (indexed) {
    take(root);
  } else if (root.op == FilterOp::kAnd) {
    for (const auto& child : root.children) {
      if (reader_->IsIndexed(*child)) take(*child);
    }
  }
  return Status::Ok();
}

Status ListFilter::Run() {
  VDB_ASSIGN_OR_RETURN(matches_, RunFilterForKeys(scope_->view, scope_->collection,
                                                  scope_->request.filter, scope_->budget, &keys_,
                                                  &has_keys_));
  return Status::Ok();
}

bool ListFilter::MayHold(uint64_t docno) const {
  return !matches_ || matches_->docnos.Contains(docno) != matches_->complement;
}

StatusOr<bool> ListFilter::Holds(const format::DocumentPeek& document, std::string_view key) {
  if (knows()) return MayHold(document.docno);
  VDB_ASSIGN_OR_RETURN(const bool holds,
                       reader_->Look(*scope_->request.filter.root(), document, key));
  reader_->explain().match_count += holds ? 1 : 0;
  return holds;
}

uint64_t ListFilter::match_count() const {
  return matches_ ? matches_->match_count : estimate_;
}

FilterExplain ListFilter::TakeExplain() {
  if (matches_) return std::move(matches_->explain);
  FilterExplain explain;
  if (reader_) {
    explain = std::move(reader_->explain());
    explain.plan = "documents";
    explain.reason = "tested on the documents as the list comes to them; matches are counted "
                     "as far as it went";
  } else {
    explain.plan = "none";
    explain.document_count = explain.match_count = document_count_;
  }
  return explain;
}

StatusOr<ListPlan> PlanList(QueryScope* scope, const ListOrder& order, ListFilter* filter) {
  const auto all = static_cast<double>(filter->document_count());
  const auto wanted = static_cast<double>(scope->page_end()) + 1;
  // What a walk passes until the page is full, if matches lie evenly.
  const auto passed = [&] {
    const auto matches = static_cast<double>(std::max<uint64_t>(filter->match_count(), 1));
    return std::min(wanted * std::max(all, 1.0) / matches, all);
  };
  const bool ordered = order.by_key || order.index != nullptr;
  const double look_ns = order.by_key || !ordered ? kDocumentNs : kGetNs;
  const double looking = (ordered ? passed() : all) * look_ns;
  if (filter->index_cost() && *filter->index_cost() < looking) VDB_RETURN_IF_ERROR(filter->Run());

  const auto matches = static_cast<double>(filter->match_count());
  const double sort = matches * (order.by_key ? kSortKeyNs : kGetNs);
  const double walk = !ordered       ? all * kDocumentNs
                      : order.by_key ? passed() * kDocumentNs
                                     : passed() * kEntryNs + wanted * kGetNs;
  ListPlan plan;
  if (filter->has_keys() && sort < walk) {
    plan.source = ListSource::kSortMatches;
    plan.name = SortName(order);
    plan.reason = "indexes name the " + Text(filter->match_count()) +
                  " documents that match, fewer than a walk would pass";
  } else if (order.by_key) {
    plan.name = "key order";
    plan.reason = filter->was_run() ? "documents are in this order, and the filter's matches are "
                                      "known"
                                    : "documents are in this order";
  } else if (ordered) {
    plan.source = ListSource::kWalkIndex;
    plan.name = "index order of " + FieldText(order);
    plan.reason = "its index has the documents in this order";
    if (!filter->knows()) {
      plan.reads_max = static_cast<uint64_t>(std::max(all * kDocumentNs / kGetNs, 64.0));
    }
  } else {
    plan.source = ListSource::kSortAll;
    plan.name = SortName(order);
    plan.reason = "the field has no ordered index; `vdbtool field-index add` makes one";
  }
  return plan;
}

ListPlan PlanWithoutIndex(const ListOrder& order) {
  ListPlan plan;
  plan.source = ListSource::kSortAll;
  plan.name = SortName(order);
  plan.reason = "few documents in the order of the index of " + FieldText(order) +
                " match; reading all costs less";
  return plan;
}

}  // namespace vdb::engine
