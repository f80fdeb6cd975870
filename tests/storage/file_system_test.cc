// What the file system of the operating system promises beside its names: a file that is made is a
// new one, and a lock's file is never cut.
#include "storage/file_system.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/scratch_dir.h"

namespace vdb::storage {
namespace {

namespace fs = std::filesystem;

std::string BytesOf(const std::string& path) {
  auto bytes = ReadWholeFile(*PosixFileSystem(), path, 100);
  return bytes.ok() ? *bytes : bytes.status().ToString();
}

class FileSystemTest : public ::testing::Test {
 protected:
  std::string PathOf(const std::string& name) const { return scratch_.path() + "/" + name; }
  void Write(const std::string& name, std::string_view bytes) {
    const Status written = WriteSyncedFile(*PosixFileSystem(), PathOf(name), bytes);
    ASSERT_TRUE(written.ok()) << written.ToString();
  }

  testing::ScratchDir scratch_;
};

// Who has the old file open or mapped sees no change, and what a failed sync left of it is gone.
TEST_F(FileSystemTest, CreatingUnderANameThatExistsMakesANewFile) {
  Write("file", "old");
  auto reader = PosixFileSystem()->Open(PathOf("file"), OpenMode::kRead);
  ASSERT_TRUE(reader.ok());
  Write("file", "another");
  EXPECT_EQ(BytesOf(PathOf("file")), "another");
  char bytes[8] = {};
  auto read = (*reader)->ReadAt(0, bytes, sizeof(bytes));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(std::string(bytes, *read), "old");
  auto linked = (*reader)->IsLinked();
  ASSERT_TRUE(linked.ok());
  EXPECT_FALSE(*linked);
}

TEST_F(FileSystemTest, WhatIsNoRegularFileIsWrittenThrough) {
  Write("target", "old");
  fs::create_symlink(PathOf("target"), PathOf("link"));
  Write("link", "new");
  EXPECT_TRUE(fs::is_symlink(PathOf("link")));
  EXPECT_EQ(BytesOf(PathOf("target")), "new");
  ASSERT_TRUE(PosixFileSystem()->Open("/dev/null", OpenMode::kCreate).ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(FileSystemTest, OpeningALockNeverCutsIt) {
  {
    auto first = PosixFileSystem()->Open(PathOf("LOCK"), OpenMode::kOpenOrCreate);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(BytesOf(PathOf("LOCK")), "");
  }
  Write("LOCK", "123\n");
  auto again = PosixFileSystem()->Open(PathOf("LOCK"), OpenMode::kOpenOrCreate);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(BytesOf(PathOf("LOCK")), "123\n");
  auto linked = (*again)->IsLinked();
  ASSERT_TRUE(linked.ok());
  EXPECT_TRUE(*linked);
}

}  // namespace
}  // namespace vdb::storage
