// Limits of memory and disk: what is refused says so before it begins, and everything else goes on.
#include <random>

#include "tests/engine/engine_fixture.h"
#include "tests/support/passing_file_system.h"
#include "tests/support/recording_file_system.h"

namespace vdb::testing {
namespace {

using ::testing::HasSubstr;

class LimitsTest : public EngineTest {
 protected:
  static Status PutMany(Collection& docs, int first, int past, uint32_t dimension) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    WriteBatch batch;
    std::vector<float> v(dimension);
    for (int i = first; i < past; ++i) {
      for (float& x : v) x = normal(random);
      batch.Put({.key = "k" + std::to_string(i), .vectors = {{"v", v}}});
    }
    return docs.Write(batch).status();
  }

  static Collection MakeWide(Database& db, uint32_t dimension) {
    auto docs = db.CreateCollection("docs");
    EXPECT_TRUE(docs.ok()) << Text(docs);
    const Status added = docs->AddColumn("v", {.dimension = dimension});
    EXPECT_TRUE(added.ok()) << Text(added);
    return *docs;
  }
};

TEST_F(LimitsTest, AtTheDiskLimitDeletesAndCompactionMakeRoom) {
  options_.user.disk_limit_bytes = 6u << 20;
  options_.segment_rows_max = 400;
  auto db = Open();
  Collection docs = MakeWide(db, 256);
  int written = 0;
  Status status;
  while (status.ok() && written < 20'000) {
    status = PutMany(docs, written, written + 200, 256);
    if (status.ok()) written += 200;
  }
  ASSERT_EQ(status.code(), StatusCode::kResourceExhausted) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr("disk_limit_bytes"));
  EXPECT_GT(written, 3000);  // 1 KiB a row
  EXPECT_EQ(PutMany(docs, written, written + 200, 256).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(*docs.Count(), static_cast<uint64_t>(written));
  VDB_EXPECT_OK(docs.Get("k5"));
  // A copy of all rows does not fit: said before anything is written.
  const auto built = docs.BuildIndex();
  EXPECT_EQ(built.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(Text(built), HasSubstr("bytes of disk"));
  WriteBatch batch;
  for (int i = 0; i < written; ++i) {
    if (i % 4 != 0) batch.Delete("k" + std::to_string(i));
  }
  VDB_ASSERT_OK(docs.Write(batch));
  VDB_ASSERT_OK(db.Compact());
  std::this_thread::sleep_for(std::chrono::milliseconds(250));  // sizes are looked at now and then
  VDB_EXPECT_OK(PutMany(docs, written, written + 200, 256));
  ExpectClean(db);
}

TEST_F(LimitsTest, JobsAskForSpaceBeforeTheyBegin) {
  struct NearlyFull final : PassingFileSystem {
    uint64_t free_bytes = UINT64_MAX;
    StatusOr<uint64_t> FreeBytes(const std::string&) override { return free_bytes; }
  };
  NearlyFull fs;
  options_.fs = &fs;
  auto db = Open();
  Collection docs = MakeWide(db, 64);
  VDB_ASSERT_OK(PutMany(docs, 0, 5000, 64));
  for (int i = 0; i < 2500; ++i) {
    VDB_ASSERT_OK(docs.Delete("k" + std::to_string(i), {.sync = false}));
  }
  const auto segments = [&] {
    return storage::PosixFileSystem()->List(Path() + "/segments")->size();
  };
  fs.free_bytes = 100'000;
  EXPECT_EQ(docs.BuildIndex().status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(db.Compact().status().code(), StatusCode::kResourceExhausted);
  const size_t before = segments();
  EXPECT_EQ(docs.BuildIndex().status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(segments(), before);
  fs.free_bytes = 64u << 20;
  VDB_EXPECT_OK(docs.BuildIndex());
  VDB_EXPECT_OK(db.Compact());
}

TEST_F(LimitsTest, TrainingTakesASmallerSampleOrIsRefused) {
  engine::EngineOptions options = options_;
  options.user.create_if_missing = true;
  options.user.memory_limit_bytes = 1 << 20;
  EXPECT_EQ(engine::OpenDatabase(Path(), options).status().code(), StatusCode::kInvalidArgument);
  options_.user.memory_limit_bytes = 64u << 20;
  auto db = Open();
  Collection docs = MakeWide(db, 2048);
  for (int i = 0; i < 3; ++i) VDB_ASSERT_OK(PutMany(docs, 2000 * i, 2000 * (i + 1), 2048));
  // 64 rows for each of 80 lists are 42 MB; half of the limit is 32 MiB.
  const auto built = docs.BuildIndex({.list_count = 80});
  VDB_ASSERT_OK(built);
  EXPECT_LE(built->memory_bytes_peak, 34u << 20);
  EXPECT_GT(built->memory_bytes_peak, 16u << 20);
  const auto refused = docs.BuildIndex({.list_count = 600});
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(Text(refused), HasSubstr("memory_limit_bytes"));
  EXPECT_EQ(docs.Stats()->columns[0].index->list_count, 80u);
}

}  // namespace
}  // namespace vdb::testing
