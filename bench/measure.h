// Times, medians, and the read bandwidth that scans are compared with.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vdb::bench {

/// Milliseconds that one call of `work` takes.
template <typename Work>
double MillisecondsOf(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
  return taken.count();
}

/// Processor seconds this process has used, all threads together: what a busy machine leaves alone.
double CpuSeconds();
/// The same of the calling thread.
double ThreadCpuSeconds();

double Median(std::vector<double> values);

/// Reads the bytes (but the last few) once, in one thread, as `stream_count` (1 or 4) streams over
/// equal parts, and does nothing with it but an addition per 8 bytes. Returns the sum, so that it
/// is not left out.
uint64_t ReadAll(const void* data, size_t bytes, int stream_count);

}  // namespace vdb::bench
