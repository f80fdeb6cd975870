#include "format/backup_chunk.h"

#include <zstd.h>

#include "format/byte_io.h"
#include "format/frame.h"
#include "format/status_macros.h"

namespace vdb::format {
namespace {

constexpr uint32_t kStored = 0, kZstd = 1;

Status Damaged(std::string_view file, const std::string& what) {
  return Status::Corruption("'" + std::string(file) + "': " + what);
}

// False if zstd fails or does not make it smaller.
bool Compress(std::string_view raw, int level, std::string* out) {
  out->resize(ZSTD_compressBound(raw.size()));
  const size_t size = ZSTD_compress(out->data(), out->size(), raw.data(), raw.size(), level);
  if (ZSTD_isError(size) != 0 || size >= raw.size()) return false;
  out->resize(size);
  return true;
}

}  // namespace

std::string EncodeChunk(std::string_view raw, const Hash128& hash, int level) {
  std::string compressed;
  const bool smaller = Compress(raw, level, &compressed);
  std::string payload;
  AppendU32(&payload, smaller ? kZstd : kStored);
  AppendU32(&payload, static_cast<uint32_t>(raw.size()));
  AppendU64(&payload, hash.high);
  AppendU64(&payload, hash.low);
  payload += smaller ? std::string_view(compressed) : raw;
  return EncodeFrame(kChunkMagic, payload);
}

StatusOr<std::string> DecodeChunk(std::string_view bytes, const Hash128& hash,
                                  std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(kChunkMagic, bytes, file));
  ByteReader reader(frame.payload);
  const uint32_t encoding = reader.U32();
  const uint32_t raw_bytes = reader.U32();
  Hash128 found;
  found.high = reader.U64();
  found.low = reader.U64();
  const std::string_view stored = reader.Bytes(reader.remaining());
  if (!reader.ok() || bytes.size() != kFrameBytes + frame.payload.size() || encoding > kZstd ||
      raw_bytes > kChunkBytesMax || (encoding == kStored && stored.size() != raw_bytes)) {
    return Damaged(file, "its parts contradict each other");
  }
  if (found != hash) return Damaged(file, "it is the chunk " + Hex128(found));
  std::string raw;
  if (encoding == kStored) {
    raw = stored;
  } else {
    raw.resize(raw_bytes);
    const size_t size = ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size());
    if (ZSTD_isError(size) != 0 || size != raw_bytes) {
      return Damaged(file, "it does not decompress to " + std::to_string(raw_bytes) + " bytes");
    }
  }
  if (ChunkHash(raw) != hash) return Damaged(file, "its bytes do not have its hash");
  return raw;
}

Hash128 ChunkHash(std::string_view raw) {
  StreamingHash hash;
  hash.Update(raw);
  return hash.Digest128();
}

std::string ChunkFileName(const Hash128& hash) {
  const std::string name = Hex128(hash);
  return "chunks/" + name.substr(0, 2) + "/" + name;
}

}  // namespace vdb::format
