// What a backup refuses, and damage: anywhere in a backup directory it is found and named.
#include <random>
#include <string>

#include "format/backup_record.h"
#include "tests/engine/backup_fixture.h"

namespace vdb::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(BackupTest, Refusals) {
  auto db = Fill();
  Backup(db);
  const std::string hash = Hash(db);
  {  // another database
    engine::EngineOptions options;
    options.user.create_if_missing = true;
    auto other = engine::OpenDatabase(To("other-db"), options);
    VDB_ASSERT_OK(other);
    EXPECT_EQ(other->Backup(Dir()).status().code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(other->Backup(Path()).status().code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(other->Backup(To("bad"), {.compression_level = 0}).status().code(),
              StatusCode::kInvalidArgument);
  }
  int calls = 0;
  auto cancelled = db.Backup(To("new"), {.progress = [&](const Progress& progress) {
                               EXPECT_LE(progress.done_count, progress.total_count);
                               return ++calls < 20;
                             }});
  EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
  EXPECT_TRUE(ListBackups(To("new"))->empty());
  VDB_ASSERT_OK(db.Close());
  EXPECT_EQ(ListBackups(To("nowhere")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(ListBackups(Path()).status().code(), StatusCode::kUnsupportedFormat);
  EXPECT_EQ(VerifyBackups(Path()).status().code(), StatusCode::kUnsupportedFormat);
  EXPECT_EQ(Restore(Dir(), Path()).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Restore(Dir(), To(), {.backup_id = 9}).status().code(), StatusCode::kNotFound);
  RestoreOptions cancel;
  cancel.progress = [&](const Progress&) { return ++calls < 40; };
  EXPECT_EQ(Restore(Dir(), To(), cancel).status().code(), StatusCode::kCancelled);
  EXPECT_FALSE(fs::exists(To()));
  EXPECT_FALSE(fs::exists(To() + ".restoring"));
  fs::create_directory(To());  // an empty one is fine
  VDB_ASSERT_OK(Restore(Dir(), To()));
  auto restored = OpenRestored();
  EXPECT_EQ(Hash(restored), hash);
}

TEST_F(BackupTest, ADamagedDatabaseIsNotBackedUp) {
  { auto db = Fill(); }
  size_t tried = 0;
  for (const fs::path& file : FilesBelow(Path())) {
    const std::string name = file.filename();
    const bool ours = name.ends_with(".npy") || name.ends_with(".rows") ||
                      name.ends_with(".keys") || name.ends_with(".ivf") ||
                      name.ends_with(".vdbe") || name.find(".del-") != std::string::npos;
    if (!ours) continue;
    auto reader = OpenReadOnly();
    VDB_ASSERT_OK(reader);
    const std::string good = ReadFile(file);
    std::string bad = good;
    bad[bad.size() - 5] = static_cast<char>(bad[bad.size() - 5] ^ 4);
    {  // in place: the reader has it mapped
      std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
      out.write(bad.data(), static_cast<std::streamsize>(bad.size()));
    }
    fs::remove_all(Dir());
    const Status status = reader->Backup(Dir()).status();
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << name << ": " << Text(status);
    const std::string stem = name.substr(0, name.find('.'));
    EXPECT_THAT(status.message(), HasSubstr(stem)) << name;
    EXPECT_TRUE(ListBackups(Dir())->empty());
    std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
    out.write(good.data(), static_cast<std::streamsize>(good.size()));
    ++tried;
  }
  EXPECT_GT(tried, 10u);
}

TEST_F(BackupTest, DamageIsNamed) {
  {
    auto db = Fill();
    Backup(db);
  }
  const fs::path chunk = SomeChunk();
  const std::string name = chunk.filename(), good = ReadFile(chunk);
  const auto expect_named = [&](const std::string& what) {
    EXPECT_THAT(Problems(), HasSubstr(what));
    const Status status = Restore(Dir(), To()).status();
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << Text(status);
    EXPECT_THAT(status.message(), HasSubstr(what));
    EXPECT_FALSE(fs::exists(To()));
    EXPECT_FALSE(fs::exists(To() + ".restoring"));
  };
  std::string bad = good;
  bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
  WriteFile(chunk, bad);
  expect_named(name);
  WriteFile(chunk, good.substr(0, good.size() - 1));
  expect_named(name);
  fs::remove(chunk);
  expect_named(name);
  {  // the next backup makes it anew
    auto db = Open(false);
    Backup(db);
  }
  EXPECT_EQ(Problems(), "");
  for (const char* cut : {"flip", "cut", "empty"}) {
    const std::string record = Dir() + "/backups/000002.vdbb";
    const std::string whole = ReadFile(record);
    std::string damaged = whole;
    if (*cut == 'f') damaged[300] = static_cast<char>(damaged[300] ^ 8);
    if (*cut == 'c') damaged.pop_back();
    if (*cut == 'e') damaged.clear();
    WriteFile(record, damaged);
    expect_named("000002.vdbb");
    EXPECT_EQ(ListBackups(Dir()).status().code(), StatusCode::kCorruption);
    VDB_EXPECT_OK(Restore(Dir(), To("first"), {.backup_id = 1}));  // the other one is whole
    fs::remove_all(To("first"));
    WriteFile(record, whole);
  }
  EXPECT_EQ(Problems(), "");
  VDB_EXPECT_OK(Restore(Dir(), To()));
}

TEST_F(BackupTest, AFlippedByteAnywhereIsFound) {
  {
    auto db = Fill();
    Backup(db);
  }
  size_t flips = 0;
  for (const fs::path& file : FilesBelow(Dir())) {
    if (file.filename() == "LOCK") continue;
    const std::string good = ReadFile(file);
    ASSERT_FALSE(good.empty()) << file;
    for (const size_t at : {size_t{0}, size_t{9}, size_t{50}, good.size() / 2, good.size() - 1}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (flips % 8)));
      WriteFile(file, bad);
      // The largest files take all five, the others one: a verify reads everything.
      EXPECT_THAT(Problems(), HasSubstr(file.filename().string())) << "byte " << at;
      ++flips;
      if (flips % 5 != 0 && file.extension() == "") break;
    }
    WriteFile(file, good);
  }
  EXPECT_GT(flips, 20u);
  EXPECT_EQ(Problems(), "");
}

TEST_F(BackupTest, WhoeverReadsABackupKeepsIt) {
  {
    auto db = Fill();
    Backup(db);
  }
  RestoreOptions options;
  Status dropped;
  options.progress = [&](const Progress& progress) {
    if (progress.stage == "restore") dropped = DropBackup(Dir(), 1);
    return true;
  };
  VDB_ASSERT_OK(Restore(Dir(), To(), options));
  EXPECT_EQ(dropped.code(), StatusCode::kBusy) << Text(dropped);
  VDB_EXPECT_OK(DropBackup(Dir(), 1));
}

}  // namespace
}  // namespace vdb::testing
