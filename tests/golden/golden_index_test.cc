// Databases of format versions 1 and 2 with a vector index open, verify, and answer through the
// codes they were written with, version 1 also after its upgrade. Centroids come from matrix
// products whose last bits differ between processors, so they are read, never compared with what a
// build would write today. See README.md.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/engine/upgrade_fixture.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kDimension = 64;
constexpr int kRows = 900;

// Five clusters; integers only, so that every platform makes the same rows.
std::vector<float> Row(int i) {
  std::vector<float> row(kDimension);
  for (uint32_t d = 0; d < kDimension; ++d) {
    const int center = (i % 5 == static_cast<int>(d) % 5) ? 40 : 0;
    const int noise = static_cast<int>((i * 7919u + d * 104729u + i * d * 31u) % 41u) - 20;
    const int mark = static_cast<int>(d) == i / 205 ? 9 : 0;  // the rest repeats after 205 rows
    row[d] = static_cast<float>(center + noise + mark) / 8;
  }
  return row;
}

class GoldenIndexTest : public UpgradeFixture {
 protected:
  static void Write(const std::string& path, engine::EngineOptions options) {
    options.uuid = "0123456789abcdef0123456789abcdef";
    options.user.create_if_missing = true;
    options.segment_rows_max = 500;
    auto db = engine::OpenDatabase(path, options);
    VDB_ASSERT_OK(db);
    auto docs = db->CreateCollection("docs");
    VDB_ASSERT_OK(docs);
    VDB_ASSERT_OK(docs->AddColumn("v", {.dimension = kDimension, .metric = Metric::kL2}));
    WriteBatch batch;
    for (int i = 0; i < kRows; ++i) {
      const auto row = Row(i);
      const std::string key = "key" + std::to_string(i);
      batch.Put({.key = key, .vectors = {{"v", row}}});
    }
    VDB_ASSERT_OK(docs->Write(batch));
    VDB_ASSERT_OK(docs->BuildIndex({.list_count = 8, .thread_count = 1}));
    VDB_ASSERT_OK(docs->Delete("key17"));
    VDB_ASSERT_OK(db->Close());
    fs::remove(path + "/LOCK");
  }
  void ExpectAnswers(const Database& db) {
    auto docs = *db.OpenCollection("docs");
    const auto stats = docs.Stats();
    VDB_ASSERT_OK(stats);
    ASSERT_TRUE(stats->columns[0].index.has_value());
    EXPECT_EQ(stats->columns[0].index->indexed_row_count, uint64_t{kRows});
    EXPECT_EQ(stats->columns[0].index->list_count, 8u);
    for (int i = 0; i < kRows; i += 37) {
      const auto row = Row(i);
      SearchOptions probe;
      probe.k = 1;
      probe.nprobe = 2;
      probe.explain = true;
      const auto found = docs.Search(VectorView(row), probe);
      VDB_ASSERT_OK(found);
      EXPECT_EQ(found->explains[0].plan, "probe");
      EXPECT_EQ(found->answers[0].hits[0].key, "key" + std::to_string(i));
      EXPECT_NEAR(found->answers[0].hits[0].score, 0, 1e-9);
    }
  }
};

TEST_F(GoldenIndexTest, Version1AnswersThroughItsIndex) {
  CopyGolden(VDB_SOURCE_DIR, "v1-index");
  auto db = OpenReadOnly();
  VDB_ASSERT_OK(db);
  ExpectClean(*db);
  ExpectAnswers(*db);
}

// The index comes along: no file of it is made anew.
TEST_F(GoldenIndexTest, Version1KeepsItsIndexWhenUpgraded) {
  CopyGolden(VDB_SOURCE_DIR, "v1-index");
  const auto before = TreeOf(Path());
  VDB_ASSERT_OK(Upgrade());
  auto db = Open(false);
  ExpectClean(db);
  ExpectAnswers(db);
  for (const auto& [name, bytes] : TreeOf(Path())) {
    if (name.starts_with("segments") || name.starts_with("epochs")) {
      EXPECT_EQ(bytes, before.at(name)) << name;
    }
  }
}

TEST_F(GoldenIndexTest, Version2AnswersThroughItsIndex) {
  if (const char* target = std::getenv("VDB_GOLDEN_WRITE")) return Write(target, options_);
  CopyGolden(VDB_SOURCE_DIR, "v2-index");
  auto db = OpenReadOnly();
  VDB_ASSERT_OK(db);
  ExpectClean(*db);
  ExpectAnswers(*db);
}

}  // namespace
}  // namespace vdb::testing
