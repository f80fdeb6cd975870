// KeySpan: where the documents lie that a filter can match, by what it says of their keys.
// Documents are in the order of their keys, so that what lies outside need not be read.
#pragma once

#include <memory>
#include <string>

#include "engine/view.h"
#include "query/filter_tree.h"

namespace vdb::engine {

/// Document records from `first` up to `past`, as keys of the store. Empty if first >= past.
struct KeySpan {
  std::string first, past;

  bool empty() const { return first >= past; }
};

/// The span of a whole collection.
KeySpan AllKeys(uint32_t collection_id);

/// A cursor over the documents of a span.
StatusOr<std::unique_ptr<storage::StoreCursor>> DocumentsIn(const View& view, const KeySpan& span);

/// A span that holds every match of `filter`: of a condition on the key, or what all conditions of
/// an `and` leave. Other filters can match anywhere.
KeySpan KeySpanOf(uint32_t collection_id, const query::FilterNode& filter);

}  // namespace vdb::engine
