// Field indexes with damage: verify names entries that are missing, wrong or too many, entries that
// do not decode are errors, and documents whose metadata do not decode can be replaced and deleted.
#include <functional>
#include <string>
#include <vector>

#include "format/document_record.h"
#include "format/field_entry.h"
#include "format/field_value.h"
#include "format/manifest.h"
#include "tests/engine/field_index_fixture.h"
#include "tests/engine/planted_store.h"

namespace vdb::testing {
namespace {

class PlantedTest : public FieldIndexTest {
 protected:
  PlantedTest() {
    Database db = Make(0);
    Collection docs = *db.OpenCollection("docs");
    EXPECT_TRUE(docs.AddFieldIndex({.field = "n"}).ok());
    for (const std::string key : {"a", "b", "c"}) {
      EXPECT_TRUE(docs.Put({.key = key, .metadata = "{\"n\":[1,\"" + key + "\"]}"}).ok());
    }
    EXPECT_TRUE(db.Close().ok());
  }
  // What verify says after `fill`.
  std::vector<std::string> Problems(const std::function<void(storage::StoreBatch*)>& fill) {
    PlantedStore(Path()).Write(fill);
    return ProblemsOf(Open(false));
  }
  static std::string Entry(const FilterValue& value, const std::string& key) {
    return format::FieldEntryKey(1, format::EncodeFieldValue(value), key);
  }
};

TEST_F(PlantedTest, NothingPlantedNothingFound) {
  EXPECT_THAT(Problems([](storage::StoreBatch* batch) {
                batch->Put(Entry(1, "a"), format::FieldEntryValue(1, false));  // as it was
              }),
              ::testing::IsEmpty());
}

TEST_F(PlantedTest, VerifyFindsAMissingEntry) {
  const auto problems =
      Problems([](storage::StoreBatch* batch) { batch->Delete(Entry("b", "b")); });
  EXPECT_THAT(problems, ::testing::ElementsAre(::testing::HasSubstr("an entry is missing")));
}

TEST_F(PlantedTest, VerifyFindsASurplusEntry) {
  const auto problems = Problems([](storage::StoreBatch* batch) {
    batch->Put(Entry(2, "b"), format::FieldEntryValue(2, false));
    batch->Put(Entry(1, "nobody"), format::FieldEntryValue(9, false));
  });
  EXPECT_THAT(problems,
              ::testing::ElementsAre(::testing::HasSubstr("nobody"),
                                     ::testing::HasSubstr("no document has the entry")));
}

TEST_F(PlantedTest, VerifyFindsAWrongDocnoAndAWrongFlag) {
  for (const bool cut : {false, true}) {
    const auto problems = Problems([cut](storage::StoreBatch* batch) {
      batch->Put(Entry(1, "c"), format::FieldEntryValue(cut ? 3 : 2, cut));
    });
    EXPECT_THAT(problems, ::testing::ElementsAre(::testing::HasSubstr("another docno or flag")));
  }
}

TEST_F(PlantedTest, OpenRemovesEntriesOfUnknownIndexes) {
  const std::string left = format::FieldEntryKey(77, format::EncodeFieldValue(1), "a");
  EXPECT_THAT(Problems([&](storage::StoreBatch* batch) {
                batch->Put(left, format::FieldEntryValue(1, false));
              }),
              ::testing::IsEmpty());
  PlantedStore after(Path());
  EXPECT_FALSE(after.store().Get(left)->has_value());
  EXPECT_TRUE(after.store().Get(Entry(1, "a"))->has_value());
}

TEST_F(PlantedTest, DamagedEntriesAreErrorsNotAnswers) {
  PlantedStore(Path()).Write([](storage::StoreBatch* batch) { batch->Put(Entry(1, "a"), "x"); });
  Database db = Open(false);
  Collection docs = *db.OpenCollection("docs");
  EXPECT_EQ(docs.Count(Field("n").Equals(1)).status().code(), StatusCode::kCorruption);
}

// Of documents whose metadata does not decode: they can be replaced and deleted, and what the
// indexes have of them is left for verify to name. Batches of the same round are not touched.
TEST_F(PlantedTest, DamagedMetadataCanBeReplacedAndDeleted) {
  for (const FieldIndexKind kind : {FieldIndexKind::kOrdered, FieldIndexKind::kText}) {
    SCOPED_TRACE(kind == FieldIndexKind::kText ? "text" : "ordered");
    {
      Database db = Open(false);
      Collection docs = *db.OpenCollection("docs");
      if (kind == FieldIndexKind::kText) {
        VDB_ASSERT_OK(docs.DropFieldIndex("n", FieldIndexKind::kOrdered));
        VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n", .kind = kind}));
      }
      for (const std::string key : {"a", "b", "c", "d"}) {
        VDB_ASSERT_OK(docs.Put({.key = key, .metadata = "{\"n\":[1,\"" + key + "\"]}"}));
      }
      VDB_ASSERT_OK(db.Close());
    }
    {
      PlantedStore planted(Path());
      planted.Write([&planted](storage::StoreBatch* batch) {
        for (const std::string key : {"a", "b", "c", "d"}) {
          const std::string store_key = format::DocumentKey(1, key);
          auto record = format::DecodeDocument({.id = 1, .name = "docs"}, key,
                                               **planted.store().Get(store_key));
          ASSERT_TRUE(record.ok());
          record->metadata = "\xFF\xFF\xFF\xFF";
          batch->Put(store_key, format::EncodeDocument(1, key, *record));
        }
      });
    }
    Database db = Open(false);
    Collection docs = *db.OpenCollection("docs");
    const std::vector<float> v = {1, 2};
    EXPECT_EQ(docs.SetVector("d", "v", VectorView(v)).status().code(), StatusCode::kCorruption);
    VDB_EXPECT_OK(docs.Put({.key = "a", .metadata = "{\"n\":2}", .vectors = {{"v", v}}}));
    VDB_EXPECT_OK(docs.SetVector("a", "v", VectorView(v)));
    VDB_EXPECT_OK(docs.Delete("b"));
    VDB_EXPECT_OK(docs.SetMetadata("c", "{\"n\":3}"));
    VDB_EXPECT_OK(docs.SetVector("c", "v", VectorView(v)));
    WriteBatch batch;
    batch.Delete("d");
    batch.Put({.key = "d", .metadata = "{\"n\":4}"});
    VDB_EXPECT_OK(docs.Write(batch));
    EXPECT_EQ(docs.Get("b").status().code(), StatusCode::kNotFound);
    EXPECT_EQ(docs.Get("c")->metadata, "{\"n\":3}");
    EXPECT_FALSE(db.Verify()->problems.empty());  // entries that no document has
    VDB_ASSERT_OK(docs.DropFieldIndex("n", kind));
    VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n", .kind = kind}));
    ExpectClean(db);
    VDB_ASSERT_OK(db.Close());
  }
}

}  // namespace
}  // namespace vdb::testing
