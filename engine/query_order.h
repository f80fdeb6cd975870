// The order of lists: by key, or by a field, at a document's least value (descending: its greatest)
// as ordered indexes encode values: by type, then by value; strings by their first
// kFieldStringBytesMax bytes. Ties by key ascending; documents without the field last, by key.
#pragma once

#include <memory>
#include <string_view>

#include "engine/key_span.h"
#include "engine/query_cursor.h"
#include "engine/view.h"
#include "format/document_record.h"
#include "format/field_entry.h"
#include "format/field_path.h"

namespace vdb::engine {

struct ListOrder {
  bool by_key = true;
  format::FieldPath field;
  bool descending = false;
  const format::FieldIndexEntry* index = nullptr;  // ordered and ready; null: none

  bool ComesBefore(const ListPosition& a, const ListPosition& b) const;
  StatusOr<ListPosition> PositionOf(std::string_view key, std::string_view metadata) const;
};

/// kInvalidArgument: no path, or the body.
StatusOr<ListOrder> ListOrderOf(const format::CollectionEntry& collection, const OrderBy& order_by);

/// Documents of a span in the order of their keys, from behind `after` (null: all).
class KeyWalk {
 public:
  static StatusOr<KeyWalk> Begin(const View& view, uint32_t collection_id, const KeySpan& span,
                                 bool descending, const std::string* after);
  bool Valid() const { return cursor_->Valid(); }
  Status status() const { return cursor_->status(); }
  void Next() { descending_ ? cursor_->Prev() : cursor_->Next(); }
  std::string_view key() const { return cursor_->key().substr(format::kDocumentPrefixBytes); }
  std::string_view record() const { return cursor_->value(); }

 private:
  std::unique_ptr<storage::StoreCursor> cursor_;
  bool descending_ = false;
};

/// Entries of an order's index in its order, from behind `after` (null: all). Those that stand for
/// a string once more, as a time, are left out. A document comes once per value.
class IndexWalk {
 public:
  static StatusOr<IndexWalk> Begin(const View& view, const ListOrder& order,
                                   const ListPosition* after);
  bool Valid() const { return valid_; }
  Status Next();
  const format::FieldEntryView& entry() const { return entry_; }

 private:
  Status Load();
  Status SeekValueBelow(const std::string& bound);
  bool AtTime() const;

  std::unique_ptr<storage::StoreCursor> cursor_;
  std::string prefix_;
  bool descending_ = false;
  std::string value_;  // descending: prefix and value of the entries that are being walked
  format::FieldEntryView entry_;
  bool valid_ = false;
};

}  // namespace vdb::engine
