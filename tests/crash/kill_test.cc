// SIGKILL at chosen phases of the commit and of publishing. A child process (this program again)
// writes batches from several threads, synced and unsynced, and reports each acknowledgement
// through a pipe; a hook in its file system kills it before a chosen operation of a chosen phase.
// In the last phase index builds, compactions, named snapshots and a reader are at work as well.
// After each kill the parent reopens and checks: every synced batch is there, the batches that are
// there are a prefix in commit order, each one whole, and Verify is clean. The same directory lives
// through all kills of its phase.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include "tests/crash/commit_order.h"
#include "tests/crash/crash_main.h"
#include "tests/crash/recorded_run.h"

extern char** environ;

namespace vdb::testing {
namespace {

constexpr size_t kThreads = 3;
constexpr uint64_t kWindow = 12;  // live documents per thread

enum Phase {
  kRowWrite, kSegmentSync, kWalWrite, kWalSync, kLedger, kPublish, kStoreFlush, kAnytime, kJobs,
  kPhases
};
constexpr std::array<const char*, kPhases> kPhaseNames = {
    "row write", "segment sync", "WAL write",      "WAL sync",
    "ledger",    "publish",      "RocksDB tables", "any operation",
    "jobs at work"};
// Kills come before the N-th operation of the phase, N random below this.
constexpr std::array<size_t, kPhases> kOperationsMax = {300, 200, 100, 60, 100, 60, 12, 600,
                                                        3000};

bool InPhase(const Operation& op, int phase) {
  const bool write = op.kind == OpKind::kWrite, sync = op.kind == OpKind::kSync;
  switch (phase) {
    case kRowWrite: return write && IsSegmentData(op.path);
    case kSegmentSync: return sync && IsSegmentData(op.path);
    case kWalWrite: return write && IsWal(op.path);
    case kWalSync: return sync && IsWal(op.path);
    case kLedger: return EndsWith(op.path, "/ledger");
    case kPublish:
      return EndsWith(op.path, ".vdbm") || EndsWith(op.path, ".twin") ||
             EndsWith(op.path, ".sums") || EndsWith(op.path, "CURRENT.tmp") ||
             op.path.find(".del-") != std::string::npos || op.kind == OpKind::kSyncDir;
    case kStoreFlush:
      return EndsWith(op.path, ".sst") || op.path.find("/MANIFEST-") != std::string::npos;
    default: return true;
  }
}

// Batch number i of a thread: the thread's progress, a new document, the removal of an old one, and
// now and then a vector filled in later. Everything follows from (thread, i).
std::string KeyOf(size_t thread, uint64_t i) {
  return "t" + std::to_string(thread) + "-" + std::to_string(i);
}
std::string ProgressKey(size_t thread) { return "progress" + std::to_string(thread); }

Step BatchOf(size_t thread, uint64_t i) {
  Step step;
  Change progress = {Change::Kind::kPut, ProgressKey(thread), {}};
  progress.document.metadata = R"({"n":)" + std::to_string(i) + "}";
  step.changes.push_back(std::move(progress));
  Change put = {Change::Kind::kPut, KeyOf(thread, i), MakeDocument(i * kThreads + thread, 900)};
  if (i % 3 == 0) put.document.vectors.erase(kL2Column);
  step.changes.push_back(std::move(put));
  if (i % 3 == 1 && i > 1) {  // the column the document before lacks
    Change fill = {Change::Kind::kSetVector, KeyOf(thread, i - 1), {}};
    fill.document.vectors[kL2Column] = MakeDocument(i).vectors[kL2Column];
    step.changes.push_back(std::move(fill));
  }
  if (i > kWindow) step.changes.push_back({Change::Kind::kDelete, KeyOf(thread, i - kWindow), {}});
  return step;
}

StatusOr<std::pair<uint64_t, uint64_t>> ReadProgress(const Collection& collection, size_t thread) {
  const auto document = collection.Get(ProgressKey(thread));
  if (document.status().code() == StatusCode::kNotFound) return std::pair<uint64_t, uint64_t>();
  if (!document.ok()) return document.status();
  const std::string& text = document->metadata;
  return std::pair<uint64_t, uint64_t>(std::stoull(text.substr(text.find(':') + 1)),
                                       document->version);
}

// --- the child ---

int Complain(const Status& status) {
  std::fprintf(stderr, "child: %s\n", status.ToString().c_str());
  return 1;
}

// Builds, compacts, keeps and drops, one after the other, until the writers are done.
Status RunJobs(Database* database, uint64_t seed, const std::atomic<bool>& done) {
  std::mt19937_64 random(seed);
  auto collection = database->OpenCollection(kCollection);
  if (!collection.ok()) return collection.status();
  for (uint64_t n = 0; !done; ++n) {
    Status status;
    switch (random() % 4) {
      case 0: {
        IndexOptions options;
        options.column = random() % 2 == 0 ? kCosineColumn : kL2Column;
        options.list_count = 1 + static_cast<uint32_t>(random() % 4);
        options.retrain = random() % 2 == 0;
        status = collection->BuildIndex(options).status();
        break;
      }
      case 1: status = database->Compact({.full = random() % 2 == 0}).status(); break;
      case 2: {
        const std::string name = std::to_string(seed) + "-" + std::to_string(n);
        status = database->CreateSnapshot(name);
        break;
      }
      default: {
        const auto kept = database->ListSnapshots();
        if (!kept.ok()) return kept.status();
        if (kept->size() > 2) status = database->DropSnapshot(kept->front().name);
      }
    }
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

// Opens beside the writer, again and again; a look counts if it is one.
Status RunReader(const std::string& path, const std::atomic<bool>& done) {
  while (!done) {
    const auto reader = OpenReader(path);
    if (reader.status().code() == StatusCode::kBusy) continue;
    if (!reader.ok()) return reader.status();
    const auto hash = reader->ContentHash();
    if (!hash.ok()) return hash.status();
  }
  return Status::Ok();
}

// Arguments: root, phase, operation to be killed before, seed. Acknowledgements go to standard
// output, one write each: "thread i batch sync".
int Child(const std::vector<std::string>& arguments) {
  const std::string root = arguments.at(0);
  const int phase = std::stoi(arguments.at(1));
  const size_t kill_at = std::stoul(arguments.at(2));
  const uint64_t seed = std::stoull(arguments.at(3));

  RecordingFileSystem fs(root, DurableImage(root));
  fs.SetHook([phase, kill_at, count = size_t{0}](const Operation& op, size_t) mutable -> Verdict {
    if (InPhase(op, phase) && count++ == kill_at) ::kill(::getpid(), SIGKILL);
    return {};
  });
  engine::EngineOptions options = SmallOptions(&fs);
  options.user.unsynced_ms_max = 5;
  options.segment_rows_max = 24;
  auto database = engine::OpenDatabase(root + "/" + kDatabaseName, options);
  if (!database.ok()) return Complain(database.status());
  const Status ready = MakeCollection(&*database);
  if (!ready.ok()) return Complain(ready);

  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto collection = database->OpenCollection(kCollection);
      const auto progress = ReadProgress(*collection, t);
      if (!progress.ok()) {
        failures += Complain(progress.status());
        return;
      }
      std::mt19937_64 random(seed * kThreads + t);
      for (uint64_t i = progress->first + 1; i <= progress->first + 100; ++i) {
        const bool sync = random() % 2 == 0;
        const auto done = collection->Write(ToBatch(BatchOf(t, i)), {.sync = sync});
        if (!done.ok()) {
          failures += Complain(done.status());
          return;
        }
        std::ostringstream line;
        line << t << " " << i << " " << done->batch_number << " " << sync << "\n";
        if (::write(STDOUT_FILENO, line.str().data(), line.str().size()) < 0) ++failures;
      }
    });
  }
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  if (phase == kJobs) {
    others.emplace_back([&] {
      const Status status = RunJobs(&*database, seed, done);
      if (!status.ok()) failures += Complain(status);
    });
    others.emplace_back([&] {
      const Status status = RunReader(root + "/" + kDatabaseName, done);
      if (!status.ok()) failures += Complain(status);
    });
  }
  for (auto& thread : threads) thread.join();
  done = true;
  for (auto& thread : others) thread.join();
  if (failures > 0) return 1;
  const Status closed = database->Close();
  return closed.ok() ? 0 : Complain(closed);
}

// --- the parent ---

struct Acknowledgement {
  size_t thread = 0;
  uint64_t i = 0, batch = 0;
  bool sync = false;
};

struct ChildResult {
  bool killed = false;
  int exit_status = -1;
  std::vector<Acknowledgement> acknowledgements;
};

ChildResult RunChild(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {ProgramPath(), "--child"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int pipe_ends[2];
  EXPECT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  pid_t child = 0;
  EXPECT_EQ(::posix_spawn(&child, ProgramPath().c_str(), &actions, nullptr, argv.data(), environ),
            0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe_ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(pipe_ends[0], buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  ::close(pipe_ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ChildResult result;
  result.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::istringstream lines(text);
  Acknowledgement one;
  while (lines >> one.thread >> one.i >> one.batch >> one.sync) {
    result.acknowledgements.push_back(one);
  }
  return result;
}

// VDB_KILLS: a number of one's own, for the longest runs.
size_t KillCount() {
  if (const char* text = std::getenv("VDB_KILLS")) return std::stoul(text);
  return LongRun() ? 2250 : 234 / Thinning();
}

using Reached = std::array<uint64_t, kThreads>;

// The collection must hold, per thread, exactly what its first i batches leave, for some i that is
// not below `reached`, where the last check found it; and over all threads exactly the batches up
// to some number.
Status CheckAfterKill(const Database& database,
                      const std::vector<Acknowledgement>& acknowledgements, Reached* reached) {
  auto collection = database.OpenCollection(kCollection);
  if (!collection.ok()) {
    return acknowledgements.empty() ? Status::Ok() : collection.status();
  }
  if (collection->Columns()->size() < 2) {
    return acknowledgements.empty() ? Status::Ok() : Status::Corruption("a column is gone");
  }
  Model model;
  const Reached before = *reached;
  uint64_t last_batch = 0;
  for (size_t t = 0; t < kThreads; ++t) {
    const auto progress = ReadProgress(*collection, t);
    if (!progress.ok()) return progress.status();
    const uint64_t now = (*reached)[t] = progress->first;
    last_batch = std::max(last_batch, progress->second);
    if (now < before[t]) {
      return Status::Corruption("lost: " + KeyOf(t, before[t]) + ", which was there before");
    }
    // Only the last batches are still visible in the contents.
    const uint64_t first = now > 2 * kWindow ? now - 2 * kWindow : 1;
    Model own;
    for (uint64_t i = first; i <= now; ++i) {
      for (const Change& change : BatchOf(t, i).changes) {
        if (change.kind == Change::Kind::kSetVector && i == first) continue;
        Apply(change, &own);
      }
    }
    model.merge(own);
  }
  for (const Acknowledgement& ack : acknowledgements) {
    const std::string batch = "batch " + std::to_string(ack.batch) + " (" +
                              KeyOf(ack.thread, ack.i) + (ack.sync ? ", synced)" : ", unsynced)");
    const bool there = ack.i <= (*reached)[ack.thread];
    if (ack.sync && !there) return Status::Corruption("lost: " + batch);
    if (there != (ack.batch <= last_batch)) {
      return Status::Corruption("no prefix: " + batch + (there ? " is there" : " is missing") +
                                ", the last one there is " + std::to_string(last_batch));
    }
  }
  return CheckModel(database, model);
}

// Each named snapshot is a state of its own, whole.
Status CheckSnapshots(const std::string& path, const Database& database) {
  const auto snapshots = database.ListSnapshots();
  if (!snapshots.ok()) return snapshots.status();
  for (const SnapshotInfo& one : *snapshots) {
    const auto kept = Database::Open(path, {.read_only = true, .as_of = one.name});
    if (!kept.ok()) return kept.status();
    Reached any = {};
    const Status right = CheckAfterKill(*kept, {}, &any);
    if (!right.ok()) return Status(right.code(), "snapshot " + one.name + ": " + right.message());
  }
  return Status::Ok();
}

TEST(KillTest, EverySyncedBatchSurvivesAKillInAnyPhase) {
  const size_t kills_per_phase = KillCount() / kPhases;
  constexpr uint64_t kSeed = 2026;
  std::printf("seed %d\n%-16s %6s %9s %9s\n", static_cast<int>(kSeed), "phase", "kills", "not hit",
              "batches");
  size_t kills = 0;
  for (int phase = 0; phase < kPhases; ++phase) {
    ScratchDir root;
    std::mt19937_64 random(kSeed + static_cast<uint64_t>(phase));
    size_t killed = 0, missed = 0, batches = 0;
    Reached reached = {};
    bool made = false;
    while (killed < kills_per_phase && missed < 5 * kills_per_phase) {
      const size_t at = random() % kOperationsMax[static_cast<size_t>(phase)];
      const ChildResult child = RunChild({root.path(), std::to_string(phase), std::to_string(at),
                                          std::to_string(random() % 1000000)});
      ASSERT_TRUE(child.killed || child.exit_status == 0) << "status " << child.exit_status;
      (child.killed ? killed : missed) += 1;
      batches += child.acknowledgements.size();
      // A read-only look leaves the next child an unclean directory to recover; a writer's open
      // recovers here.
      DatabaseOptions options;
      options.read_only = killed % 2 == 0;
      auto database = Database::Open(root / kDatabaseName, options);
      // Killed while it made the database: there is none yet, and none was promised.
      if (database.status().code() == StatusCode::kNotFound && !made) continue;
      ASSERT_TRUE(database.ok()) << database.status().ToString();
      made = true;
      Status right = CheckAfterKill(*database, child.acknowledgements, &reached);
      if (right.ok() && phase == kJobs) right = CheckSnapshots(root / kDatabaseName, *database);
      ASSERT_TRUE(right.ok()) << kPhaseNames[static_cast<size_t>(phase)] << " operation " << at
                              << ", kill " << killed << ": " << right.ToString();
      ASSERT_TRUE(database->Close().ok());
    }
    std::printf("%-16s %6zu %9zu %9zu\n", kPhaseNames[static_cast<size_t>(phase)], killed, missed,
                batches);
    EXPECT_EQ(killed, kills_per_phase) << "the phase is not reached: nothing was tested";
    kills += killed;
  }
  EXPECT_GE(kills, 200u / Thinning());
}

// gtest runs no test in the child: the child is known before any test starts.
const bool registered = [] {
  SetChildMain(Child);
  return true;
}();

}  // namespace
}  // namespace vdb::testing
