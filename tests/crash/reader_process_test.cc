// A reader beside a writer in another process. The writer (this program again) commits batches and
// publishes generations without pause: seals, index builds, compactions, new collections. The
// reader refreshes and looks: each view is one state of the writer, views never go back, and a
// snapshot held from the start reads the same at the end, from files that nobody else needs any
// more. Also: old generations go once a reader was killed, and a read-only mount is enough.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <thread>

#include "format/status_macros.h"
#include "tests/crash/crash_main.h"
#include "tests/crash/recorded_run.h"

extern char** environ;

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kKeys = 40;

// State n: document i was last written in batch b, the greatest b <= n with b % kKeys == i.
std::vector<float> VectorOf(uint64_t batch) { return {float(batch), float(batch % 7), 1}; }

// Rows are kept at unit length: the last bits differ.
bool IsNear(const std::vector<float>& a, const std::vector<float>& b) {
  for (size_t i = 0; i < b.size(); ++i) {
    if (a.size() != b.size() || std::abs(a[i] - b[i]) > 1e-3f) return false;
  }
  return true;
}

int Complain(const Status& status) {
  std::fprintf(stderr, "child: %s\n", status.ToString().c_str());
  return 1;
}

Status WriteBatchNumber(Collection* collection, uint64_t n) {
  WriteBatch batch;
  batch.Put({.key = "progress", .metadata = R"({"n":)" + std::to_string(n) + "}"});
  const std::vector<float> b = VectorOf(n);
  batch.Put({.key = "k" + std::to_string(n % kKeys),
             .metadata = R"({"n":)" + std::to_string(n) + "}",
             .body = std::string(300, static_cast<char>('a' + n % 26)),
             .vectors = {{kL2Column, b}}});
  return collection->Write(batch, {.sync = n % 5 == 0}).status();
}

Status Publish(Database* database, Collection* collection, uint64_t n) {
  switch (n % 4) {
    case 0: {
      IndexOptions options;
      options.column = kL2Column;
      options.list_count = 2;
      return collection->BuildIndex(options).status();
    }
    case 1: return database->Compact({.full = true}).status();
    case 2: return database->CreateCollection("x" + std::to_string(n)).status();
    default: return database->DropCollection("x" + std::to_string(n - 1));
  }
}

// Arguments: "write" path generations, or "hold" path.
int Child(const std::vector<std::string>& arguments) {
  const std::string path = arguments.at(1);
  if (arguments.at(0) == "hold") {
    auto reader = OpenReader(path);
    if (!reader.ok()) return Complain(reader.status());
    if (::write(STDOUT_FILENO, "held\n", 5) < 0) return 1;
    std::this_thread::sleep_for(std::chrono::hours(1));
    return 0;
  }
  const uint64_t generations = std::stoull(arguments.at(2));
  auto database = engine::OpenDatabase(path, SmallOptions());
  if (!database.ok()) return Complain(database.status());
  auto collection = database->OpenCollection(kCollection);
  if (!collection.ok()) return Complain(collection.status());
  uint64_t n = std::stoull(arguments.at(3));
  const uint64_t last = database->Stats()->generation + generations;
  for (uint64_t round = 2; database->Stats()->generation < last; ++round) {
    for (int i = 0; i < 5; ++i) {
      const Status written = WriteBatchNumber(&*collection, ++n);
      if (!written.ok()) return Complain(written);
    }
    const Status published = Publish(&*database, &*collection, round);
    if (!published.ok()) return Complain(published);
  }
  const Status closed = database->Close();
  return closed.ok() ? 0 : Complain(closed);
}

pid_t Spawn(std::vector<std::string> words, int* out = nullptr) {
  words.insert(words.begin(), {ProgramPath(), "--child"});
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int ends[2] = {-1, -1};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (out != nullptr) {
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  }
  pid_t child = 0;
  EXPECT_EQ(::posix_spawn(&child, ProgramPath().c_str(), &actions, nullptr, argv.data(), environ),
            0);
  posix_spawn_file_actions_destroy(&actions);
  if (out != nullptr) {
    ::close(ends[1]);
    *out = ends[0];
  }
  return child;
}

// Everything that a view shows must be state n, for the n that it says itself.
StatusOr<uint64_t> CheckView(const Collection& collection, const Snapshot* snapshot) {
  const ReadOptions at = {.snapshot = snapshot};
  VDB_ASSIGN_OR_RETURN(const Document progress, collection.Get("progress", at));
  const uint64_t n = std::stoull(progress.metadata.substr(progress.metadata.find(':') + 1));
  const uint64_t first = n < kKeys ? 1 : n - kKeys + 1;
  VDB_ASSIGN_OR_RETURN(const uint64_t count, collection.Count(at));
  if (count != n - first + 2) {
    return Status::Corruption("state " + std::to_string(n) + " has " + std::to_string(count) +
                              " documents");
  }
  for (uint64_t b = first; b <= n; ++b) {
    VDB_ASSIGN_OR_RETURN(const Document one,
                         collection.Get("k" + std::to_string(b % kKeys), at));
    const bool right = one.metadata == R"({"n":)" + std::to_string(b) + "}" &&
                       one.vectors.size() == 1 && IsNear(one.vectors[0].values, VectorOf(b));
    if (!right) return Status::Corruption("state " + std::to_string(n) + ": key " + one.key);
  }
  SearchOptions options;
  options.k = 3;
  options.exact = true;
  options.column = kL2Column;
  options.snapshot = snapshot;
  const std::vector<float> query = VectorOf(n);
  VDB_ASSIGN_OR_RETURN(const auto found, collection.Search(VectorView(query), options));
  const std::string nearest = "k" + std::to_string(n % kKeys);
  if (found.answers[0].hits.empty() || found.answers[0].hits[0].key != nearest) {
    return Status::Corruption("state " + std::to_string(n) + ": a search does not find " + nearest);
  }
  return n;
}

class ReaderProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto database = engine::OpenDatabase(Path(), SmallOptions());
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    ASSERT_TRUE(MakeCollection(&*database).ok());
    auto collection = *database->OpenCollection(kCollection);
    for (uint64_t n = 1; n <= kStart; ++n) ASSERT_TRUE(WriteBatchNumber(&collection, n).ok());
    ASSERT_TRUE(database->Close().ok());
  }
  std::string Path() { return root_ / kDatabaseName; }

  pid_t SpawnWriter(uint64_t generations, uint64_t from) {
    return Spawn({"write", Path(), std::to_string(generations), std::to_string(from)});
  }

  static constexpr uint64_t kStart = 60;
  ScratchDir root_;
};

TEST_F(ReaderProcessTest, FollowsABusyWriter) {
  const uint64_t generations = LongRun() ? 1000 : 100 / Thinning();
  const uint64_t looks_min = LongRun() ? 10'000 : 0;  // more writers follow until then
  auto reader = OpenReader(Path());
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  auto collection = *reader->OpenCollection(kCollection);
  const auto held = reader->GetSnapshot();
  ASSERT_TRUE(held.ok());
  const uint64_t first_generation = reader->Stats()->generation;
  pid_t writer = SpawnWriter(generations, kStart);
  std::vector<double> refresh_ms;
  uint64_t last = kStart, busy = 0, looks = 0;
  int status = 0;
  for (bool running = true; running;) {
    running = ::waitpid(writer, &status, WNOHANG) == 0;
    if (!running && looks < looks_min) {
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
      ASSERT_TRUE(reader->Refresh().ok());
      const auto reached = CheckView(collection, nullptr);
      ASSERT_TRUE(reached.ok()) << reached.status().ToString();
      writer = SpawnWriter(generations, *reached);
      running = true;
    }
    const auto start = Clock::now();
    const Status refreshed = reader->Refresh();
    const std::chrono::duration<double, std::milli> took = Clock::now() - start;
    if (refreshed.code() == StatusCode::kBusy) {
      ++busy;
      continue;
    }
    ASSERT_TRUE(refreshed.ok()) << refreshed.ToString();
    refresh_ms.push_back(took.count());
    ASSERT_LT(reader->Stats()->view_age_seconds, 60);
    const auto n = CheckView(collection, nullptr);
    ASSERT_TRUE(n.ok()) << n.status().ToString();
    ASSERT_GE(*n, last);
    last = *n;
    ++looks;
  }
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  ASSERT_TRUE(reader->Refresh().ok());
  const auto now = CheckView(collection, nullptr);
  ASSERT_TRUE(now.ok()) << now.status().ToString();
  const auto then = CheckView(collection, &*held);
  ASSERT_TRUE(then.ok()) << then.status().ToString();
  EXPECT_EQ(*then, kStart);
  EXPECT_GT(*now, kStart);
  EXPECT_GE(reader->Stats()->generation, first_generation + generations);
  std::sort(refresh_ms.begin(), refresh_ms.end());
  std::printf("%llu generations, %llu looks, %llu busy; refresh ms: median %.2f, p99 %.2f, "
              "max %.2f\n",
              static_cast<unsigned long long>(reader->Stats()->generation - first_generation),
              static_cast<unsigned long long>(looks), static_cast<unsigned long long>(busy),
              refresh_ms[refresh_ms.size() / 2], refresh_ms[refresh_ms.size() * 99 / 100],
              refresh_ms.back());
}

// What a reader needs is kept while it lives, and goes when it was killed.
TEST_F(ReaderProcessTest, AKilledReaderHoldsNothing) {
  const auto manifests = [this] {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(Path())) {
      if (entry.path().extension() == ".vdbm") names.push_back(entry.path().filename());
    }
    return names;
  };
  int out = -1;
  const pid_t holder = Spawn({"hold", Path()}, &out);
  char line[8] = {};
  ASSERT_EQ(::read(out, line, 5), 5);
  const auto held = manifests();
  ASSERT_EQ(held.size(), 1u);
  int status = 0;
  ::waitpid(SpawnWriter(8, kStart), &status, 0);
  ASSERT_EQ(WEXITSTATUS(status), 0);
  auto now = manifests();
  EXPECT_EQ(now.size(), 2u);
  EXPECT_NE(std::find(now.begin(), now.end(), held[0]), now.end());
  ::kill(holder, SIGKILL);
  ::waitpid(holder, &status, 0);
  ::close(out);
  ::waitpid(SpawnWriter(1, kStart + 1000), &status, 0);
  EXPECT_EQ(manifests().size(), 1u);
}

TEST_F(ReaderProcessTest, WorksOnAReadOnlyMount) {
  const std::string mounted = root_ / "mounted";
  fs::create_directory(mounted);
  if (::mount(Path().c_str(), mounted.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
      ::mount(nullptr, mounted.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
    ::umount(mounted.c_str());
    GTEST_SKIP() << "no permission to mount: not tested here";
  }
  EXPECT_FALSE(Database::Open(mounted).ok());  // a writer needs more
  {
    auto reader = OpenReader(mounted);
    ASSERT_TRUE(reader.ok()) << reader.status().ToString();
    auto collection = *reader->OpenCollection(kCollection);
    const auto before = CheckView(collection, nullptr);
    ASSERT_TRUE(before.ok()) << before.status().ToString();
    int status = 0;
    ::waitpid(SpawnWriter(3, kStart), &status, 0);
    ASSERT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(*CheckView(collection, nullptr), kStart);
    ASSERT_TRUE(reader->Refresh().ok());
    const auto n = CheckView(collection, nullptr);
    ASSERT_TRUE(n.ok()) << n.status().ToString();
    EXPECT_GT(*n, kStart);
  }
  EXPECT_EQ(::umount(mounted.c_str()), 0);
}

const bool registered = [] {
  SetChildMain(Child);
  return true;
}();

}  // namespace
}  // namespace vdb::testing
