// A database with every kind of file, its contents as text, and ways to damage its files: for tests
// of verify and repair.
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "format/ledger_record.h"
#include "tests/engine/engine_fixture.h"
#include "vdb/verify.h"

namespace vdb::testing {

inline std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// What a document is, by "collection/key"; vectors by "collection/key/column".
using Contents = std::map<std::string, std::string>;

class DamageTest : public EngineTest {
 protected:
  DamageTest() {
    options_.segment_rows_max = 24;
    options_.tombstones_max = 6;
  }

  // Sealed, open and indexed segments of two columns, order files, masks, tombstones, bodies,
  // ordered and text indexes, a second collection, several blocks in RocksDB's tables. `sync_last`:
  // the last batches are in RocksDB's log only, if the directory is copied before the close.
  void Fill(Database& db, int count = 150) {
    auto docs = MakeDocs(db);
    VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = 3}));
    VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
    VDB_ASSERT_OK(docs.AddFieldIndex({.field = "$body", .kind = FieldIndexKind::kText}));
    WriteBatch batch;
    for (int i = 0; i < count; ++i) {
      const std::string key = "key" + std::to_string(1000 + i);
      const std::vector<float> v = {float(i), 1 + float(i % 7)};
      const std::string metadata = "{\"n\":" + std::to_string(i % 11) + ",\"t\":\"" +
                                   Noise(i, 60) + "\"}";
      const std::string body = "word" + std::to_string(i % 5) + " " + Noise(i + 7, 100);
      DocumentView document = {.key = key, .metadata = metadata, .vectors = {{"v", v}}};
      if (i % 3 == 0) document.body = body;
      VDB_ASSERT_OK(docs.Put(document, {.sync = i % 16 == 0}));
    }
    for (int i = count - 1; i >= 0; i -= 2) {
      const std::vector<float> w = {float(i) + 1, 2, 3};
      VDB_ASSERT_OK(docs.SetVector("key" + std::to_string(1000 + i), "w", w, {.sync = false}));
    }
    for (int i = 0; i < count; i += 9) {
      VDB_ASSERT_OK(docs.Delete("key" + std::to_string(1000 + i), {.sync = false}));
    }
    const std::vector<float> queries = {1, 1, 9, 1, 20, 1};
    VDB_ASSERT_OK(docs.BuildIndex({.list_count = 3, .queries = {queries.data(), 3, 2}}));
    VDB_ASSERT_OK(docs.Delete("key1011"));
    auto other = db.CreateCollection("other");
    VDB_ASSERT_OK(other);
    VDB_ASSERT_OK(other->Put({.key = "plain", .metadata = "{\"a\":[1,2]}", .body = "body"}));
    for (int i = 0; i < 7; ++i) {
      VDB_ASSERT_OK(Put(docs, "late" + std::to_string(i), {0.5f, float(i)}, "{\"n\":-1}"));
    }
    VDB_ASSERT_OK(db.Flush());
  }

  // Letters that compress badly.
  static std::string Noise(int seed, int count) {
    std::string text;
    uint32_t state = static_cast<uint32_t>(seed) * 2654435761u + 1;
    for (int i = 0; i < count; ++i) {
      state = state * 1664525u + 1013904223u;
      text += static_cast<char>('a' + (state >> 24) % 26);
    }
    return text;
  }

  static void AddDocument(const std::string& collection, const Document& document,
                          Contents* contents) {
    const std::string name = collection + "/" + document.key;
    (*contents)[name] = document.metadata + "|" + document.body.value_or("(none)");
    for (const DocumentVector& vector : document.vectors) {
      std::string text(reinterpret_cast<const char*>(&vector.stored.norm), sizeof(double));
      text.append(reinterpret_cast<const char*>(vector.stored.unit.data()),
                  vector.stored.unit.size() * sizeof(float));
      (*contents)[name + "/" + vector.column] = text;
    }
  }

  static Contents ContentsOf(const Database& db) {
    Contents contents;
    for (const std::string collection : {"docs", "other"}) {
      auto docs = db.OpenCollection(collection);
      if (!docs.ok()) continue;
      auto it = docs->NewIterator();
      EXPECT_TRUE(it.ok()) << Text(it);
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        auto document = it->document();
        EXPECT_TRUE(document.ok()) << it->key() << ": " << Text(document);
        if (document.ok()) AddDocument(collection, *document, &contents);
      }
      EXPECT_TRUE(it->status().ok()) << Text(it->status());
    }
    return contents;
  }

  static std::vector<std::string> FilesOf(const std::string& root) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      const std::string name =
          std::filesystem::relative(entry.path(), root).generic_string();
      if (entry.is_regular_file()) files.push_back(name);
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  StatusOr<Database> OpenAt(const std::string& path, bool read_only) {
    engine::EngineOptions options = options_;
    options.user.read_only = read_only;
    options.user.create_if_missing = false;
    return engine::OpenDatabase(path, options);
  }

  // How much of a log or MANIFEST the ledger knows.
  uint64_t KnownBytes(const std::string& root, const std::string& file) {
    const auto record = format::DecodeLedger(ReadBytes(root + "/ledger"));
    EXPECT_TRUE(record.ok());
    for (const format::TrackedFile& tracked : record->files) {
      char name[32];
      std::snprintf(name, sizeof(name),
                    tracked.kind == format::TrackedKind::kManifest ? "MANIFEST-%06llu"
                                                                    : "%06llu.log",
                    static_cast<unsigned long long>(tracked.number));
      if (std::filesystem::path(file).filename() == name) return tracked.synced_bytes;
    }
    return 0;
  }

  // As docs/durability.md lists them.
  bool IsFree(const std::string& root, const std::string& file, uint64_t at) {
    const std::string name = std::filesystem::path(file).filename();
    if (name == "LOCK" || name == "IDENTITY" || name.starts_with("OPTIONS-")) return true;
    if (name.ends_with(".sst")) {  // the padding of its last 53 bytes
      const uint64_t size = std::filesystem::file_size(root + "/" + file);
      return at >= size - 53 && at < size - 12 && ReadBytes(root + "/" + file)[at] == '\0';
    }
    const bool log = name.ends_with(".log") || name.starts_with("MANIFEST-");
    return log && file.starts_with("docs-") && at >= KnownBytes(root, file);
  }

  // Empty: nothing was found.
  std::string Found(const std::string& path) {
    auto db = OpenAt(path, /*read_only=*/true);
    if (!db.ok()) return Text(db);
    const auto report = db->Verify({.level = VerifyLevel::kChecksums});
    EXPECT_TRUE(report.ok()) << Text(report);
    return report->problems.empty() ? "" : report->problems[0].message;
  }

  static std::string Describe(const RepairReport& report) {
    std::string text;
    for (const RepairLoss& loss : report.losses) {
      text += "lost: " + loss.file + " " + loss.collection + "/" + loss.key + "/" + loss.column +
              ": " + loss.message + "\n";
    }
    for (const auto& problem : report.verified.problems) {
      text += "problem: " + problem.file + " " + problem.where + ": " + problem.message + "\n";
    }
    return text;
  }

  // Whether the loss of one entry of the contents was announced.
  static bool Announced(const RepairReport& report, const std::string& name) {
    for (const RepairLoss& loss : report.losses) {
      if (loss.key.empty() && loss.column.empty() && loss.file.starts_with("docs-")) return true;
      const std::string document = loss.collection + "/" + loss.key;
      if (name == document || name == document + "/" + loss.column) return true;
      if (loss.column.empty() && name.starts_with(document + "/")) return true;
    }
    return false;
  }
};

}  // namespace vdb::testing
