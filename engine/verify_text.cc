#include "engine/verify_text.h"

#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

std::string Quoted(std::string_view store_key) {
  std::string text;
  AppendJsonString(&text, store_key.substr(format::TextIndexPrefix(0).size(), 100));
  return text;
}

}  // namespace

void TextVerifier::Report(const format::FieldIndexEntry& index, const std::string& message) const {
  problem_("collection '" + collection_.name + "', text index '" +
               format::FieldPathText(index.path) + "'",
           message + "; drop the index and add it again");
}

// What its checksum says of it is the document verifier's business.
StatusOr<std::string> TextVerifier::BodyOf(std::string_view key,
                                           const format::DocumentRecord& record) const {
  if (!record.has_body || !HasBodyIndex(collection_)) return std::string();
  VDB_ASSIGN_OR_RETURN(auto body, view_.store->Get(format::BodyKey(collection_.id, key),
                                                   view_.snapshot.get()));
  return std::move(body).value_or(std::string());
}

Status TextVerifier::CheckDocument(std::string_view key, const format::DocumentRecord& record) {
  if (!HasTextIndex(collection_)) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const std::string body, BodyOf(key, record));
  for (size_t i = 0; i < found_.size(); ++i) {
    const format::FieldIndexEntry& index = collection_.field_indexes[i];
    if (index.kind != FieldIndexKind::kText) continue;
    VDB_ASSIGN_OR_RETURN(const auto terms,
                         TextTermsOf(index, {record.docno, record.metadata, body}));
    VDB_RETURN_IF_ERROR(CheckTerms(i, key, record.docno, terms));
  }
  return Status::Ok();
}

// While an index is not ready a document from before may be missing, with all of its postings.
Status TextVerifier::CheckTerms(size_t index, std::string_view key, uint64_t docno,
                                const format::TextTerms& terms) {
  const format::FieldIndexEntry& entry = collection_.field_indexes[index];
  uint64_t found_count = 0;
  std::string missing;
  for (const format::TextTerm& term : terms.terms) {
    const std::string posting = format::PostingKey(entry.id, term.term, docno);
    VDB_ASSIGN_OR_RETURN(const auto found, view_.store->Get(posting, view_.snapshot.get()));
    if (!found) {
      if (missing.empty()) missing = posting;
      continue;
    }
    ++found_count;
    if (*found == format::PostingValue(term.frequency, terms.length, key)) continue;
    Report(entry, "a posting has other figures or another key than its document: " +
                      Quoted(posting));
  }
  found_[index].postings += found_count;
  if (!missing.empty() && (entry.ready || found_count > 0)) {
    Report(entry, "a posting is missing: " + Quoted(missing));
  }
  const bool counts = !terms.empty() && (entry.ready || found_count > 0);
  if (!counts) return Status::Ok();
  found_[index].statistics.documents += 1;
  found_[index].statistics.tokens += terms.length;
  return Status::Ok();
}

Status TextVerifier::CheckSurplus() {
  for (size_t i = 0; i < found_.size(); ++i) {
    const format::FieldIndexEntry& index = collection_.field_indexes[i];
    if (index.kind != FieldIndexKind::kText) continue;
    VDB_RETURN_IF_ERROR(CheckStatistics(index, found_[i].statistics));
    VDB_RETURN_IF_ERROR(CheckPostingCount(index, found_[i].postings));
  }
  return Status::Ok();
}

Status TextVerifier::CheckStatistics(const format::FieldIndexEntry& index,
                                     const format::TextStatistics& expected) {
  VDB_ASSIGN_OR_RETURN(const auto value, view_.store->Get(format::TextStatisticsKey(index.id),
                                                          view_.snapshot.get()));
  format::TextStatistics found;
  if (value && !format::DecodeTextStatistics(*value, &found)) {
    Report(index, "its statistics do not decode");
  } else if (found != expected) {
    Report(index, "its statistics are " + std::to_string(found.documents) + " documents and " +
                      std::to_string(found.tokens) + " tokens, expected " +
                      std::to_string(expected.documents) + " and " +
                      std::to_string(expected.tokens));
  }
  return Status::Ok();
}

Status TextVerifier::CheckPostingCount(const format::FieldIndexEntry& index, uint64_t expected) {
  VDB_ASSIGN_OR_RETURN(auto cursor, view_.store->NewCursor(format::TextIndexPrefix(index.id),
                                                           view_.snapshot.get()));
  const std::string statistics = format::TextStatisticsKey(index.id);
  uint64_t count = 0;
  for (; cursor->Valid(); cursor->Next()) count += cursor->key() != statistics ? 1 : 0;
  VDB_RETURN_IF_ERROR(cursor->status());
  return count > expected ? NameSurplus(index, count - expected) : Status::Ok();
}

Status TextVerifier::NameSurplus(const format::FieldIndexEntry& index, uint64_t surplus) {
  VDB_ASSIGN_OR_RETURN(auto cursor, view_.store->NewCursor(format::TextIndexPrefix(index.id),
                                                           view_.snapshot.get()));
  const std::string statistics = format::TextStatisticsKey(index.id);
  for (; cursor->Valid() && surplus > 0; cursor->Next()) {
    if (cursor->key() == statistics) continue;
    VDB_ASSIGN_OR_RETURN(const bool good,
                         BelongsToDocument(index, cursor->key(), cursor->value()));
    if (good) continue;
    --surplus;
    Report(index, "no document has the posting " + Quoted(cursor->key()));
  }
  return cursor->status();
}

// A posting whose docno is its document's is told from a surplus one by the document's words.
StatusOr<bool> TextVerifier::BelongsToDocument(const format::FieldIndexEntry& index,
                                               std::string_view store_key,
                                               std::string_view value) {
  format::PostingView posting;
  if (!format::DecodePosting(store_key, value, &posting)) return false;
  VDB_ASSIGN_OR_RETURN(const auto bytes,
                       view_.store->Get(format::DocumentKey(collection_.id, posting.key),
                                        view_.snapshot.get()));
  if (!bytes) return false;
  const auto record = format::DecodeDocument(collection_, posting.key, *bytes);
  if (!record.ok()) return true;  // reported as a damaged document
  if (record->docno != posting.docno) return false;
  VDB_ASSIGN_OR_RETURN(const std::string body, BodyOf(posting.key, *record));
  const auto terms = TextTermsOf(index, {record->docno, record->metadata, body});
  if (!terms.ok()) return true;
  for (const format::TextTerm& term : terms->terms) {
    if (term.term == posting.term) return true;
  }
  return false;
}

}  // namespace vdb::engine
