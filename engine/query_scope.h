// What answering one query needs, passed to all parts of it, and how they meet its limits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "engine/database_impl.h"
#include "engine/query_cursor.h"
#include "engine/query_projection.h"
#include "query/budget.h"
#include "vdb/query.h"

namespace vdb::engine {

struct QueryScope {
  const DatabaseImpl& database;
  const View& view;
  const format::CollectionEntry& collection;
  const QueryRequest& request;
  query::Budget* const budget;  // of the whole request, searches in columns included
  FieldTree fields = {};       // of the projection
  std::string bytes = {};      // RequestBytes
  QueryCursor start = {};      // where the page begins: the request's cursor, or its offset
  QueryExplain explain = {};
  uint64_t documents_after_stop = 0;

  StopReason stop_reason() const { return budget->stopped(); }
  bool stopped() const { return stop_reason() != StopReason::kNone; }
  bool GoOn() { return budget->GoOn(); }

  StatusOr<format::DocumentPeek> Peek(std::string_view key, std::string_view record) const {
    return format::PeekDocument(collection, key, record);
  }

  size_t page_size() const { return std::min(request.limit, kMost); }
  /// Of the page and those left out before it.
  size_t page_end() const { return std::min<size_t>(start.skip, kMost) + page_size(); }

  static constexpr size_t kMost = std::numeric_limits<size_t>::max() / 4;
};

/// Asks a budget about once per thousand items, and gives back what it reserved.
class ScanMeter {
 public:
  explicit ScanMeter(query::Budget* budget) : budget_(budget) {}
  ~ScanMeter() { ReleaseAll(); }
  ScanMeter(const ScanMeter&) = delete;
  ScanMeter& operator=(const ScanMeter&) = delete;

  bool ShouldStop() { return asked_++ % kItemsPerBlock == 0 && !budget_->GoOn(); }
  /// Whether `bytes` more may be kept.
  bool Reserve(uint64_t bytes) {
    reserved_ += bytes;
    return budget_->Reserve(bytes);
  }
  /// All that was reserved is no longer kept.
  void ReleaseAll() {
    budget_->Release(reserved_);
    reserved_ = 0;
  }

 private:
  static constexpr uint64_t kItemsPerBlock = 1024;
  query::Budget* const budget_;
  uint64_t asked_ = 0, reserved_ = 0;
};

/// The store's value of a document that something on this view has named.
StatusOr<std::string> ReadRecord(QueryScope* scope, std::string_view key);

/// Fills `hit` from a document's record, and appends it. False, and nothing appended: the limits
/// have been passed. After a deadline or a cancellation a block of documents is still read, since
/// hits that are found already would else be lost. After memory ran out only one, and those that
/// are made of records alone which the caller kept (`record_is_kept`) and has counted.
StatusOr<bool> AppendHit(QueryScope* scope, std::string_view key, std::string_view record,
                         bool record_is_kept, QueryHit hit, QueryResult* result);

}  // namespace vdb::engine
