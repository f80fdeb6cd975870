// The order of every commit round and publish, asserted on a recorded run; and the checker itself:
// with any one kind of sync removed from the log, or two steps swapped, it must turn red. Removing
// a sync from the log is removing it from the engine: no running engine sees what a sync does.
#include "tests/crash/commit_order.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "tests/crash/recorded_run.h"

namespace vdb::testing {
namespace {

using Match = std::function<bool(const Operation&)>;

const Log& TheLog() {
  static const Log log = [] {
    WorkloadOptions options;
    options.seed = 11;
    options.step_count = 120;
    return Record(MakeWorkload(options), {.flush_at_end = true});
  }();
  return log;
}

Log Without(const Match& match) {
  Log log = TheLog();
  const size_t erased = std::erase_if(log, match);
  EXPECT_GT(erased, 0u) << "nothing to remove: the check would prove nothing";
  return log;
}

// Moves each operation that matches behind the next one that matches `later`.
Log Delayed(const Match& match, const Match& later) {
  Log log, held;
  for (const Operation& op : TheLog()) {
    if (match(op)) {
      held.push_back(op);
      continue;
    }
    log.push_back(op);
    if (later(op)) {
      log.insert(log.end(), held.begin(), held.end());
      held.clear();
    }
  }
  log.insert(log.end(), held.begin(), held.end());
  return log;
}

Match SyncOf(const std::string& suffix) {
  return [=](const Operation& op) {
    return op.kind == OpKind::kSync && EndsWith(op.path, suffix);
  };
}
Match SyncDirOf(const std::string& path) {
  return [=](const Operation& op) { return op.kind == OpKind::kSyncDir && op.path == path; };
}
bool WalSync(const Operation& op) { return op.kind == OpKind::kSync && IsWal(op.path); }
bool WalWrite(const Operation& op) { return op.kind == OpKind::kWrite && IsWal(op.path); }
bool SegmentSync(const Operation& op) {
  return op.kind == OpKind::kSync && IsSegmentData(op.path);
}
bool Acknowledgement(const Operation& op) {
  return op.kind == OpKind::kMark && op.path.starts_with("ack ");
}
bool Publish(const Operation& op) {
  return op.kind == OpKind::kRename && EndsWith(op.target, "db/CURRENT");
}

TEST(CommitOrderTest, EveryRoundAndPublishKeepsIt) {
  const LogCounts counts = CountLog(TheLog());
  EXPECT_GT(counts.synced_steps, 20u);
  EXPECT_GT(counts.wal_writes, 20u);
  EXPECT_GT(counts.publishes, 5u);
  EXPECT_GT(counts.seals, 3u);
  EXPECT_GT(counts.store_flushes, 0u);
  for (const auto& problem : OrderProblems(TheLog())) ADD_FAILURE() << problem;
}

struct Mutation {
  const char* name;
  Log log;
};

TEST(CommitOrderTest, TurnsRedWithoutAnyOneSync) {
  const std::vector<Mutation> mutations = {
      {"segment rows", Without(SyncOf(".npy"))},
      {"row records", Without(SyncOf(".rows"))},
      {"keys", Without(SyncOf(".keys"))},
      {"WAL", Without(WalSync)},
      {"ledger", Without(SyncOf("/ledger"))},
      {"manifest", Without(SyncOf(".vdbm"))},
      {"twin", Without(SyncOf(".twin"))},
      {"CURRENT", Without(SyncOf("CURRENT.tmp"))},
      {"segments directory", Without(SyncDirOf("db/segments"))},
      {"database directory", Without(SyncDirOf("db"))},
      {"documents directory", Without(SyncDirOf("db/docs-000001"))},
      {"segment sums", Without(SyncOf(".sums"))},
  };
  for (const Mutation& mutation : mutations) {
    EXPECT_FALSE(OrderProblems(mutation.log).empty()) << "not noticed: no sync of "
                                                      << mutation.name;
  }
}

TEST(CommitOrderTest, TurnsRedWhenTwoStepsAreSwapped) {
  const std::vector<Mutation> mutations = {
      {"segment sync after the WAL write", Delayed(SegmentSync, WalWrite)},
      {"WAL sync after the acknowledgement", Delayed(WalSync, Acknowledgement)},
      {"manifest sync after the rename", Delayed(SyncOf(".vdbm"), Publish)},
      {"CURRENT sync after the rename", Delayed(SyncOf("CURRENT.tmp"), Publish)},
      {"directory sync after the next WAL write", Delayed(SyncDirOf("db"), WalWrite)},
  };
  for (const Mutation& mutation : mutations) {
    EXPECT_FALSE(OrderProblems(mutation.log).empty()) << "not noticed: " << mutation.name;
  }
}

// Writers that wait for the disk at the same time share its syncs.
TEST(GroupCommitTest, EightSyncedWritersNeedLessThanHalfARoundEach) {
  constexpr size_t kThreads = 8, kPuts = 100;
  ScratchDir root;
  RecordingFileSystem fs(root.path());
  engine::EngineOptions options;
  options.user.create_if_missing = true;
  options.fs = &fs;
  auto database = engine::OpenDatabase(root / kDatabaseName, options);
  ASSERT_TRUE(database.ok()) << database.status().ToString();
  ASSERT_TRUE(MakeCollection(&*database).ok());
  // A disk that needs a while for a sync, as disks do; a RAM disk would hide the waiting.
  fs.SetHook([](const Operation& op, size_t) -> Verdict {
    if (op.kind == OpKind::kSync) std::this_thread::sleep_for(std::chrono::microseconds(500));
    return {};
  });
  const size_t start = fs.size();
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto collection = database->OpenCollection(kCollection);
      for (size_t i = 0; i < kPuts; ++i) {
        const std::string key = std::to_string(t) + "-" + std::to_string(i);
        const Step step = {{{Change::Kind::kPut, key, MakeDocument(i, 10)}}, true};
        const auto written = collection->Write(ToBatch(step));
        EXPECT_TRUE(written.ok()) << written.status().ToString();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const Log log = fs.log();
  const auto first = log.begin() + static_cast<std::ptrdiff_t>(start);
  const auto rounds = static_cast<size_t>(std::count_if(first, log.end(), WalSync));
  std::printf("%zu synced puts by %zu threads: %zu rounds of syncs\n", kThreads * kPuts, kThreads,
              rounds);
  EXPECT_LT(rounds, kThreads * kPuts / 2);
  ASSERT_TRUE(database->Close().ok());
}

}  // namespace
}  // namespace vdb::testing
