// See field_index_fixture.h.
#include "tests/engine/field_index_fixture.h"

#include <iterator>
#include <vector>

#include "format/metadata.h"
#include "query/filter_tree.h"

namespace vdb::testing {
namespace {

const char* const kFields[] = {"n", "tags", "author.name", "at"};

}  // namespace

Database FieldIndexTest::Make(int documents) {
  Database db = Open();
  auto docs = db.CreateCollection("docs");
  EXPECT_TRUE(docs.ok()) << Text(docs);
  EXPECT_TRUE(docs->AddColumn("v", {.dimension = 2, .metric = Metric::kL2}).ok());
  WriteBatch batch;
  for (int i = 0; i < documents; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::string metadata = RandomMetadata();
    batch.Put({.key = key, .metadata = metadata});
  }
  if (documents > 0) VDB_EXPECT_OK(docs->Write(batch));
  return db;
}

std::string FieldIndexTest::RandomMetadata() {
  static const std::string kLong(1500, 'l');
  std::string json;
  const auto add = [&json](const std::string& member) {
    json += (json.empty() ? "{" : ",") + member;
  };
  switch (Random(8)) {
    case 0: break;
    case 1: add("\"n\":null"); break;
    case 2: add("\"n\":\"" + std::to_string(Random(20)) + "\""); break;
    case 3: add("\"n\":" + std::to_string(Random(20)) + ".5"); break;
    default: add("\"n\":" + std::to_string(int64_t(Random(20)) - 10)); break;
  }
  if (Random(3) != 0) {
    std::string tags;
    for (uint64_t i = Random(4); i > 0; --i) {
      tags += (tags.empty() ? "\"t" : ",\"t") + std::to_string(Random(6)) + "\"";
    }
    add("\"tags\":[" + tags + "]");
  }
  if (Random(3) != 0) {
    const std::string name = Random(10) == 0 ? kLong + std::to_string(Random(3))
                                             : "name" + std::to_string(Random(12));
    add("\"author\":{\"name\":\"" + name + "\"}");
  }
  if (Random(2) == 0) add("\"at\":\"20" + std::to_string(10 + Random(10)) + "-01-01T00:00:00Z\"");
  return json.empty() ? "{}" : json + "}";
}

Filter FieldIndexTest::RandomFilter(int depth) {
  if (depth > 0 && Random(3) != 0) {
    std::vector<Filter> parts;
    for (uint64_t i = 1 + Random(3); i > 0; --i) parts.push_back(RandomFilter(depth - 1));
    switch (Random(3)) {
      case 0: return Filter::And(parts);
      case 1: return Filter::Or(parts);
      default: return Filter::Not(parts.front());
    }
  }
  const Field n("n"), tags("tags"), name("author.name"), at("at"), key = Field::Key();
  const std::string random_key = "key" + std::to_string(Random(60));
  switch (Random(16)) {
    case 0: return n.Equals(int(Random(20)) - 10);
    case 1: return n.Between(int(Random(10)) - 10, double(Random(10)) + 0.25);
    case 2: return n.Greater(double(Random(20)) - 9.5);
    case 3: return n.IsNull();
    case 4: return Random(2) == 0 ? n.Exists() : tags.Exists();
    case 5: return tags.In({"t1", "t4", "nobody"});
    case 6: return tags.Equals("t" + std::to_string(Random(6)));
    case 7: return name.StartsWith(Random(2) == 0 ? "name1" : "l");
    case 8: return name.Equals(std::string(1500, 'l') + "1");  // longer than an entry
    case 9: return name.Contains(Random(2) == 0 ? "e1" : "l2");
    case 10: return at.Less(*Timestamp::Parse("2015-06-01T00:00:00Z"));
    case 11: return key.StartsWith("key" + std::to_string(1 + Random(9)));
    case 12: return key.Between("key2", random_key);
    case 13: return key.In({random_key, "key7", "none"});
    case 14: return key.Contains("9");
    default: return Field("not_indexed").Exists();
  }
}

void FieldIndexTest::Step(Database& db, Collection& docs) {
  const std::string key = "key" + std::to_string(Random(60));
  const std::string metadata = RandomMetadata();
  const std::vector<float> v = {float(Random(5)), 1};
  const WriteOptions options = {.sync = Random(8) == 0};
  const std::string field = kFields[Random(std::size(kFields))];
  switch (Random(24)) {
    case 0: {
      const auto added = docs.AddFieldIndex({.field = field});
      EXPECT_TRUE(added.ok() || added.status().code() == StatusCode::kAlreadyExists);
      return;
    }
    case 1: {
      if (Random(2) == 0) return;
      const Status dropped = docs.DropFieldIndex(field);
      EXPECT_TRUE(dropped.ok() || dropped.code() == StatusCode::kNotFound);
      return;
    }
    case 2: {
      VDB_EXPECT_OK(db.Close());
      db = Open(false);
      docs = *db.OpenCollection("docs");
      return;
    }
    case 3: {
      const auto filter = RandomFilter(2);
      const uint64_t before = *docs.Count(), matching = CountByLook(docs, filter);
      const auto deleted = docs.DeleteWhere(filter, options);
      VDB_ASSERT_OK(deleted);
      EXPECT_EQ(*deleted, matching) << filter.ToString();
      EXPECT_EQ(*docs.Count(), before - matching);
      EXPECT_EQ(CountByLook(docs, filter), 0u);
      return;
    }
    default: break;
  }
  WriteBatch batch;
  for (uint64_t i = 1 + Random(5); i > 0; --i) {  // later ones supersede earlier ones
    const std::string one = Random(3) == 0 ? key : "key" + std::to_string(Random(60));
    switch (Random(6)) {
      case 0: batch.Delete(one); break;
      case 1: batch.Put({.key = one, .metadata = metadata, .vectors = {{"v", v}}}); break;
      default: batch.Put({.key = one, .metadata = RandomMetadata()}); break;
    }
  }
  VDB_ASSERT_OK(docs.Write(batch, options));
  if (Random(2) == 0) docs.SetMetadata(key, RandomMetadata(), options).status().IgnoreError("");
  if (Random(2) == 0) {
    docs.SetVector(key, "v", VectorView(v), options).status().IgnoreError("no such key");
  }
}

uint64_t FieldIndexTest::CountByLook(Collection& docs, const Filter& filter) {
  auto it = docs.NewIterator();
  EXPECT_TRUE(it.ok());
  uint64_t count = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const auto document = it->document({.body = false, .vectors = false});
    EXPECT_TRUE(document.ok()) << Text(document);
    const auto metadata = format::MetadataFromJson(document->metadata);
    const auto matches = query::Matches(*filter.root(), document->key, *metadata);
    EXPECT_TRUE(matches.ok()) << Text(matches);
    count += *matches ? 1 : 0;
  }
  return count;
}

void FieldIndexTest::ExpectCount(Collection& docs, const Filter& filter) {
  VDB_ASSERT_OK(filter.status());
  const auto count = docs.Count(filter);
  VDB_ASSERT_OK(count);
  EXPECT_EQ(*count, CountByLook(docs, filter)) << filter.ToString();
}

Filter FieldIndexTest::Parse(std::string_view text) {
  auto filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << Text(filter);
  return filter.ok() ? *filter : Filter();
}

uint64_t FieldIndexTest::Count(Collection& docs, std::string_view text) {
  const auto count = docs.Count(Parse(text));
  EXPECT_TRUE(count.ok()) << Text(count);
  return count.ok() ? *count : ~uint64_t{0};
}

}  // namespace vdb::testing
