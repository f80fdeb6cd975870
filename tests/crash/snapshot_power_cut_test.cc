// Power cuts at every operation while named snapshots are made and dropped between writes and an
// index build. Whatever the cut left: the database is a prefix of the steps, a snapshot whose
// creation returned is there with exactly what it kept, one that was being made is whole or not
// there, and one whose drop returned is gone.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>

#include "format/status_macros.h"
#include "tests/crash/stepped_run.h"

namespace vdb::testing {
namespace {

class SnapshotRun : public SteppedRun {
 public:
  void Write(Collection& collection, uint64_t first, uint64_t past) {
    std::vector<Change> changes;
    for (uint64_t i = first; i < past; ++i) {
      changes.push_back({Change::Kind::kPut, "k" + std::to_string(i % 25), MakeDocument(i, 30)});
    }
    changes.push_back({Change::Kind::kDelete, "k" + std::to_string(past % 25), {}});
    SteppedRun::Write(collection, std::move(changes));
  }

  void Keep(Database& database, const std::string& name) {
    hashes_[name] = *database.ContentHash();
    Mark("making " + name);
    const Status made = database.CreateSnapshot(name);
    ASSERT_TRUE(made.ok()) << made.ToString();
    Mark("made " + name);
  }

  void Drop(Database& database, const std::string& name) {
    Mark("dropping " + name);
    const Status dropped = database.DropSnapshot(name);
    ASSERT_TRUE(dropped.ok()) << dropped.ToString();
    Mark("dropped " + name);
  }

  void Run() {
    auto database = SetUp();
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    auto collection = *database->OpenCollection(kCollection);
    Write(collection, 0, 30);
    CutFromHere();
    Keep(*database, "a");
    Write(collection, 30, 45);
    Keep(*database, "b");
    IndexOptions options;
    options.column = kL2Column;
    options.list_count = 2;
    options.thread_count = 1;
    const auto built = collection.BuildIndex(options);
    ASSERT_TRUE(built.ok()) << built.status().ToString();
    Write(collection, 45, 60);
    Drop(*database, "a");
    Write(collection, 60, 65);
    Keep(*database, "c");
    Drop(*database, "b");
    ASSERT_TRUE(database->Close().ok());
  }

  // After a cut before `position` of the log, recovered in `path`.
  Status CheckSnapshots(const std::string& path, const Log& log, size_t position) const {
    std::set<std::string> must, may;
    for (size_t i = 0; i < position; ++i) {
      if (log[i].kind != OpKind::kMark) continue;
      const std::string& text = log[i].path;
      const std::string word = text.substr(0, text.find(' '));
      const std::string name = text.substr(text.find(' ') + 1);
      if (word == "making") may.insert(name);
      if (word == "made") must.insert(name);
      if (word == "dropping") must.erase(name);
      if (word == "dropped") may.erase(name);
    }
    VDB_ASSIGN_OR_RETURN(const Database reader, OpenReader(path));
    VDB_ASSIGN_OR_RETURN(const auto snapshots, reader.ListSnapshots());
    for (const SnapshotInfo& one : snapshots) {
      if (!may.contains(one.name)) return Status::Corruption("there is " + one.name + one.damage);
      must.erase(one.name);
      engine::EngineOptions options = SmallOptions();
      options.user.read_only = true;
      options.user.create_if_missing = false;
      options.user.as_of = one.name;
      VDB_ASSIGN_OR_RETURN(const Database kept, engine::OpenDatabase(path, options));
      VDB_ASSIGN_OR_RETURN(const std::string hash, kept.ContentHash());
      if (hash != hashes_.at(one.name)) return Status::Corruption(one.name + " has changed");
    }
    return must.empty() ? Status::Ok() : Status::NotFound("snapshot " + *must.begin());
  }

  std::vector<std::string> Violations(const Log& log, size_t step, size_t policies) const {
    std::vector<std::string> violations;
    Bounds bounds;
    size_t candidates = 0, turn = 0;
    for (size_t i = 0; i <= log.size() && violations.size() < 3; ++i) {
      const bool mark = i < log.size() && log[i].kind == OpKind::kMark;
      if (i >= first() && !mark && candidates++ % step == 0) {
        const auto all = AllPolicies(i);
        for (size_t p = 0; p < policies; ++p) {
          const CutPolicy& policy = all[turn++ % all.size()];
          ScratchDir out;
          CutPowerAt(log, i, policy, out.path());
          Status status = CheckRecovery(out.path(), states(), bounds).status();
          if (status.ok()) status = CheckSnapshots(out / kDatabaseName, log, i);
          ++cuts_;
          if (status.ok()) continue;
          violations.push_back("cut before " + std::to_string(i) + " (" +
                               (i < log.size() ? log[i].ToString() : "end") + "), " +
                               policy.ToString() + ": " + status.ToString());
        }
      }
      if (i < log.size()) bounds.Apply(log[i]);
    }
    return violations;
  }

  size_t cuts() const { return cuts_; }

 private:
  std::map<std::string, std::string> hashes_;
  mutable size_t cuts_ = 0;
};

TEST(SnapshotPowerCutTest, AtEveryOperation) {
  SnapshotRun run;
  run.Run();
  ASSERT_FALSE(::testing::Test::HasFatalFailure());
  const Log log = run.log();
  const auto violations =
      run.Violations(log, LongRun() ? 1 : 2 * Thinning(), LongRun() ? 6 : 1);
  std::printf("%zu operations, %zu cuts\n", log.size(), run.cuts());
  for (const std::string& violation : violations) ADD_FAILURE() << violation;
}

// Red where a sync of the snapshot's own files or directories is left out.
TEST(SnapshotPowerCutTest, CutsNoticeAMissingSync) {
  SnapshotRun run;
  run.Run();
  ASSERT_FALSE(::testing::Test::HasFatalFailure());
  const Log log = run.log();
  size_t missing = 0;
  for (const OpKind kind : {OpKind::kSync, OpKind::kSyncDir}) {
    Log mutated;
    for (const Operation& op : log) {
      const bool leave_out = op.kind == kind && op.path.find("snapshots") != std::string::npos;
      missing += leave_out;
      if (!leave_out) mutated.push_back(op);
    }
    EXPECT_FALSE(run.Violations(mutated, 1, 1).empty()) << OpKindName(kind);
  }
  EXPECT_GT(missing, 5u);
}

}  // namespace
}  // namespace vdb::testing
