// ForBlocks: work over numbered blocks on a few threads. Blocks do not depend on the number of
// threads, so neither do results that are kept per block.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace vdb::index {

/// work(b) once for each b in [0, block_count), on up to `thread_count` threads, the caller's
/// included. Returns when all is done; the first exception of `work` (memory) is thrown again then.
template <typename Work>
void ForBlocks(uint32_t thread_count, size_t block_count, const Work& work) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;  // nothing may leave a thread, nor the caller while threads run
  const auto run = [&] {
    try {
      for (size_t b = next++; b < block_count; b = next++) work(b);
    } catch (...) {
      next = block_count;
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < thread_count && i < block_count; ++i) {
    try {
      threads.emplace_back(run);
    } catch (const std::exception&) {
      break;  // no more threads to be had: those there are do the work
    }
  }
  run();
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace vdb::index
