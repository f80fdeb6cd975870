// Backups: what is restored equals the moment of its backup, bit for bit; what did not change is
// not written again; damage anywhere in a backup directory is found and named.
#include "engine/backup.h"

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "format/backup_record.h"
#include "format/status_macros.h"
#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::vector<fs::path> FilesBelow(const std::string& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

uint64_t BytesBelow(const std::string& directory) {
  uint64_t bytes = 0;
  for (const fs::path& file : FilesBelow(directory)) bytes += fs::file_size(file);
  return bytes;
}

// What a test says is free.
class NearlyFull final : public storage::FileSystem {
 public:
  uint64_t free_bytes = UINT64_MAX;

  StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    // As the system does: of what is not there nothing is known.
    VDB_RETURN_IF_ERROR(base_->FreeBytes(path).status());
    return free_bytes;
  }
  StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                storage::OpenMode mode) override {
    return base_->Open(path, mode);
  }
  Status CreateDir(const std::string& path) override { return base_->CreateDir(path); }
  Status Rename(const std::string& a, const std::string& b) override { return base_->Rename(a, b); }
  Status Remove(const std::string& path) override { return base_->Remove(path); }
  Status RemoveDir(const std::string& path) override { return base_->RemoveDir(path); }
  StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return base_->List(path);
  }
  StatusOr<bool> Exists(const std::string& path) override { return base_->Exists(path); }
  StatusOr<bool> IsDir(const std::string& path) override { return base_->IsDir(path); }
  StatusOr<storage::FileInfo> Stat(const std::string& path) override { return base_->Stat(path); }
  Status SyncDir(const std::string& path) override { return base_->SyncDir(path); }

 private:
  storage::FileSystem* const base_ = storage::PosixFileSystem();
};

class BackupTest : public EngineTest {
 protected:
  BackupTest() {
    options_.segment_rows_max = 40;
    options_.tombstones_max = 6;
    options_.write_buffer_bytes = 64 << 10;
  }

  std::string Dir() const { return scratch_.path() + "/backups"; }
  std::string To(const std::string& name = "restored") const {
    return scratch_.path() + "/" + name;
  }

  static std::vector<float> Vector(int n, size_t dimension) {
    std::vector<float> v;
    for (size_t i = 0; i < dimension; ++i) {
      v.push_back(std::sin(float(n) * 1.7f + float(i) * float(n % 7 + 1)));
    }
    return v;
  }

  static Status PutOne(Collection& c, int n, const std::string& flavour) {
    const std::string key = "key" + std::to_string(n);
    const std::string metadata =
        "{\"n\": " + std::to_string(n) + ", \"kind\": \"" + flavour + "\"}";
    const std::string body = "the " + flavour + " body of number " + std::to_string(n) +
                             std::string(size_t(n % 5) * 300, 'x');
    const auto v = Vector(n, 4), w = Vector(n + 1, 6);
    if (n % 3 != 0) {
      return c.Put({.key = key, .metadata = metadata, .body = body, .vectors = {{"v", v}}})
          .status();
    }
    return c.Put({.key = key, .metadata = metadata, .body = body, .vectors = {{"v", v}, {"w", w}}})
        .status();
  }

  // Two collections, three columns of all metrics, field and text indexes, a vector index, masks,
  // tombstones, sealed and open segments.
  Database Fill() {
    auto db = Open();
    for (const char* name : {"docs", "other"}) {
      auto c = db.CreateCollection(name);
      EXPECT_TRUE(c.ok());
      VDB_EXPECT_OK(c->AddColumn("v", {.dimension = 4, .metric = Metric::kL2}));
      VDB_EXPECT_OK(c->AddColumn("w", {.dimension = 6, .metric = Metric::kDot, .model = "m"}));
      VDB_EXPECT_OK(c->AddFieldIndex({.field = "n"}));
      VDB_EXPECT_OK(c->AddFieldIndex({.field = "$body", .kind = FieldIndexKind::kText}));
      for (int i = 0; i < 150; ++i) VDB_EXPECT_OK(PutOne(*c, i, name));
      for (int i = 0; i < 150; i += 9) VDB_EXPECT_OK(c->Delete("key" + std::to_string(i)));
    }
    auto docs = *db.OpenCollection("docs");
    VDB_EXPECT_OK(docs.BuildIndex({.column = "v", .list_count = 4, .thread_count = 1}));
    for (int i = 200; i < 220; ++i) VDB_EXPECT_OK(PutOne(docs, i, "late"));
    VDB_EXPECT_OK(docs.Delete("key10"));
    return db;
  }

  // What the database answers: by index, exactly, by field and by text.
  static std::string Answers(Database& db, const std::string& collection) {
    auto c = db.OpenCollection(collection);
    if (!c.ok()) return Text(c);
    std::string text;
    const auto query = Vector(5, 4);
    for (const bool exact : {true, false}) {
      auto found = c->Search(VectorView(query), {.k = 30, .exact = exact, .column = "v"});
      if (!found.ok()) return Text(found);
      for (const Hit& hit : found->answers[0].hits) {
        text += hit.key + " " + std::to_string(hit.score) + " ";
      }
    }
    auto filter = Filter::Parse("n > 20 and n < 90");
    EXPECT_TRUE(filter.ok());
    auto count = c->Count(*filter);
    text += count.ok() ? std::to_string(*count) : Text(count);
    QueryRequest request;
    request.text = TextClause{.words = "body late"};
    auto ranked = c->Query(request);
    if (!ranked.ok()) return text + Text(ranked);
    for (const QueryHit& hit : ranked->hits) {
      text += " " + hit.document.key + " " + std::to_string(hit.score);
    }
    return text;
  }

  static std::string Hash(const Database& db) {
    auto hash = db.ContentHash();
    return hash.ok() ? *hash : Text(hash);
  }

  BackupReport Backup(Database& db) {
    auto report = db.Backup(Dir());
    EXPECT_TRUE(report.ok()) << Text(report);
    return report.ok() ? *report : BackupReport();
  }

  // Opens for writing, so that recovery runs on it, too.
  Database OpenRestored(const std::string& name = "restored") {
    engine::EngineOptions options = options_;
    options.user.create_if_missing = false;
    auto db = engine::OpenDatabase(To(name), options);
    EXPECT_TRUE(db.ok()) << Text(db);
    return std::move(db).value();
  }

  std::string Problems() const {
    auto report = VerifyBackups(Dir());
    if (!report.ok()) return Text(report);
    std::string text;
    for (const auto& problem : report->problems) {
      text += problem.file + " " + problem.where + ": " + problem.message + "\n";
    }
    return text;
  }

  // Of the largest chunk.
  fs::path SomeChunk() const {
    fs::path best;
    for (const fs::path& file : FilesBelow(Dir() + "/chunks")) {
      if (best.empty() || fs::file_size(file) > fs::file_size(best)) best = file;
    }
    return best;
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
