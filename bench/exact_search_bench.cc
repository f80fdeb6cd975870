// Exact search beside what it cannot beat (reading the bytes, the bare matrix product) and what it
// should (FAISS IndexFlatIP): in one process, on the same vectors, in turn, medians of all rounds.
// Answers are compared with FAISS's before any time is printed.
//
//   exact_search_bench [ROWSxDIMENSION ...] [--metric cosine|dot|l2] [--batch N ...] [--k N]
//                      [--level scalar|avx2|avx512] [--rounds N]
#include <cblas.h>
#if defined(VDB_BENCH_FAISS)
#include <faiss/IndexFlat.h>
#include <omp.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/datasets.h"
#include "bench/measure.h"
#include "index/kernels/kernels.h"
#include "query/exact_search.h"

namespace vdb::bench {
namespace {

constexpr uint64_t kSeed = 1;
constexpr size_t kProductBytesMax = size_t{512} << 20;  // of one sgemm's output

struct Shape {
  size_t rows = 0;
  size_t dimension = 0;
};

struct Settings {
  std::vector<Shape> shapes;
  std::vector<size_t> batches;
  Metric metric = Metric::kCosine;
  size_t k = 10;
  size_t rounds = 0;  // 0: by the size of the batch
  const index::Kernels* kernels = nullptr;
};

volatile uint64_t g_sink;

// FAISS, or nothing where it is not installed.
class Peer {
 public:
#if defined(VDB_BENCH_FAISS)
  explicit Peer(const Dataset& data) : index_(static_cast<int>(data.dimension)) {
    index_.add(static_cast<int64_t>(data.row_count), data.rows.data());
  }
  static constexpr bool kInstalled = true;
  void Search(const float* queries, size_t count, size_t k, int threads) {
    omp_set_num_threads(threads);
    scores_.resize(count * k);
    ids_.resize(count * k);
    index_.search(static_cast<int64_t>(count), queries, static_cast<int64_t>(k), scores_.data(),
                  ids_.data());
  }
  int64_t id(size_t i) const { return ids_[i]; }

 private:
  faiss::IndexFlatIP index_;
  std::vector<float> scores_;
  std::vector<faiss::Index::idx_t> ids_;
#else
  explicit Peer(const Dataset&) {}
  static constexpr bool kInstalled = false;
  void Search(const float*, size_t, size_t, int) {}
  int64_t id(size_t) const { return 0; }
#endif
};

class Run {
 public:
  Run(const Settings& settings, const Shape& shape)
      : settings_(settings),
        data_(MakeClustered(shape.rows, Largest(settings.batches), shape.dimension, kSeed)),
        peer_(data_) {
    for (size_t i = 0; i < shape.rows; ++i) records_.push_back({i + 1, 1.0, 0, 1, 0, 0});
    segment_ = {data_.rows.data(), records_.data(), shape.rows, nullptr};
  }

  bool CheckAnswers();
  void Single();
  void Batch(size_t count, uint32_t threads);

 private:
  static size_t Largest(const std::vector<size_t>& batches) {
    return std::max<size_t>(64, batches.empty() ? 0 : *std::ranges::max_element(batches));
  }

  std::vector<std::vector<query::RowHit>> Search(const float* queries, size_t count,
                                                 uint32_t threads) const;
  void Multiply(const float* queries, size_t count);
  void Print(const std::string& title, std::map<std::string, std::vector<double>>* times) const;
  size_t Bytes() const { return data_.rows.size() * sizeof(float); }

  const Settings& settings_;
  Dataset data_;
  Peer peer_;
  std::vector<format::RowRecord> records_;
  query::ScanSegment segment_;
  std::vector<float> product_;
};

std::vector<std::vector<query::RowHit>> Run::Search(const float* queries, size_t count,
                                                    uint32_t threads) const {
  query::ExactSearchInput input;
  input.segments = {&segment_, 1};
  input.dimension = static_cast<uint32_t>(data_.dimension);
  input.metric = settings_.metric;
  input.queries = {queries, count, data_.dimension};
  input.k = settings_.k;
  input.thread_count = threads;
  auto result = query::ExactSearchAtLevel(input, *settings_.kernels);
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

// The same scores as one sgemm of this shape makes, in as few calls as its output's memory allows.
void Run::Multiply(const float* queries, size_t count) {
  const size_t rows_max = std::min(data_.row_count, kProductBytesMax / (count * sizeof(float)));
  product_.resize(rows_max * count);
  const auto d = static_cast<blasint>(data_.dimension);
  for (size_t first = 0; first < data_.row_count; first += rows_max) {
    const size_t rows = std::min(rows_max, data_.row_count - first);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<blasint>(count),
                static_cast<blasint>(rows), d, 1, queries, d,
                data_.rows.data() + first * data_.dimension, d, 0, product_.data(),
                static_cast<blasint>(rows));
  }
}

// FAISS adds in float32, so its order may differ where scores do by a few 1e-7.
bool Run::CheckAnswers() {
  if (!Peer::kInstalled) {
    std::printf("FAISS is not installed: answers are not compared with it\n");
    return true;
  }
  const size_t count = 64, k = std::min(settings_.k, data_.row_count);
  const auto batch = Search(data_.queries.data(), count, 2);
  peer_.Search(data_.queries.data(), count, k, 1);
  for (size_t q = 0; q < count; ++q) {
    const float* query = data_.queries.data() + q * data_.dimension;
    const auto single = Search(query, 1, 1)[0];
    for (size_t i = 0; i < k; ++i) {
      const auto id = static_cast<size_t>(peer_.id(q * k + i));
      const double dot = settings_.kernels->dot_exact(
          query, data_.rows.data() + id * data_.dimension, data_.dimension);
      const double score = settings_.metric == Metric::kL2 ? 2 * dot - 2 : dot;
      if (single[i].row != batch[q][i].row || std::abs(batch[q][i].score - score) > 4e-6) {
        std::fprintf(stderr, "query %zu, place %zu: row %zu here, %zu in FAISS\n", q, i,
                     static_cast<size_t>(single[i].row), id);
        return false;
      }
    }
  }
  std::printf("answers equal FAISS's on %zu queries, single and batch\n", count);
  return true;
}

void Run::Print(const std::string& title, std::map<std::string, std::vector<double>>* times) const {
  const double ours = Median((*times)["vdb"]);
  std::printf("%-34s vdb %9.2f ms", title.c_str(), ours);
  for (const auto& [name, values] : *times) {
    if (name != "vdb") {
      const double theirs = Median(values);
      std::printf("   %s %9.2f ms (%.2f of vdb)", name.c_str(), theirs, theirs / ours);
    }
  }
  std::printf("\n");
  std::fflush(stdout);
}

void Run::Single() {
  openblas_set_num_threads(1);
  std::map<std::string, std::vector<double>> times, two;
  const size_t rounds = settings_.rounds > 0 ? settings_.rounds : 25;
  for (size_t round = 0; round < rounds; ++round) {
    const float* query = data_.queries.data() + (round % 64) * data_.dimension;
    times["vdb"].push_back(MillisecondsOf([&] { Search(query, 1, 1); }));
    two["vdb"].push_back(MillisecondsOf([&] { Search(query, 1, 2); }));
    for (const int streams : {1, 4}) {
      times["read" + std::to_string(streams)].push_back(
          MillisecondsOf([&] { g_sink = ReadAll(data_.rows.data(), Bytes(), streams); }));
    }
    if (!Peer::kInstalled) continue;
    times["faiss"].push_back(MillisecondsOf([&] { peer_.Search(query, 1, settings_.k, 1); }));
  }
  const double best = std::min(Median(times["read1"]), Median(times["read4"]));
  Print("1 query, 1 thread", &times);
  std::printf(
      "%-34s %.0f %% of the read bandwidth of one thread (%.1f GB/s, best of 1 and 4 streams)\n",
      "", 100 * best / Median(times["vdb"]), static_cast<double>(Bytes()) / best / 1e6);
  Print("1 query, 2 threads", &two);
}

void Run::Batch(size_t count, uint32_t threads) {
  std::map<std::string, std::vector<double>> times;
  const size_t rounds = settings_.rounds > 0 ? settings_.rounds : count > 512 ? 3 : 7;
  const float* queries = data_.queries.data();
  for (size_t round = 0; round < rounds; ++round) {
    openblas_set_num_threads(1);
    times["vdb"].push_back(MillisecondsOf([&] { Search(queries, count, threads); }));
    openblas_set_num_threads(static_cast<int>(threads));
    times["sgemm"].push_back(MillisecondsOf([&] { Multiply(queries, count); }));
    if (!Peer::kInstalled) continue;
    times["faiss"].push_back(MillisecondsOf(
        [&] { peer_.Search(queries, count, settings_.k, static_cast<int>(threads)); }));
  }
  openblas_set_num_threads(1);
  Print(std::to_string(count) + " queries, " + std::to_string(threads) + " threads", &times);
}

bool ParseShape(const std::string& text, Shape* shape) {
  return std::sscanf(text.c_str(), "%zux%zu", &shape->rows, &shape->dimension) == 2 &&
         shape->rows > 0 && shape->dimension > 0;
}

bool ParseOption(const std::string& name, const std::string& value, Settings* settings) {
  if (name == "--metric") {
    settings->metric = value == "l2"    ? Metric::kL2
                       : value == "dot" ? Metric::kDot
                                        : Metric::kCosine;
  } else if (name == "--batch") {
    settings->batches.push_back(std::stoul(value));
  } else if (name == "--k") {
    settings->k = std::stoul(value);
  } else if (name == "--rounds") {
    settings->rounds = std::stoul(value);
  } else if (name == "--level") {
    settings->kernels = index::KernelsByName(value.c_str());
  } else {
    return false;
  }
  return settings->kernels != nullptr;
}

bool Parse(int count, char** values, Settings* settings) {
  auto active = index::ActiveKernels();
  if (!active.ok()) return false;
  settings->kernels = *active;
  for (int i = 1; i < count; ++i) {
    Shape shape;
    if (ParseShape(values[i], &shape)) {
      settings->shapes.push_back(shape);
    } else if (i + 1 >= count || !ParseOption(values[i], values[i + 1], settings)) {
      return false;
    } else {
      ++i;
    }
  }
  if (settings->shapes.empty()) settings->shapes = {{200'000, 768}, {1'000'000, 128}};
  if (settings->batches.empty()) settings->batches = {128, 2048};
  return true;
}

}  // namespace

int Main(int argument_count, char** arguments) {
  Settings settings;
  if (!Parse(argument_count, arguments, &settings)) {
    std::fprintf(stderr, "usage: see the top of bench/exact_search_bench.cc\n");
    return 2;
  }
  for (const Shape& shape : settings.shapes) {
    std::printf("%zu x %zu, seed %zu, k %zu, level %s, BLAS core %s\n", shape.rows, shape.dimension,
                static_cast<size_t>(kSeed), settings.k, settings.kernels->name,
                openblas_get_corename());
    std::unique_ptr<Run> run;
    const double made = MillisecondsOf([&] { run = std::make_unique<Run>(settings, shape); });
    std::printf("made in %.1f s\n", made / 1000);
    if (!run->CheckAnswers()) return 1;
    run->Single();
    for (const size_t batch : settings.batches) {
      for (const uint32_t threads : {1u, 2u}) run->Batch(batch, threads);
    }
  }
  return 0;
}

}  // namespace vdb::bench

int main(int argument_count, char** arguments) {
  return vdb::bench::Main(argument_count, arguments);
}
