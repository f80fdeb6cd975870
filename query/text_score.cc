#include "query/text_score.h"

#include <algorithm>
#include <cmath>

namespace vdb::query {

double Bm25Idf(uint64_t document_count, uint64_t documents_with_word) {
  const auto with = static_cast<double>(documents_with_word);
  const auto without =
      static_cast<double>(document_count - std::min(document_count, documents_with_word));
  return std::log(1 + (without + 0.5) / (with + 0.5));
}

double Bm25Weight(uint64_t frequency, uint64_t length, double mean_length) {
  const auto f = static_cast<double>(frequency);
  const double relative = static_cast<double>(length) / mean_length;
  return f * (kBm25K1 + 1) / (f + kBm25K1 * (1 - kBm25B + kBm25B * relative));
}

bool TextScores::Add(const std::vector<TextPosting>& postings, double idf, uint64_t list) {
  BudgetVector<TextScore> merged(budget_);
  if (!merged.Reserve(scores_->size() + postings.size())) return false;
  auto old = scores_->begin();
  for (const TextPosting& posting : postings) {
    while (old != scores_->end() && old->docno < posting.docno) merged->push_back(*old++);
    TextScore score = {posting.docno, 0, list};
    if (old != scores_->end() && old->docno == posting.docno) score = *old++;
    score.score += idf * posting.weight;
    merged->push_back(score);
  }
  merged->insert(merged->end(), old, scores_->end());
  scores_.Swap(merged);
  return true;
}

std::vector<TextScore> TextScores::TakeBest(size_t k) {
  const auto better = [](const TextScore& a, const TextScore& b) {
    return a.score != b.score ? a.score > b.score : a.docno < b.docno;
  };
  const auto count = static_cast<std::ptrdiff_t>(std::min(k, scores_->size()));
  std::partial_sort(scores_->begin(), scores_->begin() + count, scores_->end(), better);
  return {scores_->begin(), scores_->begin() + count};
}

}  // namespace vdb::query
