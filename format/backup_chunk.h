// A chunk: a piece of a backup, known by the XXH3-128 of its bytes. DIR/chunks/xx/NAME, where NAME
// is that hash in 32 hex digits, and xx its first two.
//
// Bytes: a frame (format/frame.h, magic VDBCHUNK), and nothing behind it, around
//   u32  encoding           0 stored as it is, 1 zstd
//   u32  raw_bytes          at most kChunkBytesMax
//   u64  hash high, low     XXH3-128 of the raw bytes
//   the stored bytes, to the end
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "format/checksum.h"
#include "vdb/status.h"

namespace vdb::format {

inline constexpr uint32_t kChunkBytesMax = 4u << 20;
/// A chunk file is never longer: what zstd does not shrink is stored as it is.
inline constexpr uint64_t kChunkFileBytesMax = kChunkBytesMax + 128;

/// `raw` has at most kChunkBytesMax bytes. `level`: of zstd.
std::string EncodeChunk(std::string_view raw, const Hash128& hash, int level);

/// The raw bytes. Checks everything, also that it is the chunk with this hash. `file` names the
/// source in errors. Errors: kCorruption, kUnsupportedFormat.
StatusOr<std::string> DecodeChunk(std::string_view bytes, const Hash128& hash,
                                  std::string_view file);

Hash128 ChunkHash(std::string_view raw);

/// Relative to the backup directory: "chunks/ab/ab...".
std::string ChunkFileName(const Hash128& hash);

}  // namespace vdb::format
