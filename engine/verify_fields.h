// Verify of field indexes: documents and entries must belong together exactly, both ways.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/verify_text.h"
#include "engine/view.h"
#include "format/document_record.h"

namespace vdb::engine {

/// Of one collection. Memory does not grow with documents: each document's entries are looked up
/// and counted, and only if an index holds more than that are its entries looked at one by one.
class FieldVerifier {
 public:
  using Problem = std::function<void(const std::string& where, const std::string& message)>;

  FieldVerifier(const View& view, const format::CollectionEntry& collection, Problem problem)
      : view_(view), collection_(collection), problem_(std::move(problem)),
        text_(view, collection, problem_), found_(collection.field_indexes.size()) {}

  /// Call for every document.
  Status CheckDocument(std::string_view key, const format::DocumentRecord& record);
  /// Call after the last one.
  Status CheckSurplus();

 private:
  Status CheckEntry(size_t index, std::string_view store_key, std::string_view value);
  Status NameSurplus(const format::FieldIndexEntry& index);
  StatusOr<bool> BelongsToDocument(const format::FieldIndexEntry& index,
                                   std::string_view store_key, std::string_view value);
  std::string Name(const format::FieldIndexEntry& index) const;

  const View& view_;
  const format::CollectionEntry& collection_;
  const Problem problem_;
  TextVerifier text_;
  std::vector<uint64_t> found_;  // entries of documents, by index
};

}  // namespace vdb::engine
