// A flipped byte anywhere in a segment, sidecar or manifest is found by verify (or by the open),
// which names the file; where a byte may change (docs/durability.md) no answer changes with it.
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/engine/engine_fixture.h"
#include "tests/support/thinning.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

class FlippedBytesTest : public EngineTest {
 protected:
  // Sealed and open segments, some indexed, order files, masks, tombstones, two columns, bodies.
  void Fill() {
    options_.segment_rows_max = 12;
    options_.tombstones_max = 4;
    auto db = Open();
    auto docs = MakeDocs(db);
    VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = 3}));
    for (int i = 0; i < 30; ++i) VDB_ASSERT_OK(Put(docs, "key" + std::to_string(i), {float(i), 1}));
    for (int i = 29; i >= 0; i -= 2) {
      VDB_ASSERT_OK(docs.SetVector("key" + std::to_string(i), "w", std::vector<float>{1, 2, 3}));
    }
    for (int i = 0; i < 30; i += 5) VDB_ASSERT_OK(docs.Delete("key" + std::to_string(i)));
    const std::vector<float> queries = {1, 1, 9, 1, 20, 1};
    VDB_ASSERT_OK(docs.BuildIndex({.list_count = 3, .queries = {queries.data(), 3, 2}}));
    VDB_ASSERT_OK(docs.Delete("key11"));
    for (int i = 0; i < 4; ++i) VDB_ASSERT_OK(Put(docs, "late" + std::to_string(i), {0.5f, 2}));
  }
  std::string Read(const fs::path& path) const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Write(const fs::path& path, const std::string& bytes) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  // The file named by an open that fails, or by verify; empty: nothing was found.
  std::string Found() {
    auto db = OpenReadOnly();
    if (!db.ok()) {
      EXPECT_EQ(db.status().code(), StatusCode::kCorruption) << Text(db);
      return db.status().message();
    }
    auto report = db->Verify();
    EXPECT_TRUE(report.ok()) << Text(report);
    std::string names;
    for (const auto& problem : report->problems) names += problem.file + " " + problem.message;
    return names;
  }
  std::string Answers() {
    auto db = OpenReadOnly();
    if (!db.ok()) return Text(db);
    auto hash = db->ContentHash();
    auto docs = *db->OpenCollection("docs");
    std::string answers = hash.ok() ? *hash : Text(hash);
    for (const auto& key : Nearest(docs, {7, 1}, 20)) answers += " " + key;
    return answers;
  }
};

TEST_F(FlippedBytesTest, EveryFileOfOurs) {
  Fill();
  ASSERT_EQ(Found(), "");
  const std::string right = Answers();
  std::mt19937 random(7);
  std::map<std::string, int> flips;
  for (const auto& entry : fs::recursive_directory_iterator(Path())) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file() || entry.path().string().find("/docs-") != std::string::npos ||
        name == "LOCK") {
      continue;
    }
    const std::string bytes = Read(entry.path());
    const auto step = [&] { return bytes.size() < 500 ? 1 : 1 + random() % 193; };
    for (size_t at = 0; at < bytes.size(); at += (Thinning() + 2) / 3 * step()) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
      Write(entry.path(), damaged);
      const std::string found = Found();
      // In the ledger slots that were never written, or a slot left behind, are checked as well.
      EXPECT_NE(found.find(name.substr(0, name.find('.'))), std::string::npos)
          << name << " byte " << at << ": " << (found.empty() ? "not found" : found);
      flips[name.substr(name.find('.') + 1)] += 1;
    }
    Write(entry.path(), bytes);
  }
  for (const auto& [kind, count] : flips) std::cout << kind << ": " << count << " flips\n";
  EXPECT_EQ(Found(), "");
  EXPECT_EQ(Answers(), right);
}

TEST_F(FlippedBytesTest, BytesPastAWatermarkAreFree) {
  Fill();
  const std::string right = Answers();
  const std::string garbage(5000, '\x5a');
  for (const auto& entry : fs::directory_iterator(Path() + "/segments")) {
    // Segments 3 and 6 or so are open; a sealed file of another size is refused instead.
    const std::string bytes = Read(entry.path());
    Write(entry.path(), bytes + garbage);
    const std::string found = Found();
    if (found.empty()) {
      EXPECT_EQ(Answers(), right) << entry.path();
    }
    Write(entry.path(), bytes);
  }
  Write(Path() + "/LOCK", "no pid");
  EXPECT_EQ(Answers(), right);
  EXPECT_EQ(Found(), "");
}

}  // namespace
}  // namespace vdb::testing
