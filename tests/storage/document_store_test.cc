// The store over RocksDB: snapshots, cursors by prefix, durability calls, read-only opens.
#include "storage/rocksdb/document_store.h"

#include <gtest/gtest.h>

#include "tests/support/scratch_dir.h"

namespace vdb::storage {
namespace {

class CountingWatcher final : public RocksWatcher {
 public:
  Status BeforeLogAppend() override {
    ++appends;
    return Status::Ok();
  }
  Status FileSynced(const format::TrackedFile& file) override {
    synced = file;
    return Status::Ok();
  }
  uint64_t BeforeDirectorySync() override { return 0; }
  Status DirectorySynced(uint64_t) override { return Status::Ok(); }
  void AfterSwitch() override {}
  Status BeforeSwitch(uint64_t number) override {
    manifest = number;
    return Status::Ok();
  }
  Status BeforeRemove(format::TrackedKind, uint64_t) override { return Status::Ok(); }

  int appends = 0;
  uint64_t manifest = 0;
  format::TrackedFile synced;
};

class DocumentStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<DocumentStore> Open(bool create) {
    auto store = DocumentStore::Open(
        {.directory = scratch_ / "docs", .fs = PosixFileSystem(), .watcher = &watcher_,
         .create = create, .write_buffer_bytes = 1 << 20, .logger = {}});
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return std::move(*store);
  }
  testing::ScratchDir scratch_;
  CountingWatcher watcher_;
};

TEST_F(DocumentStoreTest, WritesReadsAndSnapshots) {
  auto store = Open(true);
  StoreBatch batch;
  batch.Put("a1", "x");
  batch.Put("a2", "y");
  batch.Put("b1", "z");
  ASSERT_TRUE(store->Write(batch).ok());
  {
    const auto snapshot = store->GetSnapshot();
    StoreBatch later;
    later.Delete("a1");
    later.Put("a3", "w");
    ASSERT_TRUE(store->Write(later).ok());
    EXPECT_EQ(*store->Get("a1", snapshot.get()), "x");
    EXPECT_FALSE(store->Get("a1")->has_value());
    auto cursor = *store->NewCursor("a", snapshot.get());
    std::string keys;
    for (; cursor->Valid(); cursor->Next()) keys += std::string(cursor->key()) + " ";
    EXPECT_TRUE(cursor->status().ok());
    EXPECT_EQ(keys, "a1 a2 ");
  }
  EXPECT_TRUE(store->Close().ok());
}

TEST_F(DocumentStoreTest, TheLogIsBufferedUntilSyncAndWatched) {
  auto store = Open(true);
  StoreBatch batch;
  batch.Put("k", "v");
  watcher_.appends = 0;
  ASSERT_TRUE(store->Write(batch).ok());
  EXPECT_EQ(watcher_.appends, 0);  // nothing reached the operating system yet
  ASSERT_TRUE(store->SyncLog().ok());
  EXPECT_GT(watcher_.appends, 0);
  EXPECT_EQ(watcher_.synced.kind, format::TrackedKind::kLog);
  EXPECT_GT(watcher_.synced.synced_bytes, 0u);
  EXPECT_GT(watcher_.manifest, 0u);
}

TEST_F(DocumentStoreTest, ReadOnlySeesWhatIsThereAndIsConsistent) {
  {
    auto store = Open(true);
    StoreBatch batch;
    batch.Put("k", "v");
    ASSERT_TRUE(store->Write(batch).ok());
    ASSERT_TRUE(store->SyncLog().ok());
    ASSERT_TRUE(store->Flush().ok());
    ASSERT_TRUE(store->Close().ok());
  }
  auto reader = DocumentStore::Open({.directory = scratch_ / "docs", .fs = PosixFileSystem(),
                                     .watcher = nullptr, .create = false, .logger = {}});
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_TRUE((*reader)->consistent());
  EXPECT_EQ(*(*reader)->Get("k"), "v");
}

}  // namespace
}  // namespace vdb::storage
