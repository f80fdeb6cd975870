#include "storage/file_system.h"

#include "format/status_macros.h"

namespace vdb::storage {

Status File::WriteAllAt(uint64_t offset, std::span<const std::span<const std::byte>> pieces) {
  for (const auto piece : pieces) {
    VDB_RETURN_IF_ERROR(WriteAt(offset, piece));
    offset += piece.size();
  }
  return Status::Ok();
}

StatusOr<std::string> ReadWholeFile(FileSystem& fs, const std::string& path, uint64_t size_max) {
  VDB_ASSIGN_OR_RETURN(auto file, fs.Open(path, OpenMode::kRead));
  VDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > size_max) {
    return Status::Corruption("'" + path + "': expected at most " + std::to_string(size_max) +
                              " bytes, found " + std::to_string(size));
  }
  std::string bytes(size, '\0');
  VDB_ASSIGN_OR_RETURN(const size_t read, file->ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(read);
  return bytes;
}

}  // namespace vdb::storage
