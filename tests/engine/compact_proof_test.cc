// Compaction where something is wrong: damaged rows and indexes, results that are not what was to
// be written (a proof notices what checksums do not), and no room on the disk.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "format/checksum.h"
#include "format/segment_layout.h"
#include "tests/engine/compact_fixture.h"
#include "tests/support/passing_file_system.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

struct TurnedFileSystem : PassingFileSystem {
  StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                storage::OpenMode mode) override {
    if (before_open) before_open(path, mode);
    return PassingFileSystem::Open(path, mode);
  }
  StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    return free_bytes ? *free_bytes : PassingFileSystem::FreeBytes(path);
  }

  std::function<void(const std::string&, storage::OpenMode)> before_open;
  std::optional<uint64_t> free_bytes;
};

TEST_F(CompactTest, ADamagedRowEndsItByName) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  DeleteSome(docs, "k", 0, 40);
  const fs::path path = Path() + "/segments/000001.npy";
  const std::string whole = ReadFile(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 + 45 * kDimension * 4 + 2);
    file.put(static_cast<char>(whole[4096 + 45 * kDimension * 4 + 2] ^ 1));
  }
  const auto files = Segments();
  const Status failed = db.Compact({.full = true}).status();
  EXPECT_EQ(failed.code(), StatusCode::kCorruption);
  EXPECT_NE(failed.message().find("000001.npy' row 45"), std::string::npos) << failed.ToString();
  EXPECT_TRUE(docs.Get("k100").ok());
  for (const std::string& name : files) EXPECT_TRUE(fs::exists(Path() + "/" + name)) << name;
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file << whole;
  }
  VDB_ASSERT_OK(db.Compact({.full = true}));
  ExpectContents(db);
}

TEST_F(CompactTest, ADamagedIndexIsLeftBehind) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 180);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 4}));
  DeleteSome(docs, "k", 0, 60);
  VDB_ASSERT_OK(db.Close());
  for (const std::string& name : Files("segments")) {
    if (!name.ends_with(".ivf")) continue;
    std::string bytes = ReadFile(Path() + "/" + name);
    bytes[bytes.size() - 5000] ^= 1;
    WriteFile(Path() + "/" + name, bytes);
    break;
  }
  db = Open(false);
  docs = *db.OpenCollection("docs");
  VDB_ASSERT_OK(db.Compact({.full = true}));
  const auto stats = docs.Stats();
  EXPECT_GT(stats->columns[0].index->unindexed_row_count, 0u);
  EXPECT_GT(stats->columns[0].index->indexed_row_count, 0u);
  ExpectContents(db);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v"}));
  EXPECT_EQ(docs.Stats()->columns[0].index->unindexed_row_count, 0u);
  ExpectContents(db);
}

// Changes a row of a segment together with its checksum, so that nothing but the comparison with
// the old rows can notice.
void PlantIn(const std::string& base, uint64_t segment_id,
             const std::function<void(format::RowRecord*, float*)>& change) {
  std::string rows = ReadFile(base + ".npy"), records = ReadFile(base + ".rows");
  const std::string keys = ReadFile(base + ".keys");
  constexpr uint64_t kRow = 3;
  format::RowRecord record;
  float values[kDimension];
  std::memcpy(&record, records.data() + 4096 + kRow * sizeof(record), sizeof(record));
  std::memcpy(values, rows.data() + 4096 + kRow * sizeof(values), sizeof(values));
  change(&record, values);
  record.checksum = format::RowChecksum(segment_id, kRow, record, values, kDimension,
                                        keys.substr(4096 + record.key_offset, record.key_bytes));
  std::memcpy(records.data() + 4096 + kRow * sizeof(record), &record, sizeof(record));
  std::memcpy(rows.data() + 4096 + kRow * sizeof(values), values, sizeof(values));
  WriteFile(base + ".npy", rows);
  WriteFile(base + ".rows", records);
}

TEST_F(CompactTest, TheProofNoticesWhatChecksumsDoNot) {
  TurnedFileSystem turned;
  options_.fs = &turned;
  auto db = Open();
  auto docs = Make(db, Metric::kCosine);
  PutSome(docs, "k", 200);
  DeleteSome(docs, "k", 0, 60);
  const std::string hash = *db.ContentHash();
  const std::vector<std::function<void(format::RowRecord*, float*)>> faults = {
      [](format::RowRecord* record, float*) { record->norm *= 2; },  // no cosine shows it
      [](format::RowRecord* record, float*) { record->docno += 100'000; },
      [](format::RowRecord*, float* values) { values[1] = std::nextafter(values[1], 9.0f); },
  };
  for (const auto& fault : faults) {
    VDB_ASSERT_OK(docs.Put({.key = "extra", .vectors = {{"v", model_["k100"]}}}));
    VDB_ASSERT_OK(docs.Delete("extra"));
    const uint64_t first_new = LiveManifest().next_segment_id;
    auto before = LiveManifest().segments;
    bool planted = false;
    turned.before_open = [&](const std::string& path, storage::OpenMode mode) {
      if (planted || mode != storage::OpenMode::kRead || !path.ends_with(".npy")) return;
      const uint64_t id = std::stoull(path.substr(path.size() - 10, 6));
      if (id < first_new) return;
      planted = true;
      PlantIn(path.substr(0, path.size() - 4), id, fault);
    };
    const Status failed =
        db.Compact({.collection = "docs", .column = "v", .full = true}).status();
    turned.before_open = {};
    EXPECT_TRUE(planted);
    EXPECT_EQ(failed.code(), StatusCode::kCorruption) << failed.ToString();
    EXPECT_NE(failed.message().find("not the same ones"), std::string::npos) << failed.ToString();
    EXPECT_EQ(LiveManifest().segments.size(), before.size());
    EXPECT_FALSE(fs::exists(Path() + "/segments/" +
                            format::SegmentFileName(first_new, format::SegmentFile::kRows)));
    EXPECT_EQ(*db.ContentHash(), hash);
    ExpectContents(db);
  }
  VDB_ASSERT_OK(db.Compact({.full = true}));
  EXPECT_EQ(*db.ContentHash(), hash);
  ExpectContents(db);
}

TEST_F(CompactTest, WithoutRoomItDoesNotBegin) {
  TurnedFileSystem turned;
  options_.fs = &turned;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  DeleteSome(docs, "k", 0, 60);
  const auto files = Segments();
  const uint64_t generation = LiveManifest().generation;
  turned.free_bytes = 5000;
  const Status failed = db.Compact({.full = true}).status();
  EXPECT_EQ(failed.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(failed.message().find("5000 are free"), std::string::npos) << failed.ToString();
  EXPECT_EQ(Segments(), files);
  EXPECT_EQ(LiveManifest().generation, generation);
  turned.free_bytes = 1u << 30;
  VDB_EXPECT_OK(db.Compact({.full = true}));
  ExpectContents(db);
}

}  // namespace
}  // namespace vdb::testing
