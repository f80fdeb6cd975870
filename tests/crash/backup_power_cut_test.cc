// A backup or a restore that a power cut or a failing disk ends, at every operation: neither side
// is harmed. The earlier backups are whole, the new one is whole or absent; the restored database
// is whole or absent; the database that is backed up is what it was; and the next run succeeds.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/backup.h"
#include "tests/crash/recorded_run.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kBackups[] = "backups";
constexpr char kRestored[] = "restored";

std::string HashOf(const std::string& path) {
  auto database = OpenReader(path);
  if (!database.ok()) return database.status().ToString();
  auto hash = database->ContentHash();
  return hash.ok() ? *hash : hash.status().ToString();
}

struct Moments {
  std::vector<std::string> hashes;  // of the backups made so far
};

Status WriteSteps(Database* database, const Workload& workload, size_t first, size_t past) {
  auto collection = database->OpenCollection(kCollection);
  if (!collection.ok()) return collection.status();
  for (size_t n = first; n < past; ++n) {
    const Status written = collection->Write(ToBatch(workload.steps[n])).status();
    if (!written.ok()) return written;
  }
  return Status::Ok();
}

Workload SomeWorkload() {
  WorkloadOptions options;
  options.seed = 5;
  options.step_count = 30;
  options.body_bytes_max = 500;
  return MakeWorkload(options);
}

// A database below `root` with one backup, and then more steps.
Status Prepare(RecordingFileSystem* recording, const std::string& root, Moments* moments) {
  const Workload workload = SomeWorkload();
  const std::string path = root + "/" + kDatabaseName;
  auto database = engine::OpenDatabase(path, SmallOptions(recording));
  if (!database.ok()) return database.status();
  Status status = MakeCollection(&*database);
  if (status.ok()) status = WriteSteps(&*database, workload, 0, 22);
  if (status.ok()) status = database->Backup(root + "/" + kBackups).status();
  if (!status.ok()) return status;
  moments->hashes.push_back(*database->ContentHash());
  status = WriteSteps(&*database, workload, 22, 30);
  if (!status.ok()) return status;
  moments->hashes.push_back(*database->ContentHash());
  return database->Close();
}

// A second backup, by a reader: nothing else happens in the log.
Status SecondBackup(storage::FileSystem* fs, const std::string& root) {
  engine::EngineOptions options = SmallOptions(fs);
  options.user.create_if_missing = false;
  options.user.read_only = true;
  auto database = engine::OpenDatabase(root + "/" + kDatabaseName, options);
  if (!database.ok()) return database.status();
  return database->Backup(root + "/" + kBackups).status();
}

Status RestoreIt(storage::FileSystem* fs, const std::string& root, uint64_t id,
                 const std::string& to) {
  return engine::RestoreWith(root + "/" + kBackups, root + "/" + to, {.backup_id = id},
                             SmallOptions(fs))
      .status();
}

// Every backup that is listed is whole and restores to its moment. Returns how many there are.
size_t ExpectSoundBackups(const std::string& root, const Moments& moments, bool restore) {
  const std::string backups = root + "/" + kBackups;
  auto verified = VerifyBackups(backups);
  EXPECT_TRUE(verified.ok()) << verified.status().ToString();
  if (verified.ok() && verified->problem_count > 0) {
    ADD_FAILURE() << verified->problems[0].file << ": " << verified->problems[0].message;
  }
  auto list = ListBackups(backups);
  EXPECT_TRUE(list.ok()) << list.status().ToString();
  if (!list.ok()) return 0;
  for (const BackupInfo& info : *list) {
    if (!restore) continue;
    const std::string to = "check" + std::to_string(info.id);
    const Status restored = RestoreIt(storage::PosixFileSystem(), root, info.id, to);
    EXPECT_TRUE(restored.ok()) << restored.ToString();
    EXPECT_EQ(HashOf(root + "/" + to), moments.hashes[std::min<size_t>(info.id, 2) - 1]);
    fs::remove_all(root + "/" + to);
  }
  return list->size();
}

void ExpectBackupsSurvive(const std::string& root, const Moments& moments, bool restore) {
  const size_t count = ExpectSoundBackups(root, moments, restore);
  EXPECT_TRUE(count == 1 || count == 2) << count;
  EXPECT_EQ(HashOf(root + "/" + kDatabaseName), moments.hashes[1]);
  const Status again = SecondBackup(storage::PosixFileSystem(), root);
  EXPECT_TRUE(again.ok()) << again.ToString();
  EXPECT_EQ(ExpectSoundBackups(root, moments, false), count + 1);
}

void ExpectRestoreSurvives(const std::string& root, const Moments& moments) {
  const std::string to = root + "/" + kRestored;
  if (fs::exists(to)) {
    EXPECT_EQ(HashOf(to), moments.hashes[1]);
    auto database = engine::OpenDatabase(to, SmallOptions());  // as a writer, with recovery
    EXPECT_TRUE(database.ok()) << database.status().ToString();
    if (database.ok()) {
      EXPECT_EQ(*database->ContentHash(), moments.hashes[1]);
    }
  } else {
    const Status again = RestoreIt(storage::PosixFileSystem(), root, 0, kRestored);
    EXPECT_TRUE(again.ok()) << again.ToString();
    EXPECT_EQ(HashOf(to), moments.hashes[1]);
  }
  EXPECT_FALSE(fs::exists(to + ".restoring"));
}

TEST(BackupPowerCutTest, ACutAtEveryOperationOfABackup) {
  ScratchDir root;
  RecordingFileSystem recording(root.path());
  Moments moments;
  const Status set_up = Prepare(&recording, root.path(), &moments);
  ASSERT_TRUE(set_up.ok()) << set_up.ToString();
  const size_t first = recording.size();
  const Status backed_up = SecondBackup(&recording, root.path());
  ASSERT_TRUE(backed_up.ok()) << backed_up.ToString();
  const Log log = recording.log();
  DiskModel disk;
  size_t cuts = 0, with_both = 0;
  for (size_t i = 0; i <= log.size(); ++i) {
    if (i >= first && ((i - first) % Thinning() == 0 || i + 2 >= log.size())) {
      const auto policies = AllPolicies(i);
      const size_t count = LongRun() ? policies.size() : 1;
      for (size_t p = 0; p < count; ++p, ++cuts) {
        SCOPED_TRACE("cut before operation " + std::to_string(i));
        const CutPolicy& policy = policies[(cuts + p) % policies.size()];
        SCOPED_TRACE(policy.ToString());
        ScratchDir after;
        disk.Materialise(policy, after.path());
        with_both += ListBackups(after / kBackups)->size() == 2;
        ExpectBackupsSurvive(after.path(), moments, cuts % 4 == 0);
        if (::testing::Test::HasFailure()) return;
      }
    }
    if (i < log.size()) disk.Apply(log[i]);
  }
  std::printf("%zu cuts in %zu operations, the new backup was there after %zu\n", cuts,
              log.size() - first, with_both);
  EXPECT_GT(with_both, 0u);
  // A backup that returned is there whatever happens to the power.
  DiskModel whole;
  for (const Operation& operation : log) whole.Apply(operation);
  ScratchDir after;
  whole.Materialise({}, after.path());
  EXPECT_EQ(ListBackups(after / kBackups)->size(), 2u);
}

TEST(BackupPowerCutTest, ACutAtEveryOperationOfARestore) {
  ScratchDir root;
  RecordingFileSystem recording(root.path());
  Moments moments;
  const Status set_up = Prepare(&recording, root.path(), &moments);
  ASSERT_TRUE(set_up.ok()) << set_up.ToString();
  ASSERT_TRUE(SecondBackup(&recording, root.path()).ok());
  const size_t first = recording.size();
  const Status restored = RestoreIt(&recording, root.path(), 0, kRestored);
  ASSERT_TRUE(restored.ok()) << restored.ToString();
  const Log log = recording.log();
  DiskModel disk;
  size_t cuts = 0, published = 0;
  for (size_t i = 0; i <= log.size(); ++i) {
    if (i >= first && ((i - first) % Thinning() == 0 || i + 4 >= log.size())) {
      const auto policies = AllPolicies(i);
      const size_t count = LongRun() ? policies.size() : 1;
      for (size_t p = 0; p < count; ++p, ++cuts) {
        SCOPED_TRACE("cut before operation " + std::to_string(i));
        const CutPolicy& policy = policies[(cuts + p) % policies.size()];
        SCOPED_TRACE(policy.ToString());
        ScratchDir after;
        disk.Materialise(policy, after.path());
        published += fs::exists(after / kRestored);
        ExpectRestoreSurvives(after.path(), moments);
        if (cuts % 16 == 0) ExpectSoundBackups(after.path(), moments, false);
        if (::testing::Test::HasFailure()) return;
      }
    }
    if (i < log.size()) disk.Apply(log[i]);
  }
  std::printf("%zu cuts in %zu operations, the database was there after %zu\n", cuts,
              log.size() - first, published);
  DiskModel whole;
  for (const Operation& operation : log) whole.Apply(operation);
  ScratchDir after;
  whole.Materialise({}, after.path());
  EXPECT_EQ(HashOf(after / kRestored), moments.hashes[1]);
}

// The net holds: without one kind of sync, what returned would not survive.
TEST(BackupPowerCutTest, EverySyncIsNeeded) {
  using Drop = std::function<bool(const Operation&)>;
  const auto is = [](OpKind kind, const std::string& prefix) -> Drop {
    return [kind, prefix](const Operation& op) {
      return op.kind == kind && op.path.starts_with(prefix);
    };
  };
  ScratchDir root;
  RecordingFileSystem recording(root.path());
  Moments moments;
  ASSERT_TRUE(Prepare(&recording, root.path(), &moments).ok());
  const size_t first = recording.size();
  ASSERT_TRUE(SecondBackup(&recording, root.path()).ok());
  ASSERT_TRUE(RestoreIt(&recording, root.path(), 0, kRestored).ok());
  const Log log = recording.log();
  const auto survive = [&](const Drop& drop) {
    DiskModel disk;
    for (size_t i = 0; i < log.size(); ++i) {
      if (i < first || !drop(log[i])) disk.Apply(log[i]);
    }
    ScratchDir after;
    disk.Materialise({}, after.path());
    const auto list = ListBackups(after / kBackups);
    const auto verified = VerifyBackups(after / kBackups);
    return list.ok() && list->size() == 2 && verified.ok() && verified->problem_count == 0 &&
           HashOf(after / kRestored) == moments.hashes[1];
  };
  EXPECT_TRUE(survive([](const Operation&) { return false; }));
  EXPECT_FALSE(survive(is(OpKind::kSync, "backups/chunks/")));
  EXPECT_FALSE(survive(is(OpKind::kSyncDir, "backups/chunks/")));
  EXPECT_FALSE(survive(is(OpKind::kSync, "backups/backups/")));
  EXPECT_FALSE(survive(is(OpKind::kSyncDir, "backups/backups")));
  EXPECT_FALSE(survive(is(OpKind::kSync, "restored.restoring/segments/")));
  EXPECT_FALSE(survive(is(OpKind::kSyncDir, "restored.restoring/segments")));
  EXPECT_FALSE(survive(is(OpKind::kSync, "restored.restoring/manifest-")));
  EXPECT_FALSE(survive(is(OpKind::kSync, "restored.restoring/CURRENT")));
  EXPECT_FALSE(survive(is(OpKind::kSync, "restored.restoring/ledger")));
  EXPECT_FALSE(survive(is(OpKind::kSyncDir, "restored.restoring")));
  EXPECT_FALSE(survive([](const Operation& op) {
    return op.kind == OpKind::kSyncDir && !op.path.starts_with("restored.") &&
           !op.path.starts_with(kBackups);
  }));
}

using Run = std::function<Status(storage::FileSystem*, const std::string& root)>;
using Check = std::function<void(const std::string& root, const Moments& moments)>;

// Runs with operation N failing once as EIO, or the disk full from there on, for N in steps.
void FailEverywhere(bool backup_first, const Run& run, const Check& check) {
  size_t operations = 0, failures = 0, runs = 0;
  const size_t step = (LongRun() ? 1 : 5) * Thinning();  // odd: both kinds of failure take turns
  for (size_t n = 0; runs == 0 || n < operations; n += runs > 1 ? step : 0) {
    SCOPED_TRACE("operation " + std::to_string(n));
    ScratchDir root;
    RecordingFileSystem recording(root.path());
    Moments moments;
    const Status set_up = Prepare(&recording, root.path(), &moments);
    ASSERT_TRUE(set_up.ok()) << set_up.ToString();
    if (backup_first) {
      ASSERT_TRUE(SecondBackup(&recording, root.path()).ok());
    }
    const size_t first = recording.size();
    if (runs > 0) {
      recording.SetHook(n % 2 == 0
                            ? FullDiskFrom(first + n)
                            : FailAt(first + n, Status::IoError("injected"), /*forever=*/false));
    }
    const Status done = run(&recording, root.path());
    if (runs++ == 0) {  // only counts
      ASSERT_TRUE(done.ok()) << done.ToString();
      operations = recording.size() - first;
      continue;
    }
    failures += !done.ok();
    EXPECT_TRUE(done.ok() || done.code() == StatusCode::kIoError ||
                done.code() == StatusCode::kResourceExhausted)
        << done.ToString();
    recording.SetHook({});
    check(root.path(), moments);
    if (::testing::Test::HasFailure()) return;
  }
  std::printf("%zu of %zu runs failed, of %zu operations\n", failures, runs - 1, operations);
  EXPECT_GT(failures, runs / 2);
}

TEST(BackupPowerCutTest, ADiskThatFailsDuringABackup) {
  FailEverywhere(false, SecondBackup, [](const std::string& root, const Moments& moments) {
    ExpectBackupsSurvive(root, moments, true);
  });
}

TEST(BackupPowerCutTest, ADiskThatFailsDuringARestore) {
  FailEverywhere(
      true,
      [](storage::FileSystem* fs, const std::string& root) {
        return RestoreIt(fs, root, 0, kRestored);
      },
      [](const std::string& root, const Moments& moments) {
        ExpectRestoreSurvives(root, moments);
        ExpectSoundBackups(root, moments, false);
      });
}

}  // namespace
}  // namespace vdb::testing
