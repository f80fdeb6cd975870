// Power cuts at every operation of an upgrade from format version 1: the old database or the new
// one is there, with the same contents, and a second run, or an open for writing, ends in the new.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tests/crash/recorded_run.h"
#include "tests/engine/upgrade_fixture.h"

namespace vdb::testing {
namespace {

struct Cuts {
  size_t all = 0, before = 0, after = 0;  // of them: the old version was there, the new one
};

class UpgradePowerCutTest : public UpgradeFixture {
 protected:
  void SetUp() override {
    CopyGolden(VDB_SOURCE_DIR, "v1");
    RecordingFileSystem fs(scratch_.path(), DurableImage(scratch_.path()));
    first_ = fs.size();
    engine::EngineOptions options;
    options.fs = &fs;
    const auto report = engine::UpgradeDatabase(Path(), {}, options);
    VDB_ASSERT_OK(report);
    ExpectUpgraded();
    log_ = fs.log();
  }

  // The version that is there, whole; 0: something is wrong.
  static uint32_t VersionAt(const std::string& path, const std::string& where) {
    engine::EngineOptions options;
    options.user.read_only = true;
    auto db = engine::OpenDatabase(path, options);
    EXPECT_TRUE(db.ok()) << where << ": " << Text(db);
    if (!db.ok()) return 0;
    EXPECT_EQ(*db->ContentHash(), kGoldenHash) << where;
    ExpectClean(*db);
    return db->Stats()->format_version;
  }

  static void ExpectOnlyNew(const std::string& path, const std::string& where) {
    EXPECT_EQ(VersionAt(path, where), kFormatVersion) << where;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      const std::string name = entry.path().filename().string();
      EXPECT_TRUE(name != "UPGRADING" && name != "docs-000001" && name != "ledger" &&
                  name != "CURRENT.tmp")
          << where << ": " << name << " is left";
    }
  }

  void CutAt(const Log& log, size_t at, const CutPolicy& policy, Cuts* cuts) {
    ScratchDir root;
    CutPowerAt(log, at, policy, root.path());
    const std::string path = root / "db";
    const std::string where = "before operation " + std::to_string(at) + " " +
                              (at < log.size() ? log[at].ToString() : "(end)") + ", " +
                              policy.ToString();
    const uint32_t version = VersionAt(path, where);
    ++cuts->all;
    cuts->before += version == 1;
    cuts->after += version == 2;
    if (version == 2 && cuts->all % 2 == 0) {  // an open for writing tidies up, too
      engine::EngineOptions options;
      auto db = engine::OpenDatabase(path, options);
      ASSERT_TRUE(db.ok()) << where << ": " << Text(db);
      VDB_ASSERT_OK(db->Close());
    } else {
      const auto report = engine::UpgradeDatabase(path, {}, {});
      ASSERT_TRUE(report.ok()) << where << ": " << Text(report);
      EXPECT_EQ(report->needed, version == 1) << where;
    }
    ExpectOnlyNew(path, where);
  }

  Log log_;
  size_t first_ = 0;
};

TEST_F(UpgradePowerCutTest, AtEveryOperation) {
  const size_t step = LongRun() ? 1 : Thinning();
  Cuts cuts;
  size_t turn = 0;
  for (size_t at = first_; at <= log_.size(); at = at < log_.size()
                                                      ? std::min(at + step, log_.size())
                                                      : at + 1) {
    for (const CutPolicy& policy : AllPolicies(at)) {
      // The short run: one policy an operation, and all at the end.
      if (!LongRun() && at < log_.size() && turn++ % 6 != at % 6) continue;
      CutAt(log_, at, policy, &cuts);
      if (HasFailure()) return;
    }
  }
  std::printf("%zu operations, %zu cuts: %zu left the old version, %zu the new one\n",
              log_.size() - first_, cuts.all, cuts.before, cuts.after);
  EXPECT_GT(cuts.before, 0u);
  EXPECT_GT(cuts.after, 0u);
}

// And the second run is cut, too.
TEST_F(UpgradePowerCutTest, AgainAfterACut) {
  const size_t operations = log_.size() - first_;
  for (size_t first = first_ + operations / 3; first < log_.size(); first += operations / 3) {
    ScratchDir root;
    CutPowerAt(log_, first, {CutPolicy::Pending::kAll, CutPolicy::Pending::kAll, 1}, root.path());
    RecordingFileSystem fs(root.path(), DurableImage(root.path()));
    const size_t begin = fs.size();
    engine::EngineOptions options;
    options.fs = &fs;
    VDB_ASSERT_OK(engine::UpgradeDatabase(root / "db", {}, options));
    const Log log = fs.log();
    Cuts cuts;
    for (size_t at = begin; at <= log.size(); at += LongRun() ? 1 : 7 * Thinning()) {
      CutAt(log, at, AllPolicies(at)[at % 6], &cuts);
      if (HasFailure()) return;
    }
    EXPECT_GT(cuts.all, 0u);
  }
}

// The cuts must notice a missing sync.
TEST_F(UpgradePowerCutTest, CutsNoticeAMissingSync) {
  const auto noticed = [&](const std::function<bool(const Operation&)>& sync) {
    Log mutated(log_.begin(), log_.begin() + static_cast<ptrdiff_t>(first_));
    std::copy_if(log_.begin() + static_cast<ptrdiff_t>(first_), log_.end(),
                 std::back_inserter(mutated), [&](const auto& op) { return !sync(op); });
    EXPECT_LT(mutated.size(), log_.size());
    for (size_t at = mutated.size(); at > first_; --at) {
      ScratchDir root;
      CutPowerAt(mutated, at, {CutPolicy::Pending::kNone, CutPolicy::Pending::kAll, 1},
                 root.path());
      engine::EngineOptions options;
      options.user.read_only = true;
      auto db = engine::OpenDatabase(root / "db", options);
      if (!db.ok()) return true;
      const auto hash = db->ContentHash();
      if (!hash.ok() || *hash != kGoldenHash || db->Verify()->problem_count > 0) return true;
    }
    return false;
  };
  for (const std::string_view ending : {".sst", "ledger-000002", ".vdbm", "CURRENT.tmp"}) {
    EXPECT_TRUE(noticed([&](const Operation& op) {
      return op.kind == OpKind::kSync && std::string_view(op.path).ends_with(ending);
    })) << ending;
  }
}

}  // namespace
}  // namespace vdb::testing
