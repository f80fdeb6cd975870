#include "engine/query_list.h"

#include <algorithm>
#include <unordered_set>

#include "engine/query_list_plan.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

// A document of the list. The record is kept where it was at hand.
struct ListRow {
  ListPosition position = {};
  std::string record = {};
};

class ListRun {
 public:
  ListRun(QueryScope* scope, ListOrder order)
      : scope_(*scope), order_(std::move(order)), span_(SpanOf(*scope)), filter_(scope),
        meter_(scope->budget) {}

  StatusOr<QueryResult> Run();

 private:
  static KeySpan SpanOf(const QueryScope& scope) {
    const auto& filter = scope.request.filter.root();
    return filter == nullptr ? AllKeys(scope.collection.id)
                             : KeySpanOf(scope.collection.id, *filter);
  }
  Status Walk(const ListPlan& plan);
  Status WalkKeys();
  /// False: the plan's bound on reads was met.
  StatusOr<bool> WalkIndex(uint64_t reads_max);
  StatusOr<std::optional<std::string>> LookAtEntry(const format::FieldEntryView& entry);
  StatusOr<bool> IsMissing(const format::DocumentPeek& document, std::string_view key);
  Status WalkMissing();
  Status SortAll();
  Status SortMatches();
  void KeepBest(ListPosition position, uint64_t record_bytes);
  void FinishSort();
  // The next of the list in its order; false: no more are wanted.
  bool Add(ListPosition position, std::string_view record);
  void Passed(bool missing, std::string_view value, std::string_view key);
  StatusOr<QueryResult> Finish();

  const ListPosition* after() const {
    return scope_.start.after ? &*scope_.start.after : nullptr;
  }
  // One more than the page, to know whether there is another.
  size_t wanted() const { return scope_.page_size() + 1; }

  QueryScope& scope_;
  const ListOrder order_;
  const KeySpan span_;  // no document of the list lies outside
  ListFilter filter_;
  ScanMeter meter_;
  uint64_t skipped_ = 0;
  std::vector<ListRow> rows_;     // the page, and one more
  std::vector<ListPosition> heap_;  // sorting: the worst in front
  ListPosition passed_;      // walking: the last that was looked at, in the list or not
  bool has_passed_ = false;
  bool in_order_ = true;  // all before the last row is there or was left out
};

void ListRun::Passed(bool missing, std::string_view value, std::string_view key) {
  passed_.missing = missing;
  passed_.value = value;
  passed_.key = key;
  has_passed_ = true;
}

bool ListRun::Add(ListPosition position, std::string_view record) {
  if (skipped_ < scope_.start.skip) {
    ++skipped_;
    return true;
  }
  if (!meter_.Reserve(sizeof(ListRow) + position.key.size() + position.value.size() +
                      record.size())) {
    return false;
  }
  rows_.push_back({std::move(position), std::string(record)});
  return rows_.size() < wanted();
}

Status ListRun::WalkKeys() {
  VDB_ASSIGN_OR_RETURN(auto walk,
                       KeyWalk::Begin(scope_.view, scope_.collection.id, span_, order_.descending,
                                      after() == nullptr ? nullptr : &after()->key));
  for (; walk.Valid() && !meter_.ShouldStop(); walk.Next()) {
    VDB_ASSIGN_OR_RETURN(const auto document, scope_.Peek(walk.key(), walk.record()));
    VDB_ASSIGN_OR_RETURN(const bool holds, filter_.Holds(document, walk.key()));
    ++scope_.explain.documents_read;
    if (holds && !Add({.key = std::string(walk.key())}, walk.record())) break;
    Passed(false, {}, walk.key());
  }
  return walk.status();
}

// The record of an entry's document if it stands in the list at this entry. A document with several
// values stands at the first that comes; on a later page that may have been on an earlier one.
StatusOr<std::optional<std::string>> ListRun::LookAtEntry(const format::FieldEntryView& entry) {
  VDB_ASSIGN_OR_RETURN(std::string record, ReadRecord(&scope_, entry.key));
  VDB_ASSIGN_OR_RETURN(const auto document, scope_.Peek(entry.key, record));
  VDB_ASSIGN_OR_RETURN(const bool holds, filter_.Holds(document, entry.key));
  if (!holds) return std::optional<std::string>();
  VDB_ASSIGN_OR_RETURN(const ListPosition position,
                       order_.PositionOf(entry.key, document.metadata));
  if (position.value != entry.encoded) return std::optional<std::string>();
  return std::optional<std::string>(std::move(record));
}

StatusOr<bool> ListRun::WalkIndex(uint64_t reads_max) {
  VDB_ASSIGN_OR_RETURN(auto walk, IndexWalk::Begin(scope_.view, order_, after()));
  // From the beginning on the first entry of a document is its place, and nothing must be read.
  const bool must_look = after() != nullptr || !filter_.knows();
  std::unordered_set<uint64_t> seen;
  uint64_t reads = 0;
  while (walk.Valid()) {
    const format::FieldEntryView& entry = walk.entry();
    if (must_look ? !scope_.budget->GoOn() : meter_.ShouldStop()) return true;
    if (filter_.MayHold(entry.docno)) {
      std::optional<std::string> record;
      bool here = !must_look && seen.insert(entry.docno).second;
      if (must_look) {
        if (reads_max > 0 && reads++ == reads_max) return false;
        VDB_ASSIGN_OR_RETURN(record, LookAtEntry(entry));
        here = record.has_value();
      } else if (here && !meter_.Reserve(4 * sizeof(uint64_t))) {
        return true;
      }
      if (here && !Add({.value = std::string(entry.encoded), .key = std::string(entry.key)},
                       record ? *record : std::string())) {
        return true;
      }
    }
    Passed(false, entry.encoded, entry.key);
    VDB_RETURN_IF_ERROR(walk.Next());
  }
  VDB_RETURN_IF_ERROR(WalkMissing());
  return true;
}

// Whether it is in the list, and has no value.
StatusOr<bool> ListRun::IsMissing(const format::DocumentPeek& document, std::string_view key) {
  if (!filter_.MayHold(document.docno)) return false;
  ++scope_.explain.documents_read;
  scope_.explain.metadata_bytes += document.metadata.size();
  VDB_ASSIGN_OR_RETURN(const ListPosition position, order_.PositionOf(key, document.metadata));
  if (!position.missing) return false;
  return filter_.Holds(document, key);
}

Status ListRun::WalkMissing() {
  const bool resumed = after() != nullptr && after()->missing;
  VDB_ASSIGN_OR_RETURN(auto walk, KeyWalk::Begin(scope_.view, scope_.collection.id, span_, false,
                                                 resumed ? &after()->key : nullptr));
  for (; walk.Valid() && !meter_.ShouldStop(); walk.Next()) {
    VDB_ASSIGN_OR_RETURN(const auto document, scope_.Peek(walk.key(), walk.record()));
    VDB_ASSIGN_OR_RETURN(const bool here, IsMissing(document, walk.key()));
    if (here && !Add({.missing = true, .key = std::string(walk.key())}, walk.record())) break;
    Passed(true, {}, walk.key());
  }
  return walk.status();
}

void ListRun::KeepBest(ListPosition position, uint64_t keep) {
  if (after() != nullptr && !order_.ComesBefore(*after(), position)) return;
  const auto before = [this](const ListPosition& a, const ListPosition& b) {
    return order_.ComesBefore(a, b);
  };
  if (heap_.size() == keep) {
    if (!before(position, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), before);
    heap_.back() = std::move(position);
  } else {
    if (!meter_.Reserve(sizeof(position) + position.key.size() + position.value.size())) return;
    heap_.push_back(std::move(position));
  }
  std::push_heap(heap_.begin(), heap_.end(), before);
}

void ListRun::FinishSort() {
  in_order_ = !scope_.stopped();
  skipped_ = scope_.start.skip;
  std::sort_heap(heap_.begin(), heap_.end(), [this](const ListPosition& a, const ListPosition& b) {
    return order_.ComesBefore(a, b);
  });
  for (size_t i = std::min<size_t>(scope_.start.skip, heap_.size()); i < heap_.size(); ++i) {
    rows_.push_back({std::move(heap_[i])});
  }
}

Status ListRun::SortAll() {
  VDB_ASSIGN_OR_RETURN(auto walk,
                       KeyWalk::Begin(scope_.view, scope_.collection.id, span_, false, nullptr));
  for (; walk.Valid() && !meter_.ShouldStop(); walk.Next()) {
    VDB_ASSIGN_OR_RETURN(const auto document, scope_.Peek(walk.key(), walk.record()));
    VDB_ASSIGN_OR_RETURN(const bool holds, filter_.Holds(document, walk.key()));
    if (!holds) continue;
    ++scope_.explain.documents_read;
    scope_.explain.metadata_bytes += document.metadata.size();
    VDB_ASSIGN_OR_RETURN(ListPosition position,
                         order_.PositionOf(walk.key(), document.metadata));
    KeepBest(std::move(position), scope_.page_end() + 1);
  }
  VDB_RETURN_IF_ERROR(walk.status());
  FinishSort();
  return Status::Ok();
}

Status ListRun::SortMatches() {
  VDB_RETURN_IF_ERROR(filter_.keys().ForEach([&](uint64_t docno, std::string_view key) {
    if (scope_.stopped()) return Status::Ok();
    if (order_.by_key && meter_.ShouldStop()) return Status::Ok();
    if (!filter_.MayHold(docno)) return Status::Ok();
    std::string record;
    format::DocumentPeek document;
    if (!order_.by_key) {
      if (!scope_.budget->GoOn()) return Status::Ok();
      VDB_ASSIGN_OR_RETURN(record, ReadRecord(&scope_, key));
      VDB_ASSIGN_OR_RETURN(document, scope_.Peek(key, record));
      scope_.explain.metadata_bytes += document.metadata.size();
    }
    VDB_ASSIGN_OR_RETURN(ListPosition position, order_.PositionOf(key, document.metadata));
    KeepBest(std::move(position), scope_.page_end() + 1);
    return Status::Ok();
  }));
  FinishSort();
  return Status::Ok();
}

Status ListRun::Walk(const ListPlan& plan) {
  scope_.explain.plan = plan.name;
  scope_.explain.reason = plan.reason;
  switch (plan.source) {
    case ListSource::kWalkKeys: return WalkKeys();
    case ListSource::kSortAll: return SortAll();
    case ListSource::kSortMatches: return SortMatches();
    case ListSource::kWalkIndex: break;
  }
  if (after() != nullptr && after()->missing) return WalkMissing();
  VDB_ASSIGN_OR_RETURN(const bool done, WalkIndex(plan.reads_max));
  if (done) return Status::Ok();
  rows_.clear();
  meter_.ReleaseAll();
  has_passed_ = false;
  return Walk(PlanWithoutIndex(order_));
}

StatusOr<QueryResult> ListRun::Finish() {
  QueryResult result;
  const bool more = rows_.size() == wanted();
  if (more) rows_.pop_back();
  for (ListRow& row : rows_) {
    const bool kept = !row.record.empty();
    if (!kept) {
      VDB_ASSIGN_OR_RETURN(row.record, ReadRecord(&scope_, row.position.key));
    }
    VDB_ASSIGN_OR_RETURN(const bool fits, AppendHit(&scope_, row.position.key, row.record,
                                                    kept, QueryHit(), &result));
    if (!fits) break;
    row.record = {};
  }
  const size_t returned = result.hits.size();
  const bool cut = scope_.stopped() || returned < rows_.size();
  if (scope_.request.limit > 0 && (cut ? in_order_ : more)) {
    QueryCursor next;
    next.skip = scope_.start.skip - skipped_;
    if (has_passed_ && returned == rows_.size()) {
      next.after = passed_;  // a walk that a limit stopped goes on where it was
    } else if (returned > 0) {
      next.after = rows_[returned - 1].position;
    } else {
      next.after = scope_.start.after;
    }
    result.cursor = EncodeCursor(next, scope_.bytes);
  }
  result.exact = !cut;
  scope_.explain.filter = filter_.TakeExplain();
  return result;
}

StatusOr<QueryResult> ListRun::Run() {
  VDB_RETURN_IF_ERROR(filter_.Start());
  VDB_ASSIGN_OR_RETURN(const ListPlan plan, PlanList(&scope_, order_, &filter_));
  if (scope_.request.limit > 0) VDB_RETURN_IF_ERROR(Walk(plan));
  return Finish();
}

}  // namespace

StatusOr<QueryResult> RunList(QueryScope* scope) {
  VDB_ASSIGN_OR_RETURN(ListOrder order,
                       ListOrderOf(scope->collection, scope->request.order_by));
  return ListRun(scope, std::move(order)).Run();
}

}  // namespace vdb::engine
