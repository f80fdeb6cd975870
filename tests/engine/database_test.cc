// Opening, closing, locking, sealing, folding and refusing: the life of a database directory.
#include <filesystem>
#include <fstream>

#include "format/checksum.h"
#include "format/frame.h"
#include "format/file_names.h"
#include "format/manifest.h"
#include "tests/engine/engine_fixture.h"
#include "vdb/version.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DatabaseTest : public EngineTest {
 protected:
  StatusOr<Database> TryOpen(bool create = false) {
    engine::EngineOptions options = options_;
    options.user.create_if_missing = create;
    return engine::OpenDatabase(Path(), options);
  }
  static std::string ReadFile(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void WriteFile(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  std::vector<std::string> Files(const std::string& below = "") const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(Path() + below)) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(DatabaseTest, MissingDatabaseIsNotFoundAndNothingIsMade) {
  const auto db = TryOpen();
  EXPECT_EQ(db.status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(fs::exists(Path()));
  EXPECT_EQ(OpenReadOnly().status().code(), StatusCode::kNotFound);
}

TEST_F(DatabaseTest, AForeignDirectoryIsRefusedUntouched) {
  fs::create_directory(Path());
  WriteFile(Path() + "/thesis.tex", "precious");
  for (const bool create : {false, true}) {
    EXPECT_EQ(TryOpen(create).status().code(), StatusCode::kUnsupportedFormat);
  }
  EXPECT_THAT(Files(), SizeIs(1));
  WriteFile(scratch_.path() + "/file", "x");
  EXPECT_EQ(Database::Open(scratch_.path() + "/file").status().code(),
            StatusCode::kUnsupportedFormat);
}

TEST_F(DatabaseTest, ErrorIfExists) {
  { auto db = Open(); }
  engine::EngineOptions options;
  options.user.create_if_missing = options.user.error_if_exists = true;
  EXPECT_EQ(engine::OpenDatabase(Path(), options).status().code(), StatusCode::kAlreadyExists);
}

TEST_F(DatabaseTest, ASecondWriterIsBusyAndTheHolderIsNamed) {
  auto db = Open();
  const auto second = TryOpen();
  EXPECT_EQ(second.status().code(), StatusCode::kBusy);
  EXPECT_THAT(second.status().message(),
              HasSubstr("process " + std::to_string(storage::ProcessId())));
  VDB_ASSERT_OK(db.Close());
  VDB_EXPECT_OK(TryOpen());
}

TEST_F(DatabaseTest, ClosedDatabaseRefusesEverything) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(db.Close());
  VDB_EXPECT_OK(db.Close());
  EXPECT_EQ(docs.Get("a").status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Put(docs, "a", {1, 1}).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(db.CreateCollection("x").status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(db.Flush().code(), StatusCode::kFailedPrecondition);
}

TEST_F(DatabaseTest, LostCurrentIsNotTakenForAnEmptyDirectory) {
  { auto db = Open(); }
  fs::remove(Path() + "/CURRENT");
  const auto names = Files();
  EXPECT_EQ(TryOpen(true).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(TryOpen(false).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(Files(), names);
}

TEST_F(DatabaseTest, AnInterruptedCreationStartsAgain) {
  { auto db = Open(); }
  fs::remove(Path() + "/CURRENT");
  WriteFile(Path() + "/CREATING", "vdb\n");
  EXPECT_EQ(TryOpen(false).status().code(), StatusCode::kNotFound);
  auto db = TryOpen(true);
  VDB_ASSERT_OK(db);
  auto docs = MakeDocs(*db);
  VDB_EXPECT_OK(Put(docs, "a", {1, 1}));
  EXPECT_FALSE(fs::exists(Path() + "/CREATING"));
}

// A manifest with another version in its header, made whole again by its checksums.
TEST_F(DatabaseTest, ANewerFormatVersionIsRefusedAndNothingChanges) {
  { auto db = Open(); }
  const std::string name = format::ManifestName(1);
  std::string bytes = ReadFile(Path() + "/" + name);
  bytes[8] = kFormatVersion + 1;
  const uint64_t sum = format::Hash64(bytes.data(), 56);
  bytes.replace(56, 8, reinterpret_cast<const char*>(&sum), 8);
  WriteFile(Path() + "/" + name, bytes);
  WriteFile(Path() + "/" + format::ManifestTwinName(1), bytes);
  WriteFile(Path() + "/CURRENT", format::EncodeCurrent({1, format::Hash64(bytes)}));
  const auto before = Files("/docs-000001");
  const auto db = TryOpen();
  EXPECT_EQ(db.status().code(), StatusCode::kUnsupportedFormat);
  EXPECT_THAT(db.status().message(), HasSubstr("version " + std::to_string(kFormatVersion + 1)));
  EXPECT_EQ(OpenReadOnly().status().code(), StatusCode::kUnsupportedFormat);
  EXPECT_EQ(Files("/docs-000001"), before);
}

TEST_F(DatabaseTest, SealedSegmentsServeAfterReopen) {
  options_.segment_rows_max = 4;
  std::string hash;
  {
    auto db = Open();
    auto docs = MakeDocs(db);
    for (int i = 0; i < 18; ++i) VDB_ASSERT_OK(Put(docs, std::to_string(i), {float(i), 0}));
    EXPECT_EQ(docs.Stats()->columns[0].segment_count, 5u);
    ExpectClean(db);
    hash = *db.ContentHash();
  }
  auto db = Open(false);
  auto docs = *db.OpenCollection("docs");
  EXPECT_EQ(*db.ContentHash(), hash);
  EXPECT_EQ(Nearest(docs, {0, 0}, 3), (std::vector<std::string>{"0", "1", "2"}));
  for (int i = 18; i < 30; ++i) VDB_ASSERT_OK(Put(docs, std::to_string(i), {float(i), 0}));
  EXPECT_EQ(Nearest(docs, {29, 0}, 1), std::vector<std::string>{"29"});
  ExpectClean(db);
}

TEST_F(DatabaseTest, ASealedSegmentIsAnNpyFile) {
  options_.segment_rows_max = 2;
  auto db = Open();
  auto docs = MakeDocs(db, Metric::kCosine);
  for (int i = 0; i < 3; ++i) VDB_ASSERT_OK(Put(docs, std::to_string(i), {1, 0}));
  const std::string npy = ReadFile(Path() + "/segments/000001.npy");
  EXPECT_EQ(npy.size(), 4096u + 2 * 2 * 4);
  EXPECT_EQ(npy.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_THAT(npy.substr(0, 200), HasSubstr("'shape': (2, 2)"));
}

TEST_F(DatabaseTest, FoldedTombstonesStayDead) {
  options_.tombstones_max = 5;
  options_.segment_rows_max = 16;
  {
    auto db = Open();
    auto docs = MakeDocs(db);
    VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = 1}));
    for (int i = 0; i < 40; ++i) {
      VDB_ASSERT_OK(docs.Put({.key = std::to_string(i),
                              .vectors = {{"v", std::vector<float>{float(i), 0}},
                                          {"w", std::vector<float>{1}}}}));
    }
    for (int i = 0; i < 40; i += 2) VDB_ASSERT_OK(docs.Delete(std::to_string(i)));
    EXPECT_LE(db.Stats()->tombstone_count, 6u);
    EXPECT_EQ(Nearest(docs, {0, 0}, 100).size(), 20u);
    ExpectClean(db);
  }
  auto db = Open(false);
  auto docs = *db.OpenCollection("docs");
  EXPECT_EQ(Nearest(docs, {0, 0}, 100).size(), 20u);
  EXPECT_EQ(Nearest(docs, {0, 0}, 1), std::vector<std::string>{"1"});
  for (int i = 1; i < 40; i += 2) VDB_ASSERT_OK(Put(docs, std::to_string(i), {float(i), 1}));
  EXPECT_EQ(Nearest(docs, {0, 0}, 100).size(), 20u);
  ExpectClean(db);
}

TEST_F(DatabaseTest, UnsyncedWritesBecomeDurableByThemselvesAndAtFlush) {
  options_.user.unsynced_ms_max = 20;
  auto db = Open();
  auto docs = MakeDocs(db);
  const std::vector<float> v = {1, 2};
  auto put = docs.Put({.key = "a", .vectors = {{"v", v}}}, {.sync = false});
  VDB_ASSERT_OK(put);
  EXPECT_EQ(docs.Get("a")->key, "a");  // visible at once
  while (db.Stats()->durable_batch_number < put->batch_number) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  put = docs.Put({.key = "b", .vectors = {{"v", v}}}, {.sync = false});
  VDB_ASSERT_OK(put);
  VDB_ASSERT_OK(db.Flush());
  EXPECT_GE(db.Stats()->durable_batch_number, put->batch_number);
}

TEST_F(DatabaseTest, DamagedManifestIsReadFromItsTwinLoudly) {
  { auto db = Open(); MakeDocs(db); }
  std::string name;
  for (const auto& file : Files()) {
    if (file.ends_with(".vdbm")) name = file;
  }
  std::string bytes = ReadFile(Path() + "/" + name);
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  WriteFile(Path() + "/" + name, bytes);
  std::vector<std::string> lines;
  options_.user.logger = [&](LogLevel level, std::string_view line) {
    if (level == LogLevel::kWarning) lines.emplace_back(line);
  };
  auto db = TryOpen();
  VDB_ASSERT_OK(db);
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr("twin"));
  auto report = db->Verify();
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->problem_count, 1u);
  EXPECT_EQ(report->problems[0].file, name);
}

TEST_F(DatabaseTest, FilesOfOldGenerationsGo) {
  auto db = Open();
  auto docs = MakeDocs(db);
  for (int i = 0; i < 5; ++i) {
    VDB_ASSERT_OK(docs.AddColumn("c" + std::to_string(i), {.dimension = 1}));
    VDB_ASSERT_OK(docs.Put({.key = "a", .vectors = {{"c" + std::to_string(i),
                                                     std::vector<float>{1}}}}));
  }
  size_t manifests = 0;
  for (const auto& file : Files()) manifests += file.starts_with("manifest-");
  EXPECT_EQ(manifests, 2u);  // the live one and its twin
  for (int i = 0; i < 5; ++i) VDB_ASSERT_OK(docs.DropColumn("c" + std::to_string(i)));
  EXPECT_THAT(Files("/segments"), IsEmpty());
}

TEST_F(DatabaseTest, ReopeningWithoutWritesLeavesNoFilesBehind) {
  { auto db = Open(); MakeDocs(db); }
  { auto db = Open(false); }
  const size_t files = Files("/docs-000001").size();
  // A close may come before the compaction of the small tables that opens leave: it is then due at
  // the next one.
  for (int i = 0; i < 40; ++i) Open(false);
  EXPECT_LE(Files("/docs-000001").size(), files + 20);
}

}  // namespace
}  // namespace vdb::testing
