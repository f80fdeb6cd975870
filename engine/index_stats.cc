// See index_stats.h.
#include "engine/index_stats.h"

#include <algorithm>
#include <cmath>

namespace vdb::engine {
namespace {

constexpr double kUnindexedShare = 0.2;  // more than this of the rows: a build is advised
constexpr double kResidualGrown = 1.1, kRowsGrown = 4.0;

struct ListFigures {
  double rows = 0, residuals = 0;
  std::vector<double> lengths;  // by list
};

void AddLists(const index::InvertedLists& lists, ListFigures* figures) {
  figures->rows += static_cast<double>(lists.rows());
  figures->residuals += lists.header().residual_sum;
  figures->lengths.resize(lists.header().list_count);
  for (uint32_t list = 0; list < lists.header().list_count; ++list) {
    figures->lengths[list] += lists.row_end(list) - lists.row_begin(list);
  }
}

double Imbalance(const std::vector<double>& lengths) {
  double sum = 0, squares = 0;
  for (const double length : lengths) {
    sum += length;
    squares += length * length;
  }
  return sum == 0 ? 0 : squares * static_cast<double>(lengths.size()) / (sum * sum);
}

std::string AdviceFor(const IndexStats& stats, bool epoch_damaged) {
  const auto indexed = static_cast<double>(stats.indexed_row_count);
  if (epoch_damaged) return "the epoch file is missing or damaged: build the index anew";
  if (stats.damaged_segment_count > 0) {
    return std::to_string(stats.damaged_segment_count) +
           " index files are missing or damaged: build the index to replace them";
  }
  const double rows = indexed + static_cast<double>(stats.unindexed_row_count);
  if (rows >= kRowsGrown * static_cast<double>(std::max<uint64_t>(stats.trained_row_count, 1))) {
    return "the column has outgrown its lists: build the index to train it anew";
  }
  if (static_cast<double>(stats.unindexed_row_count) > kUnindexedShare * rows) {
    return std::to_string(stats.unindexed_row_count) +
           " rows are not indexed yet: build the index to take them in";
  }
  if (stats.residual_ratio > kResidualGrown) {
    return "rows lie further from their lists than those it was trained on: retrain";
  }
  return "";
}

}  // namespace

IndexStats IndexStatsOf(const ColumnView& column) {
  const EpochFile& epoch = *column.epoch;
  IndexStats stats;
  stats.epoch_id = epoch.entry().id;
  stats.list_count = epoch.entry().list_count;
  stats.trained_row_count = epoch.entry().trained_rows;
  stats.index_bytes = epoch.entry().file_bytes;
  stats.calibration_query_count = epoch.calibration().query_count;
  ListFigures figures;
  uint64_t live_rows = 0;
  for (const SegmentView& segment : column.segments) {
    const auto lists = segment.index ? segment.index->Get() : Status::NotFound("no index");
    if (segment.index != nullptr) stats.index_bytes += segment.index->file_bytes();
    const bool damaged = segment.index != nullptr && segment.index->damaged();
    stats.damaged_segment_count += damaged;
    if (!lists.ok() || damaged) {
      stats.unindexed_row_count += segment.mark.rows;
      continue;
    }
    stats.indexed_row_count += segment.mark.rows;
    live_rows += segment.mark.rows - (segment.mask ? segment.mask->dead_count() : 0);
    AddLists(**lists, &figures);
  }
  stats.imbalance_ratio = Imbalance(figures.lengths);
  const auto codebook = epoch.Get();
  if (codebook.ok() && figures.rows > 0) {
    const double trained = (*codebook)->header().mean_residual;
    stats.residual_ratio = trained == 0 ? 1 : figures.residuals / figures.rows / trained;
  }
  const auto then = static_cast<double>(std::max<uint64_t>(epoch.calibration().row_count, 1));
  stats.recalls_proven = query::RecallsProven(
      epoch.calibration(), std::abs(static_cast<double>(live_rows) - then) / then);
  stats.advice = AdviceFor(stats, !codebook.ok());
  stats.stale = !stats.advice.empty();
  return stats;
}

}  // namespace vdb::engine
