// Writes what the engine would never write into a closed database's RocksDB, and leaves the ledger
// as a clean close would: so that only what was planted is wrong.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "format/document_record.h"
#include "format/file_names.h"
#include "storage/ledger.h"
#include "storage/rocksdb/document_store.h"

namespace vdb::testing {

class PlantedStore final : public storage::RocksWatcher {
 public:
  explicit PlantedStore(const std::string& path) {
    auto& fs = *storage::PosixFileSystem();
    auto record = storage::Ledger::Read(fs, path + "/ledger");
    EXPECT_TRUE(record.ok());
    values_ = {record->batch, record->running_hash, record->durable_batch, record->generation};
    auto ledger = storage::Ledger::Open(fs, path + "/ledger", *record);
    EXPECT_TRUE(ledger.ok());
    ledger_ = std::move(*ledger);
    auto store = storage::DocumentStore::Open(
        {path + "/" + format::DocsDirName(1), &fs, this, false, 1 << 20, {}});
    EXPECT_TRUE(store.ok());
    store_ = std::move(*store);
  }
  ~PlantedStore() override {
    EXPECT_TRUE(store_->SyncLog().ok());
    EXPECT_TRUE(store_->Flush().ok());
    EXPECT_TRUE(store_->Close().ok());
    EXPECT_TRUE(ledger_->Write(values_, /*clean=*/true).ok());
    EXPECT_TRUE(ledger_->Sync().ok());
  }

  storage::DocumentStore& store() { return *store_; }
  void Write(const std::function<void(storage::StoreBatch*)>& fill) {
    storage::StoreBatch batch;
    fill(&batch);
    EXPECT_TRUE(store_->Write(batch).ok());
  }

  Status BeforeLogAppend() override { return Status::Ok(); }
  Status FileSynced(const format::TrackedFile& file) override { return ledger_->FileSynced(file); }
  uint64_t BeforeDirectorySync() override { return ledger_->BeforeDirectorySync(); }
  Status DirectorySynced(uint64_t ticket) override { return ledger_->DirectorySynced(ticket); }
  Status BeforeSwitch(uint64_t number) override { return ledger_->BeforeSwitch(number); }
  void AfterSwitch() override { ledger_->AfterSwitch(); }
  Status BeforeRemove(format::TrackedKind kind, uint64_t number) override {
    return ledger_->BeforeRemove(kind, number);
  }

 private:
  storage::Ledger::Values values_;
  std::unique_ptr<storage::Ledger> ledger_;
  std::unique_ptr<storage::DocumentStore> store_;
};

}  // namespace vdb::testing
