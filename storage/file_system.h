// FileSystem: the one seam between vdb and the operating system. Every file operation of ours, and
// RocksDB's writes too (storage/rocksdb/rocks_file_system.h), pass through it, so that a test can
// record, fail or cut each of them. storage/file_system_posix.cc holds the only system calls.
//
// Rules. Paths are plain strings. Errors carry operation, path and the system's reason; a full disk
// is kResourceExhausted. Methods may be called from any thread; one File may be read and written by
// several threads at once (positions are explicit).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::storage {

/// A read-only, shared mapping of the head of a file. May be longer than the file: bytes past the
/// file's end must not be touched, and become readable as the file grows.
class Mapping {
 public:
  Mapping(const std::byte* data, size_t size) : data_(data), size_(size) {}
  virtual ~Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  /// Gives the memory behind [offset, offset + size) back to the system; what is read there again
  /// is read from the file again. For passes over more than should stay resident.
  virtual void Release([[maybe_unused]] size_t offset, [[maybe_unused]] size_t size) const {}
  /// Whether reads from now on jump about: then nothing is read ahead of them.
  virtual void ExpectJumps([[maybe_unused]] bool jumps) const {}
  /// Begins to read what is not in memory, and does not wait.
  virtual void Prefetch([[maybe_unused]] size_t offset, [[maybe_unused]] size_t size) const {}

 private:
  const std::byte* data_;
  size_t size_;
};

/// Held as long as the object lives (flock).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode {
  kRead,          ///< must exist
  kReadWrite,     ///< must exist
  kOpenOrCreate,  ///< read-write; created empty if it does not exist: for locks
  /// Read-write; a new, empty file. A regular file of that name is removed first, not cut: it may
  /// be mapped by a reader, and one whose sync failed may say that it is durable when it is not.
  kCreate,
};

enum class LockKind { kShared, kExclusive };

class File {
 public:
  virtual ~File() = default;  // closes

  /// Reads up to `size` bytes at `offset`; fewer only at the end of the file.
  virtual StatusOr<size_t> ReadAt(uint64_t offset, void* out, size_t size) = 0;
  /// Writes all bytes at `offset`; on an error any part of them may have been written.
  virtual Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// The same for several pieces, one after the other. The default calls WriteAt for each.
  virtual Status WriteAllAt(uint64_t offset, std::span<const std::span<const std::byte>> pieces);
  /// fdatasync: data, and the size, survive power loss when it returns OK. An error is final: what
  /// was written since the last good Sync may be lost although it reads back.
  virtual Status Sync() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual StatusOr<uint64_t> Size() = 0;
  /// Maps `size` bytes from the start of the file, for reading.
  virtual StatusOr<std::unique_ptr<Mapping>> Map(size_t size) = 0;
  /// flock without waiting; kBusy if another open file holds it in the other kind.
  virtual StatusOr<std::unique_ptr<FileLock>> TryLock(LockKind kind) = 0;
  /// False once the file's last name was removed.
  virtual StatusOr<bool> IsLinked() = 0;
  virtual const std::string& path() const = 0;
};

/// What the file system knows of a file.
struct FileInfo {
  uint64_t size_bytes = 0;
  int64_t mtime_ns = 0;  // since 1970-01-01T00:00:00Z
  bool is_dir = false;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Status CreateDir(const std::string& path) = 0;  // OK if it exists
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  /// A second name for a file that nobody writes to any more; a copy where there are no such names.
  /// Durable with the next SyncDir of its directory.
  virtual Status Link(const std::string& from, const std::string& to);
  virtual Status Remove(const std::string& path) = 0;     // kNotFound if it does not exist
  virtual Status RemoveDir(const std::string& path) = 0;  // must be empty
  virtual StatusOr<std::vector<std::string>> List(const std::string& path) = 0;  // names, unordered
  virtual StatusOr<bool> Exists(const std::string& path) = 0;
  virtual StatusOr<bool> IsDir(const std::string& path) = 0;
  virtual StatusOr<FileInfo> Stat(const std::string& path) = 0;  // kNotFound; follows links
  /// What may still be written where `path` is. The default does not know, and says UINT64_MAX.
  virtual StatusOr<uint64_t> FreeBytes(const std::string& path);
  /// fsync of a directory: names created, renamed and removed in it so far survive power loss.
  virtual Status SyncDir(const std::string& path) = 0;
};

/// The operating system's file system. One object, never destroyed.
FileSystem* PosixFileSystem();

/// Reads a whole file of at most `size_max` bytes (more: kCorruption).
StatusOr<std::string> ReadWholeFile(FileSystem& fs, const std::string& path, uint64_t size_max);

/// Copies the first `size` bytes of a file to a new one, and syncs it. kCorruption: it is shorter.
Status CopyFile(FileSystem& fs, const std::string& from, const std::string& to, uint64_t size);

/// Creates or empties the file, writes `bytes`, syncs it; its directory is the caller's business.
Status WriteSyncedFile(FileSystem& fs, const std::string& path, std::string_view bytes);

/// Removes a file, or a directory with all that is in it; OK if it is not there.
Status RemoveTree(FileSystem& fs, const std::string& path);

/// This process's id, for the LOCK file.
int ProcessId();

}  // namespace vdb::storage
