// Each kernel at each SIMD level, on bytes that are in the cache: what the code can do, where
// exact_search_bench shows what the memory lets it do.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bench/datasets.h"
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

void Register(const char* name, void (*run)(benchmark::State&, const index::Kernels*),
              const index::Kernels* kernels, std::initializer_list<int64_t> sizes) {
  auto* made =
      benchmark::RegisterBenchmark((std::string(name) + "/" + kernels->name).c_str(), run, kernels);
  for (const int64_t size : sizes) made->Arg(size);
}

void RegisterAll() {
  for (const char* level : {"scalar", "avx2", "avx512"}) {
    const index::Kernels* kernels = index::KernelsByName(level);
    if (kernels == nullptr) continue;
    Register("screen_dots", ScreenDots, kernels, {50, 128, 768});
    Register("dot_exact", DotExact, kernels, {50, 128, 768});
    Register("squared_l2_exact", SquaredL2Exact, kernels, {50, 128, 768});
    Register("find_at_least", FindAtLeast, kernels, {1024});
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
