// Migrations that are cut short: the power at every operation of a migration and of a rollback,
// disks that fail or are full, SIGKILL before random operations, and two processes at once.
// Afterwards there is no database or the whole one, the source is as it was, and the next run ends
// in the very same contents.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "format/status_macros.h"
#include "tests/crash/crash_main.h"
#include "tests/crash/recorded_run.h"
#include "tests/support/fake_cache.h"

extern char** environ;

namespace vdb::testing {
namespace {

constexpr char kFolder[] = "photos";
constexpr uint64_t kEntries = 300;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

engine::EngineOptions Options(storage::FileSystem* fs = storage::PosixFileSystem()) {
  engine::EngineOptions options;
  options.fs = fs;
  options.uuid = std::string(32, 'a');
  options.segment_rows_max = 100;  // so that segments are sealed on the way
  return options;
}

MigrateOptions OneThread() {
  MigrateOptions options;
  options.thread_count = 1;
  return options;
}

Status MigrateIn(const std::string& root, storage::FileSystem* fs) {
  const FakeSource source = FakeSource::At(root + "/" + kFolder);
  return source.Migrate(MakeFakeCache(kEntries), OneThread(), Options(fs)).status();
}

// The contents of the database; it must be clean and know its source.
StatusOr<std::string> HashOf(const std::string& database) {
  DatabaseOptions options;
  options.read_only = true;
  VDB_ASSIGN_OR_RETURN(Database db, Database::Open(database, options));
  VDB_ASSIGN_OR_RETURN(const VerifyReport report, db.Verify());
  if (report.problem_count > 0) {
    return Status::Corruption(report.problems[0].file + ": " + report.problems[0].message);
  }
  if (!std::filesystem::exists(database + "/MIGRATED")) return Status::Corruption("no record");
  return db.ContentHash();
}

const std::string& ExpectedHash() {
  static const std::string* const hash = [] {
    ScratchDir root;
    const FakeSource source(root / kFolder);
    const Status done = MigrateIn(root.path(), storage::PosixFileSystem());
    EXPECT_TRUE(done.ok()) << done.ToString();
    return new std::string(*HashOf(source.database()));
  }();
  return *hash;
}

// What must hold after a migration was cut short in `root`; then the next run.
Status CheckAfterCut(const std::string& root, const std::string& source_bytes) {
  const FakeSource source = FakeSource::At(root + "/" + kFolder);
  const auto time = std::filesystem::last_write_time(source.file());
  if (std::filesystem::exists(source.database())) {
    VDB_ASSIGN_OR_RETURN(const std::string hash, HashOf(source.database()));
    if (hash != ExpectedHash()) return Status::Corruption("published, but not the whole");
  }
  const Status again = MigrateIn(root, storage::PosixFileSystem());
  const bool there = again.code() == StatusCode::kAlreadyExists;
  if (!again.ok() && !there) return Status(again.code(), "again: " + again.message());
  VDB_ASSIGN_OR_RETURN(const std::string hash, HashOf(source.database()));
  if (hash != ExpectedHash()) return Status::Corruption("the second run made something else");
  if (ReadFile(source.file()) != source_bytes) return Status::Corruption("the source changed");
  if (std::filesystem::last_write_time(source.file()) != time) {
    return Status::Corruption("the source's time changed");
  }
  const std::vector<std::string> names = source.Names();
  if (names != std::vector<std::string>{".nndex", ".vdb"}) {
    return Status::Corruption("left behind: " + names[names.size() - 1]);
  }
  return Status::Ok();
}

struct Cuts {
  size_t first = 0;
  size_t policies = 1;
  size_t violations_max = 3;
};

// Cuts before every operation (under sanitizers, every so many), and at the end; what was found
// wrong.
std::vector<std::string> CutAll(const Log& log, const Cuts& cuts,
                                const std::function<Status(const std::string& root)>& check) {
  std::vector<std::string> violations;
  DiskModel disk;
  size_t turn = 0, count = 0;
  for (size_t i = 0; i <= log.size(); ++i) {
    const bool wanted = i >= cuts.first && (i == log.size() || i % Thinning() == 0);
    for (size_t p = 0; wanted && p < cuts.policies; ++p) {
      const auto policies = AllPolicies(i + 1);
      const CutPolicy& policy = policies[turn++ % policies.size()];
      ScratchDir root;
      disk.Materialise(policy, root.path());
      const Status checked = check(root.path());
      ++count;
      if (checked.ok()) continue;
      violations.push_back((i < log.size() ? "before " + log[i].ToString() : "at the end") + ", " +
                           policy.ToString() + ": " + checked.ToString());
      if (violations.size() >= cuts.violations_max) return violations;
    }
    if (i < log.size()) disk.Apply(log[i]);
  }
  std::printf("%zu operations, %zu cuts\n", log.size() - cuts.first, count);
  return violations;
}

std::string Lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

Log RecordMigration(std::string* source_bytes, size_t* first) {
  ScratchDir root;
  const FakeSource source(root / kFolder);
  *source_bytes = ReadFile(source.file());
  const Log image = DurableImage(root.path());
  *first = image.size();
  RecordingFileSystem fs(root.path(), image);
  const Status done = MigrateIn(root.path(), &fs);
  EXPECT_TRUE(done.ok()) << done.ToString();
  return fs.log();
}

TEST(MigratePowerCutTest, AtEveryOperationOfAMigration) {
  std::string bytes;
  size_t first = 0;
  const Log log = RecordMigration(&bytes, &first);
  const auto violations =
      CutAll(log, {.first = first, .policies = LongRun() ? size_t{6} : size_t{1}},
             [&](const std::string& root) { return CheckAfterCut(root, bytes); });
  EXPECT_TRUE(violations.empty()) << Lines(violations);
}

// The cuts must notice a missing sync of what a migration writes.
TEST(MigratePowerCutTest, CutsNoticeAMissingSync) {
  std::string bytes;
  size_t first = 0;
  const Log log = RecordMigration(&bytes, &first);
  const auto missing = [&](const char* name, const std::function<bool(const Operation&)>& sync) {
    Log mutated = log;
    ASSERT_GT(std::erase_if(mutated, sync), 0u) << name;
    // After the rename to its name the database must be there whole.
    const auto violations = CutAll(
        mutated,
        {.first = mutated.size(), .policies = 6, .violations_max = 1},
        [&](const std::string& root) { return CheckAfterCut(root, bytes); });
    EXPECT_FALSE(violations.empty()) << name;
  };
  const auto sync_of = [](std::string_view ending) {
    return [ending](const Operation& op) {
      return op.kind == OpKind::kSync && std::string_view(op.path).ends_with(ending);
    };
  };
  missing("rows", sync_of(".npy"));
  missing("the record", sync_of("/MIGRATED"));
  missing("the record's name", [](const Operation& op) {
    return op.kind == OpKind::kSyncDir && op.path.ends_with(".migrating");
  });
}

TEST(MigratePowerCutTest, AtEveryOperationOfARollback) {
  ScratchDir root;
  const FakeSource source(root / kFolder);
  ASSERT_TRUE(MigrateIn(root.path(), storage::PosixFileSystem()).ok());
  const std::string bytes = ReadFile(source.file());
  const Log image = DurableImage(root.path());
  RecordingFileSystem fs(root.path(), image);
  const auto rolled = engine::RollbackWith(source.folder(), "", Options(&fs));
  ASSERT_TRUE(rolled.ok()) << rolled.status().ToString();
  const auto violations = CutAll(
      fs.log(), {.first = image.size(), .policies = LongRun() ? size_t{6} : size_t{2}},
      [&](const std::string& at) -> Status {
        const FakeSource cut = FakeSource::At(at + "/" + kFolder);
        if (!std::filesystem::exists(cut.database())) {
          // Gone, perhaps but for leftovers, which another rollback or migration takes.
          const auto again = engine::RollbackWith(cut.folder(), "", Options());
          if (!again.ok() && again.status().code() != StatusCode::kNotFound) return again.status();
          if (cut.Names() != std::vector<std::string>{".nndex"}) {
            return Status::Corruption("left behind: " + cut.Names().back());
          }
        }
        return CheckAfterCut(at, bytes);
      });
  EXPECT_TRUE(violations.empty()) << Lines(violations);
}

// A disk that fails once, or is full from some operation on: an error or the whole, and the next
// run goes.
TEST(MigrateFailingDiskTest, AtEveryOperation) {
  std::string bytes;
  size_t first = 0;
  const size_t past = RecordMigration(&bytes, &first).size();
  const size_t step = LongRun() ? 1 : 9 * Thinning();
  size_t errors = 0;
  for (size_t i = first; i < past; i += step) {
    for (const bool full : {false, true}) {
      ScratchDir root;
      const FakeSource source(root / kFolder);
      {
        RecordingFileSystem fs(root.path(), DurableImage(root.path()));
        fs.SetHook(full ? FullDiskFrom(i) : FailAt(i, Status::IoError("the disk"), false));
        errors += MigrateIn(root.path(), &fs).ok() ? 0 : 1;
      }
      const Status checked = CheckAfterCut(root.path(), bytes);
      EXPECT_TRUE(checked.ok()) << (full ? "full from " : "failed at ") << i << ": "
                                << checked.ToString();
    }
  }
  EXPECT_GT(errors, (past - first) / step);
}

// --- processes ---

// Exit statuses: 0 migrated, 2 another process is at it or was, 1 anything else.
int StatusCodeOf(const Status& done) {
  if (done.code() == StatusCode::kBusy || done.code() == StatusCode::kAlreadyExists) return 2;
  if (!done.ok()) std::fprintf(stderr, "child: %s\n", done.ToString().c_str());
  return done.ok() ? 0 : 1;
}

// Arguments: root, number of the operation to be killed before. SIZE_MAX: not killed, and without a
// recording, which would trip over the files of another process.
int Child(const std::vector<std::string>& arguments) {
  const std::string root = arguments.at(0);
  const size_t kill_at = std::stoul(arguments.at(1));
  if (kill_at == SIZE_MAX) return StatusCodeOf(MigrateIn(root, storage::PosixFileSystem()));
  RecordingFileSystem fs(root, DurableImage(root));
  fs.SetHook([kill_at, count = size_t{0}](const Operation&, size_t) mutable -> Verdict {
    if (count++ == kill_at) ::kill(::getpid(), SIGKILL);
    return {};
  });
  return StatusCodeOf(MigrateIn(root, &fs));
}

pid_t Start(const std::string& root, size_t kill_at) {
  std::vector<std::string> words = {ProgramPath(), "--child", root, std::to_string(kill_at)};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  EXPECT_EQ(::posix_spawn(&child, ProgramPath().c_str(), nullptr, nullptr, argv.data(), environ),
            0);
  return child;
}

// The exit status; -1: killed.
int Wait(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(MigrateKillTest, TheNextRunEndsInTheSameStore) {
  std::string bytes;
  size_t first = 0;
  const size_t operations = RecordMigration(&bytes, &first).size() - first;
  const size_t kills = LongRun() ? 250 : std::max<size_t>(100 / Thinning(), 8);
  std::mt19937_64 random(2026);
  size_t killed = 0, published = 0;
  for (size_t i = 0; i < kills; ++i) {
    ScratchDir root;
    const FakeSource source(root / kFolder);
    // Mostly once; now and then the second run is killed as well.
    for (size_t run = 0; run < (i % 5 == 0 ? 2u : 1u); ++run) {
      // The end is short, and where it matters most.
      const size_t at = i % 4 == 3 ? operations - 1 - random() % 8 : random() % operations;
      const int status = Wait(Start(root.path(), at));
      ASSERT_NE(status, 1);
      killed += status == -1 ? 1 : 0;
    }
    published += std::filesystem::exists(source.database()) ? 1 : 0;
    const Status checked = CheckAfterCut(root.path(), bytes);
    ASSERT_TRUE(checked.ok()) << "kill " << i << ": " << checked.ToString();
  }
  std::printf("%zu kills in %zu rounds, %zu of them after the rename\n", killed, kills, published);
  EXPECT_GT(killed, kills / 2);
}

TEST(MigrateKillTest, TwoProcessesAtOnce) {
  const size_t rounds = LongRun() ? 30 : 4;
  for (size_t i = 0; i < rounds; ++i) {
    ScratchDir root;
    const FakeSource source(root / kFolder);
    const std::string bytes = ReadFile(source.file());
    const pid_t one = Start(root.path(), SIZE_MAX), other = Start(root.path(), SIZE_MAX);
    const int first = Wait(one), second = Wait(other);
    EXPECT_EQ(std::min(first, second), 0) << first << " " << second;
    EXPECT_EQ(std::max(first, second), 2) << first << " " << second;
    const Status checked = CheckAfterCut(root.path(), bytes);
    EXPECT_TRUE(checked.ok()) << checked.ToString();
  }
}

const bool kChildIsSet = (SetChildMain(Child), true);

}  // namespace
}  // namespace vdb::testing
