// Many threads on one database: writers share rounds, readers always see whole batches.
#include <atomic>
#include <thread>

#include "tests/engine/engine_fixture.h"
#include "tests/support/passing_file_system.h"

namespace vdb::testing {
namespace {

class ConcurrentTest : public EngineTest {};

// Syncs take a millisecond, as on a disk, wherever the test runs.
class SlowSyncFile final : public storage::File {
 public:
  explicit SlowSyncFile(std::unique_ptr<storage::File> base) : base_(std::move(base)) {}
  StatusOr<size_t> ReadAt(uint64_t offset, void* out, size_t size) override {
    return base_->ReadAt(offset, out, size);
  }
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    return base_->WriteAt(offset, bytes);
  }
  Status Sync() override {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return base_->Sync();
  }
  Status Truncate(uint64_t size) override { return base_->Truncate(size); }
  StatusOr<uint64_t> Size() override { return base_->Size(); }
  StatusOr<std::unique_ptr<storage::Mapping>> Map(size_t size) override {
    return base_->Map(size);
  }
  StatusOr<std::unique_ptr<storage::FileLock>> TryLock(storage::LockKind kind) override {
    return base_->TryLock(kind);
  }
  StatusOr<bool> IsLinked() override { return base_->IsLinked(); }
  const std::string& path() const override { return base_->path(); }

 private:
  std::unique_ptr<storage::File> base_;
};

class SlowSyncFileSystem final : public PassingFileSystem {
 public:
  StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                storage::OpenMode mode) override {
    auto file = PassingFileSystem::Open(path, mode);
    if (!file.ok()) return file.status();
    return std::unique_ptr<storage::File>(std::make_unique<SlowSyncFile>(std::move(*file)));
  }
};

// Each batch moves every key of its thread to a new generation number in the metadata and the
// vector; a reader must never see two numbers of one thread at once.
TEST_F(ConcurrentTest, ReadersSeeWholeBatches) {
  constexpr int kWriters = 3, kKeys = 5, kRounds = 60;
  options_.segment_rows_max = 100;
  options_.tombstones_max = 40;
  options_.write_buffer_bytes = 64 << 10;
  auto db = Open();
  auto docs = MakeDocs(db);
  std::atomic<int> running = kWriters;
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      Collection mine = docs;
      for (int round = 1; round <= kRounds; ++round) {
        WriteBatch batch;
        for (int k = 0; k < kKeys; ++k) {
          const std::vector<float> v = {float(round), float(w * 100)};
          batch.Put({.key = std::to_string(w) + "/" + std::to_string(k), .vectors = {{"v", v}}});
        }
        const auto done = mine.Write(batch, {.sync = round % 5 == 0});
        ASSERT_TRUE(done.ok()) << Text(done);
      }
      --running;
    });
  }
  int looks = 0;
  while (running > 0) {
    ++looks;
    for (int w = 0; w < kWriters; ++w) {
      const std::vector<float> query = {0, float(w * 100)};
      auto result = docs.Search(VectorView(query), {.k = kKeys});
      VDB_ASSERT_OK(result);
      const auto& hits = result->answers[0].hits;
      if (hits.size() < kKeys || hits[0].key[0] != '0' + w) continue;  // not there yet
      for (const Hit& hit : hits) EXPECT_EQ(hit.score, hits[0].score);
    }
    auto snapshot = db.GetSnapshot();
    VDB_ASSERT_OK(snapshot);
    auto it = docs.NewIterator({.snapshot = &*snapshot});
    VDB_ASSERT_OK(it);
    std::map<char, float> round_of;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      auto d = it->document();
      VDB_ASSERT_OK(d);
      const float round = d->vectors[0].values[0];
      const auto [seen, fresh] = round_of.emplace(d->key[0], round);
      EXPECT_NEAR(seen->second, round, 1e-3);
    }
  }
  for (auto& thread : threads) thread.join();
  EXPECT_GT(looks, 0);
  EXPECT_EQ(*docs.Count(), uint64_t{kWriters * kKeys});
  ExpectClean(db);
}

TEST_F(ConcurrentTest, SyncedWritersShareRounds) {
  constexpr int kWriters = 8, kPuts = 50;
  SlowSyncFileSystem slow;
  options_.fs = &slow;
  auto db = Open();
  auto docs = MakeDocs(db);
  const uint64_t before = db.Stats()->sync_round_count;
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      Collection mine = docs;
      for (int i = 0; i < kPuts; ++i) {
        const auto put = Put(mine, std::to_string(w) + "-" + std::to_string(i), {1, float(i)});
        ASSERT_TRUE(put.ok()) << Text(put);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const double rounds = double(db.Stats()->sync_round_count - before);
  RecordProperty("rounds_per_put", std::to_string(rounds / (kWriters * kPuts)));
  EXPECT_LT(rounds / (kWriters * kPuts), 0.5);
  EXPECT_EQ(*docs.Count(), uint64_t{kWriters * kPuts});
}

TEST_F(ConcurrentTest, SchemaChangesBesideWritesAndReads) {
  auto db = Open();
  auto docs = MakeDocs(db);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const auto put = Put(docs, std::to_string(i % 50), {float(i), 1});
      ASSERT_TRUE(put.ok()) << Text(put);
    }
  });
  std::thread reader([&] {
    while (!stop) Nearest(docs, {1, 1}, 3, "v");
  });
  for (int i = 0; i < 30; ++i) {
    VDB_EXPECT_OK(docs.AddColumn("extra", {.dimension = 4}));
    docs.SetVector("1", "extra", std::vector<float>{1, 2, 3, 4}).status()
        .IgnoreError("key 1 may not be there yet");
    VDB_EXPECT_OK(docs.DropColumn("extra"));
    VDB_EXPECT_OK(db.CreateCollection("other"));
    VDB_EXPECT_OK(db.DropCollection("other"));
  }
  stop = true;
  writer.join();
  reader.join();
  ExpectClean(db);
}

}  // namespace
}  // namespace vdb::testing
