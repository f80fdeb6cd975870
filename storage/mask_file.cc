#include "storage/mask_file.h"

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/frame.h"
#include "format/status_macros.h"

namespace vdb::storage {
namespace {

constexpr size_t kChunkBytes = kMaskChunkWords * sizeof(uint64_t);
constexpr size_t kDirectoryHeadBytes = 32;

Status Damaged(const std::string& path, const char* what) {
  return Status::Corruption("'" + path + "': " + what +
                            "; run `vdbtool repair`, or restore the file from a copy");
}

}  // namespace

StatusOr<std::string> MaskFile::Encode(const DeleteMask& mask, uint64_t segment_id, uint64_t rows,
                                       uint64_t* checksum) {
  std::string directory, chunks;
  format::AppendU64(&directory, segment_id);
  format::AppendU64(&directory, rows);
  format::AppendU64(&directory, mask.dead_count());
  format::AppendU64(&directory, mask.chunk_count());
  for (uint64_t i = 0; i < mask.chunk_count(); ++i) {
    VDB_ASSIGN_OR_RETURN(const uint64_t* words, mask.Chunk(i));
    if (words == nullptr) {
      format::AppendU64(&directory, 0);
      continue;
    }
    format::AppendU64(&directory, format::Hash64(words, kChunkBytes));
    chunks.append(reinterpret_cast<const char*>(words), kChunkBytes);
  }
  std::string bytes = format::EncodeFrameHeader(
      format::kMaskMagic, directory.size() + chunks.size(), format::Hash64(directory));
  bytes += directory;
  *checksum = format::Hash64(bytes);
  bytes += chunks;
  return bytes;
}

StatusOr<std::shared_ptr<const DeleteMask>> MaskFile::Open(FileSystem& fs, const std::string& path,
                                                           uint64_t segment_id,
                                                           uint64_t checksum) {
  VDB_ASSIGN_OR_RETURN(auto file, fs.Open(path, OpenMode::kRead));
  VDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  VDB_ASSIGN_OR_RETURN(auto owned_mapping, file->Map(size));
  const std::shared_ptr<const Mapping> mapping = std::move(owned_mapping);
  const std::string_view bytes(reinterpret_cast<const char*>(mapping->data()), size);
  VDB_ASSIGN_OR_RETURN(const auto frame,
                       format::DecodeFrameHeader(format::kMaskMagic, bytes, path));
  if (bytes.size() != format::kFrameBytes + frame.payload.size() ||
      frame.payload.size() < kDirectoryHeadBytes) {
    return Damaged(path, "its size is not what its header says");
  }
  format::ByteReader reader(frame.payload);
  const uint64_t found_segment = reader.U64();
  const uint64_t rows = reader.U64();
  const uint64_t dead_count = reader.U64();
  const uint64_t chunk_count = reader.U64();
  if (chunk_count > reader.remaining() / 8) return Damaged(path, "its directory is cut");
  const size_t directory_bytes = kDirectoryHeadBytes + chunk_count * 8;
  if (format::Hash64(bytes.substr(0, format::kFrameBytes + directory_bytes)) != checksum ||
      format::Hash64(frame.payload.substr(0, directory_bytes)) != frame.payload_checksum) {
    return Damaged(path, "checksum mismatch in header or directory");
  }
  if (found_segment != segment_id || dead_count > rows ||
      chunk_count > (rows + kMaskChunkRows - 1) / kMaskChunkRows) {
    return Damaged(path, "it belongs to another segment");
  }
  auto mask = std::make_shared<DeleteMask>();
  mask->dead_count_ = dead_count;
  const char* words = frame.payload.data() + directory_bytes;
  size_t left = frame.payload.size() - directory_bytes;
  for (uint64_t i = 0; i < chunk_count; ++i) {
    const uint64_t sum = reader.U64();
    if (sum == 0) {
      mask->chunks_.push_back(nullptr);
      continue;
    }
    if (left < kChunkBytes) return Damaged(path, "it is cut");
    auto chunk = std::make_shared<DeleteMask::ChunkData>();
    // Header (64) and directory are multiples of 8 bytes, so the words are aligned in the mapping.
    chunk->words = reinterpret_cast<const uint64_t*>(words);
    chunk->checksum = sum;
    chunk->checked.store(false);
    chunk->mapping = mapping;
    chunk->file = path;
    mask->chunks_.push_back(std::move(chunk));
    words += kChunkBytes;
    left -= kChunkBytes;
  }
  if (left != 0) return Damaged(path, "it has bytes after its end");
  return std::shared_ptr<const DeleteMask>(std::move(mask));
}

Status MaskFile::CheckAll(const DeleteMask& mask) {
  for (uint64_t i = 0; i < mask.chunk_count(); ++i) {
    VDB_RETURN_IF_ERROR(mask.Chunk(i).status());
  }
  return Status::Ok();
}

}  // namespace vdb::storage
