// Keys of vemb caches: splitting, dialects, relpaths, metadata.
#include "format/vemb_key.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "format/metadata.h"

namespace vdb::format {
namespace {

TEST(VembKey, SplitsAtTheLastTwoColons) {
  const VembKey key = ParseVembKey("clips/12:30:00.mp4:11:1773900000987654321");
  EXPECT_TRUE(key.split);
  EXPECT_EQ(key.path, "clips/12:30:00.mp4");
  EXPECT_EQ(key.size, 11u);
  EXPECT_EQ(key.mtime_ns, 1773900000987654321);

  const std::string odd = std::string("a\n\"\\\xff\0:", 7) + ":0:-1";
  const VembKey any = ParseVembKey(odd);
  EXPECT_TRUE(any.split);
  EXPECT_EQ(any.path, std::string_view(odd).substr(0, 7));
  EXPECT_EQ(any.size, 0u);
  EXPECT_EQ(any.mtime_ns, -1);

  EXPECT_EQ(ParseVembKey("a:18446744073709551615:-9223372036854775808").size, ~uint64_t{0});
}

TEST(VembKey, OtherFormsStayWhole) {
  for (const char* text : {"", ":", "::", "a", "a:1", "a:1:", "a::1", ":1:2", "a:-1:2", "a:1:x",
                           "a:01:2", "a:1:02", "a:+1:2", "a:1: 2", "a:1:-0", "a:1:-",
                           "a:18446744073709551616:2", "a:1:9223372036854775808", "a:1.0:2"}) {
    const VembKey key = ParseVembKey(text);
    EXPECT_FALSE(key.split) << text;
    EXPECT_EQ(key.path, text);
    EXPECT_EQ(key.size, 0u) << text;
  }
}

struct Entry {
  const char* key;
  const char* file;
  const char* relpath;
  VembDialect dialect;
  bool inferred;
};

void ExpectRelpaths(const std::vector<Entry>& entries) {
  VembRelpaths relpaths;
  bool any_basename = false;
  for (const Entry& entry : entries) relpaths.Add(ParseVembKey(entry.key), entry.file);
  for (const Entry& entry : entries) {
    const VembRelpath where = relpaths.Of(ParseVembKey(entry.key), entry.file);
    EXPECT_EQ(where.relpath, entry.relpath) << entry.key;
    EXPECT_EQ(where.dialect, entry.dialect) << entry.key;
    EXPECT_EQ(where.inferred, entry.inferred) << entry.key;
    any_basename = any_basename || entry.dialect == VembDialect::kBasename;
  }
  EXPECT_EQ(relpaths.has_basename_keys(), any_basename) << entries[0].key;
}

constexpr VembDialect kUnknown = VembDialect::kUnknown;
constexpr VembDialect kBasename = VembDialect::kBasename;
constexpr VembDialect kRelpath = VembDialect::kRelpath;

TEST(VembRelpaths, InferredFromTheCommonFolder) {
  ExpectRelpaths({{"forest.jpg:1:1", "photos/2025/forest.jpg", "2025/forest.jpg", kBasename, true},
                  {"talk.wav:1:1", "photos/2025/talk.wav", "2025/talk.wav", kBasename, true},
                  {"beach.png:1:1", "photos/beach.png", "beach.png", kUnknown, false}});
  // Folders, not letters, in common.
  ExpectRelpaths({{"a:1:1", "/p/photos/a", "photos/a", kBasename, true},
                  {"b:1:1", "/p/phones/b", "phones/b", kBasename, true}});
  ExpectRelpaths({{"a:1:1", "/x/a", "x/a", kBasename, true},
                  {"b:1:1", "/y/b", "y/b", kBasename, true}});
}

TEST(VembRelpaths, RelpathKeysShowTheFolder) {
  ExpectRelpaths({{"root.png:1:1", "mix/root.png", "root.png", kUnknown, false},
                  {"deep.png:1:1", "mix/sub/deep.png", "sub/deep.png", kBasename, true},
                  {"sub/deep.png:1:1", "mix/sub/deep.png", "sub/deep.png", kRelpath, false}});
  // All files lie deeper than the folder that was embedded.
  ExpectRelpaths({{"a:1:1", "mix/sub/a", "sub/a", kBasename, true},
                  {"sub/b:1:1", "mix/sub/b", "sub/b", kRelpath, false}});
  // Called from two places: each file by the folder that fits it.
  ExpectRelpaths({{"s/a:1:1", "photos/s/a", "s/a", kRelpath, false},
                  {"s/b:1:1", "/home/photos/s/b", "s/b", kRelpath, false},
                  {"c:1:1", "photos/c", "c", kUnknown, false},
                  {"d:1:1", "/home/photos/t/d", "t/d", kBasename, true},
                  {"e:1:1", "elsewhere/e", "e", kUnknown, false}});
}

TEST(VembRelpaths, WhatDoesNotFitKeepsTheKeysPath) {
  ExpectRelpaths({{"a:1:1", "photos/s/other", "a", kUnknown, false},
                  {"b:1:1", "", "b", kUnknown, false},
                  {"c", "photos/c", "c", kUnknown, false},
                  {"d:1:1", "/absolute/d", "d", kUnknown, false},
                  {"x/e:1:1", "photos/y/e", "x/e", kRelpath, false}});
}

TEST(VembTwins, AreFoundByNameSizeAndTime) {
  const std::vector<std::string> keys = {"sub/deep.png:4:20", "deep.png:4:20", "deep.png:5:20",
                                         "x/deep.png:4:20",   "deep.png",      "sub/deep.png:5:21",
                                         "sub/xdeep.png:5:20"};
  const auto twins =
      FindVembTwins(keys.size(), [&](uint64_t i) -> std::string_view { return keys[i]; });
  ASSERT_EQ(twins.size(), 2u);
  EXPECT_EQ(twins[0].basename_entry, 1u);
  EXPECT_EQ(twins[0].relpath_entry, 0u);
  EXPECT_EQ(twins[1].basename_entry, 1u);
  EXPECT_EQ(twins[1].relpath_entry, 3u);
}

TEST(VembMetadata, IsJsonOfWhatIsKnown) {
  VembMetadata metadata;
  metadata.key = ParseVembKey("a\"\xff.png:18446744073709551615:-5");
  metadata.where = {metadata.key.path, kBasename, true};
  metadata.file = "p/a\"\xff.png";
  metadata.model = "m";
  metadata.source = "vemb-v1";
  metadata.more = R"("note":[1])";
  const std::string json = VembMetadataJson(metadata);
  EXPECT_EQ(json, R"({"relpath":"a\"\udcff.png","size":18446744073709551615,"mtime_ns":-5,)"
                  R"("file":"p/a\"\udcff.png","model":"m","dialect":"0.1","source":"vemb-v1",)"
                  R"("note":[1]})");
  EXPECT_TRUE(MetadataFromJson(json).ok());

  VembMetadata bare;
  bare.key = ParseVembKey("a");
  bare.where.relpath = bare.key.path;
  EXPECT_EQ(VembMetadataJson(bare), R"({"relpath":"a"})");
}

}  // namespace
}  // namespace vdb::format
