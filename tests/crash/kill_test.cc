// SIGKILL at chosen phases of the commit and of publishing. A child process (this program again)
// writes batches from several threads, synced and unsynced, and reports each acknowledgement
// through a pipe; a hook in its file system kills it before a chosen operation of a chosen phase,
// or a timer at any moment. In the last two phases, and with --long in all of them, index builds,
// field index builds, compactions, named snapshots and a reader are at work as well. After each
// kill the parent looks (as the writer that recovers, as a new reader, or as a reader that lives on
// through the kills) and checks: every synced batch is there, the batches that are there are a
// prefix in commit order, each one whole, named snapshots are there and whole, and Verify is clean.
// The same directory lives through all kills of its phase.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "format/status_macros.h"
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
  kTimer, kPhases
};
constexpr std::array<const char*, kPhases> kPhaseNames = {
    "row write", "segment sync", "WAL write",      "WAL sync",
    "ledger",    "publish",      "RocksDB tables", "any operation",
    "jobs at work", "any moment"};
// Kills come before the N-th operation of the phase, N random below this; those of the timer after
// so many times 100 microseconds.
constexpr std::array<size_t, kPhases> kOperationsMax = {300, 200, 100, 60,   100,
                                                        60,  12,  600, 3000, 2000};

bool WithJobs(int phase) { return LongRun() || phase == kJobs || phase == kTimer; }

// What is at work beside the writers.
enum JobKind { kIndex, kFieldIndex, kCompaction, kSnapshot, kDrop, kLook, kJobKinds };
constexpr std::array<const char*, kJobKinds> kJobNames = {"index",    "fields", "compact",
                                                          "snapshot", "drop",   "look"};

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

// To the parent, through standard output: one write each, so that lines never mix.
Status Report(const std::string& line) {
  const ssize_t written = ::write(STDOUT_FILENO, line.data(), line.size());
  return written == static_cast<ssize_t>(line.size()) ? Status::Ok()
                                                      : Status::IoError("the parent is gone");
}

// One piece of work, between lines that say so: "begin KIND NAME", "end KIND NAME".
Status Reported(int kind, const std::string& name, const std::function<Status()>& work) {
  const std::string what = std::to_string(kind) + " " + name + "\n";
  VDB_RETURN_IF_ERROR(Report("begin " + what));
  VDB_RETURN_IF_ERROR(work());
  return Report("end " + what);
}

Status BuildAnIndex(Collection& collection, uint64_t dice) {
  IndexOptions options;
  options.column = dice % 2 == 0 ? kCosineColumn : kL2Column;
  options.list_count = 1 + static_cast<uint32_t>(dice / 2 % 4);
  options.retrain = dice / 8 % 2 == 0;
  return collection.BuildIndex(options).status();
}

Status AddOrDropFieldIndex(Collection& collection, uint64_t dice) {
  const bool text = dice % 2 == 0;
  const FieldIndexKind kind = text ? FieldIndexKind::kText : FieldIndexKind::kOrdered;
  const std::string field = text ? "$body" : "n";
  const Status added = collection.AddFieldIndex({.field = field, .kind = kind}).status();
  if (added.code() != StatusCode::kAlreadyExists) return added;
  return collection.DropFieldIndex(field, kind);
}

// Builds, compacts, keeps and drops, one after the other, until the writers are done.
Status RunJobs(Database* database, uint64_t seed, const std::atomic<bool>& done) {
  std::mt19937_64 random(seed);
  VDB_ASSIGN_OR_RETURN(Collection collection, database->OpenCollection(kCollection));
  for (uint64_t n = 0; !done; ++n) {
    auto kind = static_cast<int>(random() % kLook);
    const uint64_t dice = random();
    VDB_ASSIGN_OR_RETURN(const auto kept, database->ListSnapshots());
    if (kind == kSnapshot && kept.size() > 2) kind = kDrop;
    std::string name = "-";
    std::function<Status()> work;
    if (kind == kIndex) work = [&] { return BuildAnIndex(collection, dice); };
    if (kind == kFieldIndex) work = [&] { return AddOrDropFieldIndex(collection, dice); };
    if (kind == kCompaction) {
      work = [&] { return database->Compact({.full = dice % 2 == 0}).status(); };
    }
    if (kind == kSnapshot) {
      name = std::to_string(seed) + "-" + std::to_string(n);
      work = [&] { return database->CreateSnapshot(name); };
    }
    if (kind == kDrop) {
      if (kept.size() <= 1) continue;
      name = kept.front().name;
      work = [&] { return database->DropSnapshot(name); };
    }
    VDB_RETURN_IF_ERROR(Reported(kind, name, work));
  }
  return Status::Ok();
}

// Opens beside the writer, again and again; a look counts if it is one.
Status RunReader(const std::string& path, const std::atomic<bool>& done) {
  while (!done) {
    const auto reader = OpenReader(path);
    if (reader.status().code() == StatusCode::kBusy) continue;
    VDB_RETURN_IF_ERROR(reader.status());
    VDB_RETURN_IF_ERROR(
        Reported(kLook, "-", [&] { return reader->ContentHash().status(); }));
  }
  return Status::Ok();
}

// A hundred batches more; each acknowledgement is a line "ack THREAD I BATCH SYNC".
Status RunWriter(const Database& database, size_t thread, uint64_t seed) {
  VDB_ASSIGN_OR_RETURN(Collection collection, database.OpenCollection(kCollection));
  VDB_ASSIGN_OR_RETURN(const auto progress, ReadProgress(collection, thread));
  std::mt19937_64 random(seed * kThreads + thread);
  for (uint64_t i = progress.first + 1; i <= progress.first + 100; ++i) {
    const bool sync = random() % 2 == 0;
    VDB_ASSIGN_OR_RETURN(const auto done,
                         collection.Write(ToBatch(BatchOf(thread, i)), {.sync = sync}));
    std::ostringstream line;
    line << "ack " << thread << " " << i << " " << done.batch_number << " " << sync << "\n";
    VDB_RETURN_IF_ERROR(Report(line.str()));
  }
  return Status::Ok();
}

// The writers, and beside them the jobs and the reader; gives how many of them failed.
int RunAll(Database* database, const std::string& path, uint64_t seed, bool with_jobs) {
  std::atomic<int> failures{0};
  std::atomic<bool> done{false};
  const auto start = [&failures](const std::function<Status()>& work) {
    return std::thread([&failures, work] {
      const Status status = work();
      if (!status.ok()) failures += Complain(status);
    });
  };
  std::vector<std::thread> writers, others;
  for (size_t t = 0; t < kThreads; ++t) {
    writers.push_back(start([=] { return RunWriter(*database, t, seed); }));
  }
  if (with_jobs) {
    others.push_back(start([&, database] { return RunJobs(database, seed, done); }));
    others.push_back(start([&] { return RunReader(path, done); }));
  }
  for (auto& thread : writers) thread.join();
  done = true;
  for (auto& thread : others) thread.join();
  return failures;
}

// Arguments: root, phase, operation to be killed before, seed, whether jobs are at work.
int Child(const std::vector<std::string>& arguments) {
  const std::string root = arguments.at(0);
  const int phase = std::stoi(arguments.at(1));
  const size_t kill_at = std::stoul(arguments.at(2));
  const uint64_t seed = std::stoull(arguments.at(3));
  const bool with_jobs = arguments.at(4) == "jobs";

  if (phase == kTimer) {
    std::thread([kill_at] {
      std::this_thread::sleep_for(std::chrono::microseconds(100 * kill_at));
      ::kill(::getpid(), SIGKILL);
    }).detach();
  }
  RecordingFileSystem recording(root, DurableImage(root));
  recording.SetHook([phase, kill_at, count = size_t{0}](const Operation& op,
                                                        size_t) mutable -> Verdict {
    if (InPhase(op, phase) && count++ == kill_at) ::kill(::getpid(), SIGKILL);
    return {};
  });
  // For the timer the real one, whose operations are not one after the other.
  storage::FileSystem* const fs = phase == kTimer ? storage::PosixFileSystem() : &recording;
  engine::EngineOptions options = SmallOptions(fs);
  options.user.unsynced_ms_max = 5;
  options.segment_rows_max = 24;
  const std::string path = root + "/" + kDatabaseName;
  auto database = engine::OpenDatabase(path, options);
  if (!database.ok()) return Complain(database.status());
  const Status ready = MakeCollection(&*database);
  if (!ready.ok()) return Complain(ready);
  if (RunAll(&*database, path, seed, with_jobs) > 0) return 1;
  const Status closed = database->Close();
  return closed.ok() ? 0 : Complain(closed);
}

// --- the parent ---

struct Acknowledgement {
  size_t thread = 0;
  uint64_t i = 0, batch = 0;
  bool sync = false;
};

// Which named snapshots were promised, from kill to kill.
struct Kept {
  std::set<std::string> must, may, seen;
};

struct JobCounts {
  std::array<size_t, kJobKinds> done = {}, cut = {};
};

struct ChildResult {
  bool killed = false;
  int exit_status = -1;
  std::vector<Acknowledgement> acknowledgements;
};

// What the child said. The last line may have been written, and nothing after it.
void Read(const std::string& text, ChildResult* result, JobCounts* jobs, Kept* kept) {
  std::istringstream lines(text);
  std::string word, name;
  std::array<bool, kJobKinds> running = {};
  while (lines >> word) {
    if (word == "ack") {
      Acknowledgement one;
      lines >> one.thread >> one.i >> one.batch >> one.sync;
      result->acknowledgements.push_back(one);
      continue;
    }
    int kind = 0;
    lines >> kind >> name;
    const auto k = static_cast<size_t>(kind);
    running.at(k) = word == "begin";
    jobs->done[k] += word == "end" ? 1 : 0;
    if (kind == kSnapshot) (word == "begin" ? kept->may : kept->must).insert(name);
    if (kind == kDrop) (word == "begin" ? kept->must : kept->may).erase(name);
  }
  for (size_t k = 0; k < kJobKinds; ++k) jobs->cut[k] += result->killed && running[k] ? 1 : 0;
}

ChildResult RunChild(const std::vector<std::string>& arguments, JobCounts* jobs, Kept* kept) {
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
  Read(text, &result, jobs, kept);
  return result;
}

// VDB_KILLS: a number of one's own, for the longest runs.
size_t KillCount() {
  if (const char* text = std::getenv("VDB_KILLS")) return std::stoul(text);
  return LongRun() ? 2500 : 260 / Thinning();
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

// Those that were promised are there, and each that is there is a state of its own, whole: looked
// at when it is new, and with `again`.
Status CheckSnapshots(const std::string& path, const Database& database, bool again, Kept* kept) {
  VDB_ASSIGN_OR_RETURN(const auto snapshots, database.ListSnapshots());
  std::set<std::string> found;
  for (const SnapshotInfo& one : snapshots) {
    if (!kept->may.contains(one.name)) return Status::Corruption("there is snapshot " + one.name);
    found.insert(one.name);
    if (!again && kept->seen.contains(one.name)) continue;
    VDB_ASSIGN_OR_RETURN(const Database as_of,
                         Database::Open(path, {.read_only = true, .as_of = one.name}));
    Reached any = {};
    const Status right = CheckAfterKill(as_of, {}, &any);
    if (!right.ok()) return Status(right.code(), "snapshot " + one.name + ": " + right.message());
  }
  for (const std::string& name : kept->must) {
    if (!found.contains(name)) return Status::Corruption("lost: snapshot " + name);
  }
  kept->must = kept->may = kept->seen = found;  // what is there now stays
  return Status::Ok();
}

// One directory, and what is known about it from kill to kill.
class KillRun {
 public:
  explicit KillRun(int phase) : phase_(phase), random_(kSeed + static_cast<uint64_t>(phase)) {}

  // Kills once, or not where the phase ended before, and checks.
  void RunOnce() {
    // An open alone writes to RocksDB's list of files; with jobs there is much more after it.
    const size_t more = phase_ == kStoreFlush && WithJobs(phase_) ? 12 : 1;
    const size_t at = random_() % (more * kOperationsMax[static_cast<size_t>(phase_)]);
    const ChildResult child =
        RunChild({root_.path(), std::to_string(phase_), std::to_string(at),
                  std::to_string(random_()), WithJobs(phase_) ? "jobs" : "none"},
                 &jobs_, &kept_);
    ASSERT_TRUE(child.killed || child.exit_status == 0) << "status " << child.exit_status;
    (child.killed ? killed_ : missed_) += 1;
    batches_ += child.acknowledgements.size();
    const Status right = Look(child.acknowledgements);
    ASSERT_TRUE(right.ok()) << kPhaseNames[static_cast<size_t>(phase_)] << " operation " << at
                            << ", kill " << killed_ << ": " << right.ToString();
  }

  size_t killed() const { return killed_; }
  size_t missed() const { return missed_; }
  const JobCounts& jobs() const { return jobs_; }
  void Print() const {
    std::printf("%-16s %6zu %7zu %8zu ", kPhaseNames[static_cast<size_t>(phase_)], killed_,
                missed_, batches_);
    for (size_t k = 0; k < kJobKinds; ++k) std::printf(" %5zu/%-5zu", jobs_.done[k], jobs_.cut[k]);
    std::printf("\n");
    std::fflush(stdout);
  }

  static constexpr uint64_t kSeed = 2026;

 private:
  // A read-only look leaves the next child an unclean directory to recover; a writer's open
  // recovers here.
  Status Look(const std::vector<Acknowledgement>& acknowledgements) {
    const size_t turn = killed_ % 3;
    if (turn == 2 && reader_.has_value()) {
      VDB_RETURN_IF_ERROR(reader_->Refresh());
      return Check(*reader_, acknowledgements);
    }
    DatabaseOptions options;
    options.read_only = turn != 0;
    auto database = Database::Open(root_ / kDatabaseName, options);
    // Killed while it made the database: there is none yet, and none was promised.
    if (database.status().code() == StatusCode::kNotFound && !made_) return Status::Ok();
    VDB_RETURN_IF_ERROR(database.status());
    made_ = true;
    VDB_RETURN_IF_ERROR(Check(*database, acknowledgements));
    if (turn != 2) return database->Close();
    reader_ = std::move(*database);  // and lives on
    return Status::Ok();
  }

  Status Check(const Database& database, const std::vector<Acknowledgement>& acknowledgements) {
    VDB_RETURN_IF_ERROR(CheckAfterKill(database, acknowledgements, &reached_));
    if (!WithJobs(phase_)) return Status::Ok();
    return CheckSnapshots(root_ / kDatabaseName, database, killed_ % 25 == 0, &kept_);
  }

  const int phase_;
  ScratchDir root_;
  std::mt19937_64 random_;
  size_t killed_ = 0, missed_ = 0, batches_ = 0;
  JobCounts jobs_;
  Reached reached_ = {};
  Kept kept_;
  bool made_ = false;
  std::optional<Database> reader_;  // through all kills
};

size_t RunPhase(int number, size_t kills) {
  KillRun run(number);
  while (run.killed() < kills && run.missed() < 5 * kills) {
    run.RunOnce();
    if (::testing::Test::HasFailure()) return run.killed();
  }
  run.Print();
  EXPECT_EQ(run.killed(), kills) << "the phase is not reached: nothing was tested";
  for (size_t k = 0; k < kJobKinds && WithJobs(number) && kills > 100; ++k) {
    EXPECT_GT(run.jobs().done[k] + run.jobs().cut[k], 0u) << kJobNames[k];
  }
  return run.killed();
}

TEST(KillTest, EverySyncedBatchSurvivesAKillInAnyPhase) {
  const size_t kills_per_phase = (KillCount() + kPhases - 1) / kPhases;
  std::printf("seed %d; of jobs and readers: done/cut by a kill\n%-16s %6s %7s %8s ",
              static_cast<int>(KillRun::kSeed), "phase", "kills", "not hit", "batches");
  for (const char* name : kJobNames) std::printf(" %11s", name);
  std::printf("\n");
  std::atomic<size_t> kills{0};
  std::atomic<int> next{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {  // each phase has its own directory
    threads.emplace_back([&] {
      for (int number = next++; number < kPhases; number = next++) {
        kills += RunPhase(number, kills_per_phase);
        if (HasFailure()) return;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::printf("%zu kills\n", kills.load());
  EXPECT_GE(kills, 200u / Thinning());
}

// gtest runs no test in the child: the child is known before any test starts.
const bool registered = [] {
  SetChildMain(Child);
  return true;
}();

}  // namespace
}  // namespace vdb::testing
