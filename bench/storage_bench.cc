// Ingest, synced puts, opens and whole-process search, each beside the figure that bounds it: the
// disk's sequential write, one fdatasync, a smaller database, an empty process. See README.md here.
//
// Every benchmark checks its result before it reports (row counts, the nearest neighbour of a row).
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "bench/bench_util.h"
#include "bench/measure.h"
#include "vdb/database.h"
#include "vdb/import.h"

namespace {

namespace fs = std::filesystem;
using vdb::bench::BenchDir;
using vdb::bench::Clock;
using vdb::bench::Median;
using vdb::bench::Must;
using vdb::bench::Seconds;

constexpr char kDir[] = "vdb-storage-bench";

std::vector<float> RandomRows(size_t rows, size_t dimension) {
  std::vector<float> values(rows * dimension);
  uint32_t state = 12345;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
  }
  return values;
}

void WriteFvecs(const std::string& path, const std::vector<float>& values, uint32_t dimension) {
  std::ofstream out(path, std::ios::binary);
  for (size_t at = 0; at < values.size(); at += dimension) {
    out.write(reinterpret_cast<const char*>(&dimension), 4);
    out.write(reinterpret_cast<const char*>(&values[at]), std::streamsize(dimension) * 4);
  }
}

vdb::Database OpenNew(const std::string& path) {
  return Must(vdb::Database::Open(path, {.create_if_missing = true}));
}

// Seconds to append as many bytes to one file and fdatasync once per `step` bytes.
double SequentialWrite(const std::string& path, uint64_t bytes, uint64_t step) {
  const std::vector<char> block(step, 'x');
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  const auto start = Clock::now();
  for (uint64_t done = 0; done < bytes; done += step) {
    if (::write(fd, block.data(), step) != ssize_t(step) || ::fdatasync(fd) != 0) std::abort();
  }
  const double seconds = Seconds(start);
  ::close(fd);
  fs::remove(path);
  return seconds;
}

// Import of an .fvecs file, synced per batch of 1,000 rows.
void Ingest(benchmark::State& state) {
  const auto rows = size_t(state.range(0)), dimension = size_t(state.range(1));
  const BenchDir dir(kDir);
  WriteFvecs(dir / "in.fvecs", RandomRows(rows, dimension), uint32_t(dimension));
  const double bytes = double(rows * dimension * 4);
  std::vector<double> times, disk;
  for (auto _ : state) {
    disk.push_back(SequentialWrite(dir / "seq", uint64_t(bytes), dimension * 4 * 1000));
    const auto start = Clock::now();
    {
      vdb::Database db = OpenNew(dir / "db");
      const auto report = Must(vdb::ImportFile(db, "c", dir / "in.fvecs"));
      if (report.document_count != rows) std::abort();
      Must(db.Close());
    }
    times.push_back(Seconds(start));
    state.SetIterationTime(times.back());
    fs::remove_all(dir / "db");
  }
  state.counters["rows_per_s"] = double(rows) / Median(times);
  state.counters["MB_per_s"] = bytes / 1e6 / Median(times);
  state.counters["disk_MB_per_s"] = bytes / 1e6 / Median(disk);
  state.counters["share_of_disk"] = Median(disk) / Median(times);
}
BENCHMARK(Ingest)->Args({1000000, 128})->Args({200000, 768})->UseManualTime()->Iterations(3)
    ->Unit(benchmark::kMillisecond);

// One synced put of a 128-dimensional document beside one append of 200 bytes and fdatasync.
void SyncedPut(benchmark::State& state) {
  const BenchDir dir(kDir);
  vdb::Database db = OpenNew(dir / "db");
  auto docs = Must(db.CreateCollection("c"));
  Must(docs.AddColumn("v", {.dimension = 128}));
  const auto values = RandomRows(1, 128);
  const int fd = ::open((dir / "plain").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
  const char record[200] = {};
  std::vector<double> puts, syncs;
  int i = 0;
  for (auto _ : state) {
    auto start = Clock::now();
    if (::write(fd, record, sizeof(record)) < 0 || ::fdatasync(fd) != 0) std::abort();
    syncs.push_back(Seconds(start));
    start = Clock::now();
    Must(docs.Put({.key = "key" + std::to_string(i++), .vectors = {{"v", values}}}).status());
    puts.push_back(Seconds(start));
    state.SetIterationTime(puts.back());
  }
  ::close(fd);
  state.counters["put_us"] = Median(puts) * 1e6;
  state.counters["fdatasync_us"] = Median(syncs) * 1e6;
  state.counters["ratio"] = Median(puts) / Median(syncs);
  Must(db.Close());
}
BENCHMARK(SyncedPut)->UseManualTime()->Iterations(1000)->Unit(benchmark::kMicrosecond);

double PutsPerSecond(vdb::Collection docs, int writers, int puts_each) {
  const auto values = RandomRows(1, 128);
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      vdb::Collection mine = docs;
      for (int i = 0; i < puts_each; ++i) {
        Must(mine.Put({.key = std::to_string(w) + "-" + std::to_string(i),
                       .vectors = {{"v", values}}}).status());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  return writers * puts_each / Seconds(start);
}

// Synced puts of 8 threads beside those of one.
void EightWriters(benchmark::State& state) {
  const BenchDir dir(kDir);
  vdb::Database db = OpenNew(dir / "db");
  auto docs = Must(db.CreateCollection("c"));
  Must(docs.AddColumn("v", {.dimension = 128}));
  std::vector<double> one, eight;
  for (auto _ : state) {
    one.push_back(PutsPerSecond(docs, 1, 1000));
    eight.push_back(PutsPerSecond(docs, 8, 1000));
    state.SetIterationTime(8000 / eight.back());
  }
  state.counters["one_puts_per_s"] = Median(one);
  state.counters["eight_puts_per_s"] = Median(eight);
  state.counters["ratio"] = Median(eight) / Median(one);
  Must(db.Close());
}
BENCHMARK(EightWriters)->UseManualTime()->Iterations(5)->Unit(benchmark::kMillisecond);

void Fill(const std::string& path, size_t rows, uint32_t dimension) {
  vdb::Database db = OpenNew(path);
  auto docs = Must(db.CreateCollection("c"));
  Must(docs.AddColumn("v", {.dimension = dimension}));
  const auto values = RandomRows(1000, dimension);
  for (size_t first = 0; first < rows; first += 1000) {
    vdb::WriteBatch batch;
    for (size_t i = 0; i < 1000 && first + i < rows; ++i) {
      batch.Put({.key = std::to_string(first + i),
                 .vectors = {{"v", {&values[i * dimension], dimension}}}});
    }
    Must(docs.Write(batch, {.sync = false}).status());
  }
  Must(db.Close());
}

// Open, one get, close, of a database of 1,000 rows and of one of 1,000,000, in turn.
void Open(benchmark::State& state) {
  const bool read_only = state.range(0) == 1;
  const BenchDir dir(kDir);
  Fill(dir / "small", 1000, 16);
  Fill(dir / "large", 1000000, 16);
  std::vector<double> times[2];
  for (auto _ : state) {
    const auto all = Clock::now();
    for (int large = 0; large < 2; ++large) {
      const auto start = Clock::now();
      vdb::Database db = Must(
          vdb::Database::Open(dir / (large ? "large" : "small"), {.read_only = read_only}));
      Must(Must(db.OpenCollection("c")).Get("7").status());
      times[large].push_back(Seconds(start));
      Must(db.Close());
    }
    state.SetIterationTime(Seconds(all));
  }
  state.counters["rows_1000_ms"] = Median(times[0]) * 1e3;
  state.counters["rows_1000000_ms"] = Median(times[1]) * 1e3;
  state.counters["difference_ms"] = (Median(times[1]) - Median(times[0])) * 1e3;
}
BENCHMARK(Open)->ArgName("read_only")->Arg(1)->Arg(0)->UseManualTime()->Iterations(41)
    ->Unit(benchmark::kMillisecond);

// Seconds from fork to the end of a child that runs the command with its output thrown away.
double RunProcess(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));  // NOLINT
  arguments.push_back(nullptr);
  const auto start = Clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, 1);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) std::abort();
  return Seconds(start);
}

// A fresh `vdbtool search` process on 5,000 x 3,072, page cache warm, beside `vdbtool --version`.
void FreshProcessSearch(benchmark::State& state) {
  const BenchDir dir(kDir);
  Fill(dir / "db", 5000, 3072);
  WriteFvecs(dir / "q.fvecs", RandomRows(1, 3072), 3072);
  std::vector<double> search, empty;
  for (auto _ : state) {
    search.push_back(RunProcess({VDBTOOL, "search", dir / "db", "c", "--queries", dir / "q.fvecs",
                                 "-k", "10", "--json"}));
    empty.push_back(RunProcess({VDBTOOL, "--version"}));
    state.SetIterationTime(search.back());
  }
  state.counters["search_ms"] = Median(search) * 1e3;
  state.counters["version_ms"] = Median(empty) * 1e3;
}
BENCHMARK(FreshProcessSearch)->UseManualTime()->Iterations(41)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
