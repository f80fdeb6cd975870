// See compaction_proof.h.
#include "engine/compaction_proof.h"

#include <algorithm>
#include <bit>
#include <random>

#include "format/checksum.h"
#include "format/status_macros.h"
#include "index/codes.h"
#include "index/kernels/kernels.h"
#include "query/list_search.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kTickRows = 4096;
constexpr size_t kProbeQueries = 16;
constexpr size_t kProbeHits = 10;

// List and codes of a row, as they are in the index file.
Status HashCodes(const index::InvertedLists& lists, uint64_t row, std::vector<uint8_t>* buffer,
                 uint64_t* hash) {
  const uint32_t padded = lists.header().padded_dimension;
  const uint8_t* block = lists.Blocks(row / format::kBlockRows, row / format::kBlockRows + 1);
  const uint8_t* fine = lists.FineRows(row, row + 1);
  if (block == nullptr || fine == nullptr) {
    return Status::Corruption("'" + lists.file() + "': the codes of row " + std::to_string(row) +
                              " do not match their checksum");
  }
  const size_t coarse_bytes = index::CoarseRowBytes(padded);
  buffer->resize(coarse_bytes + format::FineRowBytes(padded));
  index::TakeCoarse(padded, block, static_cast<uint32_t>(row % format::kBlockRows),
                    buffer->data());
  std::copy_n(fine, format::FineRowBytes(padded),
              buffer->begin() + static_cast<std::ptrdiff_t>(coarse_bytes));
  *hash = format::Hash64(buffer->data(), buffer->size());
  return Status::Ok();
}

void AddRow(const uint64_t (&parts)[6], RowsHash* hash) {
  uint64_t salted[7] = {};
  std::copy(std::begin(parts), std::end(parts), salted + 1);
  hash->low += format::Hash64(salted, sizeof(salted));
  salted[0] = 1;
  hash->high += format::Hash64(salted, sizeof(salted));
  ++hash->count;
}

query::ScanSegment ScanOf(const SegmentView& segment) {
  return {segment.segment->rows(), segment.segment->records(), segment.mark.rows,
          segment.mask.get()};
}

// The vector of a row as it was given; false: it cannot be asked for.
bool QueryOf(const format::ColumnEntry& column, const SegmentView& segment, uint64_t row,
             const index::Kernels& kernels, float* out) {
  const float* unit = segment.segment->rows() + row * column.dimension;
  const double norm =
      column.metric == Metric::kCosine ? 1 : segment.segment->records()[row].norm;
  for (uint32_t i = 0; i < column.dimension; ++i) {
    out[i] = static_cast<float>(norm * static_cast<double>(unit[i]));
  }
  return kernels.find_not_finite(out, column.dimension) == column.dimension &&
         (column.metric != Metric::kCosine || kernels.sum_squares(out, column.dimension) > 0);
}

StatusOr<std::vector<float>> SampleQueries(const format::ColumnEntry& column,
                                           std::span<const SegmentView* const> sources,
                                           uint64_t seed) {
  VDB_ASSIGN_OR_RETURN(const index::Kernels* kernels, index::ActiveKernels());
  uint64_t total = 0;
  for (const SegmentView* source : sources) total += source->mark.rows;
  std::vector<float> queries, one(column.dimension);
  std::mt19937_64 random(seed);
  const size_t enough = kProbeQueries * column.dimension;
  for (size_t tries = 0; total > 0 && tries < 20 * kProbeQueries && queries.size() < enough;
       ++tries) {
    uint64_t row = random() % total;
    size_t s = 0;
    while (row >= sources[s]->mark.rows) row -= sources[s++]->mark.rows;
    if (sources[s]->mask != nullptr) {
      VDB_ASSIGN_OR_RETURN(const bool dead, sources[s]->mask->Test(row));
      if (dead) continue;
    }
    if (!QueryOf(column, *sources[s], row, *kernels, one.data())) continue;
    queries.insert(queries.end(), one.begin(), one.end());
  }
  return queries;
}

using Hits = std::vector<std::vector<query::RowHit>>;

Status CompareHits(const Hits& old_hits, const Hits& new_hits, const char* how) {
  const auto same = [](const query::RowHit& a, const query::RowHit& b) {
    return a.docno == b.docno &&
           std::bit_cast<uint64_t>(a.score) == std::bit_cast<uint64_t>(b.score);
  };
  for (size_t q = 0; q < old_hits.size(); ++q) {
    if (std::equal(old_hits[q].begin(), old_hits[q].end(), new_hits[q].begin(),
                   new_hits[q].end(), same)) {
      continue;
    }
    return Status::Corruption(std::string("a query has other answers ") + how + " (query " +
                              std::to_string(q) + ")");
  }
  return Status::Ok();
}

// As searches will: by codes where there are some.
StatusOr<Hits> AnswersByCodes(const format::ColumnEntry& column, const EpochFile& epoch,
                              std::span<const RewrittenSegment> outputs, MatrixView queries) {
  query::ListSearchInput input;
  VDB_ASSIGN_OR_RETURN(input.codebook, epoch.Get());
  std::vector<query::IndexedSegment> indexed;
  std::vector<query::ScanSegment> unindexed;
  std::vector<std::shared_ptr<const index::InvertedLists>> keep;
  for (const RewrittenSegment& output : outputs) {
    if (output.segment.index == nullptr) {
      unindexed.push_back(ScanOf(output.segment));
      continue;
    }
    VDB_ASSIGN_OR_RETURN(auto lists, output.segment.index->Get());
    indexed.push_back({ScanOf(output.segment), lists.get()});
    keep.push_back(std::move(lists));
  }
  input.indexed = indexed;
  input.unindexed = unindexed;
  input.metric = column.metric;
  input.dimension = column.dimension;
  input.queries = queries;
  input.k = kProbeHits;
  input.thread_count = 1;
  input.exact = true;
  VDB_ASSIGN_OR_RETURN(query::ListSearchResult result, query::ListSearch(input));
  return std::move(result.hits);
}

}  // namespace

Status AddLiveRows(const MergeSource& source, const std::function<Status(uint64_t)>& tick,
                   RowsHash* hash) {
  const SegmentView& view = *source.view;
  const storage::Segment& segment = *view.segment;
  const uint32_t dimension = segment.identity().dimension;
  std::vector<uint8_t> buffer;
  uint32_t list = 0;
  uint64_t ticked = 0;
  VDB_RETURN_IF_ERROR(tick(0));
  for (uint64_t row = 0; row < view.mark.rows; ++row) {
    if (row - ticked == kTickRows) {
      VDB_RETURN_IF_ERROR(tick(kTickRows));
      ticked = row;
    }
    if (view.mask != nullptr) {
      VDB_ASSIGN_OR_RETURN(const bool dead, view.mask->Test(row));
      if (dead) continue;
    }
    VDB_RETURN_IF_ERROR(segment.CheckRow(row, view.mark.key_bytes));
    const format::RowRecord& record = segment.records()[row];
    uint64_t parts[6] = {
        record.docno, std::bit_cast<uint64_t>(record.norm),
        format::Hash64(segment.rows() + row * dimension, dimension * sizeof(float)),
        format::Hash64(segment.KeyOf(row, view.mark.key_bytes)), 0, 0};
    if (source.lists != nullptr) {
      const uint32_t count = source.lists->header().list_count;
      while (list < count && row >= source.lists->row_end(list)) ++list;
      parts[4] = uint64_t{list} + 1;
      if (list < count) VDB_RETURN_IF_ERROR(HashCodes(*source.lists, row, &buffer, &parts[5]));
    }
    AddRow(parts, hash);
  }
  return tick(view.mark.rows - ticked);
}

StatusOr<uint64_t> ProbeAlike(const format::ColumnEntry& column,
                              const std::shared_ptr<const EpochFile>& epoch,
                              std::span<const SegmentView* const> sources,
                              std::span<const RewrittenSegment> outputs, uint64_t seed) {
  VDB_ASSIGN_OR_RETURN(const std::vector<float> queries, SampleQueries(column, sources, seed));
  std::vector<query::ScanSegment> old_rows, new_rows;
  for (const SegmentView* source : sources) old_rows.push_back(ScanOf(*source));
  bool coded = false;
  for (const RewrittenSegment& output : outputs) {
    new_rows.push_back(ScanOf(output.segment));
    coded |= output.segment.index != nullptr;
  }
  query::ExactSearchInput search;
  search.dimension = column.dimension;
  search.metric = column.metric;
  search.queries = {queries.data(), queries.size() / column.dimension, column.dimension};
  search.k = kProbeHits;
  search.thread_count = 1;  // searches go on meanwhile
  if (search.queries.row_count == 0) return uint64_t{0};
  search.segments = old_rows;
  VDB_ASSIGN_OR_RETURN(const Hits old_hits, query::ExactSearch(search));
  search.segments = new_rows;
  VDB_ASSIGN_OR_RETURN(const Hits new_hits, query::ExactSearch(search));
  VDB_RETURN_IF_ERROR(CompareHits(old_hits, new_hits, "from the new rows"));
  if (coded && epoch != nullptr) {
    VDB_ASSIGN_OR_RETURN(const Hits by_codes,
                         AnswersByCodes(column, *epoch, outputs, search.queries));
    VDB_RETURN_IF_ERROR(CompareHits(old_hits, by_codes, "by the new codes"));
  }
  return uint64_t{search.queries.row_count};
}

}  // namespace vdb::engine
