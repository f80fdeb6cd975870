// Power cuts at every operation of a repair: the damaged database or the repaired one is there, and
// a repair of what the cut left ends in the same contents.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "engine/repair.h"
#include "tests/crash/recorded_run.h"
#include "tests/engine/damage_fixture.h"

namespace vdb::testing {
namespace {

class RepairPowerCutTest : public DamageTest {
 protected:
  // A database with a damaged file, and its repair, in one recording.
  void Record(const std::function<void(storage::FileSystem&)>& damage) {
    options_.fs = &fs_;
    {
      auto db = Open();
      Fill(db, 60);
      VDB_ASSERT_OK(db.Close());
    }
    damage(fs_);
    first_ = fs_.size();
    const auto report = engine::RepairDatabase(fs_, Path(), {});
    VDB_ASSERT_OK(report);
    ASSERT_TRUE(report->needed);
    EXPECT_EQ(report->verified.problem_count, 0u);
    options_.fs = storage::PosixFileSystem();
    auto db = OpenAt(Path(), /*read_only=*/true);
    VDB_ASSERT_OK(db);
    expected_ = ContentsOf(*db);
    EXPECT_GT(expected_.size(), 80u);
  }

  // The end is always among them: there, at least, the repaired database is.
  static size_t NextCut(size_t at, size_t step, size_t end) {
    return at < end ? std::min(at + step, end) : end + 1;
  }

  // Gives the number of cuts after which the repaired database was there without more ado.
  size_t CutEverywhere(const Log& log, size_t step) {
    size_t cuts = 0, done = 0, turn = 0;
    for (size_t at = first_; at <= log.size(); at = NextCut(at, step, log.size())) {
      for (const CutPolicy& policy : AllPolicies(at)) {
        if (at < log.size() && ++turn % (LongRun() ? 1 : 3) != 0) continue;
        ++cuts;
        ScratchDir root;
        CutPowerAt(log, at, policy, root.path());
        const std::string path = root / "db";
        const std::string where = "before operation " + std::to_string(at) + " " +
                                  (at < log.size() ? log[at].ToString() : "(end)") + ", " +
                                  policy.ToString();
        const auto report = Repair(path);
        EXPECT_TRUE(report.ok()) << where << ": " << Text(report);
        if (!report.ok()) return done;
        EXPECT_EQ(report->verified.problem_count, 0u) << where;
        done += report->needed ? 0 : 1;
        auto db = OpenAt(path, /*read_only=*/true);
        EXPECT_TRUE(db.ok()) << where << ": " << Text(db);
        if (!db.ok()) return done;
        EXPECT_TRUE(ContentsOf(*db) == expected_) << where << ": other contents";
        if (HasFailure()) return done;
      }
    }
    std::printf("%zu operations, %zu cuts, %zu of them after the publish\n", log.size() - first_,
                cuts, done);
    return done;
  }

  RecordingFileSystem fs_{scratch_.path()};
  size_t first_ = 0;
  Contents expected_;
};

void FlipByte(storage::FileSystem& fs, const std::string& path, uint64_t at) {
  auto file = fs.Open(path, storage::OpenMode::kReadWrite);
  VDB_ASSERT_OK(file);
  char byte = 0;
  VDB_ASSERT_OK((*file)->ReadAt(at, &byte, 1));
  byte = static_cast<char>(byte ^ 1);
  VDB_ASSERT_OK((*file)->WriteAt(at, std::as_bytes(std::span(&byte, 1))));
  VDB_ASSERT_OK((*file)->Sync());
}

TEST_F(RepairPowerCutTest, OfADamagedRow) {
  Record([this](storage::FileSystem& fs) {
    for (const std::string& file : FilesOf(Path())) {
      if (file.ends_with(".npy")) return FlipByte(fs, Path() + "/" + file, 4096 + 5);
    }
  });
  if (HasFatalFailure()) return;
  EXPECT_GT(CutEverywhere(fs_.log(), LongRun() ? 1 : 4 * Thinning()), 0u);
}

TEST_F(RepairPowerCutTest, OfADamagedRocksManifest) {
  Record([this](storage::FileSystem& fs) {
    for (const std::string& file : FilesOf(Path())) {
      if (file.find("/MANIFEST-") != std::string::npos) FlipByte(fs, Path() + "/" + file, 40);
    }
  });
  if (HasFatalFailure()) return;
  EXPECT_GT(CutEverywhere(fs_.log(), LongRun() ? 1 : 6 * Thinning()), 0u);
}

// Each operation of a repair fails, once, for ever, or for want of space: the repair says so, and a
// second one, on a disk that works, ends in the same contents.
TEST_F(RepairPowerCutTest, OnAFailingDisk) {
  Record([this](storage::FileSystem& fs) {
    for (const std::string& file : FilesOf(Path())) {
      if (file.ends_with(".npy")) return FlipByte(fs, Path() + "/" + file, 4096 + 5);
    }
  });
  if (HasFatalFailure()) return;
  const Log log = fs_.log();
  ScratchDir damaged;
  CutPowerAt(log, first_, {CutPolicy::Pending::kAll, CutPolicy::Pending::kAll, 1}, damaged.path());
  const Status error = Status::IoError("planted");
  size_t failed = 0;
  const size_t operations = log.size() - first_;
  for (size_t i = 0; i < operations; i += LongRun() ? 1 : 5 * Thinning()) {
    for (int kind = 0; kind < 3; ++kind) {
      ScratchDir root;
      std::filesystem::copy(damaged.path(), root.path(),
                            std::filesystem::copy_options::recursive |
                                std::filesystem::copy_options::overwrite_existing);
      RecordingFileSystem fs(root.path(), DurableImage(root.path()));
      const size_t at = fs.size() + i;
      fs.SetHook(kind == 0 ? FailAt(at, error, false)
                           : kind == 1 ? FailAt(at, error, true) : FullDiskFrom(at));
      const auto first = engine::RepairDatabase(fs, root / "db", {});
      failed += first.ok() ? 0 : 1;
      const std::string where = "operation " + std::to_string(i) + ", kind " +
                                std::to_string(kind) + ": ";
      const auto second = Repair(root / "db");
      ASSERT_TRUE(second.ok()) << where << Text(second);
      EXPECT_EQ(second->verified.problem_count, 0u) << where;
      auto db = OpenAt(root / "db", /*read_only=*/true);
      ASSERT_TRUE(db.ok()) << where << Text(db);
      EXPECT_TRUE(ContentsOf(*db) == expected_) << where << "other contents";
      if (HasFailure()) return;
    }
  }
  std::printf("%zu operations, %zu repairs failed\n", operations, failed);
  EXPECT_GT(failed, 0u);
}

// The cuts must notice a missing sync.
TEST_F(RepairPowerCutTest, CutsNoticeAMissingSync) {
  Record([this](storage::FileSystem& fs) { FlipByte(fs, Path() + "/ledger", 4096 + 30); });
  if (HasFatalFailure()) return;
  const Log log = fs_.log();
  const auto noticed = [&](const std::function<bool(const Operation&)>& sync) {
    Log mutated(log.begin(), log.begin() + static_cast<ptrdiff_t>(first_));
    std::copy_if(log.begin() + static_cast<ptrdiff_t>(first_), log.end(),
                 std::back_inserter(mutated), [&](const auto& op) { return !sync(op); });
    for (size_t at = mutated.size(); at > first_; --at) {
      ScratchDir root;
      CutPowerAt(mutated, at, {CutPolicy::Pending::kNone, CutPolicy::Pending::kAll, 1},
                 root.path());
      auto db = OpenAt(root / "db", /*read_only=*/true);
      if (db.ok() && ContentsOf(*db) == expected_ && db->Verify()->problem_count == 0) continue;
      const bool before = Repair(root / "db").ok();
      auto after = OpenAt(root / "db", /*read_only=*/true);
      if (!before || !after.ok() || ContentsOf(*after) != expected_) return true;
    }
    return false;
  };
  const auto sync_of = [](std::string_view ending) {
    return [ending](const Operation& op) {
      return op.kind == OpKind::kSync && std::string_view(op.path).find(ending) !=
                                             std::string_view::npos;
    };
  };
  EXPECT_TRUE(noticed(sync_of(".sst")));
  EXPECT_TRUE(noticed(sync_of(".npy")));
}

}  // namespace
}  // namespace vdb::testing
