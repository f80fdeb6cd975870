// Limits: how DatabaseOptions::memory_limit_bytes is shared out.
#pragma once

#include <cstdint>

#include "vdb/options.h"
#include "vdb/status.h"

namespace vdb::engine {

struct MemoryShares {
  uint64_t block_cache_bytes = 0;   // RocksDB's
  uint64_t mask_cache_bytes = 0;
  uint64_t result_cache_bytes = 0;
  uint64_t job_bytes = 0;           // of the job that runs; 0: no limit
};

MemoryShares SharesOf(const DatabaseOptions& options);
Status CheckLimits(const DatabaseOptions& options);

}  // namespace vdb::engine
