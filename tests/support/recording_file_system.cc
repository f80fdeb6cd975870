// See recording_file_system.h.
#include "tests/support/recording_file_system.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace vdb::testing {

using storage::File;
using storage::OpenMode;

std::string_view OpKindName(OpKind kind) {
  switch (kind) {
    case OpKind::kCreate: return "create";
    case OpKind::kWrite: return "write";
    case OpKind::kTruncate: return "truncate";
    case OpKind::kSync: return "sync";
    case OpKind::kRename: return "rename";
    case OpKind::kRemove: return "remove";
    case OpKind::kMakeDir: return "mkdir";
    case OpKind::kRemoveDir: return "rmdir";
    case OpKind::kSyncDir: return "syncdir";
    case OpKind::kMark: return "mark";
  }
  return "?";
}

std::string Operation::ToString() const {
  std::string text(OpKindName(kind));
  text += " " + path;
  if (kind == OpKind::kWrite) {
    text += " " + std::to_string(offset) + "+" + std::to_string(bytes.size());
  }
  if (kind == OpKind::kTruncate) text += " " + std::to_string(offset);
  if (kind == OpKind::kRename) text += " -> " + target;
  return text;
}

// A file below the root. Reads pass through; changes are recorded under the file's number.
class RecordingFile final : public File {
 public:
  RecordingFile(RecordingFileSystem* fs, std::unique_ptr<File> base, std::string name,
                uint64_t number)
      : fs_(fs), base_(std::move(base)), name_(std::move(name)), number_(number) {}

  StatusOr<size_t> ReadAt(uint64_t offset, void* out, size_t size) override {
    return base_->ReadAt(offset, out, size);
  }
  // WriteAllAt is the default's: one operation per piece, so that a cut can fall between them.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    const auto* data = reinterpret_cast<const char*>(bytes.data());
    return Do({OpKind::kWrite, name_, "", number_, offset, std::string(data, bytes.size())},
              [this](const Operation& op) {
                return base_->WriteAt(op.offset, std::as_bytes(std::span(op.bytes)));
              });
  }
  Status Sync() override {
    return Do({OpKind::kSync, name_, "", number_, 0, ""},
              [this](const Operation&) { return base_->Sync(); });
  }
  Status Truncate(uint64_t size) override {
    return Do({OpKind::kTruncate, name_, "", number_, size, ""},
              [this](const Operation& op) { return base_->Truncate(op.offset); });
  }
  StatusOr<uint64_t> Size() override { return base_->Size(); }
  StatusOr<std::unique_ptr<storage::Mapping>> Map(size_t size) override {
    return base_->Map(size);
  }
  StatusOr<std::unique_ptr<storage::FileLock>> TryLock(storage::LockKind kind) override {
    return base_->TryLock(kind);
  }
  StatusOr<bool> IsLinked() override { return base_->IsLinked(); }
  const std::string& path() const override { return base_->path(); }

 private:
  Status Do(Operation operation, const std::function<Status(const Operation&)>& act) {
    const std::lock_guard lock(fs_->mutex_);
    return fs_->Perform(std::move(operation), act);
  }

  RecordingFileSystem* fs_;
  std::unique_ptr<File> base_;
  std::string name_;
  uint64_t number_;
};

RecordingFileSystem::RecordingFileSystem(std::string root, Log prior, storage::FileSystem* base)
    : root_(std::move(root)), base_(base), log_(std::move(prior)) {
  for (const Operation& operation : log_) Replay(operation);
}

void RecordingFileSystem::SetHook(Hook hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void RecordingFileSystem::Mark(std::string text) {
  const std::lock_guard lock(mutex_);
  log_.push_back({OpKind::kMark, std::move(text), "", 0, 0, ""});
}

Log RecordingFileSystem::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

size_t RecordingFileSystem::size() const {
  const std::lock_guard lock(mutex_);
  return log_.size();
}

bool RecordingFileSystem::Inside(const std::string& path) const {
  return path.starts_with(root_ + "/");
}

std::string RecordingFileSystem::Relative(const std::string& path) const {
  return std::filesystem::path(path.substr(root_.size() + 1)).lexically_normal().generic_string();
}

void RecordingFileSystem::Replay(const Operation& operation) {
  next_file_ = std::max(next_file_, operation.file + 1);
  switch (operation.kind) {
    case OpKind::kCreate: names_[operation.path] = operation.file; break;
    case OpKind::kRemove: names_.erase(operation.path); break;
    case OpKind::kRename: {
      const std::string prefix = operation.path + "/";
      std::map<std::string, uint64_t> moved;
      std::erase_if(names_, [&](const auto& entry) {
        if (!entry.first.starts_with(prefix)) return false;
        moved[operation.target + "/" + entry.first.substr(prefix.size())] = entry.second;
        return true;
      });
      if (names_.erase(operation.path) > 0) names_[operation.target] = operation.file;
      names_.merge(moved);
      break;
    }
    default: break;
  }
}

Status RecordingFileSystem::Perform(Operation operation,
                                    const std::function<Status(const Operation&)>& act) {
  const Verdict verdict = hook_ ? hook_(operation, log_.size()) : Verdict{};
  if (verdict.action == Verdict::Action::kSkip) return Status::Ok();
  if (verdict.action == Verdict::Action::kFail) return verdict.status;
  const bool cut_short = verdict.action == Verdict::Action::kShort;
  if (cut_short) {
    if (operation.kind != OpKind::kWrite) return verdict.status;
    operation.bytes.resize(operation.bytes.size() / 2);
  }
  Status done = act(operation);
  if (!done.ok()) return done;
  Replay(operation);
  log_.push_back(std::move(operation));
  return cut_short ? verdict.status : Status::Ok();
}

StatusOr<std::unique_ptr<File>> RecordingFileSystem::Open(const std::string& path, OpenMode mode) {
  if (!Inside(path)) return base_->Open(path, mode);
  const std::lock_guard lock(mutex_);
  const std::string name = Relative(path);
  bool is_new = !names_.contains(name);
  if (mode == OpenMode::kCreate && !is_new) {  // a new file, under the same name
    const Status removed = Perform({OpKind::kRemove, name, "", names_[name], 0, ""},
                                   [&](const Operation&) { return base_->Remove(path); });
    if (!removed.ok()) return removed;
    is_new = true;
  }
  std::unique_ptr<File> file;
  const auto open = [&](const Operation&) {
    auto opened = base_->Open(path, mode);
    if (opened.ok()) file = *std::move(opened);
    return opened.status();
  };
  if (mode == OpenMode::kCreate || (mode == OpenMode::kOpenOrCreate && is_new)) {
    const Status done = Perform({OpKind::kCreate, name, "", next_file_, 0, ""}, open);
    if (!done.ok()) return done;
    if (file == nullptr) return Status::InvalidArgument("a hook cannot skip opening " + name);
  } else {
    const Status done = open({});
    if (!done.ok()) return done;
    if (is_new && mode == OpenMode::kReadWrite) {
      return Status::InvalidArgument("not in the log, but opened for writing: " + name);
    }
  }
  const auto found = names_.find(name);
  const uint64_t number = found == names_.end() ? 0 : found->second;
  return std::unique_ptr<File>(
      std::make_unique<RecordingFile>(this, std::move(file), name, number));
}

Status RecordingFileSystem::CreateDir(const std::string& path) {
  if (!Inside(path)) return base_->CreateDir(path);
  const std::lock_guard lock(mutex_);
  const auto there = base_->Exists(path);
  if (!there.ok()) return there.status();
  if (*there) return base_->CreateDir(path);  // changes nothing
  return Perform({OpKind::kMakeDir, Relative(path), "", 0, 0, ""},
                 [&](const Operation&) { return base_->CreateDir(path); });
}

Status RecordingFileSystem::Rename(const std::string& from, const std::string& to) {
  if (!Inside(from)) return base_->Rename(from, to);
  const std::lock_guard lock(mutex_);
  const auto known = names_.find(Relative(from));
  const uint64_t number = known == names_.end() ? 0 : known->second;
  return Perform({OpKind::kRename, Relative(from), Relative(to), number, 0, ""},
                 [&](const Operation&) { return base_->Rename(from, to); });
}

Status RecordingFileSystem::Remove(const std::string& path) {
  if (!Inside(path)) return base_->Remove(path);
  const std::lock_guard lock(mutex_);
  const auto known = names_.find(Relative(path));
  const uint64_t number = known == names_.end() ? 0 : known->second;
  return Perform({OpKind::kRemove, Relative(path), "", number, 0, ""},
                 [&](const Operation&) { return base_->Remove(path); });
}

Status RecordingFileSystem::RemoveDir(const std::string& path) {
  if (!Inside(path)) return base_->RemoveDir(path);
  const std::lock_guard lock(mutex_);
  return Perform({OpKind::kRemoveDir, Relative(path), "", 0, 0, ""},
                 [&](const Operation&) { return base_->RemoveDir(path); });
}

Status RecordingFileSystem::SyncDir(const std::string& path) {
  if (path != root_ && !Inside(path)) return base_->SyncDir(path);
  const std::lock_guard lock(mutex_);
  const std::string name = path == root_ ? "" : Relative(path);
  return Perform({OpKind::kSyncDir, name, "", 0, 0, ""},
                 [&](const Operation&) { return base_->SyncDir(path); });
}

StatusOr<std::vector<std::string>> RecordingFileSystem::List(const std::string& path) {
  return base_->List(path);
}
StatusOr<bool> RecordingFileSystem::Exists(const std::string& path) {
  return base_->Exists(path);
}
StatusOr<bool> RecordingFileSystem::IsDir(const std::string& path) { return base_->IsDir(path); }

StatusOr<storage::FileInfo> RecordingFileSystem::Stat(const std::string& path) {
  return base_->Stat(path);
}

StatusOr<uint64_t> RecordingFileSystem::FreeBytes(const std::string& path) {
  return base_->FreeBytes(path);
}

Log DurableImage(const std::string& root) {
  namespace fs = std::filesystem;
  Log log;
  uint64_t number = 0;
  std::vector<std::string> dirs = {""};
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string name = fs::relative(entry.path(), root).generic_string();
    if (entry.is_directory()) {
      log.push_back({OpKind::kMakeDir, name, "", 0, 0, ""});
      dirs.push_back(name);
      continue;
    }
    std::ifstream in(entry.path(), std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    ++number;
    log.push_back({OpKind::kCreate, name, "", number, 0, ""});
    log.push_back({OpKind::kWrite, name, "", number, 0, std::move(bytes)});
    log.push_back({OpKind::kSync, name, "", number, 0, ""});
  }
  for (const auto& dir : dirs) log.push_back({OpKind::kSyncDir, dir, "", 0, 0, ""});
  return log;
}

Hook FailAt(size_t at, Status status, bool forever) {
  return [=, done = false](const Operation&, size_t index) mutable -> Verdict {
    // A failed operation leaves no entry, so the next one has the same index: fail only once.
    if (index < at || (done && !forever)) return {};
    done = true;
    return {Verdict::Action::kFail, status};
  };
}

Hook FullDiskFrom(size_t at) {
  return [=](const Operation& operation, size_t index) -> Verdict {
    const bool needs_space = operation.kind == OpKind::kCreate ||
                             operation.kind == OpKind::kWrite ||
                             operation.kind == OpKind::kMakeDir;
    if (index < at || !needs_space) return {};
    return {Verdict::Action::kShort,
            Status::ResourceExhausted("write '" + operation.path + "': No space left on device")};
  };
}

}  // namespace vdb::testing
