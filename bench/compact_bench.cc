// Compaction after half of a database was deleted: the space that comes back beside a fresh import
// of the rest, throughput beside a plain synced copy of as many bytes, recall, and what searches
// notice of it. Usage: compact_bench [ROWS [DIMENSION [BYTES_PER_SECOND]]]; VDB_BENCH_DIR as in
// README.md. Everything is checked before it is reported: contents by ContentHash, and verify.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_util.h"
#include "bench/datasets.h"
#include "storage/file_system.h"
#include "vdb/database.h"

namespace {

namespace fs = std::filesystem;
using vdb::bench::BytesOf;
using vdb::bench::Clock;
using vdb::bench::Must;
using vdb::bench::Seconds;

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(share * static_cast<double>(values.size())))];
}

// Every `step`th row, with its number as key.
void Fill(vdb::Database& db, const vdb::bench::Dataset& data, size_t step) {
  auto docs = Must(db.CreateCollection("c"));
  Must(docs.AddColumn("v", {.dimension = static_cast<uint32_t>(data.dimension)}));
  vdb::WriteBatch batch;
  size_t pending = 0;
  for (size_t i = 0; i < data.row_count; i += step) {
    const std::string key = std::to_string(i);
    batch.Put({.key = key,
               .metadata = "{\"n\":" + key + "}",
               .vectors = {{"v", {data.rows.data() + i * data.dimension, data.dimension}}}});
    if (++pending < 2000) continue;
    Must(docs.Write(batch).status());
    batch = {};
    pending = 0;
  }
  if (pending > 0) Must(docs.Write(batch).status());
}

double Recall(vdb::Collection& docs, const vdb::bench::Dataset& data) {
  size_t right = 0, all = 0;
  for (size_t q = 0; q < std::min<size_t>(data.query_count, 200); ++q) {
    const vdb::VectorView query(data.queries.data() + q * data.dimension, data.dimension);
    const auto truth = Must(docs.Search(query, {.k = 10, .exact = true}));
    const auto found = Must(docs.Search(query, {.k = 10}));
    for (const auto& hit : found.answers[0].hits) {
      for (const auto& other : truth.answers[0].hits) right += other.key == hit.key ? 1 : 0;
    }
    all += truth.answers[0].hits.size();
  }
  return static_cast<double>(right) / static_cast<double>(all);
}

// Latencies of single searches, in ms, until `stop`.
std::vector<double> SearchUntil(const vdb::Collection& docs, const vdb::bench::Dataset& data,
                                const std::atomic<bool>& stop) {
  std::vector<double> latencies;
  for (size_t q = 0; !stop; q = (q + 1) % data.query_count) {
    const vdb::VectorView query(data.queries.data() + q * data.dimension, data.dimension);
    const auto start = Clock::now();
    Must(docs.Search(query, {.k = 10}).status());
    latencies.push_back(Seconds(start) * 1e3);
  }
  return latencies;
}

double CopySeconds(const std::string& from, const std::string& to) {
  const auto start = Clock::now();
  auto& system = *vdb::storage::PosixFileSystem();
  for (const auto& entry : fs::directory_iterator(from)) {
    Must(vdb::storage::CopyFile(system, entry.path(), to + "/" + entry.path().filename().string(),
                                entry.file_size()));
  }
  Must(system.SyncDir(to));
  return Seconds(start);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t rows = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200'000;
  const size_t dimension = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 768;
  const uint64_t rate = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0;
  const vdb::bench::BenchDir dir("vdb-compact-bench");
  fs::create_directories(dir / "copy");
  const auto data = vdb::bench::MakeNested(rows, 500, dimension, 7);

  uint64_t fresh_bytes = 0;
  double fresh_recall = 0;
  std::string fresh_hash;
  {
    auto db = Must(vdb::Database::Open(dir / "fresh", {.create_if_missing = true}));
    Fill(db, data, 2);
    auto docs = Must(db.OpenCollection("c"));
    Must(docs.BuildIndex().status());
    fresh_recall = Recall(docs, data);
    fresh_hash = Must(db.ContentHash());
    Must(db.Close());
    fresh_bytes = BytesOf(dir / "fresh");
    fs::remove_all(dir / "fresh");
  }

  auto db = Must(vdb::Database::Open(dir / "db", {.create_if_missing = true}));
  Fill(db, data, 1);
  auto docs = Must(db.OpenCollection("c"));
  Must(docs.BuildIndex().status());
  vdb::WriteBatch batch;
  for (size_t i = 1; i < rows; i += 2) {
    batch.Delete(std::to_string(i));
    if (i % 4000 < 3999) continue;
    Must(docs.Write(batch).status());
    batch = {};
  }
  Must(docs.Write(batch).status());
  const uint64_t before_bytes = BytesOf(dir / "db");
  Recall(docs, data);  // warms up

  std::atomic<bool> stop{false};
  std::vector<double> idle, busy;
  std::thread searcher([&] { idle = SearchUntil(docs, data, stop); });
  std::this_thread::sleep_for(std::chrono::seconds(10));
  stop = true;
  searcher.join();
  stop = false;
  searcher = std::thread([&] { busy = SearchUntil(docs, data, stop); });
  const auto start = Clock::now();
  const auto report = Must(db.Compact({.bytes_per_second_max = rate}));
  const double seconds = Seconds(start);
  stop = true;
  searcher.join();
  const double recall = Recall(docs, data);
  const bool same = Must(db.ContentHash()) == fresh_hash;
  const bool clean = Must(db.Verify()).problem_count == 0;
  Must(db.Close());
  const uint64_t after_bytes = BytesOf(dir / "db");
  const double copy = CopySeconds(dir / "db/segments", dir / "copy");
  const double copied = static_cast<double>(BytesOf(dir / "copy"));

  std::printf("%zu x %zu, half deleted\n", rows, dimension);
  std::printf("contents as a fresh database of the rest: %s; verify: %s\n", same ? "yes" : "NO",
              clean ? "clean" : "PROBLEMS");
  std::printf("bytes: before %.1f MB, after %.1f MB, fresh %.1f MB: %.3f x fresh\n",
              static_cast<double>(before_bytes) / 1e6, static_cast<double>(after_bytes) / 1e6,
              static_cast<double>(fresh_bytes) / 1e6,
              static_cast<double>(after_bytes) / static_cast<double>(fresh_bytes));
  std::printf("recall@10: %.4f, of the fresh one %.4f\n", recall, fresh_recall);
  std::printf("compaction beside searches: %.2f s, %.0f MB/s (rewrite %.2f, proof %.2f, documents "
              "%.2f s); copy of the result, synced: %.0f MB/s\n",
              seconds, static_cast<double>(report.bytes_written) / 1e6 / seconds,
              report.rewrite_ms / 1e3, report.prove_ms / 1e3, report.documents_ms / 1e3,
              copied / 1e6 / copy);
  std::printf("peak memory of its own: %.1f MB\n",
              static_cast<double>(report.memory_bytes_peak) / 1e6);
  std::printf("searches, ms: idle p50 %.3f p99 %.3f (%zu); during p50 %.3f p99 %.3f (%zu): p99 "
              "%.2f x\n",
              Percentile(idle, 0.5), Percentile(idle, 0.99), idle.size(), Percentile(busy, 0.5),
              Percentile(busy, 0.99), busy.size(),
              Percentile(busy, 0.99) / std::max(1e-9, Percentile(idle, 0.99)));
  return same && clean ? 0 : 1;
}
