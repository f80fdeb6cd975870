// DocumentIterator: the documents of one collection in ascending byte order of their keys.
//
//   auto it = collection.NewIterator();
//   if (!it.ok()) ...
//   for (it->SeekToFirst(); it->Valid(); it->Next()) { use(it->key()); }
//   if (!it->status().ok()) ...
#pragma once

#include <memory>
#include <string_view>

#include "vdb/document.h"
#include "vdb/status.h"

namespace vdb {

namespace engine {
class IteratorImpl;
}

/// Holds the view it was made on: later writes are not seen. One thread at a time. Must be gone
/// before Database::Close. Starts before the first document: call a Seek first.
class DocumentIterator {
 public:
  DocumentIterator(DocumentIterator&&) noexcept;
  DocumentIterator& operator=(DocumentIterator&&) noexcept;
  ~DocumentIterator();

  void SeekToFirst();
  /// To the first key >= `key`.
  void Seek(std::string_view key);
  void Next();

  /// False at the end and after an error: then look at status().
  bool Valid() const;
  Status status() const;

  /// Requires Valid(). Valid until the next move.
  std::string_view key() const;

  /// Whether the document has a vector in `column`; reads no vector. False for unknown columns.
  StatusOr<bool> HasVector(std::string_view column) const;

  /// The whole document; `parts` says what to load beside key and version.
  StatusOr<Document> document(DocumentParts parts = {}) const;

 private:
  friend class Collection;
  explicit DocumentIterator(std::unique_ptr<engine::IteratorImpl> impl);
  std::unique_ptr<engine::IteratorImpl> impl_;
};

}  // namespace vdb
