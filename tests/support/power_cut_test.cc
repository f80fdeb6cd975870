// The simulator itself: what was synced is never lost, what was not can be, and a name lives only
// once its directory was synced. If these fail, no crash test proves anything.
#include "tests/support/power_cut.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/scratch_dir.h"

namespace vdb::testing {
namespace {

using Pending = CutPolicy::Pending;
using storage::OpenMode;

constexpr CutPolicy kNothingPending = {Pending::kNone, Pending::kNone, 1};
constexpr CutPolicy kEverything = {Pending::kAll, Pending::kAll, 1};

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class PowerCutTest : public ::testing::Test {
 protected:
  std::unique_ptr<storage::File> Create(const std::string& name) {
    auto file = fs_.Open(root_ / name, OpenMode::kCreate);
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    return *std::move(file);
  }
  void WriteDurably(const std::string& name, std::string_view text) {
    auto file = Create(name);
    ASSERT_TRUE(file->WriteAt(0, Bytes(text)).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs_.SyncDir(root_.path()).ok());
  }
  std::map<std::string, std::string> After(const CutPolicy& policy) const {
    DiskModel disk;
    for (const Operation& operation : fs_.log()) disk.Apply(operation);
    return disk.Survivors(policy);
  }

  ScratchDir root_;
  RecordingFileSystem fs_{root_.path()};
};

using Files = std::map<std::string, std::string>;

TEST_F(PowerCutTest, AWriteWithoutSyncIsLost) {
  WriteDurably("a", "old");
  ASSERT_TRUE((*fs_.Open(root_ / "a", OpenMode::kReadWrite))->WriteAt(0, Bytes("new")).ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"a", "old"}}));
  EXPECT_EQ(After(kEverything), (Files{{"a", "new"}}));
}

TEST_F(PowerCutTest, ARenamedDirectoryTakesItsFilesAlong) {
  ASSERT_TRUE(fs_.CreateDir(root_ / "a").ok());
  ASSERT_TRUE(fs_.SyncDir(root_.path()).ok());
  const auto file = Create("a/x");
  ASSERT_TRUE(file->WriteAt(0, Bytes("1")).ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(fs_.SyncDir(root_ / "a").ok());
  ASSERT_TRUE(fs_.Rename(root_ / "a", root_ / "b").ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"a/", ""}, {"a/x", "1"}}));
  EXPECT_EQ(After(kEverything), (Files{{"b/", ""}, {"b/x", "1"}}));
  ASSERT_TRUE((*fs_.Open(root_ / "b/x", OpenMode::kReadWrite))->WriteAt(0, Bytes("2")).ok());
  EXPECT_EQ(After(kEverything), (Files{{"b/", ""}, {"b/x", "2"}}));
  ASSERT_TRUE(fs_.SyncDir(root_.path()).ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"b/", ""}, {"b/x", "1"}}));
}

TEST_F(PowerCutTest, SyncedDataIsNeverLost) {
  WriteDurably("a", std::string(10000, 'x'));
  auto file = *fs_.Open(root_ / "a", OpenMode::kReadWrite);
  ASSERT_TRUE(file->WriteAt(10000, Bytes(std::string(9000, 'y'))).ok());
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (const CutPolicy& policy : AllPolicies(seed)) {
      const auto files = After(policy);
      ASSERT_EQ(files.count("a"), 1u) << policy.ToString();
      EXPECT_EQ(files.at("a").substr(0, 10000), std::string(10000, 'x')) << policy.ToString();
    }
  }
}

TEST_F(PowerCutTest, SyncingAFileDoesNotMakeItsNameDurable) {
  auto file = Create("a");
  ASSERT_TRUE(file->WriteAt(0, Bytes("x")).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(After(kNothingPending), Files{});
  ASSERT_TRUE(fs_.SyncDir(root_.path()).ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"a", "x"}}));
}

TEST_F(PowerCutTest, ANameCanSurviveWithoutItsData) {
  ASSERT_TRUE(Create("a")->WriteAt(0, Bytes("x")).ok());
  ASSERT_TRUE(fs_.SyncDir(root_.path()).ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"a", ""}}));
}

TEST_F(PowerCutTest, ARenameWithoutDirectorySyncCanBeLost) {
  WriteDurably("current", "old");
  auto file = Create("tmp");
  ASSERT_TRUE(file->WriteAt(0, Bytes("new")).ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(fs_.Rename(root_ / "tmp", root_ / "current").ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"current", "old"}}));
  EXPECT_EQ(After(kEverything), (Files{{"current", "new"}}));
  ASSERT_TRUE(fs_.SyncDir(root_.path()).ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"current", "new"}}));
}

TEST_F(PowerCutTest, ARenameIsWholeOrNotThere) {
  WriteDurably("current", "old");
  WriteDurably("tmp", "new");
  ASSERT_TRUE(fs_.Rename(root_ / "tmp", root_ / "current").ok());
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto files = After({Pending::kPrefix, Pending::kPrefix, seed});
    EXPECT_TRUE(files == (Files{{"current", "old"}, {"tmp", "new"}}) ||
                files == (Files{{"current", "new"}}));
  }
}

TEST_F(PowerCutTest, ARemovalWithoutDirectorySyncCanComeBack) {
  WriteDurably("a", "x");
  ASSERT_TRUE(fs_.Remove(root_ / "a").ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"a", "x"}}));
  EXPECT_EQ(After(kEverything), Files{});
}

TEST_F(PowerCutTest, NamesOfADirectoryGoInOrder) {
  for (const char* name : {"a", "b", "c"}) Create(name);
  std::set<size_t> counts;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto files = After({Pending::kAll, Pending::kPrefix, seed});
    counts.insert(files.size());
    EXPECT_TRUE(files.count("a") == 1 || files.count("b") == 0);
    EXPECT_TRUE(files.count("b") == 1 || files.count("c") == 0);
  }
  EXPECT_EQ(counts, (std::set<size_t>{0, 1, 2, 3}));
}

TEST_F(PowerCutTest, ADirectoryWithoutDurableNameTakesItsFilesAlong) {
  ASSERT_TRUE(fs_.CreateDir(root_ / "d").ok());
  auto file = Create("d/a");
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(fs_.SyncDir(root_ / "d").ok());
  EXPECT_EQ(After(kNothingPending), Files{});
  ASSERT_TRUE(fs_.SyncDir(root_.path()).ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"d/", ""}, {"d/a", ""}}));
}

TEST_F(PowerCutTest, LaterWritesCanSurviveWithoutEarlierOnesAndTorn) {
  WriteDurably("a", std::string(8192, '-'));
  auto file = *fs_.Open(root_ / "a", OpenMode::kReadWrite);
  ASSERT_TRUE(file->WriteAt(0, Bytes(std::string(4096, '1'))).ok());
  ASSERT_TRUE(file->WriteAt(4096, Bytes(std::string(4096, '2'))).ok());
  bool later_alone = false, torn = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::string text = After({Pending::kRandom, Pending::kAll, seed}).at("a");
    ASSERT_EQ(text.size(), 8192u);
    const bool first = text.find('1') != std::string::npos;
    later_alone |= !first && text.find('2') != std::string::npos;
    torn |= first && text.substr(0, 4096).find('-') != std::string::npos;
    for (size_t at = 0; at < text.size(); at += 512) {
      EXPECT_EQ(text.substr(at, 512), std::string(512, text[at])) << "torn inside a sector";
    }
  }
  EXPECT_TRUE(later_alone);
  EXPECT_TRUE(torn);
}

TEST_F(PowerCutTest, TruncationOfAnExistingFileIsPendingToo) {
  WriteDurably("a", "old");
  Create("a");  // O_TRUNC
  EXPECT_EQ(After(kNothingPending), (Files{{"a", "old"}}));
  EXPECT_EQ(After(kEverything), (Files{{"a", ""}}));
}

TEST_F(PowerCutTest, KeepingEverythingIsWhatTheDirectoryHolds) {
  ASSERT_TRUE(fs_.CreateDir(root_ / "d").ok());
  ASSERT_TRUE(Create("d/a")->WriteAt(5, Bytes("x")).ok());
  WriteDurably("b", "y");
  ASSERT_TRUE(fs_.Rename(root_ / "b", root_ / "c").ok());
  ScratchDir copy;
  CutPowerAt(fs_.log(), fs_.size(), kEverything, copy.path());
  const auto image = [](const std::string& dir) {
    DiskModel disk;
    for (const Operation& operation : DurableImage(dir)) disk.Apply(operation);
    return disk.Survivors(kNothingPending);
  };
  EXPECT_EQ(image(copy.path()), image(root_.path()));
  EXPECT_EQ(image(copy.path()).at("d/a"), std::string("\0\0\0\0\0x", 6));
}

TEST_F(PowerCutTest, ALogContinuesOverAKillWithItsPendingWrites) {
  ASSERT_TRUE(Create("a")->WriteAt(0, Bytes("x")).ok());
  RecordingFileSystem second(root_.path(), fs_.log());
  auto file = *second.Open(root_ / "a", OpenMode::kReadWrite);
  ASSERT_TRUE(second.SyncDir(root_.path()).ok());
  ScratchDir before, after;
  CutPowerAt(second.log(), second.size(), kNothingPending, before.path());
  EXPECT_EQ(std::filesystem::file_size(before / "a"), 0u);
  ASSERT_TRUE(file->Sync().ok());
  CutPowerAt(second.log(), second.size(), kNothingPending, after.path());
  EXPECT_EQ(std::filesystem::file_size(after / "a"), 1u);
}

TEST_F(PowerCutTest, HooksFailCutShortAndSkip) {
  auto file = Create("a");
  fs_.SetHook(FailAt(fs_.size(), Status::IoError("EIO"), /*forever=*/false));
  EXPECT_EQ(file->Sync().code(), StatusCode::kIoError);
  EXPECT_TRUE(file->Sync().ok());
  fs_.SetHook(FailAt(fs_.size(), Status::IoError("EIO"), /*forever=*/true));
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_FALSE(file->Sync().ok());

  fs_.SetHook(FullDiskFrom(fs_.size()));
  EXPECT_EQ(file->WriteAt(0, Bytes("abcd")).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_EQ(std::filesystem::file_size(root_ / "a"), 2u);

  fs_.SetHook([](const Operation& operation, size_t) -> Verdict {
    if (operation.kind != OpKind::kSync) return {};
    return {Verdict::Action::kSkip, Status::Ok()};
  });
  ASSERT_TRUE(file->WriteAt(0, Bytes("ABCD")).ok());
  EXPECT_TRUE(file->Sync().ok());
  ASSERT_TRUE(fs_.SyncDir(root_.path()).ok());
  EXPECT_EQ(After(kNothingPending), (Files{{"a", "ab"}}));  // the lying sync kept nothing
}

}  // namespace
}  // namespace vdb::testing
