#include "engine/query_order.h"

#include "format/field_value.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

bool IsTime(std::string_view encoded) {
  return !encoded.empty() &&
         static_cast<uint8_t>(encoded.front()) == static_cast<uint8_t>(format::FieldType::kTime);
}

std::string TypeBound(const std::string& prefix, int type) {
  return prefix + static_cast<char>(type);
}

}  // namespace

bool ListOrder::ComesBefore(const ListPosition& a, const ListPosition& b) const {
  if (by_key) return descending ? a.key > b.key : a.key < b.key;
  if (a.missing != b.missing) return b.missing;
  if (a.value != b.value) return descending ? a.value > b.value : a.value < b.value;
  return a.key < b.key;
}

StatusOr<ListPosition> ListOrder::PositionOf(std::string_view key,
                                             std::string_view metadata) const {
  ListPosition position;
  position.key = key;
  if (by_key) return position;
  position.missing = true;
  VDB_ASSIGN_OR_RETURN(auto entries, format::FieldEntriesOf(field, key, metadata));
  for (format::FieldEntry& entry : entries) {
    if (IsTime(entry.value)) continue;
    position.missing = false;
    position.value = std::move(entry.value);
    if (!descending) break;
  }
  return position;
}

StatusOr<ListOrder> ListOrderOf(const format::CollectionEntry& collection,
                                const OrderBy& order_by) {
  ListOrder order;
  order.descending = order_by.descending;
  if (order_by.field.empty()) return order;
  auto path = format::ParseFieldPath(order_by.field);
  if (!path.ok()) {
    return Status(path.status().code(),
                  "order by '" + order_by.field + "': " + path.status().message());
  }
  if (path->body) return Status::InvalidArgument("order by: expected a field, found the body");
  order.by_key = path->is_key();
  order.field = std::move(*path);
  const auto* index = format::FindFieldIndex(collection, order.field, FieldIndexKind::kOrdered);
  if (!order.by_key && index != nullptr && index->ready) order.index = index;
  return order;
}

StatusOr<KeyWalk> KeyWalk::Begin(const View& view, uint32_t collection_id, const KeySpan& span,
                                 bool descending, const std::string* after) {
  KeyWalk walk;
  walk.descending_ = descending;
  VDB_ASSIGN_OR_RETURN(walk.cursor_, DocumentsIn(view, span));
  if (after != nullptr) {
    const std::string at = format::DocumentKey(collection_id, *after);
    descending ? walk.cursor_->SeekBefore(at) : walk.cursor_->Seek(at + '\0');
  } else if (descending) {
    walk.cursor_->SeekToLast();
  }
  return walk;
}

StatusOr<IndexWalk> IndexWalk::Begin(const View& view, const ListOrder& order,
                                     const ListPosition* after) {
  IndexWalk walk;
  walk.descending_ = order.descending;
  walk.prefix_ = format::FieldIndexPrefix(order.index->id);
  VDB_ASSIGN_OR_RETURN(walk.cursor_, view.store->NewCursor(walk.prefix_, view.snapshot.get()));
  if (after != nullptr) {
    walk.value_ = walk.prefix_ + after->value;
    walk.cursor_->Seek(walk.value_ + after->key + '\0');
  } else if (order.descending) {
    VDB_RETURN_IF_ERROR(walk.SeekValueBelow(format::FieldIndexPrefix(order.index->id + 1)));
  }
  VDB_RETURN_IF_ERROR(walk.Load());
  return walk;
}

Status IndexWalk::Next() {
  cursor_->Next();
  return Load();
}

bool IndexWalk::AtTime() const {
  return cursor_->Valid() && IsTime(cursor_->key().substr(prefix_.size()));
}

// To the first entry of the greatest value below `bound`: equal values ascend by key.
Status IndexWalk::SeekValueBelow(const std::string& bound) {
  cursor_->SeekBefore(bound);
  if (AtTime()) {
    cursor_->SeekBefore(TypeBound(prefix_, static_cast<int>(format::FieldType::kTime)));
  }
  if (!cursor_->Valid()) return Status::Ok();
  const std::string_view key = cursor_->key();
  const size_t value_bytes = format::FieldValueBytes(key.substr(prefix_.size()));
  if (value_bytes == 0) return format::FieldEntryDamaged(key);
  value_ = key.substr(0, prefix_.size() + value_bytes);
  cursor_->Seek(value_);
  return Status::Ok();
}

Status IndexWalk::Load() {
  if (!descending_ && AtTime()) {
    cursor_->Seek(TypeBound(prefix_, static_cast<int>(format::FieldType::kTime) + 1));
  }
  // Encodings are self-delimiting: a key that begins with the value's bytes has that value.
  if (descending_ && !value_.empty() &&
      !(cursor_->Valid() && cursor_->key().starts_with(value_))) {
    VDB_RETURN_IF_ERROR(SeekValueBelow(value_));
  }
  valid_ = cursor_->Valid();
  if (!valid_) return cursor_->status();
  if (!format::DecodeFieldEntry(cursor_->key(), cursor_->value(), &entry_)) {
    return format::FieldEntryDamaged(cursor_->key());
  }
  return Status::Ok();
}

}  // namespace vdb::engine
