// Repair: whatever single file is damaged, cut or gone, the repaired database verifies clean, and
// holds every document and vector bit for bit that is not announced as lost.
#include <map>
#include <random>

#include "tests/crash/recorded_run.h"
#include "tests/engine/damage_fixture.h"
#include "vdb/backup.h"
#include "vdb/verify.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

class RepairTest : public DamageTest {
 protected:
  // A closed database, and one as a killed writer leaves it: with a live log.
  void Make() {
    auto db = Open();
    Fill(db);
    auto docs = *db.OpenCollection("docs");
    fs::copy(Path(), scratch_ / "killed", fs::copy_options::recursive);
    contents_ = ContentsOf(db);
    VDB_ASSERT_OK(db.Close());
  }

  // The repaired database against what was there. Gives the number of entries that are gone.
  size_t Compare(const std::string& path, const RepairReport& report, const std::string& what) {
    EXPECT_EQ(report.verified.problem_count, 0u) << what << "\n" << Describe(report);
    auto db = OpenAt(path, /*read_only=*/false);
    EXPECT_TRUE(db.ok()) << what << ": " << Text(db) << "\n" << Describe(report);
    if (!db.ok()) return 0;
    const Contents found = ContentsOf(*db);
    size_t gone = 0;
    for (const auto& [name, value] : contents_) {
      const auto it = found.find(name);
      if (it != found.end() && it->second == value) continue;
      ++gone;
      EXPECT_TRUE(Announced(report, name))
          << what << ": " << name << (it == found.end() ? " is gone" : " is different")
          << ", and nobody said so\n" << Describe(report);
    }
    for (const auto& [name, value] : found) {
      if (report.loss_count > 0) break;
      EXPECT_TRUE(contents_.contains(name)) << what << ": " << name;
    }
    // It goes on as a database.
    auto docs = *db->OpenCollection("docs");
    VDB_EXPECT_OK(Put(docs, "after", {3, 4}));
    VDB_EXPECT_OK(docs.BuildIndex({.list_count = 2}));
    ExpectClean(*db);
    VDB_EXPECT_OK(db->Close());
    return gone;
  }

  std::string Copy(const std::string& from) {
    const std::string path = scratch_ / "copy";
    fs::remove_all(path);
    fs::copy(from, path, fs::copy_options::recursive);
    return path;
  }

  StatusOr<RepairReport> Mend(const std::string& path, bool dry_run = false) {
    return Repair(path, {.dry_run = dry_run});
  }

  Contents contents_;
};

TEST_F(RepairTest, AWholeDatabaseIsLeftAlone) {
  Make();
  std::map<std::string, std::string> before;
  for (const auto& file : FilesOf(Path())) before[file] = ReadBytes(Path() + "/" + file);
  const auto report = Mend(Path());
  VDB_ASSERT_OK(report);
  EXPECT_FALSE(report->needed);
  EXPECT_EQ(report->loss_count, 0u);
  for (const auto& file : FilesOf(Path())) {
    if (file == "LOCK") continue;
    EXPECT_EQ(ReadBytes(Path() + "/" + file), before[file]) << file;
  }
  EXPECT_EQ(Repair(scratch_ / "nothing").status().code(), StatusCode::kNotFound);
  fs::create_directory(scratch_ / "empty");
  EXPECT_EQ(Repair(scratch_ / "empty").status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(fs::is_empty(scratch_ / "empty"));
  auto db = Open(false);
  EXPECT_EQ(Repair(Path()).status().code(), StatusCode::kBusy);
}

// Every file of both databases: a byte flipped, cut in the middle, removed. The short run does one
// of the three to each file.
TEST_F(RepairTest, AnyOneFileDamaged) {
  Make();
  std::mt19937 random(3);
  size_t repairs = 0, unneeded = 0, turn = 0;
  std::map<std::string, size_t> gone;  // by what was damaged
  const std::vector<std::string> kinds =
      LongRun() ? std::vector<std::string>{"flipped", "flipped", "flipped", "flipped", "flipped",
                                           "flipped", "cut", "removed"}
                : std::vector<std::string>{"flipped", "cut", "removed"};
  for (const std::string& from : {Path(), scratch_ / "killed"}) {
    for (const std::string& file : FilesOf(from)) {
      if (file == "LOCK") continue;
      const bool again = from != Path() && fs::exists(Path() + "/" + file) &&
                         ReadBytes(Path() + "/" + file) == ReadBytes(from + "/" + file);
      if (again && !LongRun()) continue;  // had its turn in the closed database
      ++turn;
      for (const std::string& kind : kinds) {
        if (!LongRun() && &kind != &kinds[turn % kinds.size()]) continue;
        const std::string path = Copy(from), damaged = path + "/" + file;
        const std::string bytes = ReadBytes(damaged);
        if (bytes.empty()) continue;
        std::string what = fs::path(from).filename().string() + " " + file + " " + kind;
        if (kind == "flipped") {
          std::string flipped = bytes;
          const size_t at = random() % bytes.size();
          what += " at " + std::to_string(at);
          flipped[at] = static_cast<char>(flipped[at] ^ (1 << random() % 8));
          WriteBytes(damaged, flipped);
        } else if (kind == "cut") {
          fs::resize_file(damaged, random() % bytes.size());
        } else {
          fs::remove(damaged);
        }
        const auto report = Mend(path);
        ASSERT_TRUE(report.ok()) << what << ": " << Text(report);
        ++repairs;
        if (!report->needed) {
          ++unneeded;
          continue;
        }
        const std::string kind_of_file = file.starts_with("docs-") ? "RocksDB's " : "";
        gone[kind_of_file + fs::path(file).extension().string()] += Compare(path, *report, what);
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
  std::cout << repairs << " repairs, " << unneeded << " not needed. Losses, all announced:\n";
  for (const auto& [kind, count] : gone) std::cout << "  " << kind << ": " << count << "\n";
}

// The blocks behind the documents of a table: filters, indexes, properties, the footer. A filter
// only saves reads, so a damaged one must not cost its table, nor the repair.
TEST_F(RepairTest, TheEndsOfTablesDamaged) {
  Make();
  size_t repairs = 0, gone = 0;
  for (const std::string& file : FilesOf(Path())) {
    if (!file.ends_with(".sst")) continue;
    const std::string bytes = ReadBytes(Path() + "/" + file);
    const size_t from = bytes.size() < 2600 ? 0 : bytes.size() - 2600;
    for (size_t at = from; at < bytes.size(); at += LongRun() ? 37 : 260) {
      const std::string path = Copy(Path());
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
      WriteBytes(path + "/" + file, flipped);
      const std::string what = file + " at " + std::to_string(at);
      const auto report = Mend(path);
      ASSERT_TRUE(report.ok()) << what << ": " << Text(report);
      ++repairs;
      if (report->needed) gone += Compare(path, *report, what);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(repairs, 0u);
  std::cout << repairs << " repairs, " << gone << " entries gone, all announced\n";
}

// Several files at once. What the ledger and a log both lost nobody can name, so only this is
// asked: what comes out is whole in itself, or the repair says that nothing can be saved.
TEST_F(RepairTest, SeveralFilesDamaged) {
  Make();
  std::mt19937 random(LongRun() ? 17 : 5);
  size_t saved = 0, kept = 0;
  const size_t rounds = LongRun() ? 400 : 12;
  for (size_t round = 0; round < rounds; ++round) {
    const std::string path = Copy(round % 2 == 0 ? Path() : scratch_ / "killed");
    const auto files = FilesOf(path);
    std::string what = "round " + std::to_string(round);
    for (int i = 0; i < 3; ++i) {
      const std::string file = path + "/" + files[random() % files.size()];
      std::string bytes = fs::exists(file) ? ReadBytes(file) : "";
      if (bytes.empty()) continue;
      what += ", " + fs::path(file).filename().string();
      const size_t at = random() % bytes.size();
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      if (random() % 3 == 0) bytes.resize(at);
      random() % 5 == 0 ? static_cast<void>(fs::remove(file)) : WriteBytes(file, bytes);
    }
    const auto report = Mend(path);
    if (!report.ok()) {
      EXPECT_EQ(report.status().code(), StatusCode::kCorruption) << what << ": " << Text(report);
      continue;
    }
    EXPECT_EQ(report->verified.problem_count, 0u) << what << "\n" << Describe(*report);
    auto db = OpenAt(path, /*read_only=*/false);
    ASSERT_TRUE(db.ok()) << what << ": " << Text(db);
    kept += ContentsOf(*db).size();
    ++saved;
    if (HasFailure()) return;
  }
  std::cout << saved << " of " << rounds << " saved, with " << kept / std::max<size_t>(saved, 1)
            << " of " << contents_.size() << " entries on average\n";
}

// Until it is repaired, the rest is served, and the row is named.
TEST_F(RepairTest, ADamagedRowIsAnErrorAndTheRestIsServed) {
  auto db = Open();
  auto docs = MakeDocs(db);
  for (int i = 0; i < 20; ++i) {
    VDB_ASSERT_OK(Put(docs, "key" + std::to_string(i), {float(i), 1}));
  }
  VDB_ASSERT_OK(db.Close());
  const std::string file = Path() + "/segments/000001.npy";
  std::string bytes = ReadBytes(file);
  bytes[4096 + 7 * 8] = static_cast<char>(bytes[4096 + 7 * 8] ^ 1);
  WriteBytes(file, bytes);
  db = Open(false);
  docs = *db.OpenCollection("docs");
  for (int i = 0; i < 20; ++i) {
    const auto document = docs.Get("key" + std::to_string(i));
    if (i != 7) VDB_EXPECT_OK(document);
    const auto found = docs.Search(VectorView(std::vector<float>{float(i), 1}), {.k = 1});
    if (i != 7) VDB_EXPECT_OK(found);
    if (i != 7) continue;
    EXPECT_EQ(document.status().code(), StatusCode::kCorruption);
    EXPECT_EQ(found.status().code(), StatusCode::kCorruption);
    EXPECT_NE(found.status().message().find("000001.npy' row 7"), std::string::npos);
    EXPECT_NE(found.status().message().find("vdbtool repair"), std::string::npos);
  }
  VDB_EXPECT_OK(docs.Get("key7", {}, {.vectors = false}));
}

// What one damaged row takes with it is its vector, and nothing else.
TEST_F(RepairTest, ADamagedRowLosesItsVectorOnly) {
  Make();
  auto db = Open(false);
  VDB_ASSERT_OK(db.Close());
  std::string file;
  for (const std::string& name : FilesOf(Path())) {
    if (name.ends_with(".npy")) file = name;  // the last one is an open segment
  }
  std::string bytes = ReadBytes(Path() + "/" + file);
  bytes[4096 + 9] = static_cast<char>(bytes[4096 + 9] ^ 4);
  WriteBytes(Path() + "/" + file, bytes);
  const std::string before = ReadBytes(Path() + "/CURRENT");
  const auto planned = Mend(Path(), /*dry_run=*/true);
  VDB_ASSERT_OK(planned);
  EXPECT_EQ(ReadBytes(Path() + "/CURRENT"), before);
  EXPECT_FALSE(fs::exists(Path() + "/quarantine"));
  const auto report = Mend(Path());
  VDB_ASSERT_OK(report);
  ASSERT_EQ(report->loss_count, 1u) << Describe(*report);
  EXPECT_FALSE(report->losses[0].key.empty());
  EXPECT_FALSE(report->losses[0].column.empty());
  ASSERT_EQ(planned->loss_count, 1u) << Describe(*planned);
  EXPECT_EQ(planned->losses[0].key, report->losses[0].key);
  EXPECT_EQ(planned->losses[0].message, report->losses[0].message);
  EXPECT_EQ(planned->documents_kept, report->documents_kept);
  EXPECT_EQ(planned->vectors_kept, report->vectors_kept);
  // The damaged file is kept as it was.
  bool kept = false;
  for (const std::string& name : report->quarantined) {
    kept |= name.ends_with(".npy") && ReadBytes(Path() + "/" + name) == bytes;
  }
  EXPECT_TRUE(kept);
  EXPECT_EQ(Compare(Path(), *report, "one row"), 1u);
}

// What a repair made is a database like any other: opened again, kept under a name, backed up,
// and repaired once more.
TEST_F(RepairTest, ARepairedDatabaseIsOneLikeAnyOther) {
  Make();
  for (int round = 0; round < 2; ++round) {
    for (const std::string& file : FilesOf(Path())) {
      if (file.starts_with("ledger")) fs::resize_file(Path() + "/" + file, 100);
    }
    const auto report = Mend(Path());
    VDB_ASSERT_OK(report);
    EXPECT_EQ(report->loss_count, 0u) << Describe(*report);
    EXPECT_TRUE(fs::exists(Path() + "/docs-00000" + std::to_string(round + 2)));
    auto db = Open(false);
    EXPECT_TRUE(ContentsOf(db) == contents_);
    const std::string name = "kept" + std::to_string(round);
    VDB_ASSERT_OK(db.CreateSnapshot(name));
    VDB_ASSERT_OK(db.Backup(scratch_ / "backups"));
    VDB_ASSERT_OK(db.Compact());
    ExpectClean(db);
    VDB_ASSERT_OK(db.Close());
    VDB_ASSERT_OK(Restore(scratch_ / "backups", scratch_ / name));
    auto restored = OpenAt(scratch_ / name, /*read_only=*/false);
    VDB_ASSERT_OK(restored);
    EXPECT_TRUE(ContentsOf(*restored) == contents_);
    ExpectClean(*restored);
  }
  auto db = Open(false);
  const auto snapshots = db.ListSnapshots();
  VDB_ASSERT_OK(snapshots);
  EXPECT_EQ(snapshots->size(), 2u);
}

// A named snapshot that needs a damaged file is lost whole, and said so; others stay.
TEST_F(RepairTest, ADamagedSnapshotIsLost) {
  auto db = Open();
  Fill(db, 60);
  VDB_ASSERT_OK(db.CreateSnapshot("one"));
  VDB_ASSERT_OK(db.CreateSnapshot("two"));
  contents_ = ContentsOf(db);
  VDB_ASSERT_OK(db.Close());
  for (const std::string& file : FilesOf(Path() + "/snapshots/000001")) {
    if (!file.ends_with("/CURRENT")) continue;
    WriteBytes(Path() + "/snapshots/000001/" + file, "MANIFEST-999999\n");
  }
  const auto report = Mend(Path());
  VDB_ASSERT_OK(report);
  ASSERT_EQ(report->loss_count, 1u) << Describe(*report);
  EXPECT_NE(report->losses[0].message.find("'one'"), std::string::npos) << Describe(*report);
  EXPECT_EQ(report->verified.problem_count, 0u) << Describe(*report);
  db = Open(false);
  const auto snapshots = db.ListSnapshots();
  VDB_ASSERT_OK(snapshots);
  ASSERT_EQ(snapshots->size(), 1u);
  EXPECT_EQ(snapshots->front().name, "two");
  EXPECT_TRUE(ContentsOf(db) == contents_);
}

// Losing a sidecar, an index or a mask loses nothing.
TEST_F(RepairTest, WhatIsDerivedIsBuiltAnew) {
  Make();
  for (const std::string& file : FilesOf(Path())) {
    const std::string ending = fs::path(file).extension();
    const bool derived = ending == ".keys" || ending == ".order" || ending == ".sums" ||
                         ending == ".ivf" || ending == ".vdbe" || ending == ".vdbm" ||
                         ending.starts_with(".del-") || file == "CURRENT" || file == "ledger";
    if (!derived) continue;
    const std::string path = Copy(Path());
    fs::remove(path + "/" + file);
    const auto report = Mend(path);
    ASSERT_TRUE(report.ok()) << file << ": " << Text(report);
    EXPECT_EQ(report->loss_count, 0u) << file << "\n" << Describe(*report);
    EXPECT_EQ(Compare(path, *report, file), 0u);
  }
}

}  // namespace
}  // namespace vdb::testing
