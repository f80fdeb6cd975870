#include "engine/key_span.h"

#include <algorithm>

#include "format/document_record.h"
#include "query/filter_value.h"

namespace vdb::engine {
namespace {

using query::FilterNode;
using query::FilterOp;

// Of a condition on the key, which is a string: no value of another type compares with it.
KeySpan SpanOfCondition(uint32_t collection_id, const FilterNode& condition) {
  KeySpan span = AllKeys(collection_id);
  const auto key = [&](const FilterValue& value) {
    return format::DocumentKey(collection_id, *query::StringOf(value));
  };
  if (condition.op == FilterOp::kExists || condition.op == FilterOp::kContains) return span;
  const auto& values = condition.values;
  const auto is_string = [](const FilterValue& value) { return query::StringOf(value) != nullptr; };
  // Strings lie side by side among the values of kIn, which ascend.
  const auto least = std::find_if(values.begin(), values.end(), is_string);
  const auto most = std::find_if(values.rbegin(), values.rend(), is_string);
  if (least == values.end()) return {AllKeys(collection_id).first, {}};
  switch (condition.op) {
    case FilterOp::kLess:
      span.past = key(*most);
      break;
    case FilterOp::kLessOrEqual:
      span.past = key(*most) + '\0';
      break;
    case FilterOp::kEqual:
    case FilterOp::kIn:
    case FilterOp::kBetween:
      span.past = key(*most) + '\0';
      [[fallthrough]];
    case FilterOp::kGreater:
    case FilterOp::kGreaterOrEqual:
      span.first = key(*least);
      break;
    case FilterOp::kStartsWith:
      span.past = span.first = key(*least);
      while (span.past.back() == '\xFF') span.past.pop_back();
      ++span.past.back();
      break;
    default: break;
  }
  return span;
}

}  // namespace

KeySpan AllKeys(uint32_t collection_id) {
  return {format::DocumentPrefix(collection_id), format::DocumentPrefix(collection_id + 1)};
}

StatusOr<std::unique_ptr<storage::StoreCursor>> DocumentsIn(const View& view, const KeySpan& span) {
  return view.store->NewCursor(span.first, span.empty() ? span.first : span.past,
                               view.snapshot.get());
}

KeySpan KeySpanOf(uint32_t collection_id, const FilterNode& filter) {
  if (filter.is_predicate() && filter.path.is_key()) return SpanOfCondition(collection_id, filter);
  KeySpan span = AllKeys(collection_id);
  if (filter.op != FilterOp::kAnd) return span;
  for (const auto& child : filter.children) {
    const KeySpan one = KeySpanOf(collection_id, *child);
    span.first = std::max(span.first, one.first);
    span.past = std::min(span.past, one.past);
  }
  return span;
}

}  // namespace vdb::engine
