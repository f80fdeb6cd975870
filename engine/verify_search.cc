// See verify_search.h.
#include "engine/verify_search.h"

#include <algorithm>
#include <string>
#include <vector>

#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kSampleRows = 50;  // of each column
constexpr size_t kNearest = 10;

struct Sample {
  std::vector<std::string> keys;
  std::vector<float> queries;
};

// Live rows, evenly spread, whose vectors can be asked for.
StatusOr<Sample> SampleOf(const ColumnView& column, const format::ColumnEntry& entry) {
  uint64_t total = 0;
  for (const SegmentView& segment : column.segments) total += segment.mark.rows;
  const uint64_t step = std::max<uint64_t>(1, total / kSampleRows);
  Sample sample;
  uint64_t next = 0, first = 0;
  for (const SegmentView& segment : column.segments) {
    for (; next < first + segment.mark.rows; next += step) {
      const uint64_t row = next - first;
      if (segment.mask != nullptr) {
        VDB_ASSIGN_OR_RETURN(const bool dead, segment.mask->Test(row));
        if (dead) continue;
      }
      // A damaged row is reported as such.
      if (!segment.segment->CheckRow(row, segment.mark.key_bytes).ok()) continue;
      const double norm =
          entry.metric == Metric::kCosine ? 1.0 : segment.segment->records()[row].norm;
      if (!(norm < 1e15)) continue;  // where squares leave float, so do exact ties
      sample.keys.emplace_back(segment.segment->KeyOf(row, segment.mark.key_bytes));
      const float* unit = segment.segment->rows() + row * entry.dimension;
      for (uint32_t i = 0; i < entry.dimension; ++i) {
        sample.queries.push_back(static_cast<float>(norm * static_cast<double>(unit[i])));
      }
    }
    first += segment.mark.rows;
  }
  return sample;
}

// Or as many others are exactly as near as were asked for.
bool Found(const Answer& answer, const std::string& key) {
  for (const Hit& hit : answer.hits) {
    if (hit.key == key) return true;
  }
  return answer.hits.size() == kNearest &&
         answer.hits.back().score == answer.hits.front().score;
}

Status SearchColumn(VerifyRun* run, const format::CollectionEntry& collection,
                    const format::ColumnEntry& column, const ColumnView& view,
                    const SearchView& search) {
  VDB_ASSIGN_OR_RETURN(const Sample sample, SampleOf(view, column));
  if (sample.keys.empty()) return Status::Ok();
  const MatrixView queries = {sample.queries.data(), sample.keys.size(), column.dimension};
  const std::string where = "collection '" + collection.name + "', column '" + column.name + "'";
  SearchOptions options;
  options.k = kNearest;
  options.column = column.name;
  options.exact = true;
  VDB_ASSIGN_OR_RETURN(const SearchResult exact, search(collection, queries, options));
  run->report().searches_checked += sample.keys.size();
  for (size_t i = 0; i < sample.keys.size(); ++i) {
    if (Found(exact.answers[i], sample.keys[i])) continue;
    run->Problem("segments", where, "an exact search for the vector of key " +
                                        QuotedKey(sample.keys[i]) + " does not find it");
  }
  if (view.epoch == nullptr) return Status::Ok();
  options.exact = false;
  options.nprobe = view.epoch->entry().list_count;
  VDB_ASSIGN_OR_RETURN(const SearchResult probed, search(collection, queries, options));
  run->report().searches_checked += sample.keys.size();
  size_t missed = 0;
  for (size_t i = 0; i < sample.keys.size(); ++i) {
    missed += Found(probed.answers[i], sample.keys[i]) ? 0 : 1;
  }
  if (missed > std::max<size_t>(2, sample.keys.size() / 10)) {
    run->Problem("segments", where, std::to_string(missed) + " of " +
                                        std::to_string(sample.keys.size()) +
                                        " rows do not find themselves through all lists of the "
                                        "index; build it anew with retrain");
  }
  return Status::Ok();
}

}  // namespace

Status VerifySelfSearch(VerifyRun* run, const View& view, const SearchView& search) {
  for (const format::CollectionEntry& collection : view.manifest->collections) {
    for (const format::ColumnEntry& column : collection.columns) {
      const ColumnView* rows = view.FindColumn(column.id);
      if (rows == nullptr || column.metric == Metric::kDot) continue;
      VDB_RETURN_IF_ERROR(run->Tick("verify searches", run->report().searches_checked, 0));
      const Status searched = SearchColumn(run, collection, column, *rows, search);
      if (searched.code() == StatusCode::kCancelled) return searched;
      // Damage that the checks before have named ends a search with an error.
      if (!searched.ok()) run->Problem("segments", "self-search", searched.message());
    }
  }
  return Status::Ok();
}

}  // namespace vdb::engine
