#include "engine/import_commit.h"

#include <algorithm>
#include <span>
#include <unordered_set>
#include <utility>

#include "engine/collection_access.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {

Status ImportCommitter::Open(ImportSource* source) {
  source_ = source;
  VDB_RETURN_IF_ERROR(LoadColumns());
  VDB_RETURN_IF_ERROR(DeclareColumns());
  uint64_t quarantine_bytes = 0;
  if (collection_ && source_info_ && options_.resume) {
    const ImportRecord now = NewRecord();
    const DatabaseImpl& impl = CollectionAccess::Impl(*collection_);
    const auto then = ImportRecordFile(impl, collection_name_).Read();
    if (then && then->IsSameImport(now) &&
        then->collection_id == CollectionAccess::Id(*collection_)) {
      VDB_RETURN_IF_ERROR(source->Resume(then->position));
      totals_.resumed = then->row_count;
      totals_.file_bytes = then->position.offset;
      quarantine_bytes = then->quarantine_bytes;
    }
  }
  return OpenQuarantine(quarantine_bytes);
}

Status ImportCommitter::LoadColumns() {
  auto opened = database_.OpenCollection(collection_name_);
  if (opened.status().code() == StatusCode::kNotFound) return Status::Ok();
  VDB_RETURN_IF_ERROR(opened.status());
  collection_.emplace(std::move(*opened));
  VDB_ASSIGN_OR_RETURN(const std::vector<ColumnInfo> infos, collection_->Columns());
  for (const ColumnInfo& info : infos) {
    columns_[info.name] = {info.dimension, info.metric, info.model, true};
  }
  return Status::Ok();
}

// Columns that the source declares are made as it says, or must be there like that.
Status ImportCommitter::DeclareColumns() {
  for (const ColumnInfo& info : source_->declared()) {
    const auto [at, is_new] =
        columns_.emplace(info.name, ImportColumn{info.dimension, info.metric, info.model, false});
    const ImportColumn& column = at->second;
    if (is_new || (column.dimension == info.dimension && column.metric == info.metric)) continue;
    const auto text = [](uint32_t dimension, Metric metric) {
      return "dimension " + std::to_string(dimension) + " and metric " +
             std::string(MetricName(metric));
    };
    return Status::InvalidArgument("'" + name_ + "' declares column '" + info.name + "' with " +
                                   text(info.dimension, info.metric) + "; in collection '" +
                                   collection_name_ + "' it has " +
                                   text(column.dimension, column.metric));
  }
  return Status::Ok();
}

ImportRecord ImportCommitter::NewRecord() const {
  ImportRecord record;
  record.source = name_;
  record.size_bytes = source_info_->size_bytes;
  record.mtime_ns = source_info_->mtime_ns;
  for (const std::string* option :
       {&options_.column, &options_.keys_path, &options_.key_field, &options_.vector_field,
        &options_.dataset, &options_.quarantine_path}) {
    AppendJsonString(&record.options, *option);
  }
  record.options += std::to_string(static_cast<int>(options_.format)) +
                    (options_.if_absent ? " absent" : "") + (options_.skip_bad ? " skip" : "");
  return record;
}

// What an interrupted import wrote behind its last record is written again.
Status ImportCommitter::OpenQuarantine(uint64_t kept_bytes) {
  if (options_.quarantine_path.empty() || options_.dry_run) return Status::Ok();
  quarantine_bytes_ = kept_bytes;
  storage::FileSystem& fs = *storage::PosixFileSystem();
  VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(options_.quarantine_path));
  const bool keep = kept_bytes > 0 && there;
  VDB_ASSIGN_OR_RETURN(quarantine_,
                       fs.Open(options_.quarantine_path, keep ? storage::OpenMode::kReadWrite
                                                              : storage::OpenMode::kCreate));
  if (!keep) quarantine_bytes_ = 0;
  return quarantine_->Truncate(quarantine_bytes_);
}

ImportTotals ImportCommitter::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

void ImportCommitter::Describe(ImportReport* report) const {
  const ImportTotals now = totals();
  report->document_count = now.documents;
  report->batch_count = now.batches;
  report->rejected_count = now.rejected;
  report->skipped_count = now.skipped;
  report->resumed_count = now.resumed;
  const std::lock_guard lock(mutex_);
  report->collection_is_new = collection_is_new_ || (options_.dry_run && !collection_);
  for (const auto& [name, column] : columns_) {
    if (std::find(made_.begin(), made_.end(), name) == made_.end() && column.exists) continue;
    report->new_columns.push_back({name, column.dimension, column.metric, column.model, false});
  }
}

std::string ImportCommitter::PlaceOf(uint64_t place) const {
  return "'" + name_ + "', " + std::string(source_->place_word()) + " " + std::to_string(place) +
         ": ";
}

// Whether it can be written as it is, if all its rows are good: which most batches are.
bool ImportCommitter::IsPlain(const ImportBatch& batch) const {
  if (options_.dry_run || options_.if_absent || !batch.rejected.empty()) return false;
  const std::lock_guard lock(mutex_);
  if (!collection_) return false;
  return std::all_of(batch.columns.begin(), batch.columns.end(), [this](const auto& used) {
    const auto column = columns_.find(used.first);
    return column != columns_.end() && column->second.exists &&
           column->second.dimension == used.second;
  });
}

Status ImportCommitter::Commit(ImportBatch& batch, ImportPipeline::Turn& turn) {
  if (IsPlain(batch) && batch.changes.change_count() > 0) {
    const auto written = CollectionAccess::Write(*collection_, batch.changes,
                                                 {.sync = options_.sync},
                                                 [&turn] { return turn.Wait(); });
    if (written.ok()) return Done(batch, batch.changes.change_count(), 0);
    if (written.status().code() == StatusCode::kCancelled) return written.status();
    if (written.status().code() != StatusCode::kInvalidArgument) {
      return Explain(batch, written.status());
    }
  }
  if (!turn.Wait()) return Status::Cancelled("the import gave up");
  return CommitCarefully(batch);
}

Status ImportCommitter::CommitCarefully(ImportBatch& batch) {
  Kept kept = KeepGood(&batch);
  if (!batch.rejected.empty() && !options_.skip_bad) {
    const RejectedRow& first = batch.rejected.front();
    return Status::InvalidArgument(PlaceOf(first.place) + first.reason);
  }
  uint64_t skipped = 0, written = kept.size();
  if (options_.if_absent) {
    VDB_RETURN_IF_ERROR(DropExisting(batch.changes, &kept, &skipped));
    written = kept.size();
  }
  if (!options_.dry_run && !kept.empty()) {
    VDB_RETURN_IF_ERROR(MakeMissing());
    VDB_RETURN_IF_ERROR(WriteKept(&batch, kept, &written));
  }
  return Done(batch, written, skipped);
}

// Bad rows go to `rejected`, in order of their places.
ImportCommitter::Kept ImportCommitter::KeepGood(ImportBatch* batch) {
  const ImportColumn wanted{0, options_.metric, options_.model, false};
  const auto& changes = batch->changes.changes();
  Kept kept;
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < changes.size(); ++i) {
    const DocumentView document = ViewOf(batch->changes, changes[i]);
    const auto fault = FaultOf(document, wanted, &columns_);
    if (!fault) {
      kept.push_back(i);
    } else {
      batch->Reject(batch->places[i], *fault, QuarantineText(document));
    }
  }
  std::stable_sort(batch->rejected.begin(), batch->rejected.end(),
                   [](const auto& a, const auto& b) { return a.place < b.place; });
  return kept;
}

Status ImportCommitter::Quarantine(const ImportBatch& batch) {
  if (quarantine_ == nullptr || batch.rejected.empty()) return Status::Ok();
  std::string text;
  for (const RejectedRow& row : batch.rejected) {
    text += "{\"" + std::string(source_->place_word()) + "\": " + std::to_string(row.place) +
            ", \"reason\": ";
    AppendJsonString(&text, row.reason);
    text += ", \"content\": " + row.content + "}\n";
  }
  VDB_RETURN_IF_ERROR(quarantine_->WriteAt(quarantine_bytes_, std::as_bytes(std::span(text))));
  quarantine_bytes_ += text.size();
  return quarantine_->Sync();
}

// Also of keys that come twice in the batch: the first one stands.
Status ImportCommitter::DropExisting(const WriteBatch& changes, Kept* kept,
                                     uint64_t* skipped) const {
  std::vector<std::string_view> keys;
  for (const size_t at : *kept) {
    const WriteBatch::Change& change = changes.changes()[at];
    keys.push_back(changes.text(change.key_offset, change.key_bytes));
  }
  std::vector<std::optional<Document>> found(keys.size());
  if (collection_) {
    VDB_ASSIGN_OR_RETURN(found, collection_->MultiGet(keys, {}, {false, false, false}));
  }
  std::unordered_set<std::string_view> seen;
  Kept absent;
  for (size_t i = 0; i < kept->size(); ++i) {
    if (found[i] || !seen.insert(keys[i]).second) continue;
    absent.push_back((*kept)[i]);
  }
  *skipped += kept->size() - absent.size();
  *kept = std::move(absent);
  return Status::Ok();
}

// Makes collection and columns that are missing. A name that is refused leaves nothing behind.
Status ImportCommitter::MakeMissing() {
  const std::lock_guard lock(mutex_);
  const bool make_collection = !collection_;
  if (make_collection) {
    VDB_ASSIGN_OR_RETURN(Collection made, database_.CreateCollection(collection_name_));
    collection_.emplace(std::move(made));
  }
  Status status;
  const auto make = [&](const std::string& name, ImportColumn* column) {
    if (column->exists || !status.ok()) return;
    if (column->model.empty()) column->model = source_->ModelOf(name);
    status = collection_->AddColumn(
        name, {.dimension = column->dimension, .metric = column->metric, .model = column->model});
    if (!status.ok()) return;
    column->exists = true;
    made_.push_back(name);
  };
  for (const ColumnInfo& info : source_->declared()) make(info.name, &columns_.at(info.name));
  for (auto& [name, column] : columns_) make(name, &column);
  for (const ColumnInfo& info : source_->declared()) {
    if (status.ok() && make_collection && info.is_default) {
      status = collection_->SetDefaultColumn(info.name);
    }
  }
  collection_is_new_ |= make_collection;
  if (status.ok() || !make_collection) return status;
  collection_.reset();
  database_.DropCollection(collection_name_).IgnoreError("the first error is the cause");
  return status;
}

Status ImportCommitter::WriteKept(ImportBatch* batch, const Kept& kept, uint64_t* written) {
  *written = 0;
  return WritePiece(batch, kept, 0, kept.size(), written);
}

// What is refused although it was found good is halved until the row at fault is alone.
Status ImportCommitter::WritePiece(ImportBatch* batch, const Kept& kept, size_t begin, size_t end,
                                   uint64_t* written) {
  const WriteBatch& all = batch->changes;
  WriteBatch piece;
  for (size_t i = begin; i < end; ++i) {
    const DocumentView document = ViewOf(all, all.changes()[kept[i]]);
    options_.if_absent ? piece.PutIfAbsent(document) : piece.Put(document);
  }
  const auto done = collection_->Write(piece, {.sync = options_.sync});
  if (done.ok()) {
    *written += end - begin;
    return Status::Ok();
  }
  const bool can_skip =
      options_.skip_bad && done.status().code() == StatusCode::kInvalidArgument;
  if (!can_skip) return Explain(*batch, done.status());
  if (end - begin == 1) {
    batch->Reject(batch->places[kept[begin]], done.status().message(),
                  QuarantineText(ViewOf(all, all.changes()[kept[begin]])));
    return Status::Ok();
  }
  const size_t middle = begin + (end - begin) / 2;
  VDB_RETURN_IF_ERROR(WritePiece(batch, kept, begin, middle, written));
  return WritePiece(batch, kept, middle, end, written);
}

Status ImportCommitter::Explain(const ImportBatch& batch, const Status& status) const {
  const std::string first = std::to_string(batch.places.front());
  return Prefixed("'" + name_ + "', " + std::string(source_->place_word()) + "s " + first + " to " +
                      std::to_string(batch.places.back()) + ": ",
                  status);
}

// The batch is committed. Rejected rows are kept before the record says that they were dealt with.
Status ImportCommitter::Done(const ImportBatch& batch, uint64_t documents, uint64_t skipped) {
  VDB_RETURN_IF_ERROR(Quarantine(batch));
  ImportTotals now;
  {
    const std::lock_guard lock(mutex_);
    totals_.documents += documents;
    totals_.batches += documents > 0 ? 1 : 0;
    totals_.rejected += batch.rejected.size();
    totals_.skipped += skipped;
    totals_.file_bytes += batch.file_bytes;
    now = totals_;
  }
  if (!source_info_ || !options_.sync || options_.dry_run || !collection_) return Status::Ok();
  if (!record_file_) {
    record_file_.emplace(CollectionAccess::Impl(*collection_), collection_name_);
  }
  ImportRecord record = NewRecord();
  record.collection_id = CollectionAccess::Id(*collection_);
  record.position = batch.end;
  record.row_count = now.resumed + now.documents + now.skipped + now.rejected;
  record.quarantine_bytes = quarantine_bytes_;
  return record_file_->Write(record);
}

Status ImportCommitter::Finish() {
  if (options_.dry_run) return Status::Ok();
  if (!collection_ || !source_->declared().empty()) VDB_RETURN_IF_ERROR(MakeMissing());
  if (source_info_) {
    ImportRecordFile(CollectionAccess::Impl(*collection_), collection_name_).Remove();
  }
  return Status::Ok();
}

}  // namespace vdb::engine
