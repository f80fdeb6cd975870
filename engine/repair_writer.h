// RepairWriter: a new RocksDB directory with its ledger, filled document by document with all that
// belongs to them: bodies, entries of field and text indexes, counts, and at the end the state.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/repair_run.h"
#include "engine/sorted_changes.h"
#include "engine/text_entries.h"
#include "format/document_record.h"
#include "format/manifest.h"
#include "storage/ledger.h"
#include "storage/rocksdb/document_store.h"

namespace vdb::engine {

class RepairWriter final : public storage::RocksWatcher {
 public:
  /// Makes `docs-NNNNNN/` and its ledger. Nothing refers to them.
  static StatusOr<std::unique_ptr<RepairWriter>> Create(RepairRun* run, uint64_t docs_directory,
                                                        const std::string& uuid);

  /// Documents of a collection whose indexes are all complete (ready).
  Status Put(const format::CollectionEntry& collection, std::string_view key,
             const format::DocumentRecord& record, std::string_view body);
  /// The state, and everything durable.
  Status Finish(const format::StateRecord& state);

  Status BeforeLogAppend() override { return Status::Ok(); }  // segments are synced on their own
  Status FileSynced(const format::TrackedFile& file) override { return ledger_->FileSynced(file); }
  uint64_t BeforeDirectorySync() override { return ledger_->BeforeDirectorySync(); }
  Status DirectorySynced(uint64_t ticket) override { return ledger_->DirectorySynced(ticket); }
  Status BeforeSwitch(uint64_t number) override { return ledger_->BeforeSwitch(number); }
  void AfterSwitch() override { ledger_->AfterSwitch(); }
  Status BeforeRemove(format::TrackedKind kind, uint64_t number) override {
    return ledger_->BeforeRemove(kind, number);
  }

 private:
  RepairWriter() = default;
  Status WriteBatch();

  std::unique_ptr<storage::Ledger> ledger_;  // outlives the store
  std::unique_ptr<storage::DocumentStore> store_;
  std::map<uint32_t, format::CountsRecord> counts_;  // by collection id
  SortedChanges changes_;
  std::unique_ptr<TextChanges> text_;
  size_t batch_bytes_ = 0;
};

}  // namespace vdb::engine
