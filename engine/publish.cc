// Generations: publishing a manifest, sealing and making segments, folding tombstones, and removing
// files that no generation in use names. Everything here runs under the commit mutex.
#include <algorithm>

#include "engine/database_impl.h"
#include "engine/named_snapshot.h"
#include "format/checksum.h"
#include "format/status_macros.h"
#include "storage/mask_file.h"

namespace vdb::engine {
namespace {

using format::JoinPath;
using storage::OpenMode;

format::SegmentEntry* FindEntry(format::Manifest* manifest, uint64_t segment_id) {
  for (format::SegmentEntry& entry : manifest->segments) {
    if (entry.id == segment_id) return &entry;
  }
  return nullptr;
}

void EraseEntry(format::Manifest* manifest, uint64_t segment_id) {
  std::erase_if(manifest->segments,
                [segment_id](const auto& entry) { return entry.id == segment_id; });
}

}  // namespace

// Data files and their directory are durable when this is called. Until the rename a failure leaves
// the old generation; a rename whose durability is unknown ends the writer.
Status DatabaseImpl::Publish(Manifest next) {
  next.generation = manifest_->generation + 1;
  next.min_batch = state_.batch;
  format::Current current;
  VDB_RETURN_IF_ERROR(WriteManifestFiles(next, &current));
  const std::string tmp = PathOf(format::kCurrentTmpFile);
  VDB_RETURN_IF_ERROR(WriteSyncedFile(fs(), tmp, format::EncodeCurrent(current)));
  Status status = fs().Rename(tmp, PathOf(format::kCurrentFile));
  if (status.ok()) status = fs().SyncDir(path_);
  if (!status.ok()) {
    Fail(status);
    return status;
  }
  manifest_ = std::make_shared<const Manifest>(std::move(next));
  manifest_checksum_ = current.manifest_checksum;
  metrics_.publishes.Add();
  status = WriteLedger();
  if (!status.ok()) Fail(status);  // the generation stands; later writes are refused
  return Status::Ok();
}

Status DatabaseImpl::WriteManifestFiles(const Manifest& next, format::Current* current) {
  const std::string bytes = format::EncodeManifest(next);
  current->generation = next.generation;
  current->manifest_checksum = format::Hash64(bytes);
  VDB_RETURN_IF_ERROR(WriteSyncedFile(fs(), PathOf(format::ManifestName(next.generation)), bytes));
  VDB_RETURN_IF_ERROR(
      WriteSyncedFile(fs(), PathOf(format::ManifestTwinName(next.generation)), bytes));
  return fs().SyncDir(path_);
}

storage::SegmentCapacity DatabaseImpl::UsualCapacity(uint32_t dimension) const {
  return {options_.segment_rows_max != 0 ? options_.segment_rows_max
                                         : storage::DefaultRowCapacity(dimension),
          storage::kKeyCapacityBytes};
}

StatusOr<std::shared_ptr<storage::Segment>> DatabaseImpl::NewSegment(
    Manifest* next, uint32_t column_id, const storage::SegmentCapacity& needed) {
  const format::ColumnEntry* column = next->FindColumn(column_id);
  format::SegmentEntry entry;
  entry.id = next->next_segment_id++;
  entry.column_id = column_id;
  next->segments.push_back(entry);
  storage::SegmentCapacity capacity = UsualCapacity(column->dimension);
  capacity.rows = std::max(capacity.rows, needed.rows);
  capacity.key_bytes = std::max(capacity.key_bytes, needed.key_bytes);
  return storage::Segment::Create(fs(), SegmentsDir(),
                                  {entry.id, column_id, column->dimension, next->uuid}, capacity);
}

// Seals the open segment of a column in `next` and in `view`. An empty one is dropped instead.
Status DatabaseImpl::SealInto(Manifest* next, uint32_t column_id, View* view) {
  const OpenSegment& open = open_.at(column_id);
  auto column = std::make_shared<ColumnView>(*view->columns.at(column_id));
  if (open.mark.rows == 0) {
    EraseEntry(next, open.segment->id());
    column->segments.pop_back();
  } else {
    VDB_RETURN_IF_ERROR(open.segment->Seal(open.mark, FindEntry(next, open.segment->id())));
    VDB_ASSIGN_OR_RETURN(auto sealed,
                         storage::Segment::Open(fs(), SegmentsDir(), open.segment->identity(),
                                                {.rows = open.mark.rows,
                                                 .key_bytes = open.mark.key_bytes,
                                                 .sorted_rows = open.mark.sorted_rows,
                                                 .sealed = true}));
    column->segments.back().segment = std::move(sealed);
    column->segments.back().sealed = true;
  }
  view->columns[column_id] = std::move(column);
  return Status::Ok();
}

// Every column of the round gets an open segment with room for its rows; full ones are sealed. One
// publish for all of them, before any batch refers to the new files.
Status DatabaseImpl::EnsureOpenSegments(
    const std::map<uint32_t, std::vector<storage::NewRow>>& rows) {
  std::map<uint32_t, storage::SegmentCapacity> missing;
  for (const auto& [column, new_rows] : rows) {
    storage::SegmentCapacity needed = {new_rows.size(), 0};
    for (const storage::NewRow& row : new_rows) needed.key_bytes += row.key.size();
    const auto open = open_.find(column);
    if (open == open_.end() || !open->second.segment->HasRoom(needed)) missing[column] = needed;
  }
  if (missing.empty()) return Status::Ok();
  VDB_RETURN_IF_ERROR(MakeDurableLocked());
  Manifest next = *manifest_;
  auto view = std::make_shared<View>(*view_);
  std::map<uint32_t, std::shared_ptr<storage::Segment>> made;
  for (const auto& [column, needed] : missing) {
    if (open_.contains(column)) VDB_RETURN_IF_ERROR(SealInto(&next, column, view.get()));
    VDB_ASSIGN_OR_RETURN(made[column], NewSegment(&next, column, needed));
  }
  VDB_RETURN_IF_ERROR(fs().SyncDir(SegmentsDir()));
  VDB_RETURN_IF_ERROR(Publish(next));

  for (const auto& [column, segment] : made) {
    const auto old = open_.find(column);
    if (old != open_.end()) stale_watermarks_.insert(old->second.segment->id());
    open_[column] = {segment, {}};
    const auto it = view->columns.find(column);
    auto copy = it == view->columns.end() ? std::make_shared<ColumnView>()
                                          : std::make_shared<ColumnView>(*it->second);
    copy->segments.push_back({segment, {}, nullptr, false});
    view->columns[column] = std::move(copy);
  }
  ReplaceSyncable();
  ShowManifest(view.get());
  SwapView(std::move(view));
  CollectGarbage();
  return Status::Ok();
}

// Makes a new view speak of the newest generation.
void DatabaseImpl::ShowManifest(View* view) const {
  view->manifest = manifest_;
  view->manifest_checksum = manifest_checksum_;
}

void DatabaseImpl::ReplaceSyncable() {
  const std::lock_guard lock(sync_mutex_);
  syncable_.clear();
  for (const auto& [column, open] : open_) syncable_.push_back(open.segment);
}

// For the next generation; of an open segment only the caller knows the rows.
Status DatabaseImpl::WriteMask(const storage::DeleteMask& mask, uint64_t rows,
                               format::SegmentEntry* entry) {
  VDB_ASSIGN_OR_RETURN(const std::string bytes,
                       storage::MaskFile::Encode(mask, entry->id, rows, &entry->mask_checksum));
  entry->mask_generation = manifest_->generation + 1;
  const auto name = format::MaskFileName(entry->id, entry->mask_generation);
  return WriteSyncedFile(fs(), JoinPath(SegmentsDir(), name), bytes);
}

// Writes the masks that tombstones changed, publishes them, and only then removes the tombstones,
// in a store write that depends on the new generation.
Status DatabaseImpl::FoldTombstones() {
  VDB_RETURN_IF_ERROR(MakeDurableLocked());
  std::vector<RoundTombstone> all;
  for (const auto& [docno, record] : tombstones_) all.push_back({docno, record});
  VDB_ASSIGN_OR_RETURN(const Masks touched, NewMasks(*view_, all));  // equal to the view's masks
  Manifest next = *manifest_;
  for (const auto& [id, column] : view_->columns) {
    for (const SegmentView& segment : column->segments) {
      const uint64_t segment_id = segment.segment->id();
      if (!touched.contains(segment_id)) continue;
      format::SegmentEntry* entry = FindEntry(&next, segment_id);
      VDB_RETURN_IF_ERROR(WriteMask(*segment.mask, segment.mark.rows, entry));
    }
  }
  VDB_RETURN_IF_ERROR(fs().SyncDir(SegmentsDir()));
  VDB_RETURN_IF_ERROR(Publish(next));
  auto view = std::make_shared<View>(*view_);
  ShowManifest(view.get());
  view->tombstones = 0;
  SwapView(std::move(view));

  storage::StoreBatch batch;
  for (const auto& [docno, record] : tombstones_) batch.Delete(format::TombstoneKey(docno));
  state_.min_generation = manifest_->generation;
  batch.Put(format::StateKey(), format::EncodeState(state_));
  const Status written = store_->Write(batch);
  if (!written.ok()) {
    Fail(written);
    return written;
  }
  tombstones_.clear();
  CollectGarbage();
  return Status::Ok();
}

// A generation goes once no reader pins it (exclusive flock on its manifest); a file goes once no
// generation that is left names it. Failures only delay this until the next publish.
void DatabaseImpl::CollectGarbage() {
  auto names = fs().List(path_);
  if (!names.ok()) return;
  std::set<uint64_t> segments;
  std::set<uint64_t> indexed, epochs = {building_.epoch};
  std::set<std::pair<uint64_t, uint64_t>> masks;
  for (uint64_t id = building_.first_segment; id < building_.past_segment; ++id) {
    segments.insert(id);
    indexed.insert(id);
  }
  const auto keep = [&](const Manifest& manifest) {
    for (const auto& entry : manifest.segments) {
      segments.insert(entry.id);
      if (entry.epoch_id != 0) indexed.insert(entry.id);
      masks.insert({entry.id, entry.mask_generation});
    }
    for (const auto& epoch : manifest.epochs) epochs.insert(epoch.id);
  };
  keep(*manifest_);
  if (manifest_->named_snapshots) {
    RemoveSnapshotLeftovers(fs(), path_).IgnoreError("tried again at the next publish");
    const auto snapshots = FindSnapshots(fs(), path_);
    if (!snapshots.ok()) return;
    for (const NamedSnapshot& snapshot : *snapshots) {
      if (!snapshot.readable.ok()) return;  // cannot tell what it needs: remove nothing
      keep(snapshot.manifest);
    }
  }
  std::set<uint64_t> old;
  for (const std::string& name : *names) {
    const auto generation = format::ParseManifestName(name);
    if (generation && *generation != manifest_->generation) old.insert(*generation);
  }
  for (const uint64_t generation : old) {
    const std::string path = PathOf(format::ManifestName(generation));
    auto file = fs().Open(path, OpenMode::kRead);
    if (file.ok()) {
      auto lock = (*file)->TryLock(storage::LockKind::kExclusive);
      if (!lock.ok()) {
        auto bytes = storage::ReadWholeFile(fs(), path, format::kManifestBytesMax);
        auto pinned = bytes.ok() ? format::DecodeManifest(*bytes, path) : bytes.status();
        if (!pinned.ok()) return;  // cannot tell what it needs: remove nothing
        keep(pinned->manifest);
        continue;
      }
      fs().Remove(path).IgnoreError("tried again at the next publish");
    }
    fs().Remove(PathOf(format::ManifestTwinName(generation)))
        .IgnoreError("tried again at the next publish");
  }
  auto files = fs().List(SegmentsDir());
  if (!files.ok()) return;
  for (const std::string& name : *files) {
    const auto parsed = format::ParseSegmentName(name);
    if (!parsed) continue;
    const bool used = parsed->mask_generation
                          ? masks.contains({parsed->segment_id, *parsed->mask_generation})
                          : (parsed->is_index ? indexed : segments).contains(parsed->segment_id);
    if (!used) {
      fs().Remove(JoinPath(SegmentsDir(), name)).IgnoreError("tried again at the next publish");
    }
  }
  if (manifest_->next_epoch_id == 1) return;  // there never was one
  files = fs().List(EpochsDir());
  if (!files.ok()) return;
  for (const std::string& name : *files) {
    const auto epoch = format::ParseEpochName(name);
    if (!epoch || epochs.contains(*epoch)) continue;
    fs().Remove(JoinPath(EpochsDir(), name)).IgnoreError("tried again at the next publish");
  }
}

}  // namespace vdb::engine
