// Real JSON caches of public projects: the rows that the data's README names, keys, and numbers
// against a plain reading. Runs where the data is: VDB_TEST_DATA, or shared/data beside the source
// tree. Says so where it is not.
#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/format/legacy_support.h"

namespace vdb::format {
namespace {

namespace fs = std::filesystem;

fs::path Folder() {
  if (const char* folder = std::getenv("VDB_TEST_DATA")) return fs::path(folder) / "legacy-json";
  return fs::path(VDB_SOURCE_DIR) / ".." / "shared" / "data" / "legacy-json";
}

bool IsAbsent() {
  if (fs::exists(Folder())) return false;
  std::cout << "[  ABSENT  ] no real data at " << Folder() << "; set VDB_TEST_DATA\n";
  return true;
}

std::string Unpacked(const std::string& name) {
  const std::string packed = ReadTestFile(Folder() / name);
  std::string bytes(8u << 20, '\0');  // the frames do not say their size
  const size_t size = ZSTD_decompress(bytes.data(), bytes.size(), packed.data(), packed.size());
  EXPECT_EQ(ZSTD_isError(size), 0u) << name;
  bytes.resize(ZSTD_isError(size) != 0 ? 0 : size);
  return bytes;
}

std::unique_ptr<const LegacyCache> OpenBytes(const std::string& bytes) {
  LegacySources sources;
  sources.name = "cache";
  sources.json = SourceOf(bytes);
  return OpenLegacy(sources);
}

// Entries by key; every one must migrate and have a vector where `vectors` says so.
std::map<std::string, LegacyEntry> EntriesOf(const LegacyCache& cache) {
  std::map<std::string, LegacyEntry> entries;
  for (LegacyEntry& entry : ReadAll(cache, 10)) {
    EXPECT_TRUE(entry.migrates()) << entry.key << " " << entry.detail;
    const std::string key = entry.key;
    EXPECT_TRUE(entries.emplace(key, std::move(entry)).second) << key;
  }
  return entries;
}

void ExpectValues(const LegacyEntry& entry, const PlainJson& array) {
  ASSERT_EQ(entry.vectors.size(), 1u) << entry.key;
  ASSERT_EQ(entry.vectors[0].values.size(), array.items.size()) << entry.key;
  for (size_t i = 0; i < array.items.size(); ++i) {
    ASSERT_EQ(entry.vectors[0].values[i], array.items[i].number) << entry.key << " " << i;
  }
}

TEST(LegacyData, AListOfRecords) {
  if (IsAbsent()) return;
  const std::string bytes = Unpacked("list-content-metadata-embedding.json.zst");
  const auto cache = OpenBytes(bytes);
  ASSERT_NE(cache, nullptr);
  EXPECT_EQ(cache->format(), "json-records");
  const auto entries = EntriesOf(*cache);
  const PlainJson plain = PlainJson::Parse(bytes);
  ASSERT_EQ(entries.size(), 76u);
  for (size_t i = 0; i < plain.items.size(); ++i) {
    const LegacyEntry& entry = entries.at(std::to_string(i));
    ExpectValues(entry, plain.items[i]["embedding"]);
    const PlainJson metadata = PlainJson::Parse(entry.metadata);
    ASSERT_EQ(metadata["content"].string, plain.items[i]["content"].string);
    ASSERT_EQ(metadata.members.size(), 2u);
  }
}

TEST(LegacyData, MapsOfKeyToArray) {
  if (IsAbsent()) return;
  for (const auto& [name, rows] : std::map<std::string, size_t>{
           {"map-key-array-1536-nonascii-keys.json.zst", 62},
           {"map-key-array-4096-long-multiline-keys.json.zst", 35}}) {
    const std::string bytes = Unpacked(name);
    const auto cache = OpenBytes(bytes);
    ASSERT_NE(cache, nullptr);
    EXPECT_EQ(cache->format(), "json-map");
    const auto entries = EntriesOf(*cache);
    ASSERT_EQ(entries.size(), rows);
    for (const auto& [key, array] : PlainJson::Parse(bytes).members) {
      ASSERT_TRUE(entries.contains(key)) << key;
      ExpectValues(entries.at(key), array);
    }
  }
}

TEST(LegacyData, AMapOfKeyToRecordWithAZeroVector) {
  if (IsAbsent()) return;
  const auto cache = OpenBytes(Unpacked("map-id-record-capitalised-fields.json.zst"));
  ASSERT_NE(cache, nullptr);
  const auto entries = EntriesOf(*cache);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(cache->columns()[0].dimension, 1000u);
  EXPECT_EQ(entries.at("sample_doc").reason, LegacyReason::kZeroNorm);
}

// The files of a tar archive, one after the other.
std::string FilesOfTar(const std::string& tar) {
  std::string files;
  for (size_t at = 0; at + 512 <= tar.size() && tar[at] != '\0';) {
    const size_t size = std::strtoull(tar.c_str() + at + 124, nullptr, 8);
    const char kind = tar[at + 156];
    if (kind == '0' || kind == '\0') files += tar.substr(at + 512, size) + "\n";
    at += 512 + (size + 511) / 512 * 512;
  }
  return files;
}

TEST(LegacyData, AppendOnlyLogs) {
  if (IsAbsent()) return;
  const auto cache = OpenBytes(FilesOfTar(Unpacked("smart-connections-ajson.tar.zst")));
  ASSERT_NE(cache, nullptr);
  EXPECT_EQ(cache->format(), "ajson");
  EXPECT_EQ(cache->replaced_count(), 290u);
  const auto entries = EntriesOf(*cache);
  EXPECT_EQ(entries.size() + cache->replaced_count() + cache->deleted_count(), 1345u);

  std::istringstream keys(ReadTestFile(Folder() / "smart-connections-expected_keys.txt"));
  const std::string rows = ReadTestFile(Folder() / "smart-connections-expected.fvecs");
  std::set<std::string> expected;
  size_t at = 0;
  for (std::string key; std::getline(keys, key); at += sizeof(int32_t) + 384 * sizeof(float)) {
    expected.insert(key);
    ASSERT_TRUE(entries.contains(key)) << key;
    const LegacyEntry& entry = entries.at(key);
    ASSERT_EQ(entry.vectors.size(), 1u) << key;
    ASSERT_EQ(entry.vectors[0].values.size(), 384u) << key;
    for (size_t i = 0; i < 384; ++i) {
      float value = 0;
      std::memcpy(&value, rows.data() + at + sizeof(int32_t) + i * sizeof(float), sizeof(float));
      ASSERT_EQ(static_cast<float>(entry.vectors[0].values[i]), value) << key << " " << i;
    }
  }
  EXPECT_EQ(expected.size(), 745u);
  for (const auto& [key, entry] : entries) {
    EXPECT_EQ(entry.vectors.empty(), !expected.contains(key)) << key;
  }
}

}  // namespace
}  // namespace vdb::format
