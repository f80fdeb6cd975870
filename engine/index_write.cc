// See index_build.h. Here: writing the epoch and the rows in their new order, and calibrating on
// what was written.
#include <algorithm>
#include <chrono>
#include <random>
#include <set>

#include "engine/clock.h"
#include "engine/index_build.h"
#include "format/checksum.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using format::JoinPath;
using storage::OpenMode;

constexpr uint64_t kBatchBytes = 16u << 20;  // of coded rows held at once
constexpr size_t kSampleQueries = 512;

}  // namespace

Status IndexBuilder::WriteEpoch() {
  const auto start = std::chrono::steady_clock::now();
  const std::string bytes = codebook_->Encode();
  VDB_RETURN_IF_ERROR(input_.fs->CreateDir(input_.epochs_dir));
  const std::string path = JoinPath(input_.epochs_dir, format::EpochFileName(input_.epoch_id));
  VDB_RETURN_IF_ERROR(WriteSyncedFile(*input_.fs, path, bytes));
  VDB_RETURN_IF_ERROR(input_.fs->SyncDir(input_.epochs_dir));
  report_.sync_ms += MillisecondsSince(start);
  report_.index_bytes += bytes.size();
  epoch_entry_.id = input_.epoch_id;
  epoch_entry_.column_id = input_.column.id;
  epoch_entry_.checksum = format::Hash64(bytes);
  epoch_entry_.file_bytes = bytes.size();
  epoch_entry_.list_count = codebook_->list_count();
  epoch_entry_.trained_rows = rows_.size();
  return Status::Ok();
}

Status IndexBuilder::Write() {
  const auto start = std::chrono::steady_clock::now();
  const double synced_before = report_.sync_ms;
  VDB_RETURN_IF_ERROR(Tick("write", 0, rows_.size()));
  // List by list, rows come from all over the old segments. With a memory limit these may not stay
  // in memory, and reading ahead of every jump would read them again and again (1,000,000 x 128
  // in 320 MiB: 93 GB read and no end, instead of 66 s).
  const bool jumps = input_.memory_bytes_max != 0;
  for (const SegmentView* source : sources_) source->segment->ExpectJumps(jumps);
  const Status written = WritePieces();
  for (const SegmentView* source : sources_) source->segment->ExpectJumps(false);
  VDB_RETURN_IF_ERROR(written);
  const auto sync_start = std::chrono::steady_clock::now();
  VDB_RETURN_IF_ERROR(input_.fs->SyncDir(input_.segments_dir));
  report_.sync_ms += MillisecondsSince(sync_start);
  report_.write_ms = MillisecondsSince(start) - (report_.sync_ms - synced_before);
  return Status::Ok();
}

Status IndexBuilder::WritePieces() {
  uint64_t from = 0;
  while (from < rows_.size()) {
    uint64_t past = from, key_bytes = 0;
    while (past < rows_.size() && past - from < input_.capacity.rows) {
      const uint64_t key = SourceOf(rows_[past]).segment->records()[RowOf(rows_[past])].key_bytes;
      if (past > from && key_bytes + key > input_.capacity.key_bytes) break;
      key_bytes += key;
      ++past;
    }
    VDB_RETURN_IF_ERROR(WritePiece(from, past, key_bytes));
    from = past;
  }
  return Status::Ok();
}

Status IndexBuilder::WritePiece(uint64_t from, uint64_t past, uint64_t key_bytes) {
  if (next_segment_id_ == input_.past_segment_id) {
    return Status::ResourceExhausted("index build: more segments than ids were reserved");
  }
  const format::SegmentIdentity identity = {next_segment_id_++, input_.column.id, dimension_,
                                            input_.view->manifest->uuid};
  VDB_ASSIGN_OR_RETURN(const auto writer,
                       SegmentWriter::Create({input_.fs, input_.segments_dir}, identity,
                                             {past - from, key_bytes}));
  std::vector<uint32_t> row_begin(size_t{codebook_->list_count()} + 1);
  for (size_t list = 0; list < row_begin.size(); ++list) {
    row_begin[list] = static_cast<uint32_t>(std::clamp(list_start_[list], from, past) - from);
  }
  VDB_RETURN_IF_ERROR(writer->StartIndex(*codebook_, std::move(row_begin)));
  const uint64_t row_bytes = uint64_t{codebook_->padded()} * sizeof(float);
  const uint64_t batch = std::clamp<uint64_t>(kBatchBytes / row_bytes / 64 * 64, 64, 8192);
  for (uint64_t at = from; at < past; at += batch) {
    VDB_RETURN_IF_ERROR(AppendBatch(writer.get(), at, std::min(past, at + batch)));
    VDB_RETURN_IF_ERROR(Tick("write", std::min(past, at + batch), rows_.size()));
  }
  report_.memory_bytes_peak = std::max(
      report_.memory_bytes_peak, rows_.size() * 12 + batch * (row_bytes + 64) +
                                     2 * uint64_t{format::kIndexChunkBytes});
  return FinishPiece(writer.get());
}

// Appends rows [from, past) of the new order, and codes those that have a list: the loose ones come
// last in the order.
Status IndexBuilder::AppendBatch(SegmentWriter* writer, uint64_t from, uint64_t past) {
  constexpr uint64_t kBlock = 64;
  const uint32_t padded = codebook_->padded();
  const uint64_t coded_past = std::clamp(list_start_[codebook_->list_count()], from, past);
  std::vector<float> coded((coded_past - from) * padded);
  std::vector<double> lengths(coded_past - from);
  for (uint64_t i = from; input_.memory_bytes_max != 0 && i < past; ++i) {
    SourceOf(rows_[i]).segment->PrefetchRow(RowOf(rows_[i]));
  }
  const uint64_t blocks = (coded_past - from + kBlock - 1) / kBlock;
  VDB_RETURN_IF_ERROR(Parallel("", blocks, [&](uint64_t block) {
    std::vector<float> source(dimension_), scratch(padded);
    const uint64_t begin = block * kBlock;
    for (uint64_t i = begin; i < std::min(coded_past - from, begin + kBlock); ++i) {
      const uint64_t ref = rows_[from + i];
      if (!SourceVector(SourceOf(ref), RowOf(ref), source.data()) ||
          !codebook_->ToCoded(*kernels_, source.data(), coded.data() + i * padded,
                              scratch.data())) {
        return Status::Corruption("index build: a row changed while it was read");
      }
      lengths[i] = std::sqrt(kernels_->sum_squares(source.data(), dimension_));
    }
    return Status::Ok();
  }));
  VDB_RETURN_IF_ERROR(
      writer->index().Add(coded.data(), lengths.data(), coded_past - from, threads_));

  std::vector<storage::NewRow> rows(past - from);
  for (uint64_t i = 0; i < rows.size(); ++i) {
    const SegmentView& source = SourceOf(rows_[from + i]);
    const uint64_t row = RowOf(rows_[from + i]);
    const format::RowRecord& record = source.segment->records()[row];
    rows[i] = {record.docno, record.norm, source.segment->rows() + row * dimension_,
               source.segment->KeyOf(row, source.mark.key_bytes)};
  }
  return writer->Append(rows);
}

Status IndexBuilder::FinishPiece(SegmentWriter* writer) {
  // Synced before the seal, which syncs the little that it changes: so the disk's time shows.
  const auto start = std::chrono::steady_clock::now();
  VDB_RETURN_IF_ERROR(writer->Sync());
  report_.sync_ms += MillisecondsSince(start);
  VDB_ASSIGN_OR_RETURN(RewrittenSegment output, writer->Finish());
  report_.index_bytes += output.entry.index_bytes;
  outputs_.push_back(std::move(output));
  return Status::Ok();
}

// Live rows of the whole column that can stand in for queries, the same ones for the same rows.
StatusOr<std::vector<float>> IndexBuilder::SampleRows(std::vector<uint64_t>* docnos) const {
  std::vector<const SegmentView*> segments = kept_;
  for (const RewrittenSegment& output : outputs_) segments.push_back(&output.segment);
  uint64_t total = 0;
  for (const SegmentView* segment : segments) total += segment->mark.rows;
  std::vector<float> queries, values(dimension_);
  std::set<uint64_t> taken;
  std::mt19937_64 random(epoch_entry_.id);
  for (size_t tries = 0; tries < 10 * kSampleQueries && docnos->size() < kSampleQueries; ++tries) {
    uint64_t row = random() % std::max<uint64_t>(total, 1);
    if (total == 0 || !taken.insert(row).second) continue;
    size_t s = 0;
    while (row >= segments[s]->mark.rows) row -= segments[s++]->mark.rows;
    if (segments[s]->mask != nullptr) {
      VDB_ASSIGN_OR_RETURN(const bool dead, segments[s]->mask->Test(row));
      if (dead) continue;
    }
    if (!SourceVector(*segments[s], row, values.data())) continue;
    if (input_.column.metric == Metric::kCosine &&
        kernels_->sum_squares(values.data(), dimension_) == 0) {
      continue;
    }
    queries.insert(queries.end(), values.begin(), values.end());
    docnos->push_back(segments[s]->segment->records()[row].docno);
  }
  return queries;
}

Status IndexBuilder::Calibrate() {
  const auto start = std::chrono::steady_clock::now();
  VDB_RETURN_IF_ERROR(Tick("calibrate", 0, 0));
  query::CalibrateInput calibrate;
  std::vector<query::IndexedSegment> indexed;
  std::vector<std::shared_ptr<const index::InvertedLists>> opened;
  const auto add = [&](const SegmentView& view) -> Status {
    VDB_ASSIGN_OR_RETURN(auto lists, view.index->Get());
    indexed.push_back({{view.segment->rows(), view.segment->records(), view.mark.rows,
                        view.mask.get()},
                       lists.get()});
    calibrate.row_count += view.mark.rows - (view.mask ? view.mask->dead_count() : 0);
    opened.push_back(std::move(lists));
    return Status::Ok();
  };
  for (const SegmentView* segment : kept_) VDB_RETURN_IF_ERROR(add(*segment));
  for (const RewrittenSegment& output : outputs_) VDB_RETURN_IF_ERROR(add(output.segment));
  // As every search from now on: from the file, not from what training left in memory.
  const EpochFile written(*input_.fs, input_.epochs_dir, epoch_entry_, input_.column);
  VDB_ASSIGN_OR_RETURN(calibrate.search.codebook, written.Get());

  std::vector<uint64_t> docnos;
  std::vector<float> rows;
  calibrate.search.queries = input_.options->queries;
  if (input_.options->queries.row_count == 0) {
    VDB_ASSIGN_OR_RETURN(rows, SampleRows(&docnos));
    calibrate.search.queries = {rows.data(), docnos.size(), dimension_};
    calibrate.self_docnos = docnos;
  }
  calibrate.search.indexed = indexed;
  calibrate.search.metric = input_.column.metric;
  calibrate.search.dimension = dimension_;
  calibrate.search.thread_count = threads_;
  calibrate.go_on = [this] { return Tick("calibrate", 0, 0).ok(); };
  const bool jumps = input_.memory_bytes_max != 0;  // as in Write: reranks read rows all over
  for (const RewrittenSegment& output : outputs_) output.segment.segment->ExpectJumps(jumps);
  auto calibrated = query::Calibrate(calibrate);
  for (const RewrittenSegment& output : outputs_) output.segment.segment->ExpectJumps(false);
  VDB_ASSIGN_OR_RETURN(query::Calibration calibration, std::move(calibrated));
  calibration.own_queries = input_.options->queries.row_count != 0;
  SetCalibration(calibration, &epoch_entry_);
  epoch_ = std::make_shared<const EpochFile>(*input_.fs, input_.epochs_dir, epoch_entry_,
                                             input_.column);
  report_.recalls_proven = query::RecallsProven(calibration, /*drift=*/0);
  report_.calibrate_ms = MillisecondsSince(start);
  return Status::Ok();
}

}  // namespace vdb::engine
