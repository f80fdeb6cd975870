// The operating system's file system: the only file with system calls for files.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "format/status_macros.h"
#include "storage/file_system.h"

namespace vdb::storage {
namespace {

Status SystemError(const char* operation, const std::string& path, int error) {
  std::string message = std::string(operation) + " '" + path + "': " + std::strerror(error);
  switch (error) {
    case ENOENT: return Status::NotFound(std::move(message));
    case ENOSPC:
    case EDQUOT: return Status::ResourceExhausted(std::move(message) + "; free some space");
    default: return Status::IoError(std::move(message));
  }
}

class PosixMapping final : public Mapping {
 public:
  using Mapping::Mapping;
  ~PosixMapping() override {
    ::munmap(const_cast<std::byte*>(data()), size());  // NOLINT: munmap wants void*
  }
  // A shared mapping's pages are the page cache's: dropping them loses nothing.
  void Release(size_t offset, size_t bytes) const override {
    Advise(offset, bytes, MADV_DONTNEED);
  }
  void ExpectJumps(bool jumps) const override {
    Advise(0, size(), jumps ? MADV_RANDOM : MADV_NORMAL);
  }
  void Prefetch(size_t offset, size_t bytes) const override {
    Advise(offset, bytes, MADV_WILLNEED);
  }

 private:
  void Advise(size_t offset, size_t bytes, int advice) const {
    constexpr size_t kPage = 4096;
    const size_t from = std::min(size(), offset) / kPage * kPage;
    const size_t past = std::min(size(), offset + bytes);
    if (past > from) {
      (void)::madvise(const_cast<std::byte*>(data()) + from, past - from,  // NOLINT: as above
                      advice);
    }
  }
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(int fd) : fd_(fd) {}
  ~PosixFileLock() override { ::flock(fd_, LOCK_UN); }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  StatusOr<size_t> ReadAt(uint64_t offset, void* out, size_t size) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t n = ::pread(fd_, static_cast<char*>(out) + done, size - done,
                                static_cast<off_t>(offset + done));
      if (n == 0) break;
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SystemError("read", path_, errno);
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SystemError("write", path_, errno);
      if (n == 0) return SystemError("write", path_, ENOSPC);
      done += static_cast<size_t>(n);
    }
    return Status::Ok();
  }

  Status WriteAllAt(uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override {
    constexpr size_t kPiecesMax = 256;  // below IOV_MAX everywhere
    iovec vector[kPiecesMax];
    for (size_t first = 0; first < pieces.size(); first += kPiecesMax) {
      const size_t count = std::min(kPiecesMax, pieces.size() - first);
      size_t total = 0;
      for (size_t i = 0; i < count; ++i) {
        const auto piece = pieces[first + i];
        vector[i] = {const_cast<std::byte*>(piece.data()), piece.size()};  // NOLINT: C interface
        total += piece.size();
      }
      const ssize_t n = ::pwritev(fd_, vector, static_cast<int>(count), static_cast<off_t>(offset));
      if (n < 0 && errno != EINTR) return SystemError("write", path_, errno);
      if (n != static_cast<ssize_t>(total)) {  // short or interrupted: piece by piece
        VDB_RETURN_IF_ERROR(File::WriteAllAt(offset, pieces.subspan(first, count)));
      }
      offset += total;
    }
    return Status::Ok();
  }

  Status Sync() override {
    return ::fdatasync(fd_) == 0 ? Status::Ok() : SystemError("fdatasync", path_, errno);
  }

  Status Truncate(uint64_t size) override {
    return ::ftruncate(fd_, static_cast<off_t>(size)) == 0 ? Status::Ok()
                                                           : SystemError("truncate", path_, errno);
  }

  StatusOr<uint64_t> Size() override {
    struct stat info;
    if (::fstat(fd_, &info) != 0) return SystemError("stat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  StatusOr<std::unique_ptr<Mapping>> Map(size_t size) override {
    const size_t mapped = std::max<size_t>(size, 1);
    void* data = ::mmap(nullptr, mapped, PROT_READ, MAP_SHARED, fd_, 0);
    if (data == MAP_FAILED) return SystemError("mmap", path_, errno);  // NOLINT
    return std::unique_ptr<Mapping>(
        std::make_unique<PosixMapping>(static_cast<const std::byte*>(data), mapped));
  }

  StatusOr<std::unique_ptr<FileLock>> TryLock(LockKind kind) override {
    const int operation = (kind == LockKind::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    while (::flock(fd_, operation) != 0) {
      if (errno == EINTR) continue;
      if (errno == EWOULDBLOCK) return Status::Busy("'" + path_ + "' is locked");
      return SystemError("flock", path_, errno);
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(fd_));
  }

  StatusOr<bool> IsLinked() override {
    struct stat info;
    if (::fstat(fd_, &info) != 0) return SystemError("stat", path_, errno);
    return info.st_nlink > 0;
  }

  const std::string& path() const override { return path_; }

 private:
  int fd_;
  std::string path_;
};

class PosixFileSystemImpl final : public FileSystem {
 public:
  StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::kRead: flags |= O_RDONLY; break;
      case OpenMode::kReadWrite: flags |= O_RDWR; break;
      case OpenMode::kOpenOrCreate: flags |= O_RDWR | O_CREAT; break;
      case OpenMode::kCreate:
        flags |= O_RDWR | O_CREAT | O_TRUNC;
        VDB_RETURN_IF_ERROR(RemoveRegularFile(path));
        break;
    }
    int fd = -1;
    do {
      fd = ::open(path.c_str(), flags, 0666);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return SystemError("open", path, errno);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(fd, path));
  }

  // Others, as /dev/null, stay.
  static Status RemoveRegularFile(const std::string& path) {
    struct stat info = {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return Status::Ok();
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return Status::Ok();
    return SystemError("remove", path, errno);
  }

  Status CreateDir(const std::string& path) override {
    if (::mkdir(path.c_str(), 0777) == 0) return Status::Ok();
    const int error = errno;
    if (error == EEXIST) {
      auto is_dir = IsDir(path);
      if (is_dir.ok() && *is_dir) return Status::Ok();
    }
    return SystemError("create directory", path, error);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? Status::Ok()
                                                   : SystemError("rename", from, errno);
  }

  Status Link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return Status::Ok();
    const int error = errno;
    if (error == EXDEV || error == EPERM || error == EMLINK || error == EOPNOTSUPP) {
      return FileSystem::Link(from, to);
    }
    return SystemError("link", from, error);
  }

  Status Remove(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 ? Status::Ok() : SystemError("remove", path, errno);
  }

  Status RemoveDir(const std::string& path) override {
    return ::rmdir(path.c_str()) == 0 ? Status::Ok()
                                      : SystemError("remove directory", path, errno);
  }

  StatusOr<std::vector<std::string>> List(const std::string& path) override {
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) return SystemError("list", path, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(dir);
    if (error != 0) return SystemError("list", path, error);
    return names;
  }

  StatusOr<bool> Exists(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return SystemError("stat", path, errno);
  }

  StatusOr<bool> IsDir(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return S_ISDIR(info.st_mode);
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return SystemError("stat", path, errno);
  }

  StatusOr<FileInfo> Stat(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) {
      if (errno == ENOTDIR) return Status::NotFound("'" + path + "': a part of it is a file");
      if (errno == ENAMETOOLONG) return Status::NotFound("'" + path + "': no file has such a name");
      return SystemError("stat", path, errno);
    }
    FileInfo found;
    found.size_bytes = static_cast<uint64_t>(info.st_size);
    found.mtime_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
    found.is_dir = S_ISDIR(info.st_mode);
    return found;
  }

  StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs info;
    if (::statvfs(path.c_str(), &info) != 0) return SystemError("statvfs", path, errno);
    return uint64_t{info.f_bavail} * uint64_t{info.f_frsize};
  }

  Status SyncDir(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return SystemError("open directory", path, errno);
    const int result = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    return result == 0 ? Status::Ok() : SystemError("fsync directory", path, error);
  }
};

}  // namespace

FileSystem* PosixFileSystem() {
  static PosixFileSystemImpl* const instance = new PosixFileSystemImpl;
  return instance;
}

int ProcessId() { return static_cast<int>(::getpid()); }

}  // namespace vdb::storage
