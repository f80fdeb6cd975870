// Verify of text indexes: documents, postings and statistics must belong together exactly.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text_entries.h"
#include "engine/view.h"
#include "format/document_record.h"

namespace vdb::engine {

/// Of one collection; FieldVerifier drives it. Memory does not grow with documents: each document's
/// postings are looked up and counted, and only if an index holds more are they looked at.
class TextVerifier {
 public:
  using Problem = std::function<void(const std::string& where, const std::string& message)>;

  /// All must outlive the verifier.
  TextVerifier(const View& view, const format::CollectionEntry& collection,
               const Problem& problem)
      : view_(view), collection_(collection), problem_(problem),
        found_(collection.field_indexes.size()) {}

  Status CheckDocument(std::string_view key, const format::DocumentRecord& record);
  Status CheckSurplus();

 private:
  // What the documents gave of one index.
  struct Found {
    uint64_t postings = 0;
    format::TextStatistics statistics;
  };

  Status CheckTerms(size_t index, std::string_view key, uint64_t docno,
                    const format::TextTerms& terms);
  Status CheckStatistics(const format::FieldIndexEntry& index,
                         const format::TextStatistics& expected);
  Status CheckPostingCount(const format::FieldIndexEntry& index, uint64_t expected);
  Status NameSurplus(const format::FieldIndexEntry& index, uint64_t surplus);
  StatusOr<bool> BelongsToDocument(const format::FieldIndexEntry& index,
                                   std::string_view store_key, std::string_view value);
  /// The body if an index needs it.
  StatusOr<std::string> BodyOf(std::string_view key, const format::DocumentRecord& record) const;
  void Report(const format::FieldIndexEntry& index, const std::string& message) const;

  const View& view_;
  const format::CollectionEntry& collection_;
  const Problem& problem_;
  std::vector<Found> found_;
};

}  // namespace vdb::engine
