// Databases of every released format version open, verify and answer; and today's writer makes the
// newest one's own files byte for byte (RocksDB's are not deterministic). See README.md here.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/engine/upgrade_fixture.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

std::string Golden(const std::string& version) {
  return std::string(VDB_SOURCE_DIR) + "/tests/golden/" + version;
}

class GoldenTest : public UpgradeFixture {
 protected:
  void Write(const std::string& path) {
    options_.segment_rows_max = 8;
    options_.tombstones_max = 3;
    options_.uuid = "0123456789abcdef0123456789abcdef";
    options_.user.create_if_missing = true;
    auto db = engine::OpenDatabase(path, options_);
    VDB_ASSERT_OK(db);
    auto docs = MakeDocs(*db);
    VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = 3, .model = "model-w"}));
    VDB_ASSERT_OK(db->CreateCollection("empty"));
    for (int i = 0; i < 20; ++i) {
      const std::string key = i == 7 ? std::string("new\nline\xff", 9) : "key" + std::to_string(i);
      const std::string metadata = R"({"i":)" + std::to_string(i) + R"(,"big":9007199254740993})";
      const std::vector<float> v = {float(i), 0.5f};
      DocumentView document = {.key = key, .metadata = metadata, .vectors = {{"v", v}}};
      if (i % 3 == 0) document.body = "body";
      VDB_ASSERT_OK(docs.Put(document));
    }
    for (int i = 19; i > 7; i -= 2) {
      const std::vector<float> w = {1, float(i), 0};
      VDB_ASSERT_OK(docs.SetVector("key" + std::to_string(i), "w", w));
    }
    for (const int i : {0, 4, 8, 12, 16}) VDB_ASSERT_OK(docs.Delete("key" + std::to_string(i)));
    VDB_ASSERT_OK(db->Close());
    fs::remove(path + "/LOCK");
  }
  static std::string Read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void CopyOf(const std::string& version) { CopyGolden(VDB_SOURCE_DIR, version); }
  void ExpectAnswers(Database& db) {
    EXPECT_EQ(*db.ContentHash(), kGoldenHash);
    ExpectClean(db);
    auto docs = *db.OpenCollection("docs");
    EXPECT_EQ(*docs.Count(), 15u);
    EXPECT_EQ(Nearest(docs, {4.2f, 0.5f}, 3), (std::vector<std::string>{"key5", "key3", "key6"}));
    EXPECT_EQ(Nearest(docs, {1, 9, 0}, 1, "w"), std::vector<std::string>{"key9"});
    auto odd = docs.Get(std::string("new\nline\xff", 9));
    VDB_ASSERT_OK(odd);
    EXPECT_EQ(odd->metadata, R"({"big":9007199254740993,"i":7})");
    EXPECT_EQ(docs.Get("key3")->body, "body");
    EXPECT_EQ(*db.OpenCollection("empty")->Count(), 0u);
  }
  void ExpectGoesOn() {
    {
      auto db = Open(false);
      ExpectAnswers(db);
      auto docs = *db.OpenCollection("docs");
      VDB_ASSERT_OK(Put(docs, "later", {4.2f, 0.5f}));
      EXPECT_EQ(Nearest(docs, {4.2f, 0.5f}, 1), std::vector<std::string>{"later"});
      ExpectClean(db);
    }
    auto db = Open(false);
    EXPECT_EQ(*db.OpenCollection("docs")->Count(), 16u);
  }
};

TEST_F(GoldenTest, Version1OpensReadOnlyAndAnswers) {
  CopyOf("v1");
  auto db = OpenReadOnly();
  VDB_ASSERT_OK(db);
  ExpectAnswers(*db);
}

TEST_F(GoldenTest, Version1IsUpgradedAndGoesOn) {
  CopyOf("v1");
  const auto report = Upgrade();
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->content_hash, kGoldenHash);
  ExpectUpgraded();
  ExpectGoesOn();
}

TEST_F(GoldenTest, Version2OpensReadOnlyAndAnswers) {
  CopyOf("v2");
  auto db = OpenReadOnly();
  VDB_ASSERT_OK(db);
  EXPECT_EQ(db->Stats()->format_version, 2u);
  ExpectAnswers(*db);
}

TEST_F(GoldenTest, Version2OpensForWritingAndGoesOn) {
  CopyOf("v2");
  ExpectGoesOn();
}

TEST_F(GoldenTest, TodaysWriterWritesTheSameBytes) {
  if (const char* target = std::getenv("VDB_GOLDEN_WRITE")) {
    Write(target);
    return;
  }
  Write(Path());
  for (const auto& entry : fs::recursive_directory_iterator(Golden("v2"))) {
    const auto relative = fs::relative(entry.path(), Golden("v2"));
    if (!entry.is_regular_file() || relative.string().starts_with("docs-") ||
        relative == "ledger") {
      continue;
    }
    EXPECT_EQ(Read(Path() / relative), Read(entry.path())) << relative;
  }
}

}  // namespace
}  // namespace vdb::testing
