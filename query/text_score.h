// BM25 (Robertson, Zaragoza 2009), for words found in text indexes; docs/text.md has it for users.
//
// The score of a document is the sum, over fields and distinct words of the query, of
//   idf * f * (k1 + 1) / (f + k1 * (1 - b + b * length / mean length))
//   idf = ln(1 + (N - n + 0.5) / (n + 0.5))
// f: how often the field of the document has the word; N: documents with a token in the field; n:
// those with the word; lengths in tokens; k1 = 1.2, b = 0.75. In double, summed by field id
// ascending, then word ascending bytewise.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "query/budget.h"

namespace vdb::query {

inline constexpr double kBm25K1 = 1.2;
inline constexpr double kBm25B = 0.75;

/// Positive for any n <= N.
double Bm25Idf(uint64_t document_count, uint64_t documents_with_word);
/// The factor beside idf. `mean_length` > 0.
double Bm25Weight(uint64_t frequency, uint64_t length, double mean_length);

/// A vector of plain values whose memory counts in a budget.
template <typename T>
class BudgetVector {
 public:
  explicit BudgetVector(Budget* budget) : budget_(budget) {}
  ~BudgetVector() { budget_->Release(reserved_); }
  BudgetVector(const BudgetVector&) = delete;
  BudgetVector& operator=(const BudgetVector&) = delete;

  /// False if the budget does not have the memory; then nothing changes.
  bool Reserve(size_t count) {
    if (count <= values_.capacity()) return true;
    const uint64_t bytes = uint64_t{count} * sizeof(T);  // beside the old ones, for a moment
    if (!budget_->Reserve(bytes)) return false;
    values_.reserve(count);
    budget_->Release(reserved_);
    reserved_ = bytes;
    return true;
  }
  bool PushBack(const T& value) {
    if (values_.size() == values_.capacity() && !Reserve(values_.size() * 2 + 256)) return false;
    values_.push_back(value);
    return true;
  }
  void Swap(BudgetVector& other) {
    values_.swap(other.values_);
    std::swap(reserved_, other.reserved_);
  }
  std::vector<T>& operator*() { return values_; }
  std::vector<T>* operator->() { return &values_; }
  const std::vector<T>& operator*() const { return values_; }

 private:
  Budget* budget_;
  uint64_t reserved_ = 0;
  std::vector<T> values_;
};

/// A document that has the word at hand.
struct TextPosting {
  uint64_t docno = 0;
  double weight = 0;
};

/// A document with its score so far. `list`: the first list it was in.
struct TextScore {
  uint64_t docno = 0;
  double score = 0;
  uint64_t list = 0;
};

/// Adds up lists of postings, one after the other.
class TextScores {
 public:
  explicit TextScores(Budget* budget) : budget_(budget), scores_(budget) {}

  /// `postings` ascend by docno. False if the budget has no memory for it: then nothing changes.
  bool Add(const std::vector<TextPosting>& postings, double idf, uint64_t list);

  uint64_t document_count() const { return (*scores_).size(); }
  /// The min(k, documents) best, by score descending, then docno ascending. Ends the sums.
  std::vector<TextScore> TakeBest(size_t k);

 private:
  Budget* budget_;
  BudgetVector<TextScore> scores_;  // ascending by docno
};

}  // namespace vdb::query
