// PassingFileSystem: the operating system's file system behind the seam, for tests that turn one of
// its calls and want the others as they are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/file_system.h"

namespace vdb::testing {

class PassingFileSystem : public storage::FileSystem {
 public:
  StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                storage::OpenMode mode) override {
    return base_->Open(path, mode);
  }
  Status CreateDir(const std::string& path) override { return base_->CreateDir(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return base_->Rename(from, to);
  }
  Status Link(const std::string& from, const std::string& to) override {
    return base_->Link(from, to);
  }
  Status Remove(const std::string& path) override { return base_->Remove(path); }
  Status RemoveDir(const std::string& path) override { return base_->RemoveDir(path); }
  StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return base_->List(path);
  }
  StatusOr<bool> Exists(const std::string& path) override { return base_->Exists(path); }
  StatusOr<bool> IsDir(const std::string& path) override { return base_->IsDir(path); }
  StatusOr<storage::FileInfo> Stat(const std::string& path) override { return base_->Stat(path); }
  StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    return base_->FreeBytes(path);
  }
  Status SyncDir(const std::string& path) override { return base_->SyncDir(path); }

 private:
  storage::FileSystem* const base_ = storage::PosixFileSystem();
};

}  // namespace vdb::testing
