#include "storage/file_system.h"

#include <algorithm>

#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::storage {

Status File::WriteAllAt(uint64_t offset, std::span<const std::span<const std::byte>> pieces) {
  for (const auto piece : pieces) {
    VDB_RETURN_IF_ERROR(WriteAt(offset, piece));
    offset += piece.size();
  }
  return Status::Ok();
}

Status FileSystem::Link(const std::string& from, const std::string& to) {
  VDB_ASSIGN_OR_RETURN(const FileInfo info, Stat(from));
  return CopyFile(*this, from, to, info.size_bytes);
}

Status CopyFile(FileSystem& fs, const std::string& from, const std::string& to, uint64_t size) {
  VDB_ASSIGN_OR_RETURN(auto source, fs.Open(from, OpenMode::kRead));
  VDB_ASSIGN_OR_RETURN(auto target, fs.Open(to, OpenMode::kCreate));
  std::string buffer(std::min<uint64_t>(size, 1u << 20), '\0');
  for (uint64_t done = 0; done < size;) {
    const size_t want = std::min<uint64_t>(size - done, buffer.size());
    VDB_ASSIGN_OR_RETURN(const size_t read, source->ReadAt(done, buffer.data(), want));
    if (read != want) {
      return Status::Corruption("'" + from + "': expected " + std::to_string(size) +
                                " bytes, found " + std::to_string(done + read));
    }
    VDB_RETURN_IF_ERROR(target->WriteAt(done, std::as_bytes(std::span(buffer.data(), read))));
    done += read;
  }
  return target->Sync();
}

StatusOr<uint64_t> FileSystem::FreeBytes(const std::string&) { return UINT64_MAX; }

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

Status WriteSyncedFile(FileSystem& fs, const std::string& path, std::string_view bytes) {
  VDB_ASSIGN_OR_RETURN(const auto file, fs.Open(path, OpenMode::kCreate));
  VDB_RETURN_IF_ERROR(file->WriteAt(0, std::as_bytes(std::span(bytes))));
  return file->Sync();
}

Status RemoveTree(FileSystem& fs, const std::string& path) {
  VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(path));
  if (!there) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const bool is_dir, fs.IsDir(path));
  if (!is_dir) return fs.Remove(path);
  VDB_ASSIGN_OR_RETURN(const auto names, fs.List(path));
  for (const std::string& name : names) {
    VDB_RETURN_IF_ERROR(RemoveTree(fs, format::JoinPath(path, name)));
  }
  return fs.RemoveDir(path);
}

}  // namespace vdb::storage
