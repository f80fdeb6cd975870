// See repair_writer.h.
#include "engine/repair_writer.h"

#include <utility>

#include "engine/field_entries.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr size_t kBatchBytes = 1u << 20;

}  // namespace

StatusOr<std::unique_ptr<RepairWriter>> RepairWriter::Create(RepairRun* run,
                                                             uint64_t docs_directory,
                                                             const std::string& uuid) {
  std::unique_ptr<RepairWriter> writer(new RepairWriter());
  storage::FileSystem& fs = run->fs();
  const std::string docs = run->PathOf(format::DocsDirName(docs_directory));
  const std::string ledger = run->PathOf(format::LedgerName(docs_directory));
  VDB_RETURN_IF_ERROR(storage::Ledger::Create(fs, ledger, uuid));
  VDB_ASSIGN_OR_RETURN(auto record, storage::Ledger::Read(fs, ledger));
  VDB_ASSIGN_OR_RETURN(writer->ledger_, storage::Ledger::Open(fs, ledger, std::move(record)));
  VDB_RETURN_IF_ERROR(fs.CreateDir(docs));
  storage::DocumentStoreOptions options;
  options.directory = docs;
  options.fs = &fs;
  options.watcher = writer.get();
  options.create = true;
  options.logger = run->logger();
  VDB_ASSIGN_OR_RETURN(writer->store_, storage::DocumentStore::Open(options));
  writer->text_ = std::make_unique<TextChanges>(*writer->store_);
  return writer;
}

Status RepairWriter::Put(const format::CollectionEntry& collection, std::string_view key,
                         const format::DocumentRecord& record, std::string_view body) {
  const std::string value = format::EncodeDocument(collection.id, key, record);
  VDB_ASSIGN_OR_RETURN(const FieldEntryLists entries, FieldEntriesOf(collection, key, record));
  PutFieldEntries(collection, key, entries, record.docno, nullptr, 0, &changes_);
  if (HasTextIndex(collection)) {
    const TextSource source = {record.docno, record.metadata, body};
    VDB_RETURN_IF_ERROR(text_->Change(collection, key, nullptr, &source));
  }
  changes_.Put(format::DocumentKey(collection.id, key), value);
  if (record.has_body) changes_.Put(format::BodyKey(collection.id, key), std::string(body));
  format::CountsRecord& counts = counts_[collection.id];
  counts.documents += 1;
  for (const uint32_t column : record.columns) counts.vectors[column] += 1;
  const bool full = changes_.size_bytes() + text_->size_bytes() >= kBatchBytes;
  return full ? WriteBatch() : Status::Ok();
}

Status RepairWriter::WriteBatch() {
  storage::StoreBatch batch;
  changes_.EmitTo(&batch);
  VDB_RETURN_IF_ERROR(text_->Finish(&batch));
  changes_ = {};
  text_ = std::make_unique<TextChanges>(*store_);
  return store_->Write(batch);
}

Status RepairWriter::Finish(const format::StateRecord& state) {
  for (const auto& [collection, counts] : counts_) {
    changes_.Put(format::CountsKey(collection), format::EncodeCounts(counts));
  }
  changes_.Put(format::StateKey(), format::EncodeState(state));
  VDB_RETURN_IF_ERROR(WriteBatch());
  VDB_RETURN_IF_ERROR(store_->SyncLog());
  VDB_RETURN_IF_ERROR(store_->Flush());
  text_.reset();
  VDB_RETURN_IF_ERROR(store_->Close());
  VDB_RETURN_IF_ERROR(ledger_->Write({state.batch, state.running_hash, state.batch,
                                      state.min_generation},
                                     /*clean=*/true));
  return ledger_->Sync();
}

}  // namespace vdb::engine
