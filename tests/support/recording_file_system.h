// RecordingFileSystem: wraps a FileSystem on a real directory and records every operation that
// changes something, in one global order and with its data, RocksDB's included (the engine routes
// them through the same seam). A hook sees each operation before it happens and can fail it, cut it
// short, skip it, or kill the process. power_cut.h turns the log into what a disk may hold after a
// power loss.
//
// Paths in the log are relative to `root`; operations outside of it pass through unrecorded. Files
// are known by a number that stays with the file through renames and after its removal. Files that
// are open when their directory is renamed keep their old name in the log.
// Threads: safe. One lock covers an operation and its entry, so that the log is the true order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "storage/file_system.h"

namespace vdb::testing {

enum class OpKind {
  kCreate,     ///< a new, empty file under a name that was free
  kWrite,      ///< `bytes` at `offset`
  kTruncate,   ///< to `offset` bytes
  kSync,       ///< of a file
  kRename,     ///< `path` to `target`, replacing what is there
  kRemove,     ///< a file's name
  kMakeDir,
  kRemoveDir,
  kSyncDir,
  kMark,       ///< not an operation: a note of the test, in `path`
};

std::string_view OpKindName(OpKind kind);

struct Operation {
  OpKind kind = OpKind::kMark;
  std::string path;    ///< of file operations: the name it was opened under
  std::string target;  ///< of a rename
  uint64_t file = 0;   ///< of kCreate, kWrite, kTruncate, kSync, kRename, kRemove
  uint64_t offset = 0;
  std::string bytes;

  /// "write segments/000001.npy 4096+128".
  std::string ToString() const;
};

using Log = std::vector<Operation>;

/// What a hook decides.
struct Verdict {
  enum class Action {
    kDo,
    kFail,   ///< return `status`, change nothing
    kShort,  ///< of a write: the first half reaches the file, then `status`. Else as kFail
    kSkip,   ///< return OK, change nothing: a sync that lies
  };
  Action action = Action::kDo;
  Status status = Status::Ok();
};

/// Called before the operation with number `index` (its place in the log if it is done). Runs under
/// the file system's lock: it must not use the file system.
using Hook = std::function<Verdict(const Operation& operation, size_t index)>;

class RecordingFileSystem final : public storage::FileSystem {
 public:
  /// `prior`: the log that made what is below `root` now; new operations continue it. Empty: there
  /// must be nothing below `root`, which itself must exist.
  explicit RecordingFileSystem(std::string root, Log prior = {},
                               storage::FileSystem* base = storage::PosixFileSystem());

  void SetHook(Hook hook);
  /// Adds a note to the log.
  void Mark(std::string text);
  Log log() const;
  size_t size() const;

  StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                storage::OpenMode mode) override;
  Status CreateDir(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveDir(const std::string& path) override;
  StatusOr<std::vector<std::string>> List(const std::string& path) override;
  StatusOr<bool> Exists(const std::string& path) override;
  StatusOr<bool> IsDir(const std::string& path) override;
  StatusOr<storage::FileInfo> Stat(const std::string& path) override;
  StatusOr<uint64_t> FreeBytes(const std::string& path) override;
  Status SyncDir(const std::string& path) override;

 private:
  friend class RecordingFile;

  bool Inside(const std::string& path) const;
  std::string Relative(const std::string& path) const;
  void Replay(const Operation& operation);
  // Asks the hook, does the operation by `act`, records it. The lock is held.
  Status Perform(Operation operation, const std::function<Status(const Operation&)>& act);

  const std::string root_;
  storage::FileSystem* const base_;
  mutable std::mutex mutex_;
  Hook hook_;
  Log log_;
  std::map<std::string, uint64_t> names_;  // file names to file numbers
  uint64_t next_file_ = 1;
};

/// The log of making what is below `root` now, all of it durable.
Log DurableImage(const std::string& root);

/// Fails operation number `at`, and with `forever` every one after it, with this error.
Hook FailAt(size_t at, Status status, bool forever);
/// From operation number `at` on, whatever needs space fails with kResourceExhausted; a write
/// leaves half of its bytes. Removing, renaming and syncing still work.
Hook FullDiskFrom(size_t at);

}  // namespace vdb::testing
