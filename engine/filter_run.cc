#include "engine/filter_run.h"

#include <algorithm>
#include <chrono>

#include "engine/filter_reader.h"
#include "format/document_record.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using query::FilterNode;
using query::FilterOp;

// What reading costs, in nanoseconds, measured on a million documents of 130 bytes of metadata in
// the system's page cache (two cores, AMD EPYC). A Get decompresses a block for one document.
constexpr double kEntryNs = 400;      // the next index entry
constexpr double kDocumentNs = 1200;  // the next document of a scan, and evaluating a filter on it
constexpr double kGetNs = 30'000;     // a document by its key

// Whether every match is in the entries that Read looks at: not so where something may be true of
// documents without any, as "not" and "$key exists" are.
bool EntriesCover(const FilterNode& node) {
  if (node.is_predicate()) return !(node.path.is_key() && node.op == FilterOp::kExists);
  if (node.op == FilterOp::kNot || (node.op == FilterOp::kAnd && node.children.empty())) {
    return false;
  }
  return std::all_of(node.children.begin(), node.children.end(),
                     [](const auto& child) { return EntriesCover(*child); });
}

// One of the conditions that must all hold.
struct Conjunct {
  const FilterNode* node = nullptr;
  bool negated = false;
  FilterReader::Estimate estimate;
};

bool IsPositive(const Conjunct& conjunct) {
  return !conjunct.negated && EntriesCover(*conjunct.node);
}

class FilterRun {
 public:
  FilterRun(const View& view, const format::CollectionEntry& collection, const FilterNode& root,
            query::Budget* budget, DocnoKeys* keys)
      : root_(root), budget_(budget), reader_(view, collection, root, budget), keys_(keys) {}

  StatusOr<FilterMatches> Run();
  bool keys_complete() const { return keys_complete_; }

 private:
  void Split(const FilterNode& node, bool negated);
  void EstimateAll();
  bool IndexesAreCheaper();
  Status ReadIndexes();
  bool SkipsReading(const Conjunct& conjunct) const;
  Status LookAtCandidates();
  Status Scan();
  uint64_t CandidateCount() const;
  double all() const { return static_cast<double>(reader_.document_count()); }
  void Plan(const char* plan, std::string reason) {
    reader_.explain().plan = plan;
    reader_.explain().reason = std::move(reason);
  }

  const FilterNode& root_;
  query::Budget* const budget_;
  FilterReader reader_;
  DocnoKeys* const keys_;  // the caller's, of the matches; or null
  bool keys_complete_ = false;
  std::vector<Conjunct> indexed_;
  size_t rest_ = 0;  // conjuncts that only documents can answer
  size_t skipped_ = 0;
  DocnoKeys candidate_keys_;
  bool has_keys_ = false;  // candidate_keys_ holds the key of every match
  MatchSet found_ = {{}, true};  // candidates, then matches
};

// "not (a or b)" is "not a and not b".
void FilterRun::Split(const FilterNode& node, bool negated) {
  if (node.op == FilterOp::kNot) return Split(*node.children.front(), !negated);
  if (node.op == (negated ? FilterOp::kOr : FilterOp::kAnd)) {
    for (const auto& child : node.children) Split(*child, negated);
    return;
  }
  if (reader_.IsIndexed(node)) {
    indexed_.push_back({&node, negated, {}});
  } else {
    ++rest_;
  }
}

void FilterRun::EstimateAll() {
  for (Conjunct& conjunct : indexed_) {
    conjunct.estimate = reader_.EstimateOf(*conjunct.node);
    if (!conjunct.negated) continue;
    conjunct.estimate.matches =
        reader_.document_count() - std::min(conjunct.estimate.matches, reader_.document_count());
  }
  std::stable_sort(indexed_.begin(), indexed_.end(), [](const Conjunct& a, const Conjunct& b) {
    return a.estimate.matches < b.estimate.matches;
  });
}

// For a filter that documents must be read for, too. Conditions are taken to be independent.
bool FilterRun::IndexesAreCheaper() {
  double left = all(), cost = 0;
  for (const Conjunct& conjunct : indexed_) {
    cost += static_cast<double>(conjunct.estimate.entries) * kEntryNs;
    left *= static_cast<double>(conjunct.estimate.matches) / std::max(all(), 1.0);
  }
  return cost + left * kGetNs < all() * kDocumentNs;
}

uint64_t FilterRun::CandidateCount() const {
  const uint64_t count = found_.docnos.count();
  return found_.complement ? reader_.document_count() - count : count;
}

// Looking at the documents that are left costs less than the entries of one more condition.
bool FilterRun::SkipsReading(const Conjunct& conjunct) const {
  return !found_.complement && static_cast<double>(conjunct.estimate.entries) * kEntryNs >
                                   static_cast<double>(CandidateCount()) * kGetNs;
}

Status FilterRun::ReadIndexes() {
  bool first = true;
  for (const Conjunct& conjunct : indexed_) {
    if (!first && SkipsReading(conjunct)) {
      ++skipped_;
      continue;
    }
    // A match is in the entries of every such condition, so one condition's keys are enough.
    const bool keep = !has_keys_ && IsPositive(conjunct) &&
                      (rest_ > 0 || indexed_.size() > 1 || keys_ != nullptr);
    reader_.KeepKeys(keep ? &candidate_keys_ : nullptr);
    VDB_ASSIGN_OR_RETURN(MatchSet one, reader_.Read(*conjunct.node));
    has_keys_ |= keep && !one.complement;
    if (conjunct.negated) one.complement = !one.complement;
    found_.And(one);
    first = false;
  }
  return Status::Ok();
}

Status FilterRun::LookAtCandidates() {
  std::vector<uint64_t> docnos;
  VDB_RETURN_IF_ERROR(candidate_keys_.ForEach([&](uint64_t docno, std::string_view key) {
    if (!found_.Holds(docno) || reader_.ShouldStop(sizeof(uint64_t))) return Status::Ok();
    VDB_ASSIGN_OR_RETURN(const bool matches, reader_.Look(root_, docno, key));
    if (matches) docnos.push_back(docno);
    return Status::Ok();
  }));
  found_ = {SetOf(std::move(docnos)), false};
  return Status::Ok();
}

// Documents that indexes have ruled out already are not looked at.
Status FilterRun::Scan() {
  const bool known = !found_.complement || !found_.docnos.empty();
  std::vector<uint64_t> docnos;
  VDB_ASSIGN_OR_RETURN(auto cursor, reader_.Documents());
  for (; cursor->Valid() && !reader_.ShouldStop(sizeof(uint64_t)); cursor->Next()) {
    const auto key = cursor->key().substr(format::kDocumentPrefixBytes);
    VDB_ASSIGN_OR_RETURN(const auto document, reader_.Peek(key, cursor->value()));
    if (known && !found_.Holds(document.docno)) continue;
    VDB_ASSIGN_OR_RETURN(const bool matches, reader_.Look(root_, document, key));
    if (matches) docnos.push_back(document.docno);
  }
  VDB_RETURN_IF_ERROR(cursor->status());
  found_ = {SetOf(std::move(docnos)), false};
  return Status::Ok();
}

StatusOr<FilterMatches> FilterRun::Run() {
  const auto start = std::chrono::steady_clock::now();
  VDB_RETURN_IF_ERROR(reader_.Start());
  Split(root_, false);
  EstimateAll();
  const std::string of_all = " of " + std::to_string(reader_.document_count()) + " documents";
  if (indexed_.empty() && rest_ > 0) {
    Plan("documents", "no condition that must hold has an index");
    VDB_RETURN_IF_ERROR(Scan());
  } else if (rest_ > 0 && !IndexesAreCheaper()) {
    Plan("documents", "the conditions with an index leave too many" + of_all +
                          "; reading all costs less");
    VDB_RETURN_IF_ERROR(Scan());
  } else {
    VDB_RETURN_IF_ERROR(ReadIndexes());
    const bool positive = std::all_of(indexed_.begin(), indexed_.end(), IsPositive);
    const uint64_t candidates = CandidateCount();
    const std::string left = std::to_string(candidates) + of_all;
    const bool stopped = budget_->stopped() != StopReason::kNone;
    if (stopped && (rest_ + skipped_ > 0 || !positive)) {
      found_ = {};  // what is not read may rule out anything
      Plan("indexes", "stopped while reading indexes");
    } else if (rest_ + skipped_ == 0) {
      Plan("indexes", "every condition has an index");
      keys_complete_ = keys_ != nullptr && has_keys_ && !stopped && positive;
    } else if (!found_.complement &&
               has_keys_ &&
               static_cast<double>(candidates) * kGetNs < all() * kDocumentNs) {
      Plan("indexes, then documents",
           "indexes leave " + left + ", which are looked at" +
               (skipped_ > 0 ? " instead of reading more entries" : ""));
      VDB_RETURN_IF_ERROR(LookAtCandidates());
      keys_complete_ = keys_ != nullptr;
    } else {
      Plan("documents", "indexes leave " + left + ", too many to look at one by one");
      VDB_RETURN_IF_ERROR(Scan());
    }
  }
  FilterMatches matches;
  matches.match_count = CandidateCount();
  matches.docnos = std::move(found_.docnos);
  matches.complement = found_.complement;
  matches.stopped = budget_->stopped();
  matches.explain = std::move(reader_.explain());
  matches.explain.match_count = matches.match_count;
  matches.explain.filter_us = std::chrono::duration<double, std::micro>(
                                  std::chrono::steady_clock::now() - start)
                                  .count();
  budget_->Reserve(matches.docnos.memory_bytes());
  if (keys_complete_) *keys_ = std::move(candidate_keys_);
  return matches;
}

}  // namespace

StatusOr<FilterMatches> RunFilter(const View& view, const format::CollectionEntry& collection,
                                  const Filter& filter, query::Budget* budget) {
  VDB_RETURN_IF_ERROR(filter.status());
  return FilterRun(view, collection, *filter.root(), budget, nullptr).Run();
}

StatusOr<FilterMatches> RunFilterForKeys(const View& view,
                                         const format::CollectionEntry& collection,
                                         const Filter& filter, query::Budget* budget,
                                         DocnoKeys* keys, bool* keys_complete) {
  VDB_RETURN_IF_ERROR(filter.status());
  FilterRun run(view, collection, *filter.root(), budget, keys);
  auto matches = run.Run();
  *keys_complete = run.keys_complete();
  return matches;
}

}  // namespace vdb::engine
