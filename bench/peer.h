// What the index benchmark needs of a library, ours included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/dataset_cache.h"

namespace vdb::bench {

/// One way to search: a point of a sweep.
struct PeerSetting {
  std::string label;     ///< e.g. "ef=80"
  std::string series;    ///< points of a series lie on one line of the plot; may be empty
  size_t batch = 1;      ///< queries per call
};

/// One index of one library. Errors end the program: this is a benchmark.
class Peer {
 public:
  virtual ~Peer() = default;

  virtual std::string name() const = 0;
  /// What a reader has to know about how it was built.
  virtual std::string note() const { return ""; }

  /// Builds with `threads` threads, or reads what an earlier run has left at `path` (a file name
  /// without extension). Sets build_seconds and index_bytes.
  virtual void Open(const TestSet& set, const std::string& path, int threads) = 0;

  virtual std::vector<PeerSetting> Settings() const = 0;
  virtual void Use(size_t setting) = 0;

  /// Timed: the k nearest of each of `count` queries, in one thread.
  virtual void Search(const float* queries, size_t count, size_t k) = 0;
  /// Not timed: the rows the last Search found for its query number `i`.
  virtual std::vector<int64_t> Rows(size_t i) const = 0;

  double build_seconds = 0;
  uint64_t index_bytes = 0;  ///< all that is kept to answer, vectors included
};

using Peers = std::vector<std::unique_ptr<Peer>>;

/// Each adds its indexes for a set of this shape; `small`: the short list for small sets. Defined
/// only where the library is installed.
void AddVdb(bool small, Peers* peers);
void AddHnswlib(Peers* peers);
void AddFaiss(size_t row_count, size_t dimension, bool small, Peers* peers);

/// Seconds that an earlier run took to build `path`, kept beside it; 0 if it is not there.
double ReadBuildSeconds(const std::string& path);
void WriteBuildSeconds(const std::string& path, double seconds);

}  // namespace vdb::bench
