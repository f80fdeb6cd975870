// The two things the engine asks of a clock. (A query's clock can be injected: query/limits.)
#pragma once

#include <chrono>
#include <cstdint>

namespace vdb::engine {

inline double MillisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

/// Since 1970-01-01T00:00:00Z.
inline uint64_t UnixMilliseconds() {
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::system_clock;
  const auto since = system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(duration_cast<milliseconds>(since).count());
}

}  // namespace vdb::engine
