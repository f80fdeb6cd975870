// A run of the API that bytes describe, beside a model: writes with and without sync, flushes,
// index and field index builds, compactions, snapshots in memory and by name, searches and counts
// against brute force, reopens, and power cuts, also in the middle of the last operation. After a
// cut the database must be in the state after one of the writes: none that was acknowledged as
// durable is missing, and no write is there without all before it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "vdb/status.h"

namespace vdb::fuzz {

struct ApiOptions {
  size_t operations_max = 60;
  bool disk_lies = false;  ///< syncs of files are not done: a run must then fail sooner or later
};

struct ApiCounts {
  uint64_t operations = 0;
  uint64_t writes = 0;
  uint64_t reopens = 0;
  uint64_t cuts = 0;
};

/// Any bytes are a run. An error says what broke, and which operations led there.
Status RunApi(std::string_view bytes, const ApiOptions& options, ApiCounts* counts);

}  // namespace vdb::fuzz
