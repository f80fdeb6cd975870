// Keeping in step with files: ChangedSince, PruneFiles, RekeyPrefix, DeleteIfVersion.
#include "vdb/files.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "tests/engine/engine_fixture.h"
#include "vdb/json_text.h"

namespace vdb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace stdfs = std::filesystem;

class FilesTest : public EngineTest {
 protected:
  std::string Root() const { return scratch_.path() + "/files"; }

  std::string MetadataOf(const std::string& relpath) {
    const auto time = stdfs::last_write_time(Root() + "/" + relpath);
    const auto since = std::chrono::file_clock::to_sys(time).time_since_epoch();
    std::string json;
    AppendJsonString(&json, relpath);
    return "{\"relpath\": " + json + ", \"size\": " +
           std::to_string(stdfs::file_size(Root() + "/" + relpath)) + ", \"mtime_ns\": " +
           std::to_string(std::chrono::nanoseconds(since).count()) + "}";
  }
  void MakeFile(const std::string& relpath, const std::string& bytes) {
    stdfs::create_directories(stdfs::path(Root() + "/" + relpath).parent_path());
    std::ofstream(Root() + "/" + relpath) << bytes;
  }
  // A file and the document made from it.
  void Add(Collection& docs, const std::string& relpath) {
    MakeFile(relpath, "bytes of " + relpath);
    VDB_ASSERT_OK(Put(docs, relpath, {1, 2}, MetadataOf(relpath)));
  }
  static std::vector<std::string> AllKeys(const Collection& docs) {
    std::vector<std::string> keys;
    auto it = docs.NewIterator();
    for (it->SeekToFirst(); it->Valid(); it->Next()) keys.emplace_back(it->key());
    return keys;
  }
};

TEST_F(FilesTest, DeleteIfVersion) {
  auto db = Open();
  auto docs = MakeDocs(db);
  VDB_ASSERT_OK(Put(docs, "a", {1, 2}));
  VDB_ASSERT_OK(Put(docs, "b", {1, 2}));
  const uint64_t version = docs.Get("a")->version;
  WriteBatch batch;
  batch.Delete("b");
  batch.DeleteIfVersion("a", version + 1);
  EXPECT_EQ(docs.Write(batch).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(AllKeys(docs), ElementsAre("a", "b"));
  batch.Clear();
  batch.DeleteIfVersion("a", version);
  auto done = docs.Write(batch);
  VDB_ASSERT_OK(done);
  EXPECT_EQ(done->deleted_count, 1u);
  EXPECT_EQ(docs.Write(batch).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(*docs.Count(), 1u);
  VDB_EXPECT_OK(db.Verify());
}

TEST_F(FilesTest, ChangedSinceTellsWhatToEmbed) {
  auto db = Open();
  auto docs = MakeDocs(db);
  const auto put = [&](const std::string& key, const std::string& metadata) {
    VDB_ASSERT_OK(Put(docs, key, {1, 2}, metadata));
  };
  put("same", R"({"size": 3, "mtime_ns": 1700000000123456789, "hash": "h1"})");
  put("other_size", R"({"size": 4, "mtime_ns": 5})");
  put("other_time", R"({"size": 3, "mtime_ns": 6})");
  put("touched", R"({"size": 3, "mtime_ns": 7, "hash": "h2"})");
  put("other_hash", R"({"size": 3, "mtime_ns": 7, "hash": "h3"})");
  put("no_fields", "{}");
  put("unlisted", "{}");
  VDB_ASSERT_OK(docs.Put({.key = "no_vector", .metadata = R"({"size": 3})"}));
  const std::vector<FileState> files = {
      {.key = "touched", .size = 3, .mtime_ns = 8, .hash = "h2"},
      {.key = "new", .size = 3},
      {.key = "same", .size = 3, .mtime_ns = 1700000000123456789},
      {.key = "other_size", .size = 3, .mtime_ns = 5},
      {.key = "other_time", .size = 3, .mtime_ns = 5},
      {.key = "other_hash", .size = 3, .mtime_ns = 7, .hash = "h4"},
      {.key = "no_fields", .size = 3},
      {.key = "no_fields"},
      {.key = "no_vector", .size = 3},
  };
  auto found = ChangedSince(docs, files);
  VDB_ASSERT_OK(found);
  EXPECT_THAT(found->changed, ElementsAre(1, 3, 4, 5, 6, 8));
  EXPECT_THAT(found->touched, ElementsAre(0));
  EXPECT_EQ(found->unchanged_count, 2u);
  EXPECT_EQ(found->unlisted_count, 1u);
  EXPECT_EQ(ChangedSince(docs, files, "nowhere").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(ChangedSince(docs, {})->unlisted_count, 8u);
}

// The one ordered pass against a look at each file by itself, on random collections.
TEST_F(FilesTest, ChangedSinceAgreesWithLookingOneByOne) {
  auto db = Open();
  auto docs = MakeDocs(db);
  std::mt19937 random(7);
  std::map<std::string, uint64_t> sizes;
  for (int i = 0; i < 300; ++i) {
    const std::string key = "k" + std::to_string(random() % 500);
    sizes[key] = random() % 3;
    VDB_ASSERT_OK(docs.Put({.key = key,
                            .metadata = "{\"size\": " + std::to_string(sizes[key]) + "}",
                            .vectors = {{"v", std::vector<float>{1, 2}}}}, {.sync = false}));
  }
  std::vector<std::string> keys;
  for (int i = 0; i < 400; ++i) keys.push_back("k" + std::to_string(random() % 600));
  std::vector<FileState> files;
  for (const std::string& key : keys) files.push_back({.key = key, .size = random() % 3});
  std::vector<size_t> expected;
  for (size_t i = 0; i < files.size(); ++i) {
    const auto at = sizes.find(keys[i]);
    if (at == sizes.end() || at->second != *files[i].size) expected.push_back(i);
  }
  for (const std::string& key : keys) sizes.erase(key);
  auto found = ChangedSince(docs, files);
  VDB_ASSERT_OK(found);
  EXPECT_EQ(found->changed, expected);
  EXPECT_EQ(found->unchanged_count, files.size() - expected.size());
  EXPECT_EQ(found->unlisted_count, sizes.size());
}

TEST_F(FilesTest, PruneDropsWhatIsGoneOrChanged) {
  auto db = Open();
  auto docs = MakeDocs(db);
  const std::string odd = "d/na\xC3\xAFve \xFF:\"\n";  // not UTF-8: relpath must come back as bytes
  for (const std::string& path : {std::string("a"), std::string("d/b"), std::string("c"), odd}) {
    Add(docs, path);
  }
  VDB_ASSERT_OK(Put(docs, "no path", {1, 2}, R"({"size": 5})"));
  VDB_ASSERT_OK(Put(docs, "nul", {1, 2}, R"({"relpath": "a\u0000b"})"));
  VDB_ASSERT_OK(Put(docs, "dir", {1, 2}, R"({"relpath": "d"})"));
  VDB_ASSERT_OK(Put(docs, "long", {1, 2}, "{\"relpath\": \"" + std::string(300, 'x') + "\"}"));
  stdfs::remove(Root() + "/d/b");
  MakeFile("c", "other bytes than before");
  auto dry = PruneFiles(docs, Root(), {.dry_run = true});
  VDB_ASSERT_OK(dry);
  EXPECT_EQ(dry->gone_count, 4u);
  EXPECT_EQ(*docs.Count(), 8u);
  auto report = PruneFiles(docs, Root());
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->document_count, 8u);
  EXPECT_EQ(report->gone_count, 4u);
  EXPECT_EQ(report->changed_count, 1u);
  EXPECT_EQ(report->without_path_count, 1u);
  EXPECT_THAT(AllKeys(docs), ElementsAre("a", odd, "no path"));
  EXPECT_EQ(PruneFiles(docs, Root() + "/nowhere").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(PruneFiles(docs, Root() + "/a").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(*docs.Count(), 3u);
}

TEST_F(FilesTest, RekeyMovesEverythingBitForBit) {
  auto db = Open();
  auto docs = MakeDocs(db, Metric::kL2);
  VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = 1, .metric = Metric::kDot}));
  const std::vector<float> v = {0.1f, -7.3e20f}, zero = {0};
  VDB_ASSERT_OK(docs.Put({.key = "a/x:1",
                          .metadata = R"({"relpath": "a/x", "n": 9007199254740993})",
                          .body = "body",
                          .vectors = {{"v", v}, {"w", zero}}}));
  VDB_ASSERT_OK(docs.Put({.key = "a/y", .metadata = R"({"relpath": "elsewhere/y"})"}));
  VDB_ASSERT_OK(docs.Put({.key = "b", .metadata = "{}"}));
  const Document before = *docs.Get("a/x:1");
  EXPECT_EQ(RekeyPrefix(docs, "a/", "c/d/", {.dry_run = true})->renamed_count, 2u);
  EXPECT_THAT(AllKeys(docs), ElementsAre("a/x:1", "a/y", "b"));
  auto report = RekeyPrefix(docs, "a/", "c/d/");
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->renamed_count, 2u);
  EXPECT_THAT(AllKeys(docs), ElementsAre("b", "c/d/x:1", "c/d/y"));
  const Document after = *docs.Get("c/d/x:1");
  EXPECT_THAT(after.metadata, HasSubstr("9007199254740993"));
  EXPECT_THAT(after.metadata, HasSubstr("\"c/d/x\""));
  EXPECT_THAT(docs.Get("c/d/y")->metadata, HasSubstr("elsewhere/y"));
  EXPECT_EQ(after.body, before.body);
  ASSERT_EQ(after.vectors.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after.vectors[i].stored.unit, before.vectors[i].stored.unit);
    EXPECT_EQ(after.vectors[i].stored.norm, before.vectors[i].stored.norm);
  }
  EXPECT_THAT(Nearest(docs, v, 1), ElementsAre("c/d/x:1"));
  auto verified = db.Verify();
  VDB_ASSERT_OK(verified);
  EXPECT_EQ(verified->problem_count, 0u);
}

TEST_F(FilesTest, RekeyRefusesTakenKeys) {
  auto db = Open();
  auto docs = MakeDocs(db);
  for (const char* key : {"a/1", "a/2", "b/2"}) VDB_ASSERT_OK(Put(docs, key, {1, 2}));
  const Status taken = RekeyPrefix(docs, "a/", "b/").status();
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(taken.message(), HasSubstr("\"b/2\""));
  EXPECT_THAT(AllKeys(docs), ElementsAre("a/1", "a/2", "b/2"));
  EXPECT_EQ(RekeyPrefix(docs, "", "b/").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(RekeyPrefix(docs, "b/2", "").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(RekeyPrefix(docs, "a/", std::string(kKeyBytesMax, 'x')).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(RekeyPrefix(docs, "nothing", "x")->renamed_count, 0u);
  EXPECT_THAT(AllKeys(docs), ElementsAre("a/1", "a/2", "b/2"));
}

// Where one prefix starts with the other, new keys look like old ones.
TEST_F(FilesTest, RekeyIntoAndOutOfItself) {
  auto db = Open();
  auto docs = MakeDocs(db);
  const std::vector<std::string> keys = {"a", "aa", "aaa", "ab"};
  for (const std::string& key : keys) {
    VDB_ASSERT_OK(Put(docs, key, {1, 2}, "{\"was\": \"" + key + "\"}"));
  }
  VDB_ASSERT_OK(RekeyPrefix(docs, "a", "aa"));
  EXPECT_THAT(AllKeys(docs), ElementsAre("aa", "aaa", "aaaa", "aab"));
  EXPECT_THAT(docs.Get("aaa")->metadata, HasSubstr("\"aa\""));
  VDB_ASSERT_OK(RekeyPrefix(docs, "aa", "a"));
  EXPECT_EQ(AllKeys(docs), keys);
  for (const std::string& key : keys) {
    EXPECT_THAT(docs.Get(key)->metadata, HasSubstr("\"" + key + "\""));
  }
}

}  // namespace
}  // namespace vdb::testing
