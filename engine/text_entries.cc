#include "engine/text_entries.h"

#include <algorithm>

#include "format/metadata_view.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using Texts = std::vector<std::string_view>;

StatusOr<Texts> TextsOf(const format::FieldIndexEntry& index, const TextSource* source) {
  Texts texts;
  if (source == nullptr) return texts;
  if (index.path.body) {
    texts.push_back(source->body);
    return texts;
  }
  const auto walk = format::WalkField(
      source->metadata, index.path.steps, [&texts](const format::MetadataValue& value) {
        if (value.kind == format::MetadataKind::kString) texts.push_back(value.string);
        return true;
      });
  if (walk == format::Walk::kDamaged) return format::MetadataDamaged(source->metadata);
  return texts;
}

StatusOr<format::TextTerms> Count(const Texts& texts) {
  format::TermCounter counter;
  for (const std::string_view text : texts) VDB_RETURN_IF_ERROR(counter.Add(text));
  return counter.Take();
}

bool IsText(const format::FieldIndexEntry& index) { return index.kind == FieldIndexKind::kText; }

// A damaged statistic is never a reason to refuse writes: verify finds it.
uint64_t Changed(uint64_t value, int64_t change) {
  const int64_t sum = static_cast<int64_t>(value) + change;
  return sum < 0 ? 0 : static_cast<uint64_t>(sum);
}

}  // namespace

bool HasTextIndex(const format::CollectionEntry& collection) {
  return std::any_of(collection.field_indexes.begin(), collection.field_indexes.end(), IsText);
}

bool HasBodyIndex(const format::CollectionEntry& collection) {
  return std::any_of(collection.field_indexes.begin(), collection.field_indexes.end(),
                     [](const auto& index) { return IsText(index) && index.path.body; });
}

StatusOr<format::TextTerms> TextTermsOf(const format::FieldIndexEntry& index,
                                        const TextSource& source) {
  VDB_ASSIGN_OR_RETURN(const Texts texts, TextsOf(index, &source));
  return Count(texts);
}

// Both ascend by term. Every value has the length: if that differs all of them are written.
void TextChanges::AddDifference(uint32_t index_id, std::string_view key,
                                const format::TextTerms& before, const format::TextTerms& now,
                                uint64_t docno) {
  auto old = before.terms.begin();
  const auto remove_below = [&](const std::string* term) {
    for (; old != before.terms.end() && (term == nullptr || old->term < *term); ++old) {
      postings_.Delete(format::PostingKey(index_id, old->term, docno));
    }
  };
  for (const format::TextTerm& term : now.terms) {
    remove_below(&term.term);
    const bool found = old != before.terms.end() && old->term == term.term;
    const bool same = found && old->frequency == term.frequency && before.length == now.length;
    if (found) ++old;
    if (same) continue;
    postings_.Put(format::PostingKey(index_id, term.term, docno),
                  format::PostingValue(term.frequency, now.length, key));
  }
  remove_below(nullptr);
}

StatusOr<bool> TextChanges::Holds(const format::FieldIndexEntry& index,
                                  const format::TextTerms& terms, uint64_t docno) const {
  if (terms.empty()) return false;
  if (index.ready) return true;
  VDB_ASSIGN_OR_RETURN(
      const auto found,
      store_.Get(format::PostingKey(index.id, terms.terms.front().term, docno)));
  return found.has_value();
}

Status TextChanges::Change(const format::CollectionEntry& collection, std::string_view key,
                           const TextSource* before, const TextSource* now) {
  for (const format::FieldIndexEntry& index : collection.field_indexes) {
    if (!IsText(index)) continue;
    VDB_RETURN_IF_ERROR(ChangeIndex(index, key, before, now));
  }
  return Status::Ok();
}

Status TextChanges::ChangeIndex(const format::FieldIndexEntry& index, std::string_view key,
                                const TextSource* before, const TextSource* now) {
  const bool same_docno = before != nullptr && now != nullptr && before->docno == now->docno;
  if (same_docno && index.path.body) return Status::Ok();  // a new body takes a new docno
  VDB_ASSIGN_OR_RETURN(const Texts old_texts, TextsOf(index, before));
  VDB_ASSIGN_OR_RETURN(const Texts new_texts, TextsOf(index, now));
  const bool same_texts = old_texts == new_texts;
  if (same_docno && same_texts) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(format::TextTerms old_terms, Count(old_texts));
  VDB_ASSIGN_OR_RETURN(format::TextTerms new_terms,
                       same_texts ? StatusOr<format::TextTerms>(old_terms) : Count(new_texts));
  VDB_ASSIGN_OR_RETURN(const bool held,
                       Holds(index, old_terms, before == nullptr ? 0 : before->docno));
  if (!held) old_terms = {};
  Sums& sums = sums_[index.id];
  sums.documents += int64_t{!new_terms.empty()} - int64_t{!old_terms.empty()};
  sums.tokens += static_cast<int64_t>(new_terms.length) - static_cast<int64_t>(old_terms.length);
  if (!same_docno && before != nullptr) {
    AddDifference(index.id, key, old_terms, {}, before->docno);
    old_terms = {};
  }
  if (now != nullptr) AddDifference(index.id, key, old_terms, new_terms, now->docno);
  return Status::Ok();
}

StatusOr<uint64_t> TextChanges::Build(const format::FieldIndexEntry& index, std::string_view key,
                                      const TextSource& now) {
  VDB_ASSIGN_OR_RETURN(const format::TextTerms terms, TextTermsOf(index, now));
  if (terms.empty()) return uint64_t{0};
  VDB_ASSIGN_OR_RETURN(const bool held, Holds(index, terms, now.docno));
  if (held) return uint64_t{terms.terms.size()};
  AddDifference(index.id, key, {}, terms, now.docno);
  sums_[index.id].documents += 1;
  sums_[index.id].tokens += static_cast<int64_t>(terms.length);
  return uint64_t{terms.terms.size()};
}

Status TextChanges::Finish(storage::StoreBatch* batch) {
  postings_.EmitTo(batch);
  for (const auto& [id, sums] : sums_) {
    if (sums.documents == 0 && sums.tokens == 0) continue;
    const std::string key = format::TextStatisticsKey(id);
    VDB_ASSIGN_OR_RETURN(const auto value, store_.Get(key));
    format::TextStatistics statistics;
    if (value && !format::DecodeTextStatistics(*value, &statistics)) statistics = {};
    statistics.documents = Changed(statistics.documents, sums.documents);
    statistics.tokens = Changed(statistics.tokens, sums.tokens);
    if (statistics.documents == 0) {
      batch->Delete(key);
    } else {
      batch->Put(key, format::EncodeTextStatistics(statistics));
    }
  }
  return Status::Ok();
}

}  // namespace vdb::engine
