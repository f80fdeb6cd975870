// Read-only opens: beside a writer, on media that cannot be written, and refreshing.
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/engine/engine_fixture.h"
#include "tests/support/passing_file_system.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

class ReaderTest : public EngineTest {
 protected:
  // Name, size, modification time and content of every file.
  std::map<std::string, std::string> Fingerprint() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(Path())) {
      std::string print = std::to_string(entry.last_write_time().time_since_epoch().count());
      if (entry.is_regular_file()) {
        std::ifstream in(entry.path(), std::ios::binary);
        print += std::string(std::istreambuf_iterator<char>(in), {});
      }
      files[entry.path().string()] = print;
    }
    return files;
  }
};

// Refuses everything that would change a file: what a read-only mount does, also for root.
class ReadOnlyFileSystem final : public PassingFileSystem {
 public:
  StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                storage::OpenMode mode) override {
    if (mode != storage::OpenMode::kRead) return Refuse(path);
    return PassingFileSystem::Open(path, mode);
  }
  Status CreateDir(const std::string& path) override { return Refuse(path); }
  Status Rename(const std::string& from, const std::string&) override { return Refuse(from); }
  Status Link(const std::string& from, const std::string&) override { return Refuse(from); }
  Status Remove(const std::string& path) override { return Refuse(path); }
  Status RemoveDir(const std::string& path) override { return Refuse(path); }
  Status SyncDir(const std::string& path) override { return Refuse(path); }

 private:
  static Status Refuse(const std::string& path) {
    ADD_FAILURE() << "a read-only database wrote: " << path;
    return Status::IoError("read-only");
  }
};

TEST_F(ReaderTest, WritesNothingAndNeedsNoPermission) {
  {
    auto db = Open();
    auto docs = MakeDocs(db);
    VDB_ASSERT_OK(Put(docs, "a", {1, 1}));
    VDB_ASSERT_OK(Put(docs, "b", {2, 2}));
    VDB_ASSERT_OK(docs.Delete("b"));
  }
  const auto before = Fingerprint();
  for (const auto& entry : fs::recursive_directory_iterator(Path())) {
    fs::permissions(entry.path(), entry.is_directory() ? fs::perms(0555) : fs::perms(0444));
  }
  fs::permissions(Path(), fs::perms(0555));
  {
    ReadOnlyFileSystem read_only;
    options_.fs = &read_only;
    auto db = OpenReadOnly();
    VDB_ASSERT_OK(db);
    auto docs = *db->OpenCollection("docs");
    EXPECT_EQ(Nearest(docs, {1, 1}, 5), std::vector<std::string>{"a"});
    EXPECT_EQ(docs.Get("a")->key, "a");
    ExpectClean(*db);
    VDB_EXPECT_OK(db->ContentHash());
    EXPECT_EQ(Put(docs, "c", {1, 1}).code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(db->CreateCollection("x").status().code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(db->DropCollection("docs").code(), StatusCode::kFailedPrecondition);
    VDB_EXPECT_OK(db->Close());
  }
  for (const auto& entry : fs::recursive_directory_iterator(Path())) {
    fs::permissions(entry.path(), fs::perms(0755));
  }
  fs::permissions(Path(), fs::perms(0755));
  EXPECT_EQ(Fingerprint(), before);
}

TEST_F(ReaderTest, SeesTheWriterAfterRefreshAndKeepsItsViewBefore) {
  options_.segment_rows_max = 4;
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(Put(docs, "a", {1, 1}));
  auto reader = OpenReadOnly();
  VDB_ASSERT_OK(reader);
  auto seen = *reader->OpenCollection("docs");
  EXPECT_EQ(*seen.Count(), 1u);
  for (int i = 0; i < 20; ++i) VDB_ASSERT_OK(Put(docs, std::to_string(i), {float(i), 2}));
  EXPECT_EQ(*seen.Count(), 1u);
  auto snapshot = reader->GetSnapshot();
  VDB_ASSERT_OK(snapshot);
  VDB_ASSERT_OK(reader->Refresh());
  EXPECT_EQ(*seen.Count(), 21u);
  EXPECT_EQ(*seen.Count({.snapshot = &*snapshot}), 1u);
  EXPECT_EQ(seen.Get("a", {.snapshot = &*snapshot})->key, "a");
}

// Every view a reader gets beside a busy writer is one state of the writer, documents and rows
// alike.
TEST_F(ReaderTest, EveryLookBesideABusyWriterIsOneState) {
  options_.segment_rows_max = 64;
  options_.write_buffer_bytes = 64 << 10;
  options_.tombstones_max = 50;
  auto db = Open();
  auto docs = MakeDocs(db);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::vector<float> v = {float(i), 1};
      const std::string pad(500, 'p');
      const auto put = docs.Put({.key = "k" + std::to_string(i % 300), .body = pad,
                                 .vectors = {{"v", v}}}, {.sync = i % 3 == 0});
      ASSERT_TRUE(put.ok()) << Text(put);
    }
  });
  uint64_t last = 0;
  for (int look = 0; look < 150; ++look) {
    auto reader = OpenReadOnly();
    if (!reader.ok()) {
      EXPECT_EQ(reader.status().code(), StatusCode::kBusy) << Text(reader);
      continue;
    }
    auto seen = reader->OpenCollection("docs");
    VDB_ASSERT_OK(seen);
    const auto stats = reader->Stats();
    VDB_ASSERT_OK(stats);
    EXPECT_GE(stats->batch_number, last);
    last = stats->batch_number;
    const uint64_t count = *seen->Count();
    EXPECT_EQ(count, std::min<uint64_t>(last, 300));
    EXPECT_EQ(Nearest(*seen, {0, 0}, 1000).size(), count);
    if (look % 10 == 0) ExpectClean(*reader);
  }
  stop = true;
  writer.join();
  ExpectClean(db);
}

TEST_F(ReaderTest, RefreshOfAWriterIsRefused) {
  auto db = Open();
  EXPECT_EQ(db.Refresh().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace vdb::testing
