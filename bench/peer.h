// What the index benchmark needs of a library, ours included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/dataset_cache.h"
#include "bench/measure.h"

namespace vdb::bench {

/// One way to search: a point of a sweep.
struct PeerSetting {
  std::string label;     ///< e.g. "ef=80"
  std::string series;    ///< points of a series lie on one line of the plot; may be empty
  size_t batch = 1;      ///< queries per call
};

struct BuildTime {
  double seconds = 0;
  double cpu_seconds = 0;  ///< of all threads together

  template <typename Work>
  static BuildTime Of(const Work& work) {
    const double before = CpuSeconds();
    const double ms = MillisecondsOf(work);
    return {ms / 1000, CpuSeconds() - before};
  }
};

/// One index of one library. Errors end the program: this is a benchmark.
class Peer {
 public:
  virtual ~Peer() = default;

  virtual std::string name() const = 0;
  /// What a reader has to know about how it was built.
  virtual std::string note() const { return ""; }

  /// Builds with `threads` threads, or reads what an earlier run has left at `path` (a file name
  /// without extension). Sets build and index_bytes.
  virtual void Open(const TestSet& set, const std::string& path, int threads) = 0;

  virtual std::vector<PeerSetting> Settings() const = 0;
  virtual void Use(size_t setting) = 0;

  /// Timed: the k nearest of each of `count` queries, in one thread.
  virtual void Search(const float* queries, size_t count, size_t k) = 0;
  /// Not timed: the rows the last Search found for its query number `i`.
  virtual std::vector<int64_t> Rows(size_t i) const = 0;

  BuildTime build;
  uint64_t index_bytes = 0;  ///< all that is kept to answer, vectors included
};

using Peers = std::vector<std::unique_ptr<Peer>>;

/// Each adds its indexes for a set of this shape; `small`: the short list for small sets. Defined
/// only where the library is installed.
void AddVdb(bool small, Peers* peers);
void AddSgemm(Peers* peers);
void AddHnswlib(Peers* peers);
void AddFaiss(size_t row_count, size_t dimension, bool small, Peers* peers);

/// What an earlier run took to build `path`, kept beside it; zeros if it is not there.
BuildTime ReadBuildTime(const std::string& path);
void WriteBuildTime(const std::string& path, const BuildTime& time);

}  // namespace vdb::bench
