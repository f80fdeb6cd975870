// The database that the tests of backups copy: every kind of file and index, and what it answers.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/backup.h"
#include "tests/engine/engine_fixture.h"
#include "tests/support/whole_file.h"

namespace vdb::testing {

namespace fs = std::filesystem;

inline std::vector<fs::path> FilesBelow(const std::string& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline uint64_t BytesBelow(const std::string& directory) {
  uint64_t bytes = 0;
  for (const fs::path& file : FilesBelow(directory)) bytes += fs::file_size(file);
  return bytes;
}

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

}  // namespace vdb::testing
