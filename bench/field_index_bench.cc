// What field indexes cost and give: puts with and without three of them, and the mask of a range
// that matches a tenth of a million documents, cold and cached. Every figure is checked: counts by
// arithmetic, hits by their metadata.
//
//   field_index_bench [--rows N] [--puts N] [--dimension D] (puts of that dimension only)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <random>
#include <string>

#include "bench/bench_util.h"
#include "bench/measure.h"
#include "vdb/database.h"

namespace vdb::bench {
namespace {

constexpr const char* kFields[] = {"rank", "name", "tags"};
constexpr size_t kNames = 5000;

// Documents with a rank that is a random permutation, one of 5,000 names and two tags.
class Documents {
 public:
  Documents(size_t count, uint32_t dimension) : ranks_(count), vector_(dimension) {
    std::iota(ranks_.begin(), ranks_.end(), 0u);
    std::shuffle(ranks_.begin(), ranks_.end(), random_);
  }
  void AddTo(WriteBatch* batch, size_t i) {
    for (float& x : vector_) x = static_cast<float>(random_() % 1000) + 1;
    const std::string key = "key" + std::to_string(i);
    const std::string metadata =
        "{\"rank\": " + std::to_string(ranks_[i]) + ", \"name\": \"name number " +
        std::to_string(ranks_[i] % kNames) + "\", \"tags\": [\"t" + std::to_string(i % 7) +
        "\", \"u" + std::to_string(i % 100) +
        "\"], \"text\": \"something more that is in the metadata of a document\"}";
    batch->Put({.key = key, .metadata = metadata, .vectors = {{"v", vector_}}});
  }

 private:
  std::mt19937_64 random_{1};
  std::vector<uint32_t> ranks_;
  std::vector<float> vector_;
};

struct PutCase {
  uint32_t dimension;
  size_t batch_documents;
  bool sync;
  size_t part;  // of the documents asked for: 1 / part of them
};

// Of one run: documents per second, and what a document costs.
struct PutFigures {
  double per_second = 0;
  double writer_us = 0;   // processor time of the thread that writes
  double process_us = 0;  // of all threads: RocksDB's flushes and compactions are with it
};

PutFigures PutAll(const std::string& path, const PutCase& put, size_t count, bool indexed) {
  std::filesystem::remove_all(path);
  Database db = Must(Database::Open(path, {.create_if_missing = true}));
  Collection c = Must(db.CreateCollection("c"));
  Must(c.AddColumn("v", {.dimension = put.dimension}));
  for (const char* field : kFields) {
    if (indexed) Must(c.AddFieldIndex({.field = field}));
  }
  Documents documents(count, put.dimension);
  double ms = 0, writer_seconds = 0, making_seconds = 0;
  const double process_seconds = CpuSeconds();
  const auto time = [&](const auto& work) {
    const double before = ThreadCpuSeconds();
    ms += MillisecondsOf(work);
    writer_seconds += ThreadCpuSeconds() - before;
  };
  for (size_t i = 0; i < count;) {
    WriteBatch batch;  // made before the clock runs: the caller's cost is not ours
    const double before = ThreadCpuSeconds();
    for (size_t j = 0; j < put.batch_documents && i < count; ++j) documents.AddTo(&batch, i++);
    making_seconds += ThreadCpuSeconds() - before;
    time([&] { Must(c.Write(batch, {.sync = put.sync})); });
  }
  time([&] { Must(db.Flush()); });
  const double per_document = 1e6 / static_cast<double>(count);
  const PutFigures figures = {
      static_cast<double>(count) / ms * 1000, writer_seconds * per_document,
      (CpuSeconds() - process_seconds - making_seconds) * per_document};
  if (indexed && Must(c.Count(Field("rank").Less(int64_t{100}))) != std::min<size_t>(count, 100)) {
    std::fprintf(stderr, "a wrong count\n");
    std::exit(1);
  }
  Must(db.Close());
  return figures;
}

double MedianOf(const std::vector<PutFigures>& runs, double PutFigures::*figure) {
  std::vector<double> values;
  for (const PutFigures& run : runs) values.push_back(run.*figure);
  return Median(values);
}

void MeasurePuts(const std::string& path, size_t count, uint32_t only_dimension) {
  std::printf("puts, documents/s, and processor time of a document in us: the writing thread's, "
              "the whole process's (medians of 3, in turn)\n"
              "| dimension | batch | sync | none | three | ratio | writer, none | three | ratio "
              "| process, none | three | ratio |\n"
              "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  const PutCase cases[] = {{8, 1000, false, 1}, {128, 1000, false, 2}, {128, 100, true, 4},
                           {768, 1000, false, 8}, {768, 100, true, 8}, {128, 1, true, 100}};
  for (const PutCase& put : cases) {
    if (only_dimension != 0 && put.dimension != only_dimension) continue;
    std::vector<PutFigures> without, with;
    for (int round = 0; round < 3; ++round) {
      without.push_back(PutAll(path, put, count / put.part, false));
      with.push_back(PutAll(path, put, count / put.part, true));
    }
    std::printf("| %u | %zu | %s", put.dimension, put.batch_documents, put.sync ? "yes" : "no");
    for (const auto figure :
         {&PutFigures::per_second, &PutFigures::writer_us, &PutFigures::process_us}) {
      const double none = MedianOf(without, figure), three = MedianOf(with, figure);
      const bool is_rate = figure == &PutFigures::per_second;
      std::printf(is_rate ? " | %.0f | %.0f | %.2f" : " | %.1f | %.1f | %.2f", none, three,
                  is_rate ? three / none : none / three);
    }
    std::printf(" |\n");
    std::fflush(stdout);
  }
}

void MeasureMask(const std::string& path, size_t rows) {
  PutAll(path, {8, 1000, false, 1}, rows, true);
  SearchOptions options;
  options.k = 10;
  options.explain = true;
  const auto low = static_cast<int64_t>(rows / 10 * 4);
  const auto high = static_cast<int64_t>(rows / 10 * 5 - 1);
  options.filter = Field("rank").Between(low, high);
  const std::vector<float> query = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<double> first, cold, cold_cpu, cached;
  for (int round = 0; round < 5; ++round) {
    Database db = Must(Database::Open(path));
    Collection c = Must(db.OpenCollection("c"));
    for (int i = 0; i < 4; ++i) {
      SearchResult result;
      Must(c.Put({.key = "x"}));  // another batch: the mask is made anew
      const double before = ThreadCpuSeconds();
      const double made = MillisecondsOf([&] {
        result = Must(c.Search(VectorView(query), options));
      });
      (i == 0 ? first : cold).push_back(made);
      if (i > 0) cold_cpu.push_back((ThreadCpuSeconds() - before) * 1000);
      const FilterExplain& filter = result.explains[0].filter;
      if (filter.match_count != rows / 10 || filter.metadata_bytes != 0 || filter.cached) {
        std::fprintf(stderr, "expected %zu matches from the index alone\n", rows / 10);
        std::exit(1);
      }
      result = Must(c.Search(VectorView(query), options));
      if (!result.explains[0].filter.cached) std::exit(1);
      cached.push_back((result.explains[0].filter.filter_us + result.explains[0].filter.mask_us) /
                       1000);
    }
    Must(db.Close());
  }
  std::printf("\nmask of %zu of %zu documents, ms: %.1f cold (whole search, %.1f of processor time "
              "in its thread; %.1f the first after the open), %.3f cached (finding the mask); 0 "
              "bytes of JSON\n",
              rows / 10, rows, Median(cold), Median(cold_cpu), Median(first), Median(cached));
}

}  // namespace
}  // namespace vdb::bench

int main(int argc, char** argv) {
  size_t rows = 1'000'000, puts = 200'000;
  uint32_t dimension = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rows") == 0) rows = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--puts") == 0) puts = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--dimension") == 0) {
      dimension = static_cast<uint32_t>(std::strtoul(argv[i + 1], nullptr, 10));
    }
  }
  const vdb::bench::BenchDir dir("vdb-field-index-bench");
  const std::string path = dir / "db";
  if (puts > 0) vdb::bench::MeasurePuts(path, puts, dimension);
  if (rows > 0) vdb::bench::MeasureMask(path, rows);
}
