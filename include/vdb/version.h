// The library's version, and the range of on-disk formats it reads and writes: two different
// things.
#pragma once

#include <cstdint>

namespace vdb {

inline constexpr const char* kLibraryVersion = "0.1.0";

/// The format version new databases are written in, and the newest this library reads. Older ones
/// are read, and written after an upgrade (vdb/upgrade.h).
inline constexpr uint32_t kFormatVersion = 2;

}  // namespace vdb
