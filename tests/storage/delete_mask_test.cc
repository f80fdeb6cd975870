// Delete masks in memory and on disk.
#include "storage/delete_mask.h"

#include <gtest/gtest.h>

#include "storage/mask_file.h"
#include "tests/support/scratch_dir.h"

namespace vdb::storage {
namespace {

class DeleteMaskTest : public ::testing::Test {
 protected:
  std::shared_ptr<const DeleteMask> Make(std::vector<uint64_t> rows) {
    return *DeleteMask().With(rows);
  }
  std::string Save(const DeleteMask& mask, uint64_t* checksum) {
    const std::string bytes = *MaskFile::Encode(mask, 7, 200000, checksum);
    const std::string path = scratch_ / "000007.del-000001";
    auto file = *PosixFileSystem()->Open(path, OpenMode::kCreate);
    EXPECT_TRUE(file->WriteAt(0, std::as_bytes(std::span(bytes))).ok());
    return path;
  }
  testing::ScratchDir scratch_;
};

TEST_F(DeleteMaskTest, CopiesOnWrite) {
  const auto one = Make({5, 70000, 5});
  EXPECT_EQ(one->dead_count(), 2u);
  const std::vector<uint64_t> more = {6, 5, 140000};
  const auto two = *one->With(more);
  EXPECT_EQ(two->dead_count(), 4u);
  EXPECT_TRUE(*two->Test(6));
  EXPECT_FALSE(*one->Test(6));
  EXPECT_FALSE(*one->Test(140000));
  EXPECT_TRUE(*two->Test(70000));
  EXPECT_FALSE(*two->Test(99999999));
}

TEST_F(DeleteMaskTest, FileRoundTrip) {
  uint64_t checksum = 0;
  const auto mask = Make({0, 63, 64, 199999});
  const std::string path = Save(*mask, &checksum);
  const auto loaded = MaskFile::Open(*PosixFileSystem(), path, 7, checksum);
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_EQ((*loaded)->dead_count(), 4u);
  for (const uint64_t row : {0, 63, 64, 199999}) EXPECT_TRUE(*(*loaded)->Test(row));
  for (const uint64_t row : {1, 65, 70000, 199998}) EXPECT_FALSE(*(*loaded)->Test(row));
  const std::vector<uint64_t> more = {1};
  EXPECT_EQ((*(*loaded)->With(more))->dead_count(), 5u);
}

TEST_F(DeleteMaskTest, EveryFlippedByteIsNoticed) {
  uint64_t checksum = 0;
  const auto mask = Make({0, 63, 64, 199999});
  const std::string path = Save(*mask, &checksum);
  const std::string bytes = *ReadWholeFile(*PosixFileSystem(), path, 1 << 20);
  auto file = *PosixFileSystem()->Open(path, OpenMode::kReadWrite);
  for (size_t i = 0; i < bytes.size(); i += i < 200 ? 1 : 101) {
    const std::byte flipped = static_cast<std::byte>(bytes[i] ^ 2);
    ASSERT_TRUE(file->WriteAt(i, std::span(&flipped, 1)).ok());
    const auto loaded = MaskFile::Open(*PosixFileSystem(), path, 7, checksum);
    const Status all = loaded.ok() ? MaskFile::CheckAll(**loaded) : loaded.status();
    EXPECT_FALSE(all.ok()) << "byte " << i;
    ASSERT_TRUE(file->WriteAt(i, std::as_bytes(std::span(&bytes[i], 1))).ok());
  }
  EXPECT_FALSE(MaskFile::Open(*PosixFileSystem(), path, 8, checksum).ok());
  for (size_t size = 0; size < bytes.size(); size += 97) {
    ASSERT_TRUE(file->Truncate(size).ok());
    EXPECT_FALSE(MaskFile::Open(*PosixFileSystem(), path, 7, checksum).ok());
    ASSERT_TRUE(file->WriteAt(0, std::as_bytes(std::span(bytes))).ok());
  }
}

}  // namespace
}  // namespace vdb::storage
