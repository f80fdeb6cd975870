// vemb v1: one JSON file, .vemb/cache.json:
//
//   {"version": 1, "model": "m", "dim": 3072 | null,
//    "entries": {"KEY": {"file": "photos/a.png", "values": [0.1, ...]}}}
//
// The dimension is the commonest length of the values; `dim` is only compared. Keys: vemb_key.h.
#pragma once

#include <memory>

#include "format/legacy_cache.h"
#include "vdb/status.h"

namespace vdb::format {

StatusOr<std::unique_ptr<const LegacyCache>> OpenVembV1(
    const std::string& name, std::shared_ptr<const ByteSource> source,
    const LegacyOptions& options, const LegacyProgress& progress);

}  // namespace vdb::format
