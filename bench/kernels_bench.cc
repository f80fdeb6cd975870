// Each kernel at each SIMD level, on bytes that are in the cache: what the code can do, where
// exact_search_bench shows what the memory lets it do. The kernels that read codes also run on
// working sets that fit no cache (the second argument: bytes); "row" is the time per row.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "bench/datasets.h"
#include "format/index_layout.h"
#include "index/kernels/kernels.h"

namespace vdb::bench {
namespace {

constexpr size_t kRows = 32;

void CountBytes(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

void ScreenDots(benchmark::State& state, const index::Kernels* kernels) {
  const auto d = static_cast<size_t>(state.range(0));
  const Dataset data = MakeClustered(kRows, 1, d, 1);
  std::vector<float> out(kRows);
  for (auto _ : state) {
    kernels->screen_dots(data.rows.data(), kRows, d, data.queries.data(), out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  CountBytes(state, kRows * d * sizeof(float));
}

void DotExact(benchmark::State& state, const index::Kernels* kernels) {
  const auto d = static_cast<size_t>(state.range(0));
  const Dataset data = MakeClustered(1, 1, d, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels->dot_exact(data.rows.data(), data.queries.data(), d));
  }
  CountBytes(state, d * sizeof(float));
}

void SquaredL2Exact(benchmark::State& state, const index::Kernels* kernels) {
  const auto d = static_cast<size_t>(state.range(0));
  const Dataset data = MakeClustered(1, 1, d, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        kernels->squared_l2_exact(data.rows.data(), 1.5, data.queries.data(), d));
  }
  CountBytes(state, d * sizeof(float));
}

void FindAtLeast(benchmark::State& state, const index::Kernels* kernels) {
  const auto count = static_cast<size_t>(state.range(0));
  const std::vector<float> scores(count, 0.25f);
  std::vector<uint32_t> out(count);
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels->find_at_least(scores.data(), count, 0.5f, out.data()));
  }
  CountBytes(state, count * sizeof(float));
}

void CountRows(benchmark::State& state, size_t rows, size_t bytes) {
  CountBytes(state, bytes);
  state.counters["row"] =
      benchmark::Counter(static_cast<double>(rows), benchmark::Counter::kIsIterationInvariantRate |
                                                        benchmark::Counter::kInvert);
}

std::vector<uint8_t> RandomBytes(size_t count, uint8_t mask) {
  std::mt19937_64 random(count);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() & mask);
  return bytes;
}

void Hadamard(benchmark::State& state, const index::Kernels* kernels) {
  const auto n = static_cast<size_t>(state.range(0));
  std::vector<float> values(n);  // zeros stay zeros, however often they are transformed
  for (auto _ : state) {
    kernels->hadamard(values.data(), n);
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  CountBytes(state, n * sizeof(float));
}

void BuildTables(benchmark::State& state, const index::Kernels* kernels) {
  const auto padded = static_cast<size_t>(state.range(0));
  const Dataset data = MakeClustered(1, 1, padded, 1);
  std::vector<uint8_t> tables(4 * padded);
  for (auto _ : state) {
    kernels->build_tables(data.queries.data(), padded, 3, tables.data());
    benchmark::DoNotOptimize(tables.data());
    benchmark::ClobberMemory();
  }
  CountBytes(state, padded * sizeof(float));
}

void ScanBlock(benchmark::State& state, const index::Kernels* kernels) {
  const auto padded = static_cast<size_t>(state.range(0));
  const size_t block_bytes = format::BlockBytes(static_cast<uint32_t>(padded));
  const size_t blocks = static_cast<size_t>(state.range(1)) / block_bytes;
  const std::vector<uint8_t> bytes = RandomBytes(blocks * block_bytes, 0x3f);
  const std::vector<uint8_t> tables = RandomBytes(4 * padded, 31);
  float keys[format::kBlockRows];
  for (auto _ : state) {
    uint64_t hits = 0;
    for (size_t b = 0; b < blocks; ++b) {
      hits += kernels->scan_block(bytes.data() + b * block_bytes, padded, tables.data(), 0.1f, -1,
                                  0, keys);
    }
    benchmark::DoNotOptimize(hits);
  }
  CountRows(state, blocks * format::kBlockRows, bytes.size());
}

struct FineRows {
  explicit FineRows(const benchmark::State& state)
      : padded(static_cast<size_t>(state.range(0))),
        stride(format::FineRowBytes(static_cast<uint32_t>(padded))),
        count(static_cast<size_t>(state.range(1)) / stride),
        bytes(RandomBytes(count * stride, 0x3f)),
        estimates(count),
        errors(count) {
    for (const uint8_t byte : RandomBytes(padded, 0x3f)) {
      query.push_back(static_cast<int8_t>(byte - 32));
    }
  }
  size_t padded, stride, count;
  std::vector<uint8_t> bytes;
  std::vector<float> estimates, errors;
  std::vector<int8_t> query;
};

void ScoreFine(benchmark::State& state, const index::Kernels* kernels) {
  FineRows rows(state);
  for (auto _ : state) {
    kernels->score_fine(rows.bytes.data(), rows.stride, rows.count, rows.padded, rows.query.data(),
                        0.1f, -1, rows.estimates.data(), rows.errors.data());
    benchmark::ClobberMemory();
  }
  CountRows(state, rows.count, rows.bytes.size());
}

// One call per row, in an order that no prefetcher foresees.
void ScoreFineRandom(benchmark::State& state, const index::Kernels* kernels) {
  FineRows rows(state);
  std::vector<uint32_t> order(rows.count);
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  for (auto _ : state) {
    for (const uint32_t r : order) {
      kernels->score_fine(rows.bytes.data() + r * rows.stride, rows.stride, 1, rows.padded,
                          rows.query.data(), 0.1f, -1, &rows.estimates[r], &rows.errors[r]);
    }
    benchmark::ClobberMemory();
  }
  CountRows(state, rows.count, rows.bytes.size());
}

void Register(const char* name, void (*run)(benchmark::State&, const index::Kernels*),
              const index::Kernels* kernels, std::initializer_list<int64_t> sizes) {
  auto* made =
      benchmark::RegisterBenchmark((std::string(name) + "/" + kernels->name).c_str(), run, kernels);
  for (const int64_t size : sizes) made->Arg(size);
}

// Each dimension, on as many bytes as the second level of cache, the third, and neither holds.
void RegisterOnWorkingSets(const char* name, void (*run)(benchmark::State&, const index::Kernels*),
                           const index::Kernels* kernels) {
  benchmark::RegisterBenchmark((std::string(name) + "/" + kernels->name).c_str(), run, kernels)
      ->ArgsProduct({{128, 768}, {256 << 10, 20 << 20, 200 << 20}});
}

void RegisterAll() {
  for (const char* level : {"scalar", "avx2", "avx512", "avx512vnni", "amx"}) {
    const index::Kernels* kernels = index::KernelsByName(level);
    if (kernels == nullptr) continue;
    Register("screen_dots", ScreenDots, kernels, {50, 128, 768});
    Register("dot_exact", DotExact, kernels, {50, 128, 768});
    Register("squared_l2_exact", SquaredL2Exact, kernels, {50, 128, 768});
    Register("find_at_least", FindAtLeast, kernels, {1024});
    Register("hadamard", Hadamard, kernels, {128, 256, 1024});
    Register("build_tables", BuildTables, kernels, {128, 768});
    RegisterOnWorkingSets("scan_block", ScanBlock, kernels);
    RegisterOnWorkingSets("score_fine", ScoreFine, kernels);
    RegisterOnWorkingSets("score_fine_random", ScoreFineRandom, kernels);
  }
}

}  // namespace
}  // namespace vdb::bench

int main(int argument_count, char** arguments) {
  vdb::bench::RegisterAll();
  benchmark::Initialize(&argument_count, arguments);
  if (benchmark::ReportUnrecognizedArguments(argument_count, arguments)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
