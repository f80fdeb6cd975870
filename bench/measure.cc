// See measure.h.
#include "bench/measure.h"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace vdb::bench {
namespace {

// Half a cache line as the compiler's own vector type; two of them in a step (wider ones GCC 12
// keeps in memory, which halves the speed).
using Half = uint64_t __attribute__((vector_size(32), aligned(8), may_alias));

uint64_t SumOf(const Half& half) {
  uint64_t parts[4];
  std::memcpy(parts, &half, sizeof(parts));
  return parts[0] + parts[1] + parts[2] + parts[3];
}

#if defined(__x86_64__)
#define VDB_BENCH_WIDE __attribute__((target("avx2")))
#else
#define VDB_BENCH_WIDE
#endif

VDB_BENCH_WIDE uint64_t ReadOneStream(const Half* p, size_t count) {
  Half a = {}, b = {}, c = {}, d = {};
  for (size_t i = 0; i + 4 <= count; i += 4) {
    a += p[i];
    b += p[i + 1];
    c += p[i + 2];
    d += p[i + 3];
  }
  a += b + c + d;
  return SumOf(a);
}

VDB_BENCH_WIDE uint64_t ReadFourStreams(const Half* p, size_t count) {
  const size_t part = count / 4;
  const Half *p1 = p + part, *p2 = p1 + part, *p3 = p2 + part;
  Half a = {}, b = {}, c = {}, d = {};
  for (size_t i = 0; i + 2 <= part; i += 2) {
    a += p[i] + p[i + 1];
    b += p1[i] + p1[i + 1];
    c += p2[i] + p2[i + 1];
    d += p3[i] + p3[i + 1];
  }
  a += b + c + d;
  return SumOf(a);
}

}  // namespace

namespace {

double SecondsOf(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

double CpuSeconds() { return SecondsOf(CLOCK_PROCESS_CPUTIME_ID); }
double ThreadCpuSeconds() { return SecondsOf(CLOCK_THREAD_CPUTIME_ID); }

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

uint64_t ReadAll(const void* data, size_t bytes, int stream_count) {
  const auto* halves = static_cast<const Half*>(data);
  const size_t count = bytes / sizeof(Half);
  return stream_count == 4 ? ReadFourStreams(halves, count) : ReadOneStream(halves, count);
}

}  // namespace vdb::bench
