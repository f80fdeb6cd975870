// What only the records' own checksums find: bytes that are wrong under RocksDB's right block
// checksums, a record under another document's key, a body that is not its record's.
#include "format/byte_io.h"
#include "format/document_record.h"
#include "format/manifest.h"
#include "tests/engine/engine_fixture.h"
#include "tests/engine/planted_store.h"
#include "vdb/filter.h"

namespace vdb::testing {
namespace {

class DocumentChecksumTest : public EngineTest {
 protected:
  DocumentChecksumTest() {
    auto db = Open();
    auto docs = MakeDocs(db);
    VDB_EXPECT_OK(docs.AddFieldIndex({.field = "$body", .kind = FieldIndexKind::kText}));
    for (const std::string key : {"a", "b", "c"}) {
      const std::string metadata = "{\"n\":\"" + key + "\"}", body = "body of " + key;
      const std::vector<float> v = {1, 2};
      VDB_EXPECT_OK(
          docs.Put({.key = key, .metadata = metadata, .body = body, .vectors = {{"v", v}}}));
    }
    VDB_EXPECT_OK(db.Close());
  }

  // Gives `to` the value of `from`, after `change`.
  void Plant(const std::string& from, const std::string& to,
             const std::function<void(std::string*)>& change = [](std::string*) {}) {
    PlantedStore planted(Path());
    std::string value = **planted.store().Get(from);
    change(&value);
    planted.Write([&](storage::StoreBatch* batch) { batch->Put(to, value); });
  }

  void ExpectNamed(const Status& status, const std::string& key, const char* what) {
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << status.ToString();
    for (const std::string& part : {std::string("collection 'docs'"), "key \"" + key + "\"",
                                    std::string(what)}) {
      EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
    }
  }

  // By a read of the document, and by verify from checksums on.
  void ExpectFound(const std::string& key, const char* what) {
    auto db = OpenReadOnly();
    VDB_ASSERT_OK(db);
    auto docs = *db->OpenCollection("docs");
    ExpectNamed(docs.Get(key).status(), key, what);
    for (const VerifyLevel level : {VerifyLevel::kQuick, VerifyLevel::kChecksums,
                                    VerifyLevel::kReferences}) {
      const auto report = db->Verify({.level = level});
      VDB_ASSERT_OK(report);
      bool named = false;
      for (const VerifyProblem& problem : report->problems) {
        named |= problem.where.find("key \"" + key + "\"") != std::string::npos &&
                 problem.message.find(what) != std::string::npos;
      }
      EXPECT_EQ(named, level != VerifyLevel::kQuick);
    }
    EXPECT_EQ(docs.Get("c")->body, "body of c");
  }
};

constexpr char kRecord[] = "its record does not have its checksum";
constexpr char kBody[] = "its body does not have the checksum";

TEST_F(DocumentChecksumTest, AChangedByteOfMetadata) {
  const std::string at = format::DocumentKey(1, "a");
  Plant(at, at, [](std::string* value) { (*value)[value->size() - 6] ^= 1; });
  ExpectFound("a", kRecord);
  auto db = OpenReadOnly();
  auto docs = *db->OpenCollection("docs");
  ExpectNamed(docs.Count(*Filter::Parse("n = \"b\"")).status(), "a", kRecord);
  auto it = docs.NewIterator();
  VDB_ASSERT_OK(it);
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  ExpectNamed(it->document().status(), "a", kRecord);
}

TEST_F(DocumentChecksumTest, ARecordUnderAnotherKey) {
  Plant(format::DocumentKey(1, "a"), format::DocumentKey(1, "b"));
  ExpectFound("b", kRecord);
}

TEST_F(DocumentChecksumTest, AChangedByteOfABody) {
  const std::string at = format::BodyKey(1, "a");
  Plant(at, at, [](std::string* value) { (*value)[0] = 'B'; });
  ExpectFound("a", kBody);
}

TEST_F(DocumentChecksumTest, TheBodyOfAnother) {
  Plant(format::BodyKey(1, "b"), format::BodyKey(1, "a"));
  ExpectFound("a", kBody);
}

// A damaged body is no reason to keep it: the document can be replaced, and deleted. One that stays
// would be indexed by its wrong words.
TEST_F(DocumentChecksumTest, ADamagedBodyCanBeReplaced) {
  for (const std::string key : {"a", "b"}) {
    const std::string at = format::BodyKey(1, key);
    Plant(at, at, [](std::string* value) { (*value)[0] = 'B'; });
  }
  auto db = Open(false);
  auto docs = *db.OpenCollection("docs");
  const std::vector<float> v = {3, 4};
  EXPECT_EQ(docs.SetVector("a", "v", VectorView(v)).status().code(), StatusCode::kCorruption);
  VDB_EXPECT_OK(docs.Put({.key = "a", .body = "new"}));
  VDB_EXPECT_OK(docs.Delete("b"));
  EXPECT_EQ(docs.Get("a")->body, "new");
  EXPECT_EQ(docs.Get("c")->body, "body of c");
}

// Nothing of an older layout belongs into a database of this version.
TEST_F(DocumentChecksumTest, ARecordOfAnOlderLayout) {
  const std::string at = format::DocumentKey(1, "a");
  Plant(at, at, [](std::string* value) {
    const format::CollectionEntry docs = {.id = 1, .name = "docs"};
    const auto record = format::DecodeDocument(docs, "a", *value);
    ASSERT_TRUE(record.ok());
    *value = '\1';
    format::AppendVarint(value, record->docno);
    format::AppendVarint(value, record->version);
    *value += '\1';
    format::AppendVarint(value, 1);
    format::AppendVarint(value, record->columns[0]);
    *value += record->metadata;
  });
  auto db = Open(false);
  const auto report = db.Verify({.level = VerifyLevel::kChecksums});
  VDB_ASSERT_OK(report);
  EXPECT_GT(report->problem_count, 0u);
  EXPECT_EQ(db.OpenCollection("docs")->SetMetadata("a", "{}").status().code(),
            StatusCode::kCorruption);
}

}  // namespace
}  // namespace vdb::testing
