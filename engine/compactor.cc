// See compactor.h.
#include "engine/compactor.h"

#include <algorithm>
#include <thread>

#include "engine/clock.h"
#include "engine/compaction_choice.h"
#include "format/status_macros.h"
#include "index/codes.h"
#include "index/kernels/kernels.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kBatchBytes = 2u << 20;  // of rows appended at once
// So that a seal does not find hundreds of MiB to write while searches wait for the disk.
constexpr uint64_t kSyncEveryBytes = 32u << 20;
constexpr auto kNap = std::chrono::milliseconds(20);

}  // namespace

struct Compactor::Piece {
  uint64_t rows = 0, key_bytes = 0;
  std::vector<uint32_t> row_begin;  // as InvertedListsWriter wants it; empty: no index
};

Status Compactor::Tick(std::string_view stage, uint64_t done, uint64_t total) const {
  const ProgressCallback& progress = input_.options->progress;
  if (!progress || progress({stage, done, total})) return Status::Ok();
  return Status::Cancelled("compaction: cancelled by the caller");
}

Status Compactor::Written(uint64_t bytes) {
  bytes_written_ += bytes;
  input_.report->bytes_written += bytes;
  const uint64_t rate = input_.options->bytes_per_second_max;
  while (rate != 0 && static_cast<double>(bytes_written_) >
                          MillisecondsSince(write_start_) / 1e3 * static_cast<double>(rate)) {
    VDB_RETURN_IF_ERROR(Tick("write rows", rows_done_, rows_));
    std::this_thread::sleep_for(kNap);
  }
  return Status::Ok();
}

void Compactor::Held(uint64_t bytes) {
  uint64_t& peak = input_.report->memory_bytes_peak;
  peak = std::max(peak, plan_bytes_ + bytes);
}

SegmentRewrite Compactor::rewrite() const {
  SegmentRewrite rewrite = {"compaction", {}, outputs_, epoch_};
  for (const auto* sources : {&indexed_, &loose_}) {
    for (const MergeSource& source : *sources) rewrite.sources.push_back(source.view);
  }
  return rewrite;
}

// Every byte of an index that is to be taken over is checked here: a damaged one is left behind.
Status Compactor::Choose() {
  const ColumnView* column = input_.view->FindColumn(input_.column.id);
  if (column == nullptr) return Status::Ok();
  epoch_ = column->epoch;
  CompactionChoice choice = ChooseSegments(*column, input_.capacity, input_.options->full);
  for (const SegmentView* segment : choice.indexed) {
    VDB_ASSIGN_OR_RETURN(auto lists, segment->index->Get());
    if (lists->CheckAll().ok()) indexed_.push_back({segment, std::move(lists)});
    else loose_.push_back({segment});
  }
  if (!indexed_.empty()) {
    VDB_ASSIGN_OR_RETURN(codebook_, epoch_->Get());
  }
  for (const SegmentView* segment : choice.loose) loose_.push_back({segment});
  for (const auto* sources : {&indexed_, &loose_}) {
    for (const MergeSource& source : *sources) rows_ += LiveRows(*source.view);
  }
  return Status::Ok();
}

// Where outputs end, so that they are of one size, and where their lists begin.
StatusOr<std::vector<Compactor::Piece>> Compactor::Plan(const std::vector<MergeSource>& sources) {
  uint64_t rows = 0;
  for (const MergeSource& source : sources) rows += LiveRows(*source.view);
  const uint64_t count = std::max<uint64_t>(
      1, (rows + input_.capacity.rows - 1) / input_.capacity.rows);
  const uint64_t rows_max = (rows + count - 1) / count;
  const bool coded = sources[0].lists != nullptr;
  const uint32_t list_count = coded ? codebook_->list_count() : 0;
  std::vector<Piece> pieces;
  const auto end_lists = [&](uint32_t past) {  // lists before `past` end here
    if (!coded || pieces.empty()) return;
    while (pieces.back().row_begin.size() < past) {
      pieces.back().row_begin.push_back(static_cast<uint32_t>(pieces.back().rows));
    }
  };
  RowStream stream(sources);
  for (RowStream::Row row;;) {
    VDB_ASSIGN_OR_RETURN(const bool more, stream.Next(&row));
    if (!more) break;
    const uint64_t key =
        sources[row.source].view->segment->records()[row.row].key_bytes;
    if (pieces.empty() || pieces.back().rows == rows_max ||
        pieces.back().key_bytes + key > input_.capacity.key_bytes) {
      end_lists(list_count + 1);
      pieces.emplace_back();
    }
    end_lists(row.list + 1);
    pieces.back().rows += 1;
    pieces.back().key_bytes += key;
  }
  end_lists(list_count + 1);
  return pieces;
}

// Bounds stay bounds when rows go; the sum is shared out by rows, and only ever compared roughly.
void Compactor::CoverLists(const std::vector<MergeSource>& sources, const Piece& piece,
                           SegmentWriter* writer) const {
  double residuals = 0, rows = 0;
  for (const MergeSource& source : sources) {
    const double live = static_cast<double>(LiveRows(*source.view));
    residuals += source.lists->header().residual_sum * live /
                 static_cast<double>(std::max<uint64_t>(1, source.view->mark.rows));
    rows += live;
    for (uint32_t list = 0; list < codebook_->list_count(); ++list) {
      if (piece.row_begin[list] == piece.row_begin[list + 1]) continue;
      writer->index().CoverList(list, source.lists->radius(list));
    }
  }
  writer->index().AddResiduals(residuals * static_cast<double>(piece.rows) / std::max(1.0, rows));
}

Status Compactor::AppendBatch(const std::vector<MergeSource>& sources,
                              const std::vector<RowStream::Row>& rows, SegmentWriter* writer) {
  std::vector<storage::NewRow> batch;
  std::vector<uint8_t> coarse, fine;
  size_t coded = 0;
  uint64_t bytes = 0;
  for (const RowStream::Row& from : rows) {
    const SegmentView& view = *sources[from.source].view;
    const storage::Segment& segment = *view.segment;
    const format::RowRecord& record = segment.records()[from.row];
    batch.push_back({record.docno, record.norm,
                     segment.rows() + from.row * input_.column.dimension,
                     segment.KeyOf(from.row, view.mark.key_bytes)});
    bytes += sizeof(record) + input_.column.dimension * sizeof(float) + record.key_bytes;
    const index::InvertedLists* lists = sources[from.source].lists.get();
    if (lists == nullptr || from.list == codebook_->list_count()) continue;
    const uint32_t padded = codebook_->padded();
    const uint64_t block = from.row / format::kBlockRows;
    const uint8_t* codes = lists->Blocks(block, block + 1);
    const uint8_t* fine_code = lists->FineRows(from.row, from.row + 1);
    if (codes == nullptr || fine_code == nullptr) {
      return Status::Corruption("'" + lists->file() + "': damaged while it was read");
    }
    coarse.resize((coded + 1) * index::CoarseRowBytes(padded));
    index::TakeCoarse(padded, codes, static_cast<uint32_t>(from.row % format::kBlockRows),
                      coarse.data() + coded * index::CoarseRowBytes(padded));
    fine.insert(fine.end(), fine_code, fine_code + format::FineRowBytes(padded));
    ++coded;
  }
  if (coded > 0) {
    VDB_RETURN_IF_ERROR(writer->index().AddCoded(coarse.data(), fine.data(), coded));
  }
  VDB_RETURN_IF_ERROR(writer->Append(batch));
  Held(rows.size() * (sizeof(RowStream::Row) + sizeof(storage::NewRow) +
                      sizeof(format::RowRecord) + sizeof(std::span<const std::byte>)) +
       2 * (coarse.size() + fine.size()) + 2 * uint64_t{format::kIndexChunkBytes});
  return Written(bytes + coarse.size() + fine.size());
}

Status Compactor::WritePiece(const std::vector<MergeSource>& sources, const Piece& piece,
                             RowStream* stream) {
  if (next_segment_id_ == input_.past_segment_id) {
    return Status::ResourceExhausted("compaction: more segments than ids were reserved");
  }
  const uint32_t dimension = input_.column.dimension;
  const format::SegmentIdentity identity = {next_segment_id_++, input_.column.id, dimension,
                                            input_.view->manifest->uuid};
  VDB_ASSIGN_OR_RETURN(const auto writer,
                       SegmentWriter::Create({input_.fs, input_.segments_dir}, identity,
                                             {piece.rows, piece.key_bytes}));
  if (!piece.row_begin.empty()) {
    VDB_RETURN_IF_ERROR(writer->StartIndex(*codebook_, piece.row_begin));
    CoverLists(sources, piece, writer.get());
  }
  const size_t batch_rows =
      std::clamp<size_t>(kBatchBytes / (uint64_t{dimension} * sizeof(float)), 16, 4096);
  uint64_t synced = bytes_written_;
  for (uint64_t done = 0; done < piece.rows;) {
    std::vector<RowStream::Row> rows(std::min<uint64_t>(batch_rows, piece.rows - done));
    for (RowStream::Row& row : rows) {
      VDB_ASSIGN_OR_RETURN(const bool more, stream->Next(&row));
      if (!more) return Status::Corruption("compaction: rows went missing while it ran");
    }
    VDB_RETURN_IF_ERROR(AppendBatch(sources, rows, writer.get()));
    done += rows.size();
    rows_done_ += rows.size();
    VDB_RETURN_IF_ERROR(Tick("write rows", rows_done_, rows_));
    if (bytes_written_ - synced < kSyncEveryBytes) continue;
    synced = bytes_written_;
    VDB_RETURN_IF_ERROR(writer->Sync());
  }
  if (!piece.row_begin.empty()) Held(3 * piece.rows * sizeof(uint32_t));  // the seal's order file
  VDB_ASSIGN_OR_RETURN(RewrittenSegment output, writer->Finish());
  outputs_.push_back(std::move(output));
  return Status::Ok();
}

Status Compactor::Merge(const std::vector<MergeSource>& sources) {
  if (sources.empty()) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const std::vector<Piece> pieces, Plan(sources));
  plan_bytes_ = 0;
  for (const Piece& piece : pieces) plan_bytes_ += piece.row_begin.size() * sizeof(uint32_t);
  RowStream stream(sources);
  for (const Piece& piece : pieces) VDB_RETURN_IF_ERROR(WritePiece(sources, piece, &stream));
  return Status::Ok();
}

Status Compactor::Prove() {
  RowsHash after;
  uint64_t done = 0;
  const auto tick = [&](uint64_t rows) { return Tick("prove rows", done += rows, rows_); };
  for (const RewrittenSegment& output : outputs_) {
    MergeSource written = {&output.segment};
    if (output.segment.index != nullptr) {
      VDB_ASSIGN_OR_RETURN(written.lists, output.segment.index->Get());
    }
    VDB_RETURN_IF_ERROR(AddLiveRows(written, tick, &after));
  }
  if (after != before_) {
    return Status::Corruption("expected " + std::to_string(before_.count) +
                              " live rows, read back " + std::to_string(after.count) +
                              (after.count == before_.count ? ", not the same ones" : ""));
  }
  const SegmentRewrite done_rewrite = rewrite();
  VDB_ASSIGN_OR_RETURN(const uint64_t queries,
                       ProbeAlike(input_.column, epoch_, done_rewrite.sources, outputs_,
                                  input_.first_segment_id));
  input_.report->probe_query_count += queries;
  return Status::Ok();
}

Status Compactor::Run() {
  const index::ScopedFloatMode float_mode;
  VDB_RETURN_IF_ERROR(Choose());
  if (indexed_.empty() && loose_.empty()) return Status::Ok();
  const auto start = std::chrono::steady_clock::now();
  uint64_t checked = 0, all_rows = 0;
  for (const auto* sources : {&indexed_, &loose_}) {
    for (const MergeSource& source : *sources) all_rows += source.view->mark.rows;
  }
  const auto tick = [&](uint64_t rows) { return Tick("check rows", checked += rows, all_rows); };
  for (const auto* sources : {&indexed_, &loose_}) {
    for (const MergeSource& source : *sources) {
      VDB_RETURN_IF_ERROR(AddLiveRows(source, tick, &before_));
      input_.report->rows_dropped += source.view->mark.rows - LiveRows(*source.view);
    }
  }
  write_start_ = std::chrono::steady_clock::now();
  VDB_RETURN_IF_ERROR(Merge(indexed_));
  VDB_RETURN_IF_ERROR(Merge(loose_));
  VDB_RETURN_IF_ERROR(input_.fs->SyncDir(input_.segments_dir));
  input_.report->rows_read += rows_;
  input_.report->rewrite_ms += MillisecondsSince(start);

  const auto prove_start = std::chrono::steady_clock::now();
  Status proven = Prove();
  input_.report->prove_ms += MillisecondsSince(prove_start);
  if (proven.code() != StatusCode::kCorruption) return proven;
  return Status::Corruption("compaction of column '" + input_.column.name +
                            "': the new segments are not what the old ones are, which stay: " +
                            proven.message());
}

}  // namespace vdb::engine
