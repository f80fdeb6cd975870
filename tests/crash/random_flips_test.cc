// Random single bytes, over all files of a database and of its backups, are changed one at a time.
// Each is found by verify, or is one of those that docs/durability.md lists as free to change: then
// no contents change with it. Repair after each loses only what it announces, named snapshots
// included. A damaged backup is refused by a restore and harms no other; once those that verify
// names are dropped, the next backup is whole.
#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include "tests/crash/recorded_run.h"
#include "tests/engine/damage_fixture.h"
#include "vdb/backup.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kSnapshot[] = "kept";

// What came of the flips in one kind of file.
struct Tally {
  size_t found = 0, free = 0, lost = 0;
};

class RandomFlipsTest : public DamageTest {
 protected:
  // A closed database, one as a killed writer leaves it, and two backups that share most.
  void Make() {
    auto db = Open();
    Fill(db);
    VDB_ASSERT_OK(db.CreateSnapshot(kSnapshot));
    snapshot_ = ContentsOf(db);
    VDB_ASSERT_OK(db.Backup(Backups()));
    auto docs = *db.OpenCollection("docs");
    for (int i = 0; i < 5; ++i) VDB_ASSERT_OK(Put(docs, "last" + std::to_string(i), {1, float(i)}));
    VDB_ASSERT_OK(db.Backup(Backups()));
    fs::copy(Path(), Killed(), fs::copy_options::recursive);
    contents_ = ContentsOf(db);
    VDB_ASSERT_OK(db.Close());
  }

  std::string Killed() const { return scratch_.path() + "/killed"; }
  std::string Backups() const { return scratch_.path() + "/backups"; }
  std::string Copy(const std::string& from) {
    const std::string path = scratch_ / "copy";
    fs::remove_all(path);
    fs::copy(from, path, fs::copy_options::recursive);
    return path;
  }

  // One flip: a byte of a file below `root`, and what it becomes.
  struct Flip {
    std::string root, file;
    uint64_t at = 0;
    char mask = 1;
    std::string What() const {
      return fs::path(root).filename().string() + "/" + file + " byte " + std::to_string(at);
    }
  };

  // Every other one is a random byte of all bytes, so that large files have their share; the rest
  // are of a random file, so that small ones have it.
  Flip Choose(const std::vector<std::pair<std::string, std::string>>& files) {
    std::vector<double> weights;
    const bool by_bytes = turn_++ % 2 == 0;
    for (const auto& [root, file] : files) {
      const auto bytes = static_cast<double>(fs::file_size(root + "/" + file));
      weights.push_back(by_bytes ? bytes : bytes > 0 ? 1 : 0);
    }
    std::discrete_distribution<size_t> which(weights.begin(), weights.end());
    Flip flip;
    std::tie(flip.root, flip.file) = files[which(random_)];
    flip.at = random_() % fs::file_size(flip.root + "/" + flip.file);
    flip.mask = static_cast<char>(1 + random_() % 255);
    return flip;
  }

  static void Apply(const Flip& flip, const std::string& root) {
    std::string bytes = ReadBytes(root + "/" + flip.file);
    bytes[flip.at] = static_cast<char>(bytes[flip.at] ^ flip.mask);
    WriteBytes(root + "/" + flip.file, bytes);
  }

  void TryDatabase(const Flip& flip, Tally* tally) {
    const bool is_free = IsFree(flip.root, flip.file, flip.at);
    const std::string path = Copy(flip.root);
    Apply(flip, path);
    const std::string problem = Found(path);
    EXPECT_TRUE(!problem.empty() || is_free) << "not found";
    ++(problem.empty() ? tally->free : tally->found);
    const auto report = Repair(path);
    ASSERT_TRUE(report.ok()) << Text(report);
    EXPECT_TRUE(report->needed || problem.empty()) << "found, not repaired: " << problem;
    EXPECT_EQ(report->verified.problem_count, 0u) << Describe(*report);
    EXPECT_TRUE(!problem.empty() || report->loss_count == 0) << Describe(*report);
    const auto repaired = OpenAt(path, /*read_only=*/true);
    ASSERT_TRUE(repaired.ok()) << Text(repaired) << "\n" << Describe(*report);
    ExpectOnlyAnnounced(*repaired, contents_, *report, tally);
    ExpectSnapshot(path, *repaired, *report, MayNeed(flip.file), tally);
  }

  void ExpectOnlyAnnounced(const Database& db, const Contents& right, const RepairReport& report,
                           Tally* tally) {
    const Contents found = ContentsOf(db);
    for (const auto& [name, value] : right) {
      const auto it = found.find(name);
      if (it != found.end() && it->second == value) continue;
      ++tally->lost;
      EXPECT_TRUE(Announced(report, name)) << name << " is not as it was\n" << Describe(report);
    }
    for (const auto& [name, value] : found) {
      EXPECT_TRUE(right.contains(name) || report.loss_count > 0) << name << " was not there";
    }
  }

  // Whether the named snapshot shares the file; RocksDB's tables are hard links.
  static bool MayNeed(const std::string& file) {
    return file.starts_with("snapshots/") || file.starts_with("segments/") ||
           file.starts_with("epochs/") || file.ends_with(".sst");
  }

  void ExpectSnapshot(const std::string& path, const Database& db, const RepairReport& report,
                      bool may_be_lost, Tally* tally) {
    const auto snapshots = db.ListSnapshots();
    VDB_ASSERT_OK(snapshots);
    if (snapshots->empty()) {
      ++tally->lost;
      EXPECT_TRUE(may_be_lost) << Describe(report);
      EXPECT_NE(Describe(report).find("named snapshot"), std::string::npos) << Describe(report);
      return;
    }
    engine::EngineOptions options = options_;
    options.user.read_only = true;
    options.user.create_if_missing = false;
    options.user.as_of = kSnapshot;
    const auto as_of = engine::OpenDatabase(path, options);
    ASSERT_TRUE(as_of.ok()) << Text(as_of) << "\n" << Describe(report);
    EXPECT_TRUE(ContentsOf(*as_of) == snapshot_) << Describe(report);
  }

  void TryBackups(const Flip& flip, Tally* tally) {
    const std::string path = Copy(flip.root);
    Apply(flip, path);
    const auto report = VerifyBackups(path);
    const bool found = !report.ok() || report->problem_count > 0;
    EXPECT_TRUE(found || fs::path(flip.file).filename() == "LOCK") << "not found";
    ++(found ? tally->found : tally->free);
    size_t refused = 0;
    for (const uint64_t id : {uint64_t{1}, uint64_t{2}}) {
      const Status restored = TryRestore(path, id, id == 1 ? snapshot_ : contents_);
      if (restored.ok()) continue;
      EXPECT_EQ(restored.code(), StatusCode::kCorruption) << Text(restored);
      ++refused;
    }
    EXPECT_TRUE(found || refused == 0);
    tally->lost += refused;
    if (found && flip.file != "BACKUP") MendBackups(path, *report);
  }

  // As docs/backup.md says: drop those that verify names, and back up again.
  void MendBackups(const std::string& path, const VerifyReport& report) {
    for (const uint64_t id : {uint64_t{1}, uint64_t{2}}) {
      bool named = false;
      for (const VerifyProblem& problem : report.problems) {
        const size_t list = problem.where.find("of backup ");
        named |= problem.file.ends_with("00000" + std::to_string(id) + ".vdbb") ||
                 (list != std::string::npos &&
                  problem.where.find(std::to_string(id), list) != std::string::npos);
      }
      if (named) {
        VDB_EXPECT_OK(DropBackup(path, id));
      } else {
        VDB_EXPECT_OK(TryRestore(path, id, id == 1 ? snapshot_ : contents_));
      }
    }
    auto db = OpenAt(Path(), /*read_only=*/true);
    VDB_ASSERT_OK(db);
    const auto next = db->Backup(path);
    VDB_ASSERT_OK(next);
    VDB_EXPECT_OK(TryRestore(path, next->info.id, contents_));
    const auto verified = VerifyBackups(path);
    VDB_ASSERT_OK(verified);
    EXPECT_EQ(verified->problem_count, 0u) << verified->problems[0].message;
  }

  Status TryRestore(const std::string& from, uint64_t id, const Contents& right) {
    const std::string to = scratch_ / "restored";
    const auto report = Restore(from, to, {.backup_id = id});
    if (!report.ok()) {
      EXPECT_FALSE(fs::exists(to)) << "half a restore";
      return report.status();
    }
    const auto db = OpenAt(to, /*read_only=*/true);
    EXPECT_TRUE(db.ok()) << Text(db);
    EXPECT_TRUE(!db.ok() || ContentsOf(*db) == right) << "restored, but not as it was";
    fs::remove_all(to);
    return Status::Ok();
  }

  Contents contents_, snapshot_;
  std::mt19937 random_{14};
  size_t turn_ = 0;
};

std::string KindOf(const std::string& root, const std::string& file) {
  if (root.ends_with("/backups")) return "backup";
  std::string kind = fs::path(file).extension();
  const std::string name = fs::path(file).filename();
  if (kind.empty()) kind = name.substr(0, name.find('-'));
  return file.find("docs-") != std::string::npos ? "RocksDB " + kind
                                                 : kind.substr(0, kind.find('-'));
}

TEST_F(RandomFlipsTest, EachIsFoundAndRepairLosesOnlyWhatItAnnounces) {
  Make();
  std::vector<std::pair<std::string, std::string>> files;
  for (const std::string& root : {Path(), Killed(), Backups()}) {
    for (const std::string& file : FilesOf(root)) files.emplace_back(root, file);
  }
  const size_t wanted = LongRun() ? 2000 : 200 / Thinning();
  std::map<std::string, Tally> tallies;
  Tally sum;
  for (size_t n = 0; sum.found < wanted; ++n) {
    const Flip flip = Choose(files);
    SCOPED_TRACE(flip.What());
    Tally one;
    flip.root == Backups() ? TryBackups(flip, &one) : TryDatabase(flip, &one);
    if (HasFailure()) return;
    for (Tally* tally : {&sum, &tallies[KindOf(flip.root, flip.file)]}) {
      tally->found += one.found;
      tally->free += one.free;
      tally->lost += one.lost;
    }
  }
  for (const auto& [kind, tally] : tallies) {
    std::printf("%-18s %4zu found, %3zu free to change, %5zu announced as lost\n", kind.c_str(),
                tally.found, tally.free, tally.lost);
  }
  std::printf("%zu flips found in %zu files, %zu free to change\n", sum.found, files.size(),
              sum.free);
}

}  // namespace
}  // namespace vdb::testing
