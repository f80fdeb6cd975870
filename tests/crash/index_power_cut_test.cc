// Power cuts at every operation of an index build, with writes in the middle of it, and of an
// update and a drop after it; and disks that fail once, or are full, in the middle of a build.
// Whatever the cut left, the documents are those of a prefix of the steps, the deleted ones stay
// dead, verify is clean, and more writes go (CheckRecovery).
#include <gtest/gtest.h>

#include "tests/crash/stepped_run.h"

namespace vdb::testing {
namespace {

class IndexRun : public SteppedRun {
 public:
  void Build(Collection& collection, const std::string& column, bool retrain) {
    std::vector<float> queries;
    IndexOptions options;
    options.column = column;
    options.list_count = 3;
    options.retrain = retrain;
    options.thread_count = 1;  // the log is the same every time
    const auto& model = states().back();
    for (const auto& [key, document] : model) {
      const auto found = document.vectors.find(column);
      if (found == document.vectors.end() || queries.size() > 8) continue;
      queries.insert(queries.end(), found->second.begin(), found->second.end());
    }
    const size_t dimension = column == kCosineColumn ? 4 : 3;
    options.queries = {queries.data(), queries.size() / dimension, dimension};
    options.progress = WritesAtEachStage(collection);
    Mark("build");
    const auto built = collection.BuildIndex(options);
    ASSERT_TRUE(built.ok()) << built.status().ToString();
    Mark("built");
  }

  void Run() {
    auto database = SetUp();
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    auto collection = *database->OpenCollection(kCollection);
    for (uint64_t i = 0; i < 24; i += 6) Put(collection, i, i + 6);
    Write(collection, {{Change::Kind::kDelete, "k20", {}}, {Change::Kind::kDelete, "k3", {}}});
    CutFromHere();
    Build(collection, kCosineColumn, false);
    Put(collection, 24, 30);
    Build(collection, kCosineColumn, false);
    Build(collection, kL2Column, false);
    Build(collection, kCosineColumn, true);
    const Status dropped = collection.DropIndex(kL2Column);
    ASSERT_TRUE(dropped.ok()) << dropped.ToString();
    ASSERT_TRUE(database->Close().ok());
  }
};

TEST(IndexPowerCutTest, AtEveryOperationOfABuild) {
  IndexRun run;
  run.Run();
  ASSERT_FALSE(HasFatalFailure());
  ExpectRecoveryAtEveryCut(run, 2);
}

// The cuts must notice a missing sync of what a build writes.
TEST(IndexPowerCutTest, CutsNoticeAMissingSync) {
  IndexRun run;
  run.Run();
  ASSERT_FALSE(HasFatalFailure());
  ExpectCutsNotice(run, "index files", SyncOf(".ivf"));
  ExpectCutsNotice(run, "epoch files", SyncOf(".vdbe"));
  ExpectCutsNotice(run, "epochs directory", SyncDirOf("db/epochs"));
}

TEST(IndexPowerCutTest, ADiskThatFailsDuringABuild) {
  const std::vector<float> queries = {1, 0, 0, 0, 0, 1, 0, 0};
  const IndexOptions options = {.column = kCosineColumn, .list_count = 3, .thread_count = 1,
                                .queries = {queries.data(), 2, 4}};
  ExpectFailuresAreHarmless(
      {.name = "a build",
       .deleted = {"k3"},
       .job = [&options](Database& database) {
         return database.OpenCollection(kCollection)->BuildIndex(options).status();
       },
       .step = 5});
}

}  // namespace
}  // namespace vdb::testing
