// BuildIndex and DropIndex, and what index builds and compactions share: the steps of a rewrite
// that run under the commit mutex. Between the first (BeginRewrite) and the last (EndRewrite)
// writers go on; what they did to the rows that were rewritten meanwhile can only be deleting
// them, and is carried over.
#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/build_plan.h"
#include "engine/index_build.h"
#include "engine/no_throw.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

StatusOr<format::ColumnEntry> ColumnOf(const format::Manifest& manifest, uint32_t collection_id,
                                       std::string_view name) {
  const format::CollectionEntry* collection = manifest.FindCollection(collection_id);
  if (collection == nullptr) {
    return Status::NotFound("collection id " + std::to_string(collection_id) + " was dropped");
  }
  for (const format::ColumnEntry& column : collection->columns) {
    if (name.empty() ? column.id == collection->default_column : column.name == name) {
      return column;
    }
  }
  if (name.empty()) {
    return Status::FailedPrecondition("collection '" + collection->name +
                                      "' has no default column; name one");
  }
  return Status::NotFound("collection '" + collection->name + "' has no column '" +
                          std::string(name) + "'");
}

Status CheckOptions(const format::ColumnEntry& column, const IndexOptions& options) {
  const std::string where = "index of column '" + column.name + "': ";
  if (options.list_count > format::kListCountMax) {
    return Status::InvalidArgument(where + "expected at most " +
                                   std::to_string(format::kListCountMax) + " lists, found " +
                                   std::to_string(options.list_count));
  }
  // Training needs some rows of every list in memory.
  constexpr uint64_t kRowsPerList = 16, kTrainingBytesMax = uint64_t{4} << 30;
  if (options.list_count * kRowsPerList * column.dimension * sizeof(float) > kTrainingBytesMax) {
    return Status::ResourceExhausted(where + std::to_string(options.list_count) +
                                     " lists need more than 4 GiB to train; ask for fewer");
  }
  if (options.queries.row_count > 0 && options.queries.dimension != column.dimension) {
    return Status::InvalidArgument(where + "expected queries of dimension " +
                                   std::to_string(column.dimension) + ", found " +
                                   std::to_string(options.queries.dimension));
  }
  for (size_t i = 0; i < options.queries.row_count; ++i) {
    double squares = 0;
    for (const float value : options.queries.row(i)) squares += double{value} * double{value};
    if (std::isfinite(squares) && (squares > 0 || column.metric != Metric::kCosine)) continue;
    return Status::InvalidArgument(where + "query " + std::to_string(i) +
                                   " is not finite, or has no direction");
  }
  return Status::Ok();
}

// Docnos of rows that are dead in `now` and were alive in `then`.
Status DiedIn(const SegmentView& then, const SegmentView& now, std::vector<uint64_t>* docnos) {
  if (now.mask == then.mask || now.mask == nullptr) return Status::Ok();
  for (uint64_t chunk = 0; chunk < now.mask->chunk_count(); ++chunk) {
    VDB_ASSIGN_OR_RETURN(const uint64_t* words, now.mask->Chunk(chunk));
    const uint64_t* before = nullptr;
    if (then.mask != nullptr) {
      VDB_ASSIGN_OR_RETURN(before, then.mask->Chunk(chunk));
    }
    for (uint64_t w = 0; words != nullptr && words != before && w < storage::kMaskChunkWords; ++w) {
      uint64_t died = words[w] & ~(before == nullptr ? 0 : before[w]);
      for (; died != 0; died &= died - 1) {
        const uint64_t row = chunk * storage::kMaskChunkRows + w * 64 +
                             static_cast<uint64_t>(std::countr_zero(died));
        docnos->push_back(then.segment->records()[row].docno);
      }
    }
  }
  return Status::Ok();
}

}  // namespace

Status DatabaseImpl::BeginBuild(uint32_t collection_id, const IndexOptions& options,
                                BuildPlan* plan) {
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(const Manifest next, EditableManifest());
  VDB_ASSIGN_OR_RETURN(plan->column, ColumnOf(next, collection_id, options.column));
  VDB_RETURN_IF_ERROR(CheckOptions(plan->column, options));
  return BeginRewrite(/*with_epoch=*/true, plan);
}

// Under the commit mutex. The column's rows so far come into sealed segments, and what was deleted
// so far leaves no trace that a crash could bring back: only then may a job leave those rows out.
Status DatabaseImpl::BeginRewrite(bool with_epoch, BuildPlan* plan) {
  if (building_.column_id != 0) {
    return Status::FailedPrecondition("'" + path_ +
                                      "': another index build or compaction runs");
  }
  if (!tombstones_.empty()) VDB_RETURN_IF_ERROR(FoldTombstones());
  VDB_RETURN_IF_ERROR(MakeDurableLocked());
  // Folding removes tombstones unsynced, perhaps rounds ago. If they came back when their rows are
  // gone, the next open would miss the rows.
  const Status synced = store_->SyncLog();
  if (!synced.ok()) {
    Fail(synced);
    return synced;
  }
  return ReserveIds(with_epoch, plan);
}

Status DatabaseImpl::ReserveIds(bool with_epoch, BuildPlan* plan) {
  const uint32_t column_id = plan->column.id;
  Manifest next = *manifest_;
  auto view = std::make_shared<View>(*view_);
  const auto open = open_.find(column_id);
  if (open != open_.end()) VDB_RETURN_IF_ERROR(SealInto(&next, column_id, view.get()));
  uint64_t rows = 0, key_bytes = 0;
  if (const ColumnView* column = view->FindColumn(column_id)) {
    for (const SegmentView& segment : column->segments) {
      rows += segment.mark.rows;
      key_bytes += segment.mark.key_bytes;
    }
  }
  const storage::SegmentCapacity capacity = UsualCapacity(plan->column.dimension);
  plan->ids = {next.next_segment_id, 0, 0, column_id};
  if (with_epoch) plan->ids.epoch = next.next_epoch_id++;
  // A compaction begins new segments twice: for rows with codes, and for those without.
  next.next_segment_id += rows / capacity.rows + 2 * (key_bytes / capacity.key_bytes) + 4;
  plan->ids.past_segment = next.next_segment_id;
  VDB_RETURN_IF_ERROR(fs().SyncDir(SegmentsDir()));
  VDB_RETURN_IF_ERROR(Publish(std::move(next)));
  if (open != open_.end()) {
    stale_watermarks_.insert(open->second.segment->id());
    open_.erase(open);
  }
  building_ = plan->ids;
  ReplaceSyncable();
  ShowManifest(view.get());
  plan->view = view;
  SwapView(std::move(view));
  CollectGarbage();
  return Status::Ok();
}

StatusOr<IndexReport> DatabaseImpl::BuildIndex(uint32_t collection_id,
                                               const IndexOptions& options) {
  BuildPlan plan;
  const Status begun = NoThrow([&] { return BeginBuild(collection_id, options, &plan); });
  if (!begun.ok()) return EndRewrite(plan, begun, {});
  auto space = SpaceLeft();
  if (!space.ok()) return EndRewrite(plan, space.status(), {});
  IndexBuilder builder({&fs(), SegmentsDir(), EpochsDir(), plan.column, plan.view, plan.ids.epoch,
                        plan.ids.first_segment, plan.ids.past_segment,
                        UsualCapacity(plan.column.dimension), &options, shares_.job_bytes,
                        *space});
  const Status built = NoThrow([&] { return builder.Run(); });
  VDB_RETURN_IF_ERROR(EndRewrite(plan, built, builder.rewrite()));
  return builder.report();
}

// Publishes the rewrite if `ran` says that there is one, and gives back what was reserved.
Status DatabaseImpl::EndRewrite(const BuildPlan& plan, const Status& ran,
                                const SegmentRewrite& rewrite) {
  const std::lock_guard lock(commit_mutex_);
  if (plan.ids.column_id == 0 || building_.first_segment != plan.ids.first_segment) return ran;
  const Status status = ran.ok() ? NoThrow([&] { return PublishRewrite(plan, rewrite); }) : ran;
  building_ = {};
  // After a failure whose outcome is unknown the new files may be the live ones.
  if (Refused().ok()) CollectGarbage();
  return status;
}

StatusOr<DatabaseImpl::Masks> DatabaseImpl::DiedSince(const SegmentRewrite& rewrite,
                                                      const ColumnView& now,
                                                      const ColumnView& outputs) const {
  std::vector<uint64_t> docnos;
  for (const SegmentView* then : rewrite.sources) {
    for (const SegmentView& segment : now.segments) {
      if (segment.segment->id() != then->segment->id()) continue;
      VDB_RETURN_IF_ERROR(DiedIn(*then, segment, &docnos));
    }
  }
  std::map<uint64_t, std::vector<uint64_t>> dead;
  for (const uint64_t docno : docnos) {
    VDB_ASSIGN_OR_RETURN(const RowAddress at, FindRow(&outputs, docno));
    if (at.segment == nullptr) {
      return Status::Corruption(rewrite.job + ": the row of docno " + std::to_string(docno) +
                                ", deleted meanwhile, was not rewritten");
    }
    dead[at.segment->segment->id()].push_back(at.row);
  }
  Masks masks;
  for (const auto& [id, rows] : dead) {
    VDB_ASSIGN_OR_RETURN(masks[id], storage::DeleteMask().With(rows));
  }
  return masks;
}

// Under the commit mutex. One publish swaps the old segments for the new ones; until its rename the
// old generation stands.
Status DatabaseImpl::PublishRewrite(const BuildPlan& plan, const SegmentRewrite& rewrite) {
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  VDB_RETURN_IF_ERROR(MakeDurableLocked());
  const uint32_t column_id = plan.column.id;
  if (next.FindColumn(column_id) == nullptr) {
    return Status::NotFound("column '" + plan.column.name + "' was dropped during the " +
                            rewrite.job);
  }
  const auto old = view_->columns.find(column_id);
  auto column = std::make_shared<ColumnView>();
  if (old != view_->columns.end()) *column = *old->second;
  ColumnView outputs;
  for (const auto& output : rewrite.outputs) outputs.segments.push_back(output.segment);
  VDB_ASSIGN_OR_RETURN(const Masks masks, DiedSince(rewrite, *column, outputs));

  const auto replaced = [&rewrite](uint64_t id) {
    return std::any_of(rewrite.sources.begin(), rewrite.sources.end(),
                       [id](const SegmentView* source) { return source->segment->id() == id; });
  };
  std::erase_if(next.segments, [&](const auto& entry) { return replaced(entry.id); });
  std::erase_if(column->segments,
                [&](const SegmentView& segment) { return replaced(segment.segment->id()); });
  for (const auto& output : rewrite.outputs) {
    next.segments.push_back(output.entry);
    column->segments.push_back(output.segment);
    const auto mask = masks.find(output.entry.id);
    if (mask == masks.end()) continue;
    format::SegmentEntry& entry = next.segments.back();
    VDB_RETURN_IF_ERROR(WriteMask(*mask->second, entry.rows, &entry));
    column->segments.back().mask = mask->second;
  }
  if (!masks.empty()) VDB_RETURN_IF_ERROR(fs().SyncDir(SegmentsDir()));
  std::sort(next.segments.begin(), next.segments.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  std::sort(column->segments.begin(), column->segments.end(), [](const auto& a, const auto& b) {
    return a.segment->id() < b.segment->id();  // the open one, made meanwhile, stays last
  });
  std::erase_if(next.epochs,
                [column_id](const auto& epoch) { return epoch.column_id == column_id; });
  column->epoch = rewrite.epoch;
  if (column->epoch != nullptr) next.epochs.push_back(column->epoch->entry());
  std::sort(next.epochs.begin(), next.epochs.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  next.generation = manifest_->generation + 1;
  // What a job computed must never make a manifest that no open accepts.
  VDB_RETURN_IF_ERROR(
      format::DecodeManifest(format::EncodeManifest(next), rewrite.job).status());
  auto view = std::make_shared<View>(*view_);  // now: nothing may fail between publish and swap
  view->columns[column_id] = std::move(column);
  VDB_RETURN_IF_ERROR(Publish(std::move(next)));  // it syncs the name of epochs/ with its own
  ShowManifest(view.get());
  SwapView(std::move(view));
  return Status::Ok();
}

Status DatabaseImpl::DropIndex(uint32_t collection_id, std::string_view column_name) {
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(Manifest next, EditableManifest());
  VDB_ASSIGN_OR_RETURN(const format::ColumnEntry column,
                       ColumnOf(next, collection_id, column_name));
  if (building_.column_id == column.id) {
    return Status::FailedPrecondition("column '" + column.name + "': an index build runs");
  }
  const size_t erased = std::erase_if(
      next.epochs, [&column](const auto& epoch) { return epoch.column_id == column.id; });
  if (erased == 0) return Status::NotFound("column '" + column.name + "' has no index");
  for (format::SegmentEntry& entry : next.segments) {
    if (entry.column_id != column.id) continue;
    entry.epoch_id = entry.index_checksum = entry.index_bytes = 0;
  }
  return PublishSchema(std::move(next));
}

}  // namespace vdb::engine
