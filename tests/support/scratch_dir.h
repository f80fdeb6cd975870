// ScratchDir: a fresh directory, removed at the end of its life.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace vdb::testing {

class ScratchDir {
 public:
  ScratchDir() : path_(Base() + "/vdb-test.XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();  // a test cannot go on without
  }
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  // Crash tests open thousands of databases; a RAM disk, where there is one, keeps the real disk's
  // fdatasync out of it. What they prove does not depend on the disk.
  static std::string Base() {
    if (const char* base = std::getenv("TMPDIR"); base != nullptr && *base != '\0') return base;
    std::error_code ignored;
    return std::filesystem::is_directory("/dev/shm", ignored) ? "/dev/shm" : "/tmp";
  }

  std::string path_;
};

}  // namespace vdb::testing
