// Power cuts at every operation of compactions, with writes to the rows that are being moved in the
// middle of them; and disks that fail once, or are full, during one. Whatever the cut left, the
// documents are those of a prefix of the steps, the deleted ones stay dead, in both columns, verify
// is clean, and more writes go (CheckRecovery).
#include <gtest/gtest.h>

#include "tests/crash/stepped_run.h"

namespace vdb::testing {
namespace {

class CompactRun : public SteppedRun {
 public:
  void Compact(Database& database, const std::string& column, bool writes) {
    auto collection = *database.OpenCollection(kCollection);
    CompactionOptions options;
    options.collection = kCollection;
    options.column = column;
    options.full = true;
    if (writes) {
      options.progress = [write = WritesAtEachStage(collection)](const Progress& progress) {
        return progress.stage == "compact documents" || write(progress);
      };
    }
    Mark("compact");
    const auto compacted = database.Compact(options);
    ASSERT_TRUE(compacted.ok()) << compacted.status().ToString();
    EXPECT_GT(compacted->column_count, 0u);
    Mark("compacted");
  }

  void Run(bool writes) {
    auto database = SetUp();
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    auto collection = *database->OpenCollection(kCollection);
    for (uint64_t i = 0; i < 24; i += 6) Put(collection, i, i + 6);
    const std::vector<float> queries = {1, 0, 0, 0, 0, 1, 0, 0};
    const auto built =
        collection.BuildIndex({.column = kCosineColumn, .list_count = 3, .thread_count = 1,
                               .queries = {queries.data(), 2, 4}});
    ASSERT_TRUE(built.ok()) << built.status().ToString();
    Put(collection, 24, 30);
    Write(collection, {{Change::Kind::kDelete, "k20", {}}, {Change::Kind::kDelete, "k23", {}},
                       {Change::Kind::kDelete, "k29", {}}});
    CutFromHere();
    Compact(*database, kCosineColumn, writes);
    Write(collection, {{Change::Kind::kDelete, "k18", {}}, {Change::Kind::kDelete, "k19", {}}});
    Compact(*database, kL2Column, writes);
    if (writes) Compact(*database, "", true);
    ASSERT_TRUE(database->Close().ok());
  }
};

TEST(CompactPowerCutTest, AtEveryOperationOfACompaction) {
  CompactRun run;
  run.Run(/*writes=*/true);
  ASSERT_FALSE(HasFatalFailure());
  ExpectRecoveryAtEveryCut(run, 4);
}

// The cuts must notice a missing sync of what a compaction writes. Nothing else is written here.
TEST(CompactPowerCutTest, CutsNoticeAMissingSync) {
  CompactRun run;
  run.Run(/*writes=*/false);
  ASSERT_FALSE(HasFatalFailure());
  ExpectCutsNotice(run, "rows", SyncOf(".npy"));
  ExpectCutsNotice(run, "index files", SyncOf(".ivf"));
  ExpectCutsNotice(run, "segments directory", SyncDirOf("db/segments"));
}

TEST(CompactPowerCutTest, ADiskThatFailsDuringACompaction) {
  ExpectFailuresAreHarmless(
      {.name = "a compaction",
       .deleted = {"k3", "k5", "k11"},
       .job = [](Database& database) { return database.Compact({.full = true}).status(); },
       .step = 7});
}

}  // namespace
}  // namespace vdb::testing
