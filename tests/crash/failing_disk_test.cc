// A disk that is full, or fails once, at every operation of a run: the call that meets it gets a
// typed error, nothing aborts, and the database opens and verifies afterwards with all acknowledged
// batches, also when the power fails right after. RocksDB aborts on a full disk unless it is given
// a logger of ours; this would show it.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/crash/recorded_run.h"
#include "vdb/import.h"

namespace vdb::testing {
namespace {

struct Outcome {
  Status failure;  // of the first call that failed
  Bounds bounds;
};

// Runs the workload until something fails.
Outcome RunOn(RecordingFileSystem* fs, const std::string& path, const Workload& workload) {
  Outcome outcome;
  auto database = engine::OpenDatabase(path, SmallOptions(fs));
  outcome.failure = database.status();
  if (!database.ok()) return outcome;
  outcome.failure = MakeCollection(&*database);
  auto collection = database->OpenCollection(kCollection);
  for (size_t n = 1; n <= workload.steps.size() && outcome.failure.ok(); ++n) {
    const Step& step = workload.steps[n - 1];
    outcome.bounds.max = n;
    outcome.failure = collection->Write(ToBatch(step), {.sync = step.sync}).status();
    if (outcome.failure.ok() && step.sync) outcome.bounds.min = n;
  }
  const Status closed = database->Close();
  if (outcome.failure.ok()) outcome.failure = closed;
  return outcome;
}

bool IsClean(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:  // nothing that matters failed, as the removal of an old file
    case StatusCode::kIoError:
    case StatusCode::kResourceExhausted:
    case StatusCode::kOutcomeUnknown:
    case StatusCode::kFailedPrecondition: return true;
    default: return false;
  }
}

using MakeHook = std::function<Hook(size_t at)>;

// `step`: every so many operations. RocksDB sleeps for a second after a failed flush, so that the
// bounded variant cannot have them all.
void FailEverywhere(uint64_t seed, size_t step, const MakeHook& make_hook) {
  WorkloadOptions options;
  options.seed = seed;
  options.step_count = 45;
  options.body_bytes_max = 5000;
  const Workload workload = MakeWorkload(options);
  size_t operations = 0;
  {
    ScratchDir root;
    RecordingFileSystem fs(root.path());
    ASSERT_TRUE(RunOn(&fs, root / kDatabaseName, workload).failure.ok());
    operations = fs.size();
  }
  size_t failures = 0, runs = 0;
  std::map<std::string, size_t> codes;
  for (size_t at = 0; at < operations; at += step * Thinning(), ++runs) {
    ScratchDir root;
    RecordingFileSystem fs(root.path());
    fs.SetHook(make_hook(at));
    const Outcome outcome = RunOn(&fs, root / kDatabaseName, workload);
    failures += outcome.failure.ok() ? 0 : 1;
    codes[std::string(StatusCodeName(outcome.failure.code()))] += 1;
    EXPECT_TRUE(IsClean(outcome.failure)) << "operation " << at << ": "
                                          << outcome.failure.ToString();
    const auto expect_recovery = [&](const std::string& in, const std::string& when) {
      const auto state = CheckRecovery(in, workload.states, outcome.bounds);
      EXPECT_TRUE(state.ok()) << "operation " << at << " failed (" << outcome.failure.ToString()
                              << "), states " << outcome.bounds.min << " to "
                              << outcome.bounds.max << ", then " << when << ": "
                              << state.status().ToString();
    };
    expect_recovery(root.path(), "reopened");
    // And with the page cache gone too: what a failed sync left behind was never durable.
    const auto policies = AllPolicies(at);
    for (const CutPolicy& policy : {policies[0], policies[runs % policies.size()]}) {
      ScratchDir after_cut;
      CutPowerAt(fs.log(), fs.size(), policy, after_cut.path());
      expect_recovery(after_cut.path(), "power cut, " + policy.ToString());
    }
    if (::testing::Test::HasFailure()) return;
  }
  std::printf("seed %d: failed at %zu of %zu operations, %zu times noticed\n",
              static_cast<int>(seed), runs, operations, failures);
  for (const auto& [code, count] : codes) std::printf("  %4zu %s\n", count, code.c_str());
  EXPECT_GT(failures, runs / 2);
}

TEST(FailingDiskTest, FullFromAnyOperationOn) {
  FailEverywhere(71, LongRun() ? 1 : 13, FullDiskFrom);
}

TEST(FailingDiskTest, OneFailureAtAnyOperation) {
  FailEverywhere(72, LongRun() ? 1 : 11, [](size_t at) {
    return FailAt(at, Status::IoError("injected: Input/output error"), /*forever=*/false);
  });
}

TEST(FailingDiskTest, EverythingFailsFromAnyOperationOn) {
  FailEverywhere(73, LongRun() ? 1 : 37, [](size_t at) {
    return FailAt(at, Status::IoError("injected: Input/output error"), /*forever=*/true);
  });
}

// An import meets a full disk; with room again it is simply run once more.
TEST(FailingDiskTest, AnImportOnAFullDiskCanBeRunAgain) {
  constexpr size_t kRows = 120;
  ScratchDir input;
  const std::string file = input / "rows.fvecs";
  {
    std::ofstream out(file, std::ios::binary);
    for (size_t i = 0; i < kRows; ++i) {
      const auto row = MakeDocument(i).vectors[kCosineColumn];
      const auto dimension = static_cast<int32_t>(row.size());
      out.write(reinterpret_cast<const char*>(&dimension), sizeof(dimension));
      out.write(reinterpret_cast<const char*>(row.data()),
                static_cast<std::streamsize>(row.size() * sizeof(float)));
    }
  }
  const auto import = [&](storage::FileSystem* fs, const std::string& path) -> Status {
    engine::EngineOptions options = SmallOptions(fs);
    options.segment_rows_max = 32;
    auto database = engine::OpenDatabase(path, options);
    if (!database.ok()) return database.status();
    ImportOptions how;
    how.batch_rows = 10;
    const Status imported = ImportFile(*database, "rows", file, how).status();
    const Status closed = database->Close();
    return imported.ok() ? closed : imported;
  };
  size_t operations = 0;
  {
    ScratchDir root;
    RecordingFileSystem fs(root.path());
    const Status done = import(&fs, root / kDatabaseName);
    ASSERT_TRUE(done.ok()) << done.ToString();
    operations = fs.size();
  }
  for (size_t at = 0; at < operations; at += (LongRun() ? 1 : 3) * Thinning()) {
    ScratchDir root;
    RecordingFileSystem full(root.path());
    full.SetHook(FullDiskFrom(at));
    const Status failed = import(&full, root / kDatabaseName);
    EXPECT_TRUE(IsClean(failed)) << "operation " << at << ": " << failed.ToString();
    const Status again = import(storage::PosixFileSystem(), root / kDatabaseName);
    ASSERT_TRUE(again.ok()) << "operation " << at << " (" << failed.ToString()
                            << "), then: " << again.ToString();
    auto database = OpenReader(root / kDatabaseName);
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    EXPECT_EQ(*database->OpenCollection("rows")->Count(), kRows) << "operation " << at;
    const auto report = database->Verify();
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(report->problem_count, 0u) << "operation " << at;
    if (HasFailure()) return;
  }
  std::printf("an import of %zu operations met a full disk and was run again\n", operations);
}

}  // namespace
}  // namespace vdb::testing
