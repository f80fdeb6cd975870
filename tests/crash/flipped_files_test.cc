// A flipped byte anywhere in a database, RocksDB's tables, logs and list of files included, is
// found by the open or by verify of checksums, or it is one of those that docs/durability.md lists
// as free to change: then no answer changes with it.
#include <map>
#include <random>

#include "tests/crash/recorded_run.h"
#include "tests/engine/damage_fixture.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

class FlippedFilesTest : public DamageTest {
 protected:
  std::string Answers(const std::string& path) {
    auto db = OpenAt(path, /*read_only=*/true);
    if (!db.ok()) return Text(db);
    auto docs = *db->OpenCollection("docs");
    std::string answers;
    for (const auto& [name, value] : ContentsOf(*db)) answers += name + "=" + value + "\n";
    for (const auto& key : Nearest(docs, {7, 1}, 20)) answers += " " + key;
    return answers;
  }
};

TEST_F(FlippedFilesTest, AnyFileAtRandom) {
  auto db = Open();
  Fill(db);
  VDB_ASSERT_OK(db.CreateSnapshot("kept"));
  auto docs = *db.OpenCollection("docs");
  for (int i = 0; i < 5; ++i) VDB_ASSERT_OK(Put(docs, "last" + std::to_string(i), {1, float(i)}));
  fs::copy(Path(), scratch_ / "killed", fs::copy_options::recursive);
  VDB_ASSERT_OK(db.Close());
  std::mt19937 random(11);
  std::map<std::string, int> by_kind;
  size_t found = 0, free = 0;
  for (const std::string& root : {Path(), scratch_ / "killed"}) {
    ASSERT_EQ(Found(root), "");
    const std::string right = Answers(root);
    const std::vector<std::string> files = FilesOf(root);
    // Each file in turn, so that small ones are not forgotten.
    const size_t wanted = found + (LongRun() ? 2000 : 100);
    for (size_t i = 0; found < wanted; ++i) {
      const std::string& file = files[i % files.size()];
      const std::string path = root + "/" + file, bytes = ReadBytes(path);
      if (bytes.empty()) continue;
      const size_t at = random() % bytes.size();
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << random() % 8));
      const bool is_free = IsFree(root, file, at);
      WriteBytes(path, flipped);
      const std::string what = Found(root);
      if (what.empty()) {
        EXPECT_TRUE(is_free) << file << " byte " << at << " of " << bytes.size() << ": not found";
        EXPECT_EQ(Answers(root), right) << file << " byte " << at;
        ++free;
      } else {
        ++found;
        by_kind[fs::path(file).extension()] += 1;
      }
      WriteBytes(path, bytes);
      if (HasFailure()) return;
    }
  }
  for (const auto& [kind, count] : by_kind) std::printf("%s: %d\n", kind.c_str(), count);
  std::printf("%zu flips found, %zu free to change\n", found, free);
}

// Data, index, filter and properties of a table of RocksDB: each part has its checksum looked at.
TEST_F(FlippedFilesTest, EveryPartOfATable) {
  auto db = Open();
  Fill(db, 400);
  VDB_ASSERT_OK(db.Close());
  std::string table;
  for (const std::string& file : FilesOf(Path())) {
    const bool larger = table.empty() ||
                        fs::file_size(Path() + "/" + file) > fs::file_size(Path() + "/" + table);
    if (file.ends_with(".sst") && larger) table = file;
  }
  ASSERT_FALSE(table.empty());
  const std::string path = Path() + "/" + table, bytes = ReadBytes(path);
  const size_t step = bytes.size() / (LongRun() ? 4000 : 60) + 1;
  size_t flips = 0;
  for (size_t at = bytes.size() - 1; at >= step; at -= step) {
    if (IsFree(Path(), table, at)) continue;
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 16);
    WriteBytes(path, flipped);
    EXPECT_NE(Found(Path()), "") << table << " byte " << at << " of " << bytes.size();
    ++flips;
    // The end of a table has its index, filter, properties and footer.
    if (!LongRun() && at > bytes.size() - 4000) at += step - step / 8;
  }
  std::printf("%zu flips in %zu bytes\n", flips, bytes.size());
}

}  // namespace
}  // namespace vdb::testing
