// FilterReader: what field indexes (and the order of keys) say of a filter, and what documents say.
//
// Threads: one object per thread.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/key_span.h"
#include "engine/view.h"
#include "format/document_record.h"
#include "query/budget.h"
#include "query/docno_set.h"
#include "query/filter_ranges.h"
#include "query/filter_tree.h"

namespace vdb::engine {

/// Documents, or, if `complement`, all others.
struct MatchSet {
  query::DocnoSet docnos;
  bool complement = false;

  bool Holds(uint64_t docno) const { return docnos.Contains(docno) != complement; }
  void And(const MatchSet& other);
  void Or(const MatchSet& other);
};

/// The keys of documents that index entries named.
class DocnoKeys {
 public:
  void Add(uint64_t docno, std::string_view key) {
    items_.push_back({docno, bytes_.size(), key.size()});
    bytes_ += key;
  }
  /// Calls use(docno, key) once for each docno, ascending. Stops at the first error.
  template <typename Use>
  Status ForEach(const Use& use) {
    Sort();
    for (const Item& item : items_) {
      const Status status = use(item.docno, std::string_view(bytes_).substr(item.at, item.size));
      if (!status.ok()) return status;
    }
    return Status::Ok();
  }

 private:
  struct Item {
    uint64_t docno, at, size;
  };
  void Sort();

  std::vector<Item> items_;
  std::string bytes_;
};

class FilterReader {
 public:
  /// Everything must outlive the reader.
  FilterReader(const View& view, const format::CollectionEntry& collection,
               const query::FilterNode& root, query::Budget* budget);
  ~FilterReader() { budget_->Release(reserved_); }
  FilterReader(const FilterReader&) = delete;
  FilterReader& operator=(const FilterReader&) = delete;

  /// Reads the number of documents. Call first.
  Status Start();

  /// Whether indexes and keys alone can answer it.
  bool IsIndexed(const query::FilterNode& node) const;

  struct Estimate {
    uint64_t matches = 0;  // documents
    uint64_t entries = 0;  // to read
  };
  /// Of an indexed node.
  Estimate EstimateOf(const query::FilterNode& node);
  /// Of an indexed node. Once the budget has stopped, entries that were not read are missing.
  StatusOr<MatchSet> Read(const query::FilterNode& node);

  /// From here on Read adds the keys of the entries that match to `keys`. Null: no longer.
  void KeepKeys(DocnoKeys* keys) { keys_ = keys; }

  /// Whether the document under `key`, which must have `docno`, matches.
  StatusOr<bool> Look(const query::FilterNode& node, uint64_t docno, std::string_view key);
  StatusOr<bool> Look(const query::FilterNode& node, const format::DocumentPeek& document,
                      std::string_view key);
  StatusOr<format::DocumentPeek> Peek(std::string_view key, std::string_view record) const {
    return format::PeekDocument(collection_, key, record);
  }
  /// A cursor over the collection's documents that may match.
  StatusOr<std::unique_ptr<storage::StoreCursor>> Documents() const;

  /// Ask once per item; the budget is asked once per about a thousand units of work, which an item
  /// is, or more if it is large (Work).
  bool ShouldStop(uint64_t item_bytes = 0);
  /// Counts work that costs as much as so many items.
  void Work(uint64_t items) { asked_ += items; }

  FilterExplain& explain() { return explain_; }
  uint64_t document_count() const { return explain_.document_count; }

 private:
  using Ranges = std::vector<query::FieldRange>;

  const format::FieldIndexEntry* IndexOf(const query::FilterNode& predicate) const;
  Estimate EstimateLeaf(const query::FilterNode& predicate);
  Status ReadEntries(const query::FilterNode& predicate, const format::FieldIndexEntry& index,
                     std::vector<uint64_t>* docnos);
  Status ReadRange(const query::FilterNode& predicate, const query::FieldRange& range,
                   std::string_view past, storage::StoreCursor* cursor,
                   std::vector<uint64_t>* docnos);
  StatusOr<MatchSet> ReadKeys(const query::FilterNode& predicate);
  Status ReadOneKey(const std::string& key, std::vector<uint64_t>* docnos);
  Status ReadKeySpan(const query::FilterNode& predicate, std::vector<uint64_t>* docnos);
  uint64_t BytesOf(const KeySpan& span) const;
  void Explain(const query::FilterNode& node);
  FilterExplain::Predicate& ExplainOf(const query::FilterNode& predicate) {
    return explain_.predicates[explained_.at(&predicate)];
  }

  const View& view_;
  const format::CollectionEntry& collection_;
  const query::FilterNode& root_;
  query::Budget* const budget_;
  FilterExplain explain_;
  std::map<const query::FilterNode*, size_t> explained_;
  std::map<uint32_t, uint64_t> index_bytes_;  // by id
  DocnoKeys* keys_ = nullptr;
  uint64_t asked_ = 0, next_ask_ = 0, unreserved_ = 0, reserved_ = 0;
};

/// Ascending, each once.
query::DocnoSet SetOf(std::vector<uint64_t> docnos);

}  // namespace vdb::engine
