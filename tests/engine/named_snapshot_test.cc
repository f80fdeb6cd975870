// Named snapshots: what was kept stays as it was, bit for bit, whatever happens to the database
// afterwards; and differences between two states are those of a model.
#include <algorithm>
#include <map>
#include <random>

#include "storage/file_system.h"
#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NamedSnapshotTest : public EngineTest {
 protected:
  StatusOr<Database> OpenAsOf(const std::string& name) {
    engine::EngineOptions options = options_;
    options.user.read_only = true;
    options.user.as_of = name;
    return engine::OpenDatabase(Path(), options);
  }

  static std::vector<std::string> Names(const Database& db) {
    std::vector<std::string> names;
    const auto snapshots = db.ListSnapshots();
    EXPECT_TRUE(snapshots.ok()) << Text(snapshots);
    for (const SnapshotInfo& info : *snapshots) names.push_back(info.name);
    return names;
  }

  size_t FilesIn(const std::string& folder) {
    auto names = storage::PosixFileSystem()->List(Path() + "/" + folder);
    return names.ok() ? names->size() : 0;
  }

  // Bodies, metadata, vectors; some documents without a vector.
  static Status Fill(Collection& docs, int first, int past) {
    WriteBatch batch;
    for (int i = first; i < past; ++i) {
      const std::vector<float> v = {float(i), float(i % 7) - 3};
      const std::string key = "k" + std::to_string(i);
      const std::string metadata = R"({"n":)" + std::to_string(i) + "}";
      if (i % 5 == 0) {
        batch.Put({.key = key, .metadata = metadata});
      } else {
        batch.Put({.key = key, .metadata = metadata, .body = "body " + key, .vectors = {{"v", v}}});
      }
    }
    return docs.Write(batch).status();
  }
};

TEST_F(NamedSnapshotTest, StaysAsItWas) {
  options_.segment_rows_max = 64;
  std::string then;
  std::vector<std::string> nearest;
  {
    auto db = Open();
    Collection docs = MakeDocs(db);
    VDB_ASSERT_OK(Fill(docs, 0, 500));
    VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
    VDB_ASSERT_OK(docs.BuildIndex({.list_count = 8}));
    VDB_ASSERT_OK(Fill(docs, 500, 540));  // rows that are not indexed, in an open segment
    for (int i = 0; i < 40; ++i) VDB_ASSERT_OK(docs.Delete("k" + std::to_string(3 * i)));
    then = *db.ContentHash();
    nearest = Nearest(docs, {77, 0}, 20);
    VDB_ASSERT_OK(db.CreateSnapshot("before"));
    // Everything the snapshot needs is replaced: rows, lists, documents, the collection itself.
    VDB_ASSERT_OK(Fill(docs, 300, 900));
    VDB_ASSERT_OK(docs.BuildIndex({.list_count = 5, .retrain = true}));
    VDB_ASSERT_OK(db.Compact({.full = true}));
    VDB_ASSERT_OK(db.CreateSnapshot("between"));
    VDB_ASSERT_OK(db.DropCollection("docs"));
    VDB_ASSERT_OK(db.CreateCollection("others"));
    EXPECT_THAT(Names(db), ElementsAre("before", "between"));
    VDB_ASSERT_OK(db.Close());
  }
  for (int round = 0; round < 2; ++round) {
    auto kept = OpenAsOf("before");
    VDB_ASSERT_OK(kept);
    EXPECT_EQ(*kept->ContentHash(), then);
    auto docs = kept->OpenCollection("docs");
    VDB_ASSERT_OK(docs);
    EXPECT_EQ(Nearest(*docs, {77, 0}, 20), nearest);
    EXPECT_EQ(*docs->Count(*Filter::Parse("n < 10")), 6u);  // without k0, k3, k6, k9
    ExpectClean(*kept);
    VDB_EXPECT_OK(kept->Refresh());
    EXPECT_EQ(docs->Put({.key = "x"}).status().code(), StatusCode::kFailedPrecondition);
    if (round == 0) ExpectClean(*std::make_unique<Database>(Open(false)));  // and once more
  }
}

TEST_F(NamedSnapshotTest, DroppingGivesTheSpaceBack) {
  auto db = Open();
  Collection docs = MakeDocs(db);
  VDB_ASSERT_OK(Fill(docs, 0, 300));
  VDB_ASSERT_OK(db.CreateSnapshot("s"));
  EXPECT_EQ(db.CreateSnapshot("s").code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(db.CreateSnapshot("").code(), StatusCode::kInvalidArgument);
  VDB_ASSERT_OK(docs.BuildIndex({.list_count = 2}));
  const size_t with = FilesIn("segments");
  {
    auto kept = OpenAsOf("s");
    VDB_ASSERT_OK(kept);
    EXPECT_EQ(db.DropSnapshot("s").code(), StatusCode::kBusy);
  }
  EXPECT_EQ(db.DropSnapshot("t").code(), StatusCode::kNotFound);
  VDB_ASSERT_OK(db.DropSnapshot("s"));
  EXPECT_LT(FilesIn("segments"), with);
  EXPECT_EQ(FilesIn("snapshots"), 0u);
  EXPECT_EQ(OpenAsOf("s").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(*docs.Count(), 300u);
  VDB_ASSERT_OK(db.CreateSnapshot("s"));
  VDB_ASSERT_OK(OpenAsOf("s"));
}

TEST_F(NamedSnapshotTest, AsOfNeedsReadOnly) {
  engine::EngineOptions options = options_;
  options.user.as_of = "s";
  EXPECT_EQ(engine::OpenDatabase(Path(), options).status().code(), StatusCode::kInvalidArgument);
}

// A damaged record must neither lose what other snapshots need nor stay for ever.
TEST_F(NamedSnapshotTest, DamageIsNamedAndCanBeDropped) {
  auto db = Open();
  Collection docs = MakeDocs(db);
  VDB_ASSERT_OK(Fill(docs, 0, 100));
  VDB_ASSERT_OK(db.CreateSnapshot("a"));
  VDB_ASSERT_OK(docs.BuildIndex({.list_count = 2}));  // segments that only "a" needs
  auto& fs = *storage::PosixFileSystem();
  const std::string path = Path() + "/snapshots/000001/SNAPSHOT";
  std::string bytes = *storage::ReadWholeFile(fs, path, 1 << 20);
  const auto write = [&](size_t at, char c) {
    auto file = fs.Open(path, storage::OpenMode::kReadWrite);
    VDB_ASSERT_OK(file);
    VDB_ASSERT_OK((*file)->WriteAt(at, std::as_bytes(std::span(&c, 1))));
  };
  write(100, static_cast<char>(bytes[100] ^ 1));
  EXPECT_EQ(OpenAsOf("a").status().code(), StatusCode::kCorruption);
  const size_t before = FilesIn("segments");
  VDB_ASSERT_OK(docs.BuildIndex({.list_count = 3, .retrain = true}));
  EXPECT_GE(FilesIn("segments"), before);  // nothing may go while nobody knows what "a" needs
  const auto listed = *db.ListSnapshots();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_THAT(listed[0].damage, HasSubstr("SNAPSHOT"));
  write(100, bytes[100]);
  VDB_EXPECT_OK(OpenAsOf("a"));
  write(100, static_cast<char>(bytes[100] ^ 1));
  VDB_ASSERT_OK(db.DropSnapshot(listed[0].name));
  EXPECT_LT(FilesIn("segments"), before + 1);
  EXPECT_TRUE(Names(db).empty());
}

TEST_F(NamedSnapshotTest, DifferencesAreThoseOfAModel) {
  std::mt19937 random(5);
  auto db = Open();
  Collection docs = MakeDocs(db);
  using Model = std::map<std::string, std::string>;  // key -> all that a document holds
  Model now;
  std::map<std::string, Model> kept = {{"", {}}};
  const auto change = [&] {
    const std::string key = "k" + std::to_string(random() % 60);
    const int what = static_cast<int>(random() % 6), value = static_cast<int>(random() % 3);
    const std::vector<float> v = {float(value), 1};
    const std::string metadata = R"({"n":)" + std::to_string(value) + "}";
    if (what == 0) {
      (void)docs.Delete(key);
      now.erase(key);
    } else if (what == 1) {
      VDB_ASSERT_OK(docs.Put({.key = key, .metadata = metadata}));
      now[key] = metadata;
    } else if (what == 2 && now.contains(key)) {
      VDB_ASSERT_OK(docs.SetMetadata(key, metadata));
      now[key] = metadata + now[key].substr(now[key].find('}') + 1);
    } else if (what == 3) {
      VDB_ASSERT_OK(
          docs.Put({.key = key, .metadata = metadata, .body = "b", .vectors = {{"v", v}}}));
      now[key] = metadata + "b" + std::to_string(value);
    } else {
      VDB_ASSERT_OK(docs.Put({.key = key, .metadata = metadata, .vectors = {{"v", v}}}));
      now[key] = metadata + std::to_string(value);
    }
  };
  for (int s = 0; s < 6; ++s) {
    for (int i = 0; i < 40; ++i) change();
    if (s == 3) VDB_ASSERT_OK(db.Compact({.full = true}));
    const std::string name = "s" + std::to_string(s);
    VDB_ASSERT_OK(db.CreateSnapshot(name));
    kept[name] = now;
  }
  for (int i = 0; i < 20; ++i) change();
  kept[""] = now;
  size_t differences = 0;
  for (const auto& [from, a] : kept) {
    for (const auto& [to, b] : kept) {
      std::map<std::string, DocumentChange> expected, found;
      for (const auto& [key, value] : a) {
        const auto other = b.find(key);
        if (other == b.end()) expected[key] = DocumentChange::kRemoved;
        else if (other->second != value) expected[key] = DocumentChange::kChanged;
      }
      for (const auto& [key, value] : b) {
        if (!a.contains(key)) expected[key] = DocumentChange::kAdded;
      }
      std::string last;
      VDB_ASSERT_OK(db.DiffSnapshots(from, to, [&](const SnapshotDiff& diff) {
        EXPECT_EQ(diff.collection, "docs");
        EXPECT_LT(last, diff.key);
        last = diff.key;
        found[diff.key] = diff.change;
        return true;
      }));
      EXPECT_EQ(found, expected) << from << " to " << to;
      differences += expected.size();
    }
  }
  EXPECT_GT(differences, 500u);
  EXPECT_EQ(db.DiffSnapshots("none", "", [](const auto&) { return true; }).code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace vdb::testing
