// What a document has in the text indexes of its collection, and what a store batch must say when
// that changes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "format/manifest.h"
#include "format/text_entry.h"
#include "format/text_tokens.h"
#include "engine/sorted_changes.h"
#include "storage/rocksdb/document_store.h"

namespace vdb::engine {

/// What text indexes read of a document. The body may be left out where no index changes by it.
struct TextSource {
  uint64_t docno = 0;
  std::string_view metadata;
  std::string_view body;
};

bool HasTextIndex(const format::CollectionEntry& collection);
bool HasBodyIndex(const format::CollectionEntry& collection);

/// Tokens of the strings at the index's path (of an array, of its elements), or of the body.
StatusOr<format::TextTerms> TextTermsOf(const format::FieldIndexEntry& index,
                                        const TextSource& source);

/// The changes that one store batch makes in text indexes; statistics of several documents add up.
/// An index that is not ready may not have a stored document yet: the first of its postings tells,
/// because a document's postings and its share of the statistics come and go in one batch.
///
/// Postings are gathered, and put in order by Finish: a build takes two thirds of the time that it
/// takes in the order of documents.
class TextChanges {
 public:
  explicit TextChanges(const storage::DocumentStore& store) : store_(store) {}

  /// Takes each text index of the collection from `before` to `now`; null: there is no document.
  Status Change(const format::CollectionEntry& collection, std::string_view key,
                const TextSource* before, const TextSource* now);
  /// Puts a stored document into an index that is being built, unless it is there. Gives the
  /// number of its postings.
  StatusOr<uint64_t> Build(const format::FieldIndexEntry& index, std::string_view key,
                           const TextSource& now);
  /// Bytes gathered.
  size_t size_bytes() const { return postings_.size_bytes(); }
  /// Postings and statistics. Once, after the last change.
  Status Finish(storage::StoreBatch* batch);

 private:
  struct Sums {
    int64_t documents = 0;
    int64_t tokens = 0;
  };

  Status ChangeIndex(const format::FieldIndexEntry& index, std::string_view key,
                     const TextSource* before, const TextSource* now);
  void AddDifference(uint32_t index_id, std::string_view key, const format::TextTerms& before,
                     const format::TextTerms& now, uint64_t docno);
  StatusOr<bool> Holds(const format::FieldIndexEntry& index, const format::TextTerms& terms,
                       uint64_t docno) const;

  const storage::DocumentStore& store_;
  std::map<uint32_t, Sums> sums_;  // by index id
  SortedChanges postings_;
};

}  // namespace vdb::engine
