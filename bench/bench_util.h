// What benchmarks of whole databases share: calls that must succeed, a directory on the disk to
// measure, and clocks. Times and medians of calls: measure.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "vdb/status.h"

namespace vdb::bench {

[[noreturn]] inline void Fail(const Status& status) {
  std::fprintf(stderr, "vdb: %s\n", status.ToString().c_str());
  std::exit(1);
}

/// What went wrong is printed, and ends the program: a figure after an error would be none.
template <typename T>
T Must(StatusOr<T> value) {
  if (!value.ok()) Fail(value.status());
  return std::move(value).value();
}
inline void Must(const Status& status) {
  if (!status.ok()) Fail(status);
}

using Clock = std::chrono::steady_clock;

inline double Seconds(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

/// Of all files below a directory.
inline uint64_t BytesOf(const std::string& path) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

/// A directory on the disk to measure: `name` in VDB_BENCH_DIR, else in the current directory.
/// Empty at first, whatever an earlier run left there, and removed at the end.
class BenchDir {
 public:
  explicit BenchDir(const std::string& name) {
    const char* base = std::getenv("VDB_BENCH_DIR");
    path_ = std::string(base != nullptr ? base : ".") + "/" + name;
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~BenchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  BenchDir(const BenchDir&) = delete;
  BenchDir& operator=(const BenchDir&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace vdb::bench
