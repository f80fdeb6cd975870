// Backups: what is restored equals the moment of its backup, bit for bit; what did not change is
// not written again.
#include "engine/backup.h"

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include "format/backup_record.h"
#include "format/status_macros.h"
#include "tests/engine/backup_fixture.h"
#include "tests/support/passing_file_system.h"

namespace vdb::testing {
namespace {

using ::testing::HasSubstr;

// What a test says is free.
struct NearlyFull final : PassingFileSystem {
  uint64_t free_bytes = UINT64_MAX;

  StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    // As the system does: of what is not there nothing is known.
    VDB_RETURN_IF_ERROR(PassingFileSystem::FreeBytes(path).status());
    return free_bytes;
  }
};

TEST_F(BackupTest, EveryBackupIsItsMoment) {
  auto db = Fill();
  std::vector<std::string> hashes, answers;
  const auto back_up = [&] {
    const BackupReport report = Backup(db);
    EXPECT_EQ(report.info.id, hashes.size() + 1);
    EXPECT_GT(report.info.document_count, 200u);
    EXPECT_EQ(report.info.collections.size(), db.ListCollections()->size());
    hashes.push_back(Hash(db));
    answers.push_back(Answers(db, "docs") + Answers(db, "other"));
  };
  back_up();
  auto docs = *db.OpenCollection("docs");
  for (int i = 40; i < 60; ++i) VDB_ASSERT_OK(PutOne(docs, i, "changed"));
  back_up();
  VDB_ASSERT_OK(docs.SetMetadata("key5", "{\"n\": 77}"));
  for (int i = 60; i < 75; ++i) docs.Delete("key" + std::to_string(i)).status().IgnoreError("");
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 5, .retrain = true}));
  back_up();
  VDB_ASSERT_OK(db.CreateCollection("empty"));
  VDB_ASSERT_OK(docs.DropColumn("w"));
  back_up();
  VDB_ASSERT_OK(db.Close());

  auto list = ListBackups(Dir());
  VDB_ASSERT_OK(list);
  ASSERT_EQ(list->size(), hashes.size());
  EXPECT_EQ(Problems(), "");
  for (size_t i = 0; i < hashes.size(); ++i) {
    SCOPED_TRACE("backup " + std::to_string(i + 1));
    const std::string name = "restored" + std::to_string(i);
    auto report = Restore(Dir(), To(name), {.backup_id = i + 1});
    VDB_ASSERT_OK(report);
    EXPECT_EQ(report->document_count, (*list)[i].document_count);
    EXPECT_GT(report->vector_count, 200u);
    EXPECT_FALSE(fs::exists(To(name) + ".restoring"));
    EXPECT_FALSE(fs::exists(To(name) + ".restoring.lock"));
    auto restored = OpenRestored(name);
    EXPECT_EQ(Hash(restored), hashes[i]);
    EXPECT_EQ(Answers(restored, "docs") + Answers(restored, "other"), answers[i]);
    ExpectClean(restored);
    // It goes on: writes, seals, folds, builds.
    auto c = *restored.OpenCollection("docs");
    for (int n = 300; n < 360; ++n) {
      const std::string key = "k" + std::to_string(n);
      const auto v = Vector(n, 4);
      VDB_ASSERT_OK(c.Put({.key = key, .vectors = {{"v", v}}}));
    }
    for (int n = 300; n < 320; ++n) VDB_ASSERT_OK(c.Delete("k" + std::to_string(n)));
    VDB_ASSERT_OK(c.BuildIndex({.column = "v", .list_count = 4, .thread_count = 1}));
    ExpectClean(restored);
    VDB_ASSERT_OK(restored.Close());
  }
}

// Everything it reads is replaced, sealed, masked or dropped while it reads.
TEST_F(BackupTest, WhileEverythingIsWrittenAnew) {
  auto db = Fill();
  const std::string hash = Hash(db), answers = Answers(db, "docs") + Answers(db, "other");
  auto docs = *db.OpenCollection("docs");
  int calls = 0;
  auto report = db.Backup(Dir(), {.progress = [&](const Progress&) {
                            for (int i = 0; i < 10; ++i) {
                              VDB_EXPECT_OK(PutOne(docs, 10 * calls + i, "anew"));
                            }
                            VDB_EXPECT_OK(docs.Delete("key" + std::to_string(10 * calls + 1)));
                            if (++calls == 5) VDB_EXPECT_OK(db.DropCollection("other"));
                            if (calls == 7) VDB_EXPECT_OK(docs.DropIndex("v"));
                            return true;
                          }});
  VDB_ASSERT_OK(report);
  EXPECT_GT(calls, 20);
  VDB_ASSERT_OK(db.Close());
  VDB_ASSERT_OK(Restore(Dir(), To()));
  auto restored = OpenRestored();
  EXPECT_EQ(Hash(restored), hash);
  EXPECT_EQ(Answers(restored, "docs") + Answers(restored, "other"), answers);
  ExpectClean(restored);
}

TEST_F(BackupTest, OfADatabaseWithNamedSnapshots) {
  auto db = Fill();
  VDB_ASSERT_OK(db.CreateSnapshot("then"));
  auto docs = *db.OpenCollection("docs");
  for (int i = 0; i < 60; ++i) VDB_ASSERT_OK(PutOne(docs, i, "now"));
  Backup(db);
  const std::string hash = Hash(db);
  VDB_ASSERT_OK(db.Close());
  VDB_ASSERT_OK(Restore(Dir(), To()));
  auto restored = OpenRestored();
  EXPECT_EQ(Hash(restored), hash);
  EXPECT_TRUE(restored.ListSnapshots()->empty());
  VDB_EXPECT_OK(restored.CreateSnapshot("then"));
  ExpectClean(restored);
}

TEST_F(BackupTest, WhatDidNotChangeIsNotWrittenAgain) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(docs.AddColumn("big", {.dimension = 512}));
  options_.segment_rows_max = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::string body =
        "body " + std::to_string(i * 7919) + std::string(600, char('a' + i % 26));
    const auto v = Vector(i, 512);
    VDB_ASSERT_OK(docs.Put({.key = key, .body = body, .vectors = {{"big", v}}}, {.sync = false}));
  }
  VDB_ASSERT_OK(db.Flush());
  const BackupReport first = Backup(db);
  EXPECT_GT(first.bytes_written, 5'000'000u);

  const BackupReport same = Backup(db);
  EXPECT_EQ(same.new_chunk_count, 0u);
  const uint64_t record = fs::file_size(Dir() + "/backups/" + format::BackupRecordName(2));
  EXPECT_EQ(same.bytes_written, record);
  EXPECT_LT(same.bytes_read, first.bytes_read / 2);  // sealed segments are not read again

  const auto one_more = Vector(1, 512);
  for (int i = 0; i < 3; ++i) VDB_ASSERT_OK(docs.SetMetadata("key150", "{\"a\": 1}"));
  VDB_ASSERT_OK(docs.Put({.key = "one more", .vectors = {{"big", one_more}}}));
  const BackupReport little = Backup(db);
  EXPECT_GT(little.new_chunk_count, 0u);
  EXPECT_LT(little.bytes_written, first.bytes_written / 3);

  // Another process, another RocksDB, other files of it: the same documents, the same chunks.
  VDB_ASSERT_OK(db.Close());
  VDB_ASSERT_OK(Restore(Dir(), To()));
  auto restored = OpenRestored();
  EXPECT_EQ(Backup(restored).new_chunk_count, 0u);
  VDB_ASSERT_OK(restored.Close());
}

TEST_F(BackupTest, WithoutRoomItDoesNotBegin) {
  NearlyFull full;
  options_.fs = &full;
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(docs.AddColumn("big", {.dimension = 512}));
  // Bodies that do not compress: what was written is what was there.
  std::mt19937 random(5);
  const auto put = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      std::string body(4000, ' ');
      for (char& c : body) c = static_cast<char>('!' + random() % 90);
      const auto v = Vector(i, 512);
      const std::string key = "key" + std::to_string(i);
      VDB_ASSERT_OK(docs.Put({.key = key, .body = body, .vectors = {{"big", v}}}, {.sync = false}));
    }
    VDB_ASSERT_OK(db.Flush());
  };
  put(0, 3000);  // 12 MB of documents, 6 MB of rows
  const auto expect_refused = [&](const Status& status) {
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr("bytes of disk are needed"));
    EXPECT_THAT(status.message(), HasSubstr(std::to_string(full.free_bytes) + " are free"));
  };
  full.free_bytes = 8'000'000;
  expect_refused(db.Backup(Dir()).status());
  EXPECT_FALSE(fs::exists(Dir()));
  full.free_bytes = 1u << 30;
  Backup(db);

  // Of the next one only what is new must fit, documents included.
  put(3000, 3040);
  full.free_bytes = 8'000'000;
  const BackupReport second = Backup(db);
  EXPECT_GT(second.new_chunk_count, 0u);
  EXPECT_LT(second.bytes_written, 4'000'000u);
  put(3040, 6000);
  const auto before = FilesBelow(Dir());
  expect_refused(db.Backup(Dir()).status());
  full.free_bytes = 0;
  expect_refused(db.Backup(Dir()).status());
  EXPECT_EQ(FilesBelow(Dir()), before);
  EXPECT_EQ(ListBackups(Dir())->size(), 2u);
  EXPECT_EQ(Problems(), "");

  const auto restore = [&] { return engine::RestoreWith(Dir(), To(), {}, options_).status(); };
  full.free_bytes = 12'000'000;
  expect_refused(restore());
  EXPECT_FALSE(fs::exists(To()));
  EXPECT_FALSE(fs::exists(To() + ".restoring"));
  EXPECT_FALSE(fs::exists(To() + ".restoring.lock"));
  full.free_bytes = 1u << 30;
  VDB_EXPECT_OK(restore());
}

TEST_F(BackupTest, OneCollection) {
  auto db = Fill();
  const std::string answers = Answers(db, "docs");
  Backup(db);
  VDB_ASSERT_OK(db.DropCollection("other"));
  const std::string hash = Hash(db);  // of docs alone
  VDB_ASSERT_OK(db.Close());

  VDB_ASSERT_OK(Restore(Dir(), To(), {.collection = "docs"}));
  auto restored = OpenRestored();
  EXPECT_EQ(*restored.ListCollections(), std::vector<std::string>{"docs"});
  EXPECT_EQ(Hash(restored), hash);
  EXPECT_EQ(Answers(restored, "docs"), answers);
  ExpectClean(restored);
  VDB_ASSERT_OK(restored.Close());
  EXPECT_LT(BytesBelow(To() + "/segments"), BytesBelow(Path() + "/segments") + 1);

  EXPECT_EQ(Restore(Dir(), To("x"), {.collection = "none"}).status().code(),
            StatusCode::kNotFound);
  EXPECT_FALSE(fs::exists(To("x")));
}

TEST_F(BackupTest, DropLeavesTheOthersWhole) {
  auto db = Fill();
  std::vector<std::string> hashes;
  for (int round = 0; round < 3; ++round) {
    Backup(db);
    hashes.push_back(Hash(db));
    auto docs = *db.OpenCollection("docs");
    for (int i = 0; i < 30; ++i) VDB_ASSERT_OK(PutOne(docs, i, "r" + std::to_string(round)));
  }
  VDB_ASSERT_OK(db.Close());
  const uint64_t before = BytesBelow(Dir());
  VDB_ASSERT_OK(DropBackup(Dir(), 2));
  EXPECT_LT(BytesBelow(Dir()), before);
  EXPECT_EQ(DropBackup(Dir(), 2).code(), StatusCode::kNotFound);
  EXPECT_EQ(Problems(), "");
  for (const uint64_t id : {1u, 3u}) {
    const std::string name = "r" + std::to_string(id);
    VDB_ASSERT_OK(Restore(Dir(), To(name), {.backup_id = id}));
    auto restored = OpenRestored(name);
    EXPECT_EQ(Hash(restored), hashes[id - 1]);
  }
  VDB_ASSERT_OK(DropBackup(Dir(), 1));
  VDB_ASSERT_OK(DropBackup(Dir(), 3));
  EXPECT_TRUE(FilesBelow(Dir() + "/chunks").empty());
  EXPECT_EQ(Restore(Dir(), To("none")).status().code(), StatusCode::kNotFound);
}

// From a reader beside a writer that writes: each backup is one of the writer's states.
TEST_F(BackupTest, OfAReaderBesideABusyWriter) {
  auto db = Open();
  auto docs = MakeDocs(db);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int n = 1; !stop; ++n) {  // document "last" and "row n" in one batch
      WriteBatch batch;
      const std::string key = "row" + std::to_string(n);
      const std::string metadata = "{\"n\": " + std::to_string(n) + "}";
      const std::vector<float> v = {float(n), 1};
      batch.Put({.key = key, .vectors = {{"v", v}}});
      batch.Put({.key = "last", .metadata = metadata});
      if (!docs.Write(batch, {.sync = false}).ok()) break;
      if (n % 50 == 0) docs.Delete("row" + std::to_string(n - 20)).status().IgnoreError("");
    }
  });
  for (int round = 0; round < 4; ++round) {
    auto reader = OpenReadOnly();
    VDB_EXPECT_OK(reader);
    if (!reader.ok()) break;
    Backup(*reader);
    const std::string hash = Hash(*reader);
    VDB_EXPECT_OK(reader->Close());
    Backup(db);  // of the writer itself, while it writes
    const std::string name = "r" + std::to_string(round);
    VDB_EXPECT_OK(Restore(Dir(), To(name), {.backup_id = uint64_t(round) * 2 + 1}));
    VDB_EXPECT_OK(Restore(Dir(), To(name + "w"), {.backup_id = uint64_t(round) * 2 + 2}));
    {
      auto restored = OpenRestored(name);
      EXPECT_EQ(Hash(restored), hash);
    }
    auto restored = OpenRestored(name + "w");
    ExpectClean(restored);
    auto c = *restored.OpenCollection("docs");
    auto last = c.Get("last");
    if (!last.ok()) continue;  // before the first batch
    const int n = std::stoi(last->metadata.substr(last->metadata.find(':') + 1));
    EXPECT_EQ(*c.Count(), uint64_t(n) - uint64_t(n / 50) + 1 +
                              (n % 50 == 0 && c.Get("row" + std::to_string(n - 20)).ok()));
  }
  stop = true;
  writer.join();
  EXPECT_EQ(Problems(), "");
  VDB_ASSERT_OK(db.Close());
}

}  // namespace
}  // namespace vdb::testing
