// Upgrades from format version 1: what changes and what does not, readers beside them, backups,
// snapshots and repairs of the older version, and what ends an upgrade early. Power cuts and
// failing disks: upgrade_power_cut_test.
#include "engine/backup.h"
#include "engine/repair.h"
#include "tests/engine/upgrade_fixture.h"
#include "tests/support/passing_file_system.h"
#include "vdb/export.h"
#include "vdb/import.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

class UpgradeTest : public UpgradeFixture {
 protected:
  UpgradeTest() { CopyGolden(VDB_SOURCE_DIR, "v1"); }

  // Opened for writing, as only an upgrade does. Nothing may be written to documents.
  StatusOr<Database> OpenToRecover() {
    engine::EngineOptions options = options_;
    options.recover_only = true;
    options.user.create_if_missing = false;
    return engine::OpenDatabase(Path(), options);
  }
};

TEST_F(UpgradeTest, IsAskedForBeforeWriting) {
  const auto before = TreeOf(Path());
  engine::EngineOptions options = options_;
  options.user.create_if_missing = false;
  const Status refused = engine::OpenDatabase(Path(), options).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.message().find("vdbtool upgrade " + Path()), std::string::npos)
      << refused.message();
  EXPECT_EQ(TreeOf(Path()), before);
}

TEST_F(UpgradeTest, DryRunWritesNothing) {
  const auto before = TreeOf(Path());
  const auto report = Upgrade({.dry_run = true});
  VDB_ASSERT_OK(report);
  EXPECT_TRUE(report->needed);
  EXPECT_EQ(report->from_version, 1u);
  EXPECT_EQ(report->to_version, 2u);
  EXPECT_EQ(report->document_count, 15u);
  EXPECT_GT(report->bytes_needed, 1000u);
  EXPECT_EQ(report->content_hash, "");
  EXPECT_EQ(TreeOf(Path()), before);
}

TEST_F(UpgradeTest, OnlyDocumentsAreWrittenAnew) {
  const auto before = TreeOf(Path());
  const auto report = Upgrade();
  VDB_ASSERT_OK(report);
  EXPECT_TRUE(report->needed);
  EXPECT_EQ(report->document_count, 15u);
  EXPECT_EQ(report->content_hash, kGoldenHash);
  ExpectUpgraded();
  for (const auto& [name, bytes] : TreeOf(Path())) {
    if (!name.starts_with("segments")) continue;
    EXPECT_EQ(bytes, before.at(name)) << name;
  }
  const auto again = Upgrade();
  VDB_ASSERT_OK(again);
  EXPECT_FALSE(again->needed);
  EXPECT_EQ(again->from_version, 2u);
  auto db = Open(false);
  auto docs = *db.OpenCollection("docs");
  VDB_ASSERT_OK(docs.SetMetadata("key3", "{}"));
  EXPECT_EQ(docs.Get("key3")->body, "body");  // its checksum has come along
  VDB_ASSERT_OK(docs.Delete("key3"));
  ExpectClean(db);
}

TEST_F(UpgradeTest, ThereMustBeADatabase) {
  EXPECT_EQ(engine::UpgradeDatabase(Path() + "/nothing", {}, options_).status().code(),
            StatusCode::kNotFound);
  auto db = OpenToRecover();
  VDB_ASSERT_OK(db);
  EXPECT_EQ(Upgrade().status().code(), StatusCode::kBusy);
  VDB_ASSERT_OK(db->Close());
  VDB_ASSERT_OK(Upgrade());
}

TEST_F(UpgradeTest, OfAFolderWhoseCacheWasMigrated) {
  const std::string inner = scratch_.path() + "/photos/.vdb";
  fs::create_directories(scratch_.path() + "/photos");
  fs::rename(Path(), inner);
  const auto report = engine::UpgradeDatabase(scratch_.path() + "/photos", {}, options_);
  VDB_ASSERT_OK(report);
  EXPECT_TRUE(report->needed);
  fs::rename(inner, Path());
  ExpectUpgraded();
}

TEST_F(UpgradeTest, AfterAnUncleanStop) {
  {
    auto db = OpenToRecover();
    VDB_ASSERT_OK(db);
    fs::copy(Path(), Path() + ".killed", fs::copy_options::recursive);
    VDB_ASSERT_OK(db->Close());
  }
  fs::remove_all(Path());
  fs::rename(Path() + ".killed", Path());
  const auto report = Upgrade();
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->content_hash, kGoldenHash);
  ExpectUpgraded();
}

TEST_F(UpgradeTest, AReaderKeepsWhatItSees) {
  auto reader = OpenReadOnly();
  VDB_ASSERT_OK(reader);
  VDB_ASSERT_OK(Upgrade());
  EXPECT_TRUE(Has("docs-000001") && Has("UPGRADING"));  // as long as somebody reads there
  EXPECT_EQ(*reader->ContentHash(), kGoldenHash);
  EXPECT_EQ(reader->Stats()->format_version, 1u);
  VDB_ASSERT_OK(reader->Refresh());
  EXPECT_EQ(reader->Stats()->format_version, 2u);
  EXPECT_EQ(*reader->ContentHash(), kGoldenHash);
  VDB_ASSERT_OK(reader->Close());
  {
    auto db = Open(false);  // tidies up
    VDB_ASSERT_OK(db.Close());
  }
  ExpectUpgraded();
}

TEST_F(UpgradeTest, CancelledAnywhereNothingHasChanged) {
  const auto before = TreeOf(Path());
  size_t calls = 0;
  for (size_t stop = 0;; ++stop) {
    calls = 0;
    UpgradeOptions options;
    options.progress = [&](const Progress&) { return calls++ != stop; };
    const auto report = Upgrade(options);
    if (report.ok()) break;
    EXPECT_EQ(report.status().code(), StatusCode::kCancelled) << report.status().ToString();
    EXPECT_EQ(TreeOf(Path()), before);
    ASSERT_LT(stop, 100u);
  }
  EXPECT_GT(calls, 1u);
  ExpectUpgraded();
}

class NoRoom final : public PassingFileSystem {
 public:
  StatusOr<uint64_t> FreeBytes(const std::string&) override { return uint64_t{5000}; }
};

TEST_F(UpgradeTest, WithoutRoomItDoesNotBegin) {
  const auto before = TreeOf(Path());
  NoRoom full;
  engine::EngineOptions options = options_;
  options.fs = &full;
  const Status refused = engine::UpgradeDatabase(Path(), {}, options).status();
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(refused.message().find("5000 are free"), std::string::npos) << refused.message();
  EXPECT_EQ(TreeOf(Path()), before);
}

TEST_F(UpgradeTest, ADamagedDatabaseIsNotUpgraded) {
  const std::string rows = Path() + "/segments/000001.npy";
  std::fstream file(rows, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096 + 9);
  file.put('\x55');
  file.close();
  const auto before = TreeOf(Path());
  EXPECT_EQ(Upgrade().status().code(), StatusCode::kCorruption);
  EXPECT_EQ(TreeOf(Path()), before);
  // Its repair writes the present version.
  const auto repaired = engine::RepairDatabase(*options_.fs, Path(), {});
  VDB_ASSERT_OK(repaired);
  EXPECT_TRUE(repaired->needed);
  EXPECT_EQ(repaired->verified.problem_count, 0u);
  auto db = Open(false);
  EXPECT_EQ(db.Stats()->format_version, 2u);
  EXPECT_EQ(db.OpenCollection("docs")->Get("key3")->body, "body");
}

TEST_F(UpgradeTest, NamedSnapshotsStayAsTheyWere) {
  {
    auto db = OpenToRecover();
    VDB_ASSERT_OK(db);
    VDB_ASSERT_OK(db->CreateSnapshot("old"));
    VDB_ASSERT_OK(db->Close());
  }
  const auto report = Upgrade();
  VDB_ASSERT_OK(report);
  ExpectUpgraded();
  {
    auto db = Open(false);
    VDB_ASSERT_OK(db.OpenCollection("docs")->Delete("key3"));
    size_t changes = 0;
    VDB_ASSERT_OK(db.DiffSnapshots("old", "", [&](const SnapshotDiff& diff) {
      EXPECT_EQ(diff.key, "key3");
      return ++changes < 10;
    }));
    EXPECT_EQ(changes, 1u);
  }
  engine::EngineOptions options = options_;
  options.user.read_only = true;
  options.user.create_if_missing = false;
  options.user.as_of = "old";
  auto old = engine::OpenDatabase(Path(), options);
  VDB_ASSERT_OK(old);
  EXPECT_EQ(old->Stats()->format_version, 1u);
  EXPECT_EQ(*old->ContentHash(), kGoldenHash);
  // And a backup of it is one of version 1.
  VDB_ASSERT_OK(old->Backup(scratch_.path() + "/backups"));
  const auto restored =
      engine::RestoreWith(scratch_.path() + "/backups", scratch_.path() + "/again", {}, options_);
  VDB_ASSERT_OK(restored);
}

TEST_F(UpgradeTest, BackupsKeepTheirVersion) {
  const std::string backups = scratch_.path() + "/backups", to = scratch_.path() + "/restored";
  {
    auto db = OpenReadOnly();
    VDB_ASSERT_OK(db);
    VDB_ASSERT_OK(db->Backup(backups));
  }
  VDB_ASSERT_OK(Upgrade());
  {
    auto db = OpenReadOnly();
    VDB_ASSERT_OK(db);
    VDB_ASSERT_OK(db->Backup(backups));
  }
  const auto checked = VerifyBackups(backups);
  VDB_ASSERT_OK(checked);
  EXPECT_EQ(checked->problem_count, 0u);
  for (const uint64_t id : {1, 2}) {
    const std::string place = to + std::to_string(id);
    VDB_ASSERT_OK(engine::RestoreWith(backups, place, {.backup_id = id}, options_));
    VDB_ASSERT_OK(
        engine::RestoreWith(backups, place + "c", {.backup_id = id, .collection = "docs"},
                            options_));
    engine::EngineOptions options = options_;
    options.user.read_only = true;
    options.user.create_if_missing = false;
    for (const std::string& one : {place, place + "c"}) {
      auto db = engine::OpenDatabase(one, options);
      VDB_ASSERT_OK(db);
      EXPECT_EQ(db->Stats()->format_version, id);
      EXPECT_EQ(*db->OpenCollection("docs")->Count(), 15u);
      ExpectClean(*db);
    }
    const auto report = engine::UpgradeDatabase(place, {}, options_);
    VDB_ASSERT_OK(report);
    EXPECT_EQ(report->needed, id == 1);
    auto db = engine::OpenDatabase(place, options);
    VDB_ASSERT_OK(db);
    EXPECT_EQ(*db->ContentHash(), kGoldenHash);
  }
}

TEST_F(UpgradeTest, IsImportedFromAsItIs) {
  engine::EngineOptions options = options_;
  options.user.create_if_missing = true;
  auto other = engine::OpenDatabase(scratch_.path() + "/other", options);
  VDB_ASSERT_OK(other);
  VDB_ASSERT_OK(ImportDatabase(*other, Path(), {}));
  EXPECT_EQ(other->Stats()->format_version, 2u);
  EXPECT_EQ(*other->ContentHash(), kGoldenHash);
  ExpectClean(*other);
}

}  // namespace
}  // namespace vdb::testing
