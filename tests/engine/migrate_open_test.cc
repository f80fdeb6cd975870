// Where caches are found, what an open of a legacy folder does, and rolling back.
#include <random>

#include "engine/migrate_proof.h"
#include "tests/engine/migrate_fixture.h"

namespace vdb::testing {
namespace {

// --- places and sources ---

using Kind = engine::LegacyPlace::Kind;

TEST_F(MigrateTest, FindsCachesAndNothingElse) {
  auto& fs = *storage::PosixFileSystem();
  const auto find = [&](const std::string& path, bool by_name) {
    auto place = engine::FindLegacy(fs, path, by_name);
    EXPECT_TRUE(place.ok()) << Text(place);
    return place.ok() ? *place : std::nullopt;
  };
  const std::string root = source_.folder();
  ASSERT_TRUE(find(root, false));
  EXPECT_EQ(find(root, false)->kind, Kind::kNndex);
  EXPECT_TRUE(find(root + "/", false));
  std::filesystem::create_directories(root + "/.vemb");
  EXPECT_EQ(find(root, false)->kind, Kind::kNndex);  // an empty .vemb is no cache
  WriteFile(root + "/.vemb/cache.json", "{}");
  const auto both = find(root, false);
  EXPECT_EQ(both->kind, Kind::kVemb);
  ASSERT_EQ(both->warnings.size(), 1u);
  EXPECT_NE(both->warnings[0].find(".nndex"), std::string::npos);
  EXPECT_EQ(find(root + "/.nndex", true)->kind, Kind::kNndex);
  EXPECT_EQ(find(root + "/.vemb/cache.json", true)->kind, Kind::kVemb);
  EXPECT_EQ(find(root + "/.vemb", true)->DefaultDatabase(), root + "/.vdb");

  // A folder that merely holds some JSON is opened by nobody.
  const std::string other = scratch_ / "other";
  std::filesystem::create_directory(other);
  EXPECT_FALSE(find(other, true));
  WriteFile(other + "/a.json", "{}");
  EXPECT_FALSE(find(other, false));
  EXPECT_EQ(find(other, true)->kind, Kind::kJsonFile);
  EXPECT_EQ(find(other + "/a.json", false)->kind, Kind::kJsonFile);
  WriteFile(other + "/b.txt", "some text");
  EXPECT_FALSE(find(other, true));
  EXPECT_FALSE(find(other + "/b.txt", false));
}

TEST_F(MigrateTest, AFolderOfLogsIsOneSource) {
  auto& fs = *storage::PosixFileSystem();
  const std::string logs = scratch_ / "vault/.smart-env/multi";
  std::filesystem::create_directories(logs);
  const std::string parts[] = {"first", "", "the third\n", "x"};
  std::string joined;
  for (int i = 0; i < 4; ++i) {
    WriteFile(logs + "/" + std::to_string(i) + ".ajson", parts[i]);
    joined += parts[i] + "\n";
  }
  for (const char* name : {"vault", "vault/.smart-env", "vault/.smart-env/multi"}) {
    const auto place = engine::FindLegacy(fs, scratch_ / name, true);
    ASSERT_TRUE(place.ok() && *place) << name;
    EXPECT_EQ((*place)->kind, Kind::kAjsonFolder);
    EXPECT_EQ((*place)->files.size(), 4u);
    const auto opened = engine::OpenPlace(fs, **place);
    VDB_ASSERT_OK(opened);
    const format::ByteSource& source = *opened->sources.json;
    ASSERT_EQ(source.size(), joined.size());
    for (size_t from = 0; from <= joined.size(); ++from) {
      for (size_t size = 0; size <= joined.size() - from; ++size) {
        std::string part(size, '?');
        VDB_ASSERT_OK(source.ReadAt(from, std::span(part.data(), size)));
        EXPECT_EQ(part, joined.substr(from, size));
      }
    }
    char byte = 0;
    EXPECT_FALSE(source.ReadAt(joined.size(), std::span(&byte, 1)).ok());
  }
}

// Whatever was read, and in which order, the hash is the file's.
TEST_F(MigrateTest, SourcesHashWhatTheyRead) {
  std::string bytes(700'000, '\0');
  std::mt19937 random(1);
  for (char& c : bytes) c = static_cast<char>(random());
  const std::string path = scratch_ / "bytes";
  WriteFile(path, bytes);
  format::StreamingHash expected;
  expected.Update(bytes);
  for (int order = 0; order < 3; ++order) {
    const auto source = engine::FileSource::Open(*storage::PosixFileSystem(), path);
    VDB_ASSERT_OK(source);
    for (size_t i = 0; i < 20; ++i) {
      const size_t places[] = {i * 30'000, random() % 600'000, (19 - i) * 100};
      const size_t from = places[order];
      std::string part(40'000, '?');
      VDB_ASSERT_OK((*source)->ReadAt(from, std::span(part.data(), part.size())));
      EXPECT_EQ(part, bytes.substr(from, part.size()));
    }
    const auto hash = (*source)->Hash();
    VDB_ASSERT_OK(hash);
    EXPECT_EQ(*hash, expected.Digest128());
    std::filesystem::resize_file(path, bytes.size() - 1);
    std::string part(10, '?');
    EXPECT_EQ((*source)->ReadAt(bytes.size() - 10, std::span(part.data(), 10)).code(),
              StatusCode::kCorruption);
    EXPECT_EQ((*source)->CheckUnchanged(*storage::PosixFileSystem()).code(),
              StatusCode::kCorruption);
    WriteFile(path, bytes);
  }
}

// --- rollback ---

TEST_F(MigrateTest, RollbackTakesAwayWhatTheMigrationMade) {
  const std::string before = ReadFile(source_.file());
  const auto time = std::filesystem::last_write_time(source_.file());
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  const auto removed = RollbackMigration(source_.folder());
  VDB_ASSERT_OK(removed);
  EXPECT_EQ(*removed, source_.database());
  ExpectNothingMade();
  EXPECT_EQ(ReadFile(source_.file()), before);
  EXPECT_EQ(std::filesystem::last_write_time(source_.file()), time);
  EXPECT_EQ(RollbackMigration(source_.folder()).status().code(), StatusCode::kNotFound);
}

// Derived data is no reason to keep a database, nor is the history of the jobs that made it.
TEST_F(MigrateTest, RollbackTakesAwayIndexesToo) {
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  {
    auto db = Database::Open(source_.database());
    VDB_ASSERT_OK(db);
    VDB_EXPECT_OK(db->OpenCollection("docs")->BuildIndex());
    VDB_ASSERT_OK(db->Close());
  }
  ASSERT_TRUE(std::filesystem::exists(source_.database() + "/jobs"));
  VDB_EXPECT_OK(RollbackMigration(source_.folder()));
  ExpectNothingMade();
}

TEST_F(MigrateTest, RollbackKeepsNamedSnapshots) {
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  {
    auto db = Database::Open(source_.database());
    VDB_ASSERT_OK(db);
    VDB_EXPECT_OK(db->CreateSnapshot("mine"));
    VDB_ASSERT_OK(db->Close());
  }
  const auto refused = RollbackMigration(source_.folder());
  EXPECT_EQ(refused.status().code(), StatusCode::kFailedPrecondition) << Text(refused);
  {
    auto db = Database::Open(source_.database());
    VDB_ASSERT_OK(db);
    VDB_EXPECT_OK(db->DropSnapshot("mine"));
    VDB_ASSERT_OK(db->Close());
  }
  VDB_EXPECT_OK(RollbackMigration(source_.folder()));
}

TEST_F(MigrateTest, RollbackKeepsWhatWasWrittenSince) {
  const auto change = [&](const std::function<void(Database&)>& write) {
    std::filesystem::remove_all(source_.database());
    ASSERT_TRUE(source_.Migrate(MakeFakeCache(30)).ok());
    {
      auto db = Database::Open(source_.database());
      VDB_ASSERT_OK(db);
      write(*db);
      VDB_ASSERT_OK(db->Close());
    }
    const auto refused = RollbackMigration(source_.folder());
    EXPECT_EQ(refused.status().code(), StatusCode::kFailedPrecondition) << Text(refused);
    EXPECT_TRUE(std::filesystem::exists(source_.database() + "/CURRENT"));
  };
  change([](Database& db) { VDB_EXPECT_OK(db.OpenCollection("docs")->Put({.key = "new"})); });
  change([](Database& db) { VDB_EXPECT_OK(db.CreateCollection("more")); });
  change([](Database& db) {
    VDB_EXPECT_OK(db.OpenCollection("docs")->SetMetadata("key1\x80", "{}"));
  });
}

TEST_F(MigrateTest, RollbackNeedsTheDatabaseToItself) {
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  for (const bool read_only : {false, true}) {
    auto db = OpenFolder(read_only);
    VDB_ASSERT_OK(db);
    EXPECT_EQ(RollbackMigration(source_.folder()).status().code(),
              StatusCode::kFailedPrecondition);
    VDB_ASSERT_OK(db->Close());
  }
  WriteFile(source_.database() + "/mine.txt", "x");
  EXPECT_EQ(RollbackMigration(source_.folder()).status().code(), StatusCode::kFailedPrecondition);
  std::filesystem::remove(source_.database() + "/mine.txt");
  VDB_EXPECT_OK(RollbackMigration(source_.folder()));
}

TEST_F(MigrateTest, RollbackLeavesOtherDatabasesAlone) {
  {
    auto made = Database::Open(source_.database(), {.create_if_missing = true});
    VDB_ASSERT_OK(made);
  }
  EXPECT_EQ(RollbackMigration(source_.folder()).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Migrate(source_.folder()).status().code(), StatusCode::kFailedPrecondition);
}

// --- opens ---

TEST_F(MigrateTest, OpensOfTheFolderGoToItsDatabase) {
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  for (const bool read_only : {true, false}) {
    auto db = OpenFolder(read_only);
    VDB_ASSERT_OK(db);
    EXPECT_EQ(db->Stats()->path, source_.database());
    EXPECT_TRUE(log_.empty()) << log_[0];
  }
  WriteFile(source_.file(), "something else");
  auto db = OpenFolder();
  VDB_ASSERT_OK(db);
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("vdbtool migrate"), std::string::npos) << log_[0];
}

TEST_F(MigrateTest, AReadOnlyOpenOfALegacyFolderWritesNothing) {
  EXPECT_EQ(OpenFolder(true).status().code(), StatusCode::kFailedPrecondition);
  DatabaseOptions forbidden;
  forbidden.migrate_legacy = false;
  const auto refused = Database::Open(source_.folder(), forbidden);
  EXPECT_EQ(refused.status().code(), StatusCode::kUnsupportedFormat);
  EXPECT_NE(refused.status().message().find("vdbtool migrate"), std::string::npos);
  ExpectNothingMade();
}

TEST_F(MigrateTest, EveryFlippedByteOfTheRecordIsFoundAndHarmless) {
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  const std::string path = source_.database() + "/MIGRATED";
  const std::string good = ReadFile(path);
  ASSERT_GT(good.size(), 64u);
  for (size_t i = 0; i <= good.size(); ++i) {
    std::string bad = good;
    if (i == good.size()) {
      bad += 'x';
    } else {
      bad[i] = static_cast<char>(bad[i] ^ 0x10);
    }
    WriteFile(path, bad);
    EXPECT_FALSE(engine::ReadMigrationRecord(*storage::PosixFileSystem(), source_.database()).ok())
        << i;
    if (i % 40 != 0) continue;
    log_.clear();
    auto db = OpenFolder(/*read_only=*/true);
    VDB_ASSERT_OK(db);
    ASSERT_EQ(log_.size(), 1u);
    EXPECT_EQ(log_[0][0], '2') << log_[0];
    const auto report = db->Verify();
    VDB_ASSERT_OK(report);
    ASSERT_EQ(report->problem_count, 1u) << i;
    EXPECT_EQ(report->problems[0].file, "MIGRATED");
  }
}

}  // namespace
}  // namespace vdb::testing
