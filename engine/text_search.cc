#include "engine/text_search.h"

#include <algorithm>
#include <set>

#include "format/field_path.h"
#include "format/status_macros.h"
#include "format/text_entry.h"
#include "format/text_tokens.h"
#include "query/text_score.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kPostingsPerLook = 4096;  // between two looks at the budget
constexpr size_t kKeysPerLook = 256;
constexpr size_t kKeysAfterStop = 1024;

using Indexes = std::vector<const format::FieldIndexEntry*>;

std::string AddCommand(const format::CollectionEntry& collection, std::string_view field) {
  return "`vdbtool field-index add DB " + collection.name + " " + std::string(field) + " --text`";
}

Status NoIndex(const format::CollectionEntry& collection, const format::FieldPath& path) {
  const std::string field = format::FieldPathText(path);
  return Status::InvalidArgument("collection '" + collection.name + "': field '" + field +
                                 "' has no text index that is ready; add it with " +
                                 AddCommand(collection, field));
}

// By id ascending, each once.
StatusOr<Indexes> IndexesOf(const format::CollectionEntry& collection,
                            const TextClause& clause) {
  Indexes indexes;
  for (const format::FieldIndexEntry& index : collection.field_indexes) {
    if (!clause.fields.empty()) break;
    if (index.kind == FieldIndexKind::kText && index.ready) indexes.push_back(&index);
  }
  for (const std::string& field : clause.fields) {
    VDB_ASSIGN_OR_RETURN(const format::FieldPath path, format::ParseFieldPath(field));
    const auto* index = format::FindFieldIndex(collection, path, FieldIndexKind::kText);
    if (index == nullptr || !index->ready) return NoIndex(collection, path);
    indexes.push_back(index);
  }
  if (indexes.empty()) {
    return Status::FailedPrecondition("collection '" + collection.name +
                                      "' has no text index that is ready; add one with " +
                                      AddCommand(collection, "FIELD"));
  }
  std::sort(indexes.begin(), indexes.end(),
            [](const auto* a, const auto* b) { return a->id < b->id; });
  indexes.erase(std::unique(indexes.begin(), indexes.end()), indexes.end());
  return indexes;
}

// Ascending, each once.
StatusOr<std::vector<std::string>> WordsOf(const TextClause& clause) {
  if (clause.words.size() > kTextWordsBytesMax) {
    return Status::InvalidArgument("text of " + std::to_string(clause.words.size()) +
                                   " bytes; the limit is " + std::to_string(kTextWordsBytesMax));
  }
  std::set<std::string, std::less<>> words;
  VDB_RETURN_IF_ERROR(format::ForEachToken(
      clause.words, [&words](std::string_view word) { words.emplace(word); }));
  if (words.size() > kTextWordsMax) {
    return Status::InvalidArgument("text of " + std::to_string(words.size()) +
                                   " distinct words; the limit is " +
                                   std::to_string(kTextWordsMax));
  }
  return std::vector<std::string>(words.begin(), words.end());
}

class Search {
 public:
  Search(const View& view, const FilterMatches* matches, query::Budget* budget)
      : view_(view), matches_(matches), budget_(budget), scores_(budget) {}

  Status Run(const Indexes& indexes, const std::vector<std::string>& words);
  StatusOr<TextMatches> Finish(size_t k);

 private:
  // A list of postings that was added: where the keys of its documents are.
  struct List {
    uint32_t index_id = 0;
    const std::string* word = nullptr;
  };

  StatusOr<bool> AddList(uint32_t index_id, const std::string& word,
                         const format::TextStatistics& statistics);
  bool Allows(uint64_t docno) const {
    return matches_ == nullptr || matches_->docnos.Contains(docno) != matches_->complement;
  }
  StatusOr<std::string> KeyOf(const query::TextScore& score) const;

  const View& view_;
  const FilterMatches* const matches_;
  query::Budget* const budget_;
  query::TextScores scores_;
  std::vector<List> lists_;
  uint64_t postings_read_ = 0;
};

Status Search::Run(const Indexes& indexes, const std::vector<std::string>& words) {
  for (const format::FieldIndexEntry* index : indexes) {
    const std::string key = format::TextStatisticsKey(index->id);
    VDB_ASSIGN_OR_RETURN(const auto value, view_.store->Get(key, view_.snapshot.get()));
    if (!value) continue;  // no document has a token here
    format::TextStatistics statistics;
    if (!format::DecodeTextStatistics(*value, &statistics)) return format::TextEntryDamaged(key);
    for (const std::string& word : words) {
      VDB_ASSIGN_OR_RETURN(const bool go_on, AddList(index->id, word, statistics));
      if (!go_on) return Status::Ok();
    }
  }
  return Status::Ok();
}

// False: the budget has ended, and this list does not count. Its documents are counted before any
// of them gets a score, because that depends on their number.
StatusOr<bool> Search::AddList(uint32_t index_id, const std::string& word,
                               const format::TextStatistics& statistics) {
  if (!budget_->GoOn()) return false;
  const double mean_length =
      static_cast<double>(statistics.tokens) / static_cast<double>(statistics.documents);
  VDB_ASSIGN_OR_RETURN(auto cursor, view_.store->NewCursor(format::PostingsPrefix(index_id, word),
                                                           view_.snapshot.get()));
  query::BudgetVector<query::TextPosting> postings(budget_);
  uint64_t document_count = 0;
  for (; cursor->Valid(); cursor->Next()) {
    format::PostingView posting;
    if (!format::DecodePosting(cursor->key(), cursor->value(), &posting)) {
      return format::TextEntryDamaged(cursor->key());
    }
    if (++document_count % kPostingsPerLook == 0 && !budget_->GoOn()) return false;
    ++postings_read_;
    if (!Allows(posting.docno)) continue;
    const double weight = query::Bm25Weight(posting.frequency, posting.length, mean_length);
    if (!postings.PushBack({posting.docno, weight})) return false;
  }
  VDB_RETURN_IF_ERROR(cursor->status());
  if (postings->empty()) return true;
  lists_.push_back({index_id, &word});
  return scores_.Add(*postings, query::Bm25Idf(statistics.documents, document_count),
                     lists_.size() - 1);
}

StatusOr<std::string> Search::KeyOf(const query::TextScore& score) const {
  const List& list = lists_[score.list];
  const std::string key = format::PostingKey(list.index_id, *list.word, score.docno);
  VDB_ASSIGN_OR_RETURN(const auto value, view_.store->Get(key, view_.snapshot.get()));
  format::PostingView posting;
  if (!value || !format::DecodePosting(key, *value, &posting)) {
    return format::TextEntryDamaged(key);
  }
  return std::string(posting.key);
}

StatusOr<TextMatches> Search::Finish(size_t k) {
  TextMatches found;
  found.document_count = scores_.document_count();
  found.postings_read = postings_read_;
  size_t after_stop = 0;
  for (const query::TextScore& score : scores_.TakeBest(k)) {
    if (found.hits.size() % kKeysPerLook == 0) budget_->GoOn();
    if (budget_->stopped() != StopReason::kNone && after_stop++ == kKeysAfterStop) break;
    VDB_ASSIGN_OR_RETURN(std::string key, KeyOf(score));
    found.hits.push_back({score.docno, std::move(key), score.score});
  }
  found.stopped = budget_->stopped();
  return found;
}

}  // namespace

StatusOr<TextMatches> SearchText(const View& view, const format::CollectionEntry& collection,
                                 const TextClause& clause, const FilterMatches* matches, size_t k,
                                 query::Budget* budget) {
  VDB_ASSIGN_OR_RETURN(const Indexes indexes, IndexesOf(collection, clause));
  VDB_ASSIGN_OR_RETURN(const std::vector<std::string> words, WordsOf(clause));
  Search search(view, matches, budget);
  VDB_RETURN_IF_ERROR(search.Run(indexes, words));
  return search.Finish(k);
}

}  // namespace vdb::engine
