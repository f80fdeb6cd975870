// The fixtures of tests/golden/legacy, written by the original programs or by hand: the verdicts of
// expected.json, and vectors against a reading of the files that shares no code with ours.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tests/format/legacy_support.h"

namespace vdb::format {
namespace {

const char* const kFolder = VDB_SOURCE_DIR "/tests/golden/legacy/";

std::vector<double> Numbers(const PlainJson& array) {
  std::vector<double> numbers;
  for (const PlainJson& item : array.items) numbers.push_back(item.number);
  return numbers;
}

using Vectors = std::map<std::string, std::vector<double>>;

// Of a version 1 cache: the last entry of each key.
Vectors PlainV1(const std::string& fixture) {
  const PlainJson root = PlainJson::Parse(ReadTestFile(kFolder + fixture + "/.vemb/cache.json"));
  Vectors vectors;
  for (const auto& [key, entry] : root["entries"].members) vectors[key] = Numbers(entry["values"]);
  return vectors;
}

std::vector<float> PlainRows(const std::string& path) {
  const std::string file = ReadTestFile(path);
  const std::string data = file.substr(10 + static_cast<unsigned char>(file[8]));
  std::vector<float> values(data.size() / sizeof(float));
  data.copy(reinterpret_cast<char*>(values.data()), values.size() * sizeof(float));
  return values;
}

Vectors PlainV2(const std::string& fixture, size_t dimension) {
  const std::string folder = kFolder + fixture + "/.vemb/";
  const PlainJson root = PlainJson::Parse(ReadTestFile(folder + "manifest.json"));
  const std::vector<float> rows = PlainRows(folder + "vectors.npy");
  Vectors vectors;
  for (const auto& [key, row] : root["keys"].members) {
    const auto first = static_cast<size_t>(row.number) * dimension;
    if (first + dimension > rows.size()) continue;
    vectors[key].assign(rows.begin() + static_cast<ptrdiff_t>(first),
                        rows.begin() + static_cast<ptrdiff_t>(first + dimension));
  }
  return vectors;
}

void ExpectSame(const Vectors& plain, const LegacyCache& cache, const std::string& fixture) {
  for (const LegacyEntry& entry : ReadAll(cache, 2)) {
    if (entry.vectors.empty()) continue;
    const auto expected = plain.find(entry.key);
    ASSERT_NE(expected, plain.end()) << fixture << " " << entry.key;
    const auto want = Normalised(expected->second);
    const auto found = Normalised(entry.vectors[0].values);
    ASSERT_EQ(found.size(), want.size()) << fixture << " " << entry.key;
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(found[i], want[i], 1e-6) << fixture << " " << entry.key << " " << i;
    }
  }
}

TEST(LegacyFixtures, GiveTheirVerdicts) {
  const PlainJson expected = PlainJson::Parse(ReadTestFile(kFolder + std::string("expected.json")));
  ASSERT_EQ(expected.members.size(), 16u);
  for (const auto& [fixture, want] : expected.members) {
    if (fixture == "v020-embed-jsonl") continue;  // an import
    SCOPED_TRACE(fixture);
    const auto cache = OpenLegacy(SourcesOfFolder(kFolder + fixture));
    ASSERT_NE(cache, nullptr);
    const LegacyVerdict verdict = VerdictOf(*cache);
    EXPECT_EQ(verdict.exit_code, want["exit"].number) << cache->refusal();
    EXPECT_EQ(static_cast<double>(verdict.migrated), want["migrated"].number);
    EXPECT_EQ(static_cast<double>(verdict.without_vector), want["without_vector"].number);
    std::map<std::string, uint64_t> refused;
    for (const auto& [code, count] : want["refused"].members) {
      refused[code] = static_cast<uint64_t>(count.number);
    }
    EXPECT_EQ(verdict.refused, refused);
    if (want["format"].kind == 's') {
      EXPECT_EQ(verdict.format, want["format"].string);
    }
    if (want["dimension"].kind == 'n') {
      ASSERT_EQ(cache->columns().size(), 1u);
      EXPECT_EQ(cache->columns()[0].dimension, want["dimension"].number);
      EXPECT_EQ(cache->columns()[0].name, cache->columns()[0].model);
    }
  }
}

TEST(LegacyFixtures, VectorsOfVersion1) {
  for (const char* fixture : {"v010-dim8", "v010-dim-null", "v020-dim128", "v020-dim-null",
                              "v020-mixed-keys", "v020-zero-vector", "hand-bad-entries"}) {
    const auto cache = OpenLegacy(SourcesOfFolder(std::string(kFolder) + fixture));
    ASSERT_NE(cache, nullptr);
    ExpectSame(PlainV1(fixture), *cache, fixture);
  }
}

TEST(LegacyFixtures, VectorsOfVersion2) {
  for (const char* fixture : {"v030-migrated", "v030-grown", "v030-dim-null",
                              "hand-v2-truncated-npy"}) {
    const auto cache = OpenLegacy(SourcesOfFolder(std::string(kFolder) + fixture));
    ASSERT_NE(cache, nullptr);
    ASSERT_EQ(cache->columns().size(), 1u);
    ExpectSame(PlainV2(fixture, cache->columns()[0].dimension), *cache, fixture);
  }
}

TEST(LegacyFixtures, AnUpgradeKeepsTheVectors) {
  const auto cache = OpenLegacy(SourcesOfFolder(kFolder + std::string("v030-migrated")));
  ASSERT_NE(cache, nullptr);
  ExpectSame(PlainV1("v020-dim128"), *cache, "v030-migrated");
}

TEST(LegacyFixtures, NndexChunksAreKeysAndMetadata) {
  const auto cache = OpenLegacy(SourcesOfFolder(kFolder + std::string("hand-nndex-cli")));
  ASSERT_NE(cache, nullptr);
  const auto entries = ReadAll(*cache);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].key, "src/auth.py:1-40");
  EXPECT_EQ(entries[1].key, "src/auth.py:41-77");
  EXPECT_EQ(entries[2].key, "docs/caf\xC3\xA9.md:1-12");
  const PlainJson metadata = PlainJson::Parse(entries[1].metadata);
  EXPECT_EQ(metadata["file_path"].string, "src/auth.py");
  EXPECT_EQ(metadata["start_line"].string, "41");
  EXPECT_EQ(metadata["end_line"].string, "77");
  EXPECT_EQ(metadata["preview"].string, "def logout(user): ...");
  EXPECT_EQ(metadata["model"].string, "embeddinggemma-300m");
  const auto rows = PlainRows(kFolder + std::string("hand-nndex-cli/.nndex/embeddings.npy"));
  for (size_t i = 0; i < 24; ++i) EXPECT_EQ(entries[i / 8].vectors[0].values[i % 8], rows[i]);
}

TEST(LegacyFixtures, AStoppedUpgradeIsTakenFromTheOldFileWithOneWarning) {
  const auto cache = OpenLegacy(SourcesOfFolder(kFolder + std::string("hand-v2-torn-manifest")));
  ASSERT_NE(cache, nullptr);
  EXPECT_EQ(cache->warnings().size(), 1u);
  ExpectSame(PlainV1("hand-v2-torn-manifest"), *cache, "hand-v2-torn-manifest");
}

TEST(LegacyFixtures, SalvageTakesTheCompleteEntriesOfATornFile) {
  LegacyOptions options;
  options.salvage = true;
  const auto cache =
      OpenLegacy(SourcesOfFolder(kFolder + std::string("hand-torn-write")), options);
  ASSERT_NE(cache, nullptr);
  const LegacyVerdict verdict = VerdictOf(*cache);
  EXPECT_EQ(verdict.exit_code, 3);
  EXPECT_EQ(verdict.migrated, 2u);
  EXPECT_TRUE(cache->torn());
  ExpectSame(PlainV1("v020-dim128"), *cache, "hand-torn-write");
}

TEST(LegacyFixtures, OneFileUnderBothDialectsIsKeptTwice) {
  const auto cache = OpenLegacy(SourcesOfFolder(kFolder + std::string("v020-mixed-keys")));
  ASSERT_NE(cache, nullptr);
  EXPECT_EQ(cache->warnings().size(), 1u);
  std::map<std::string, LegacyEntry> entries;
  for (LegacyEntry& entry : ReadAll(*cache)) {
    const std::string key = entry.key;
    entries[key.substr(0, key.find(':'))] = std::move(entry);
  }
  ASSERT_EQ(entries.size(), 3u);
  const LegacyEntry& older = entries["deep.png"];
  const std::string duplicate = "duplicate_of:" + entries["sub/deep.png"].key;
  EXPECT_EQ(std::count(older.flags.begin(), older.flags.end(), duplicate), 1);
  EXPECT_EQ(std::count(older.flags.begin(), older.flags.end(), "relpath_inferred"), 1);
  EXPECT_EQ(PlainJson::Parse(older.metadata)["relpath"].string, "sub/deep.png");
  EXPECT_TRUE(entries["sub/deep.png"].flags.empty());
}

TEST(LegacyFixtures, RelpathsOfBasenameKeysAreInferred) {
  const auto cache = OpenLegacy(SourcesOfFolder(kFolder + std::string("v010-dim8")));
  ASSERT_NE(cache, nullptr);
  std::map<std::string, std::string> relpaths;
  for (const LegacyEntry& entry : ReadAll(*cache)) {
    const PlainJson metadata = PlainJson::Parse(entry.metadata);
    relpaths[metadata["file"].string] = metadata["relpath"].string;
    EXPECT_EQ(metadata["model"].string, "gemini-embedding-2-preview");
  }
  EXPECT_EQ(relpaths, (std::map<std::string, std::string>{
                          {"photos/2025/forest.jpg", "2025/forest.jpg"},
                          {"photos/2025/talk.wav", "2025/talk.wav"},
                          {"photos/beach.png", "beach.png"}}));
}

}  // namespace
}  // namespace vdb::format
