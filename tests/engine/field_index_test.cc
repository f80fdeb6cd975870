// Field indexes: whatever is written, and whenever an index comes or goes, a filter finds the same
// documents as a look at each of them, and verify finds the entries to be exactly right.
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "engine/filter_reader.h"
#include "engine/filter_run.h"
#include "format/document_record.h"
#include "format/field_entry.h"
#include "format/metadata.h"
#include "query/filter_tree.h"
#include "tests/engine/engine_fixture.h"
#include "tests/engine/planted_store.h"

namespace vdb::testing {
namespace {

constexpr uint64_t kSeed = 31;
const char* const kFields[] = {"n", "tags", "author.name", "at"};

class FieldIndexTest : public EngineTest {
 protected:
  FieldIndexTest() { options_.write_buffer_bytes = 64 << 10; }

  Database Make(int documents) {
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

  std::string RandomMetadata();
  Filter RandomFilter(int depth);
  void Step(Database& db, Collection& docs);

  // Matches by a look at each document.
  static uint64_t CountByLook(Collection& docs, const Filter& filter) {
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

  static void ExpectCount(Collection& docs, const Filter& filter) {
    VDB_ASSERT_OK(filter.status());
    const auto count = docs.Count(filter);
    VDB_ASSERT_OK(count);
    EXPECT_EQ(*count, CountByLook(docs, filter)) << filter.ToString();
  }

  static Filter Parse(std::string_view text) {
    auto filter = Filter::Parse(text);
    EXPECT_TRUE(filter.ok()) << Text(filter);
    return filter.ok() ? *filter : Filter();
  }

  static uint64_t Count(Collection& docs, std::string_view text) {
    const auto count = docs.Count(Parse(text));
    EXPECT_TRUE(count.ok()) << Text(count);
    return count.ok() ? *count : ~uint64_t{0};
  }

  static void ExpectClean(const Database& db) {
    const auto report = db.Verify();
    VDB_ASSERT_OK(report);
    for (const auto& problem : report->problems) {
      ADD_FAILURE() << problem.file << ": " << problem.where << ": " << problem.message;
    }
  }

  uint64_t Random(uint64_t below) { return random_() % below; }

  std::mt19937_64 random_{kSeed};
};

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

TEST_F(FieldIndexTest, FindsWhatALookAtEachDocumentFinds) {
  Database db = Make(40);
  Collection docs = *db.OpenCollection("docs");
  for (int step = 0; step < 250 && !HasFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", step " + std::to_string(step));
    Step(db, docs);
    for (int i = 0; i < 4; ++i) ExpectCount(docs, RandomFilter(3));
    if (step % 50 == 49) ExpectClean(db);
  }
}

TEST_F(FieldIndexTest, CasesByHand) {
  Database db = Make(0);
  Collection docs = *db.OpenCollection("docs");
  VDB_ASSERT_OK(docs.Put({.key = "a", .metadata = R"({"n":1,"tags":["x","y"]})"}));
  VDB_ASSERT_OK(docs.Put({.key = "b", .metadata = R"({"n":2.5,"tags":"x"})"}));
  VDB_ASSERT_OK(docs.Put({.key = "c", .metadata = R"({"n":null,"tags":[]})"}));
  VDB_ASSERT_OK(docs.Put({.key = "d"}));
  for (const bool indexed : {false, true}) {
    if (indexed) {
      VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
      const auto report = docs.AddFieldIndex({.field = "tags"});
      VDB_ASSERT_OK(report);
      EXPECT_EQ(report->document_count, 4u);
      EXPECT_EQ(report->entry_count, 4u);  // x, y; x; that it exists
    }
    EXPECT_EQ(Count(docs, "n >= 1"), 2u);
    EXPECT_EQ(Count(docs, "not n >= 1"), 2u);
    EXPECT_EQ(Count(docs, "n exists"), 3u);
    EXPECT_EQ(Count(docs, "n is null"), 1u);
    EXPECT_EQ(Count(docs, "tags = \"x\""), 2u);
    EXPECT_EQ(Count(docs, "tags = \"x\" and not tags = \"y\""), 1u);
    EXPECT_EQ(Count(docs, "$key > \"a\" and n > 1"), 1u);
    EXPECT_EQ(Count(docs, "$key in (\"a\", \"d\", \"e\")"), 2u);
    EXPECT_EQ(Count(docs, "not $key starts with \"a\""), 3u);
  }
  VDB_ASSERT_OK(docs.Put({.key = "a", .metadata = R"({"n":7})"}));
  VDB_ASSERT_OK(docs.Delete("b"));
  EXPECT_EQ(Count(docs, "n >= 1"), 1u);
  EXPECT_EQ(Count(docs, "tags exists"), 1u);
  EXPECT_EQ(*docs.Count(Filter()), 3u);
  ExpectClean(db);
}

TEST_F(FieldIndexTest, Errors) {
  {
    Database db = Make(3);
    Collection docs = *db.OpenCollection("docs");
    const auto code = [&docs](const std::string& field, FieldIndexKind kind) {
      return docs.AddFieldIndex({.field = field, .kind = kind}).status().code();
    };
    EXPECT_EQ(code("a..b", FieldIndexKind::kOrdered), StatusCode::kInvalidArgument);
    EXPECT_EQ(code("$key", FieldIndexKind::kOrdered), StatusCode::kInvalidArgument);
    EXPECT_EQ(code("$body", FieldIndexKind::kOrdered), StatusCode::kInvalidArgument);
    EXPECT_EQ(code("n", FieldIndexKind(9)), StatusCode::kInvalidArgument);
    EXPECT_EQ(code("n", FieldIndexKind::kOrdered), StatusCode::kOk);
    EXPECT_EQ(code("`n`", FieldIndexKind::kOrdered), StatusCode::kAlreadyExists);
    EXPECT_EQ(docs.DropFieldIndex("m").code(), StatusCode::kNotFound);
    for (int i = 1; i < 64; ++i) {
      VDB_ASSERT_OK(docs.AddFieldIndex({.field = "f" + std::to_string(i)}));
    }
    EXPECT_EQ(code("one_more", FieldIndexKind::kOrdered), StatusCode::kResourceExhausted);
    EXPECT_EQ(docs.FieldIndexes()->size(), 64u);
    EXPECT_EQ(docs.Stats()->field_indexes.size(), 64u);
    VDB_ASSERT_OK(db.Close());
  }
  auto db = OpenReadOnly();
  VDB_ASSERT_OK(db);
  Collection docs = *db->OpenCollection("docs");
  EXPECT_EQ(docs.AddFieldIndex({.field = "x"}).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(docs.DropFieldIndex("n").code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(docs.DeleteWhere(Filter()).status().code(), StatusCode::kFailedPrecondition);
  ExpectCount(docs, Field("n").Exists());
}

TEST_F(FieldIndexTest, CancelLeavesItNotReadyAndItGoesOnOrIsDropped) {
  Database db = Make(5000);
  Collection docs = *db.OpenCollection("docs");
  const auto cancelled = docs.AddFieldIndex({.field = "n", .progress = [](const Progress& at) {
    return at.done_count == 0;
  }});
  EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
  ASSERT_EQ(docs.FieldIndexes()->size(), 1u);
  EXPECT_FALSE(docs.FieldIndexes()->front().ready);
  ExpectCount(docs, Field("n").Exists());
  ExpectClean(db);
  VDB_ASSERT_OK(docs.Put({.key = "key3", .metadata = "{\"n\":12345}"}));
  VDB_ASSERT_OK(docs.Delete("key4"));
  VDB_ASSERT_OK(db.Close());

  db = Open(false);
  docs = *db.OpenCollection("docs");
  EXPECT_FALSE(docs.FieldIndexes()->front().ready);
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
  EXPECT_TRUE(docs.FieldIndexes()->front().ready);
  ExpectCount(docs, Field("n").Exists());
  ExpectCount(docs, Field("n").Equals(12345));
  ExpectClean(db);
  VDB_ASSERT_OK(docs.DropFieldIndex("n"));
  EXPECT_TRUE(docs.FieldIndexes()->empty());
  ExpectCount(docs, Field("n").Exists());
  ExpectClean(db);
}

TEST_F(FieldIndexTest, ASnapshotKeepsWhatItSaw) {
  Database db = Make(200);
  Collection docs = *db.OpenCollection("docs");
  const Filter filter = Field("n").Exists();
  const uint64_t before = *docs.Count(filter);
  auto unindexed = db.GetSnapshot();
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
  auto indexed = db.GetSnapshot();
  EXPECT_EQ(*docs.DeleteWhere(Field("n").GreaterOrEqual(0)),
            *docs.Count(Field("n").GreaterOrEqual(0), {.snapshot = &*indexed}));
  VDB_ASSERT_OK(docs.DropFieldIndex("n"));
  VDB_ASSERT_OK(docs.DeleteWhere(filter));
  EXPECT_EQ(*docs.Count(filter), 0u);
  EXPECT_EQ(*docs.Count(filter, {.snapshot = &*unindexed}), before);
  EXPECT_EQ(*docs.Count(filter, {.snapshot = &*indexed}), before);
}

TEST_F(FieldIndexTest, WritersGoOnDuringABuild) {
  Database db = Make(6000);
  Collection docs = *db.OpenCollection("docs");
  std::atomic<bool> stop{false};
  std::atomic<int> written{0};
  std::vector<std::thread> writers;
  for (int w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      Collection mine = docs;
      std::mt19937_64 random(kSeed + uint64_t(w));
      while (!stop) {
        const std::string key = "key" + std::to_string(random() % 7000);
        const std::string metadata = "{\"n\":" + std::to_string(random() % 50) + "}";
        const bool deletes = random() % 4 == 0;
        const Status done =
            deletes ? mine.Delete(key, {.sync = false}).status()
                    : mine.Put({.key = key, .metadata = metadata}, {.sync = false}).status();
        EXPECT_TRUE(done.ok() || done.code() == StatusCode::kNotFound);
        ++written;
      }
    });
  }
  int seen = 0;
  const auto report = docs.AddFieldIndex({.field = "n", .progress = [&](const Progress&) {
    while (written == seen) std::this_thread::yield();  // they get their turn
    seen = written;
    return true;
  }});
  EXPECT_EQ(docs.DropFieldIndex("m").code(), StatusCode::kNotFound);
  stop = true;
  for (auto& writer : writers) writer.join();
  VDB_ASSERT_OK(report);
  EXPECT_GT(seen, 0);
  for (int n = -10; n < 50; n += 3) ExpectCount(docs, Field("n").Greater(n));
  ExpectClean(db);
}

TEST_F(FieldIndexTest, OneBuildOfAnIndexAtATime) {
  Database db = Make(10);
  Collection docs = *db.OpenCollection("docs");
  Status again, dropped;
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n", .progress = [&](const Progress&) {
    again = docs.AddFieldIndex({.field = "n"}).status();
    dropped = docs.DropFieldIndex("n");
    return true;
  }}));
  EXPECT_EQ(again.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(dropped.code(), StatusCode::kFailedPrecondition);
}

TEST_F(FieldIndexTest, DeleteWhereKeepsWhatChangedMeanwhile) {
  Database db = Make(3000);
  Collection docs = *db.OpenCollection("docs");
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
  std::atomic<bool> stop{false};
  std::atomic<int> saved{0};
  std::thread saver([&] {
    Collection mine = docs;
    for (int i = 2999; i >= 0 && !stop; --i) {
      const std::string key = "key" + std::to_string(i);
      if (mine.SetMetadata(key, "{\"saved\":true}", {.sync = false}).ok()) ++saved;
    }
  });
  const auto deleted = docs.DeleteWhere(Parse("not saved = true"), {.sync = false});
  stop = true;
  saver.join();
  VDB_ASSERT_OK(deleted);
  EXPECT_EQ(*deleted + *docs.Count(), 3000u);
  EXPECT_EQ(Count(docs, "saved = true"), static_cast<uint64_t>(saved));
  EXPECT_EQ(Count(docs, "not saved = true"), 0u);
  ExpectClean(db);
}

TEST_F(FieldIndexTest, DroppedCollectionsLeaveNoEntries) {
  Database db = Make(100);
  Collection docs = *db.OpenCollection("docs");
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "n"}));
  VDB_ASSERT_OK(db.DropCollection("docs"));
  auto again = db.CreateCollection("docs");
  VDB_ASSERT_OK(again);
  VDB_ASSERT_OK(again->AddFieldIndex({.field = "n"}));
  EXPECT_EQ(Count(*again, "n exists"), 0u);
  ExpectClean(db);
}

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
    Database db = Open(false);
    std::vector<std::string> messages;
    const auto report = db.Verify();
    EXPECT_TRUE(report.ok()) << Text(report);
    for (const auto& problem : report->problems) messages.push_back(problem.message);
    return messages;
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
          auto record = format::DecodeDocument(**planted.store().Get(store_key));
          ASSERT_TRUE(record.ok());
          record->metadata = "\xFF\xFF\xFF\xFF";
          batch->Put(store_key, format::EncodeDocument(*record));
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

// Plans and budgets, on documents that the engine wrote: the store is read as the engine does.
class FilterRunTest : public FieldIndexTest {
 protected:
  static constexpr int kDocuments = 4000;

  FilterRunTest() {
    Database db = Open();
    Collection docs = *db.CreateCollection("docs");
    for (const char* field : {"n", "m", "all"}) {
      EXPECT_TRUE(docs.AddFieldIndex({.field = field}).ok());
    }
    WriteBatch batch;
    for (int i = 0; i < kDocuments; ++i) {
      const std::string key = "key" + std::to_string(i);
      const std::string metadata = "{\"n\":" + std::to_string(i) + ",\"m\":" +
                                   std::to_string(i % 100) + ",\"u\":" + std::to_string(i % 7) +
                                   ",\"all\":true}";
      batch.Put({.key = key, .metadata = metadata});
    }
    EXPECT_TRUE(docs.Write(batch).ok());
    EXPECT_TRUE(db.Close().ok());
    planted_ = std::make_unique<PlantedStore>(Path());
    auto manifest = std::make_shared<format::Manifest>();
    format::CollectionEntry collection = {1, "docs", 0, {}, {}};
    uint32_t id = 0;
    for (const char* field : {"n", "m", "all"}) {
      collection.field_indexes.push_back({++id, {{field}}, FieldIndexKind::kOrdered, true});
    }
    manifest->collections.push_back(collection);
    view_.manifest = manifest;
    view_.store = std::shared_ptr<storage::DocumentStore>(&planted_->store(), [](auto*) {});
  }

  engine::FilterMatches Run(std::string_view text, query::Budget* budget) {
    auto matches = engine::RunFilter(view_, view_.manifest->collections[0], Parse(text), budget);
    EXPECT_TRUE(matches.ok()) << Text(matches);
    return std::move(matches).value();
  }
  engine::FilterMatches Run(std::string_view text) {
    query::Budget unlimited;
    return Run(text, &unlimited);
  }

  std::unique_ptr<PlantedStore> planted_;
  engine::View view_;
};

TEST_F(FilterRunTest, IndexesAloneReadNoMetadata) {
  for (const auto& [text, count] : std::map<std::string, uint64_t>{
           {"n < 400", 400},
           {"n < 400 and m = 7", 4},
           {"not n < 400", 3600},
           {"n < 10 or m = 99 or $key = \"key11\"", 51},
           {"not (n < 400 or m != 7)", 36}}) {
    const auto matches = Run(text);
    EXPECT_EQ(matches.match_count, count) << text;
    EXPECT_EQ(matches.explain.plan, "indexes") << text;
    EXPECT_EQ(matches.explain.metadata_bytes, 0u) << text;
    EXPECT_EQ(matches.explain.document_count, uint64_t{kDocuments});
  }
  const auto matches = Run("n < 400");
  ASSERT_EQ(matches.explain.predicates.size(), 1u);
  EXPECT_EQ(matches.explain.predicates[0].index, "n");
  EXPECT_EQ(matches.explain.predicates[0].entries_read, 400u);
  EXPECT_NEAR(double(matches.explain.predicates[0].estimated_count), 400, 200);
}

TEST_F(FilterRunTest, AFewCandidatesAreLookedAt) {
  const auto matches = Run("n < 70 and u = 3");
  EXPECT_EQ(matches.match_count, 10u);
  EXPECT_EQ(matches.explain.plan, "indexes, then documents");
  EXPECT_EQ(matches.explain.documents_read, 70u);
  EXPECT_GT(matches.explain.metadata_bytes, 0u);
}

TEST_F(FilterRunTest, ManyCandidatesAreScanned) {
  const auto matches = Run("n < 3900 and u = 3");
  EXPECT_EQ(matches.match_count, 557u);
  EXPECT_EQ(matches.explain.plan, "documents");
  EXPECT_EQ(Run("u = 3").explain.plan, "documents");
  EXPECT_EQ(Run("u = 3 or n = 1").match_count, 572u);
}

TEST_F(FilterRunTest, AHugeConditionIsNotReadForAFewCandidates) {
  const auto matches = Run("n < 5 and all = true");
  EXPECT_EQ(matches.match_count, 5u);
  EXPECT_EQ(matches.explain.plan, "indexes, then documents") << matches.explain.reason;
  EXPECT_EQ(matches.explain.documents_read, 5u);
  EXPECT_EQ(matches.explain.predicates[1].entries_read, 0u);
}

// Stopped after each possible block: what is there is right, and not everything is.
TEST_F(FilterRunTest, AStoppedFilterHasNoWrongMatches) {
  for (const std::string text : {"n < 3000", "not n < 1000", "n >= 0 and not m = 5", "u = 3",
                                 "n < 100 and u = 3", "$key contains \"1\"",
                                 "n < 3000 or m < 90"}) {
    const auto whole = Run(text);
    const auto holds = [&whole](uint64_t docno) {
      return whole.docnos.Contains(docno) != whole.complement;
    };
    bool finished = false;
    for (int asked = 0; asked < 40 && !finished; ++asked) {
      int64_t now = 0;
      int calls = 0;
      query::Budget budget({.deadline_ms = 1}, [&] {
        if (calls++ > asked) now += 1'000'000'000;
        return now;
      });
      const auto part = Run(text, &budget);
      finished = part.stopped == StopReason::kNone;
      EXPECT_EQ(part.stopped, finished ? StopReason::kNone : StopReason::kDeadline);
      if (finished) {
        EXPECT_EQ(part.match_count, whole.match_count);
      }
      if (part.complement) {
        EXPECT_TRUE(finished);
        continue;
      }
      for (const uint64_t docno : part.docnos.ToVector()) EXPECT_TRUE(holds(docno)) << text;
    }
    EXPECT_TRUE(finished) << text;
  }
}

TEST_F(FilterRunTest, MemoryIsBounded) {
  query::Budget budget({.memory_bytes = 10'000});
  EXPECT_EQ(Run("n >= 0", &budget).stopped, StopReason::kMemory);
  query::Budget enough({.memory_bytes = 1'000'000});
  EXPECT_EQ(Run("n >= 0", &enough).stopped, StopReason::kNone);
}

}  // namespace
}  // namespace vdb::testing
