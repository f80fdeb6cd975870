#include "tools/recall_meter.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tools/common.h"
#include "tools/queries.h"
#include "tools/recall_stats.h"

namespace vdb::tools {
namespace {

// Exact searches are answered in batches, which is much faster, and progress is shown in between.
constexpr size_t kQueriesPerBatch = 64;

// More keys than wanted where not every document has a vector in the column.
StatusOr<std::vector<std::string>> SampleKeys(const Collection& collection, uint64_t wanted,
                                              uint64_t vector_count) {
  const auto count = collection.Count();
  if (!count.ok()) return count.status();
  if (vector_count < *count) {
    const double share = static_cast<double>(vector_count) / static_cast<double>(*count);
    wanted = static_cast<uint64_t>(std::min(1.5 * static_cast<double>(wanted) / share + 100, 1e15));
  }
  auto iterator = collection.NewIterator();
  if (!iterator.ok()) return iterator.status();
  std::vector<std::string> keys;
  const std::vector<uint64_t> positions = SpreadPositions(wanted, *count);
  uint64_t at = 0;
  iterator->SeekToFirst();
  for (const uint64_t position : positions) {
    for (; iterator->Valid() && at < position; ++at) iterator->Next();
    if (iterator->Valid()) keys.emplace_back(iterator->key());
  }
  if (!iterator->status().ok()) return iterator->status();
  return keys;
}

// See MeasureSearch.
class Meter {
 public:
  Meter(const Collection& collection, const SearchOptions& options, const QuerySet& queries)
      : collection_(collection), queries_(queries), k_(options.k), options_(options) {
    options_.k += queries.keys.empty() ? 0 : 1;
  }

  StatusOr<Measured> Run() {
    ProgressLine line(/*unit_bytes=*/false);
    progress_ = line.Callback();
    if (Status done = FindTruth(); !done.ok()) return done;
    if (Status done = MeasureRecall(); !done.ok()) return done;
    if (Status done = MeasureLatency(); !done.ok()) return done;
    DivideByCount();
    return std::move(measured_);
  }

 private:
  size_t count() const { return queries_.vectors.row_count; }
  MatrixView Queries(size_t begin, size_t size) const {
    return {queries_.vectors.values.data() + begin * queries_.vectors.dimension, size,
            queries_.vectors.dimension};
  }
  void Show(const char* stage, size_t done) const {
    if (progress_) progress_({stage, done, count()});
  }

  // The document itself is left out by its key alone: another with the same vector is a true hit.
  std::vector<Hit> WithoutSelf(size_t query, std::vector<Hit> hits) const {
    if (queries_.keys.empty()) return hits;
    std::erase_if(hits, [&](const Hit& hit) { return hit.key == queries_.keys[query]; });
    if (hits.size() > k_) hits.resize(k_);
    return hits;
  }

  Status FindTruth() {
    SearchOptions exact = options_;
    exact.exact = true;
    for (size_t begin = 0; begin < count(); begin += kQueriesPerBatch) {
      Show("exact answers", begin);
      const size_t size = std::min(kQueriesPerBatch, count() - begin);
      auto result = collection_.Search(Queries(begin, size), exact);
      if (!result.ok()) return result.status();
      for (size_t i = 0; i < size; ++i) {
        truth_.push_back(WithoutSelf(begin + i, std::move(result->answers[i].hits)));
        Add(truth_.back().size(), &measured_.true_hits);
      }
    }
    return Status::Ok();
  }

  // One query at a time, as they come in practice; this also makes the index warm.
  Status MeasureRecall() {
    SearchOptions options = options_;
    options.explain = true;
    for (size_t i = 0; i < count(); ++i) {
      Show("approximate answers", i);
      auto result = collection_.Search(Queries(i, 1), options);
      if (!result.ok()) return result.status();
      Answer& answer = result->answers[0];
      const bool explained = !result->explains.empty();
      if (explained) Add(result->explains[0]);
      if (answer.exact && measured_.exact_count++ == 0 && explained) {
        measured_.exact_reason = result->explains[0].reason;
      }
      measured_.recalls.push_back(RecallOf(WithoutSelf(i, std::move(answer.hits)), truth_[i]));
    }
    return Status::Ok();
  }

  Status MeasureLatency() {
    for (size_t i = 0; i < count(); ++i) {
      Show("latency", i);
      const auto begin = std::chrono::steady_clock::now();
      const auto result = collection_.Search(Queries(i, 1), options_);
      const std::chrono::duration<double, std::milli> elapsed =
          std::chrono::steady_clock::now() - begin;
      if (!result.ok()) return result.status();
      measured_.latencies_ms.push_back(elapsed.count());
    }
    return Status::Ok();
  }

  void DivideByCount() {
    for (double* mean : {&measured_.true_hits, &measured_.lists, &measured_.lists_probed,
                         &measured_.codes_scanned, &measured_.codes_refined,
                         &measured_.rows_scanned, &measured_.rows_reranked}) {
      *mean /= static_cast<double>(count());
    }
  }
  static void Add(uint64_t value, double* sum) { *sum += static_cast<double>(value); }
  void Add(const SearchExplain& explain) {
    Add(explain.list_count, &measured_.lists);
    Add(explain.lists_probed, &measured_.lists_probed);
    Add(explain.codes_scanned, &measured_.codes_scanned);
    Add(explain.codes_refined, &measured_.codes_refined);
    Add(explain.rows_scanned, &measured_.rows_scanned);
    Add(explain.rows_reranked, &measured_.rows_reranked);
  }

  const Collection& collection_;
  const QuerySet& queries_;
  size_t k_;
  SearchOptions options_;
  ProgressCallback progress_;
  std::vector<std::vector<Hit>> truth_;
  Measured measured_;  // counts are sums until DivideByCount
};

}  // namespace

StatusOr<QuerySet> SampleDocuments(const Collection& collection, const ColumnStats& column,
                                   size_t wanted) {
  const auto keys = SampleKeys(collection, wanted, column.vector_count);
  if (!keys.ok()) return keys.status();
  QuerySet all;
  all.vectors.dimension = column.info.dimension;
  for (const std::string& key : *keys) {
    const auto vector = VectorOf(collection, key, column.info.name);
    if (vector.status().code() == StatusCode::kNotFound) continue;  // none in this column
    if (!vector.ok()) return vector.status();
    all.keys.push_back(key);
    all.vectors.values.insert(all.vectors.values.end(), vector->values.begin(),
                              vector->values.end());
  }
  QuerySet queries;
  queries.vectors.dimension = all.vectors.dimension;
  for (const uint64_t i : SpreadPositions(wanted, all.keys.size())) {
    const auto row = MatrixView(all.vectors.values.data(), all.keys.size(),
                                all.vectors.dimension).row(i);
    queries.keys.push_back(all.keys[i]);
    queries.vectors.values.insert(queries.vectors.values.end(), row.begin(), row.end());
  }
  queries.vectors.row_count = queries.keys.size();
  if (!queries.keys.empty()) return queries;
  return Status::FailedPrecondition("none of the " + std::to_string(keys->size()) +
                                    " documents looked at has a vector in column '" +
                                    column.info.name + "'; give queries with --queries FILE");
}

StatusOr<Measured> MeasureSearch(const Collection& collection, const SearchOptions& options,
                                 const QuerySet& queries) {
  return Meter(collection, options, queries).Run();
}

}  // namespace vdb::tools
