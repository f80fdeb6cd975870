// Lists by Collection::Query against a list that the test sorts itself: every order and direction,
// pages by cursor of every size, documents without the field or with several values, indexed and
// not, with changes between the pages.
#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "format/field_entry.h"
#include "tests/engine/engine_fixture.h"
#include "tests/engine/planted_store.h"

namespace vdb::testing {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kListsPerState = 60;
#else
constexpr int kListsPerState = 150;
#endif

// A value as the order has it: types in order, then numbers or strings.
struct Value {
  int type = 0;  // null, false, true, number, string, other
  double number = 0;
  std::string text;
  auto operator<=>(const Value&) const = default;
};

struct ModelDocument {
  std::vector<Value> f;  // none: it lacks the field
  int m = 0;
  std::string json;
};

class QueryListTest : public EngineTest {
 protected:
  using Model = std::map<std::string, ModelDocument>;

  uint64_t Random(uint64_t below) { return random_() % below; }

  // The JSON of a random value, and what the order sees in it.
  std::string RandomValue(Value* value) {
    static const std::string kLong(1200, 'l');
    switch (Random(8)) {
      case 0: *value = {}; return "null";
      case 1: *value = {1 + static_cast<int>(Random(2)), 0, {}}; return value->type == 1 ? "false"
                                                                                        : "true";
      case 2: *value = {5, 0, {}}; return Random(2) == 0 ? "{\"x\":1}" : "[]";
      case 3: *value = {4, 0, "2020-01-0" + std::to_string(1 + Random(9)) + "T00:00:00Z"}; break;
      case 4: *value = {4, 0, "s" + std::to_string(Random(6))}; break;
      case 5: *value = {4, 0, kLong.substr(Random(300))}; break;
      default:
        value->type = 3;
        value->number = static_cast<double>(Random(12)) - 4 + (Random(2) == 0 ? 0.5 : 0);
        return std::to_string(value->number);
    }
    const std::string json = "\"" + value->text + "\"";
    value->text = value->text.substr(0, 1000);
    return json;
  }

  ModelDocument RandomDocument() {
    ModelDocument document;
    document.m = static_cast<int>(Random(100));
    document.json = "{\"m\":" + std::to_string(document.m);
    if (Random(6) != 0) {
      std::string f;
      const bool array = Random(3) == 0;
      for (uint64_t i = array ? 1 + Random(3) : 1; i > 0; --i) {
        Value value;
        f += (f.empty() ? "" : ",") + RandomValue(&value);
        document.f.push_back(std::move(value));
      }
      document.json += ",\"o\":{\"f\":" + (array ? "[" + f + "]" : f) + "}";
      // An array with one empty array in it, or an empty one, is both "other".
    }
    document.json += "}";
    return document;
  }

  std::string RandomKey() {
    std::string key = "k" + std::to_string(Random(400));
    if (Random(5) == 0) key += std::string(1, '\0') + "x";
    if (Random(5) == 0) key += "\xFF";
    return key;
  }

  void Change(Collection& docs, int changes) {
    WriteBatch batch;
    for (int i = 0; i < changes; ++i) {
      const std::string key = RandomKey();
      if (Random(4) == 0) {
        batch.Delete(key);
        model_.erase(key);
      } else {
        model_[key] = RandomDocument();
        batch.Put({.key = key, .metadata = model_[key].json});
      }
    }
    VDB_ASSERT_OK(docs.Write(batch, {.sync = false}));
  }

  // A filter, and its meaning.
  struct Condition {
    std::string text;
    int low = 0, past = 100;
    bool negated = false;
    std::function<bool(const std::string&)> key_holds = {};
    bool Holds(const std::string& key, const ModelDocument& document) const {
      return (document.m >= low && document.m < past) != negated &&
             (!key_holds || key_holds(key));
    }
  };
  // And a condition on the key, which bounds what a list has to read.
  void AddKeyCondition(Condition* condition) {
    std::string a = "k" + std::to_string(Random(400)), b = "k" + std::to_string(Random(400));
    if (b < a) std::swap(a, b);
    const std::string x = "\"" + a + "\"", y = "\"" + b + "\"";
    const std::pair<std::string, std::function<bool(const std::string&)>> some[] = {
        {"$key starts with " + x, [a](const auto& key) { return key.starts_with(a); }},
        {"$key = " + x, [a](const auto& key) { return key == a; }},
        {"$key < " + x, [a](const auto& key) { return key < a; }},
        {"$key <= " + x, [a](const auto& key) { return key <= a; }},
        {"$key > " + x + " and $key <= " + y,
         [a, b](const auto& key) { return key > a && key <= b; }},
        {"$key between " + x + " and " + y,
         [a, b](const auto& key) { return key >= a && key <= b; }},
        {"$key in (7, " + x + ", " + y + ")",
         [a, b](const auto& key) { return key == a || key == b; }},
        {"not ($key >= " + x + ")", [a](const auto& key) { return key < a; }},
        {"($key < " + x + " or $key starts with " + y + ")",
         [a, b](const auto& key) { return key < a || key.starts_with(b); }},
        {"$key > 3", [](const auto&) { return false; }},
        {"$key contains \"1\"", [](const auto& key) { return key.find('1') != key.npos; }}};
    const auto& [text, holds] = some[Random(std::size(some))];
    condition->text += (condition->text.empty() ? "" : " and ") + text;
    condition->key_holds = holds;
  }
  Condition RandomCondition() {
    Condition condition;
    if (Random(3) == 0) {
      if (Random(2) == 0) AddKeyCondition(&condition);
      return condition;
    }
    condition.low = static_cast<int>(Random(100));
    condition.past = condition.low + 1 + static_cast<int>(Random(Random(2) == 0 ? 3 : 60));
    condition.negated = Random(5) == 0;
    condition.text = "m >= " + std::to_string(condition.low) + " and m < " +
                     std::to_string(condition.past);
    if (condition.negated) condition.text = "not (" + condition.text + ")";
    if (Random(3) == 0) AddKeyCondition(&condition);
    return condition;
  }

  static std::vector<std::string> Expected(const Model& model, const Condition& condition,
                                           const OrderBy& order) {
    std::vector<std::pair<Value, std::string>> there;
    std::vector<std::string> missing, keys;
    for (const auto& [key, document] : model) {
      if (!condition.Holds(key, document)) continue;
      if (order.field.empty() || document.f.empty()) {
        missing.push_back(key);
      } else {
        there.emplace_back(order.descending
                               ? *std::max_element(document.f.begin(), document.f.end())
                               : *std::min_element(document.f.begin(), document.f.end()),
                           key);
      }
    }
    std::sort(there.begin(), there.end(), [&](const auto& a, const auto& b) {
      if (a.first != b.first) return order.descending ? a.first > b.first : a.first < b.first;
      return a.second < b.second;
    });
    if (order.field.empty() && order.descending) std::reverse(missing.begin(), missing.end());
    for (const auto& [value, key] : there) keys.push_back(key);
    keys.insert(keys.end(), missing.begin(), missing.end());
    return keys;
  }

  QueryRequest RandomRequest(const Condition& condition) {
    QueryRequest request;
    auto filter = Filter::Parse(condition.text);
    EXPECT_TRUE(filter.ok()) << Text(filter);
    request.filter = *filter;
    if (Random(3) != 0) request.order_by.field = "o.f";
    request.order_by.descending = Random(2) == 0;
    request.explain = true;
    return request;
  }

  std::mt19937_64 random_{71};
  Model model_;
  std::set<std::string> plans_;
};

TEST_F(QueryListTest, PagesAreTheWholeList) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  Change(docs, 300);
  int pages = 0;
  for (int state = 0; state < 4; ++state) {
    if (state == 1) VDB_ASSERT_OK(docs.AddFieldIndex({.field = "o.f"}));
    if (state == 2) VDB_ASSERT_OK(docs.AddFieldIndex({.field = "m"}));
    if (state == 3) VDB_ASSERT_OK(docs.DropFieldIndex("o.f"));
    for (int i = 0; i < kListsPerState; ++i) {
      const Condition condition = RandomCondition();
      QueryRequest request = RandomRequest(condition);
      std::vector<std::string> expected = Expected(model_, condition, request.order_by);
      const auto snapshot = db.GetSnapshot();
      VDB_ASSERT_OK(snapshot);
      request.snapshot = &*snapshot;
      request.offset = Random(3) == 0 ? Random(expected.size() + 5) : 0;
      expected.erase(expected.begin(),
                     expected.begin() + static_cast<int>(std::min(request.offset,
                                                                  expected.size())));
      std::vector<std::string> found;
      do {
        request.limit = Random(8) == 0 ? 1000 : 1 + Random(40);
        const auto page = docs.Query(request);
        VDB_ASSERT_OK(page);
        plans_.insert(page->explain->plan);
        ASSERT_LE(page->hits.size(), request.limit);
        ASSERT_TRUE(page->exact);
        for (const QueryHit& hit : page->hits) {
          found.push_back(hit.document.key);
          if (found.size() <= expected.size() && found.back() == expected[found.size() - 1]) {
            continue;
          }
          FAIL() << "state " << state << " list " << i << ": " << condition.text << " by "
                 << request.order_by.field << (request.order_by.descending ? " desc" : "")
                 << ", plan " << page->explain->plan << ", at " << found.size() - 1 << " of "
                 << expected.size() << ": " << found.back();
        }
        if (!page->cursor.empty()) {
          ASSERT_EQ(page->hits.size(), request.limit);
        }
        request.cursor = page->cursor;
        ++pages;
        if (Random(10) == 0) Change(docs, 5);
      } while (!request.cursor.empty());
      ASSERT_EQ(found, expected) << condition.text;
    }
    Change(docs, 60);
  }
  EXPECT_GT(pages, 10 * kListsPerState);
  EXPECT_EQ(plans_, (std::set<std::string>{"index order of o.f", "key order", "sort by key",
                                           "sort by o.f"}));
}

// In key order, and where all is sorted: what a condition on the key rules out is not read.
TEST_F(QueryListTest, ConditionsOnTheKeyBoundWhatIsRead) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  WriteBatch batch;
  for (int i = 0; i < 3000; ++i) {
    const std::string number = std::to_string(10000 + i);
    batch.Put({.key = std::string(1, static_cast<char>('a' + i / 1000)) + "/" + number,
               .metadata = "{\"m\":" + std::to_string(i % 10) + "}"});
  }
  VDB_ASSERT_OK(docs.Write(batch, {.sync = false}));
  const auto read = [&](const std::string& filter, const OrderBy& order, size_t hits,
                        const std::string& first) {
    QueryRequest request;
    auto parsed = Filter::Parse(filter);
    EXPECT_TRUE(parsed.ok()) << Text(parsed);
    request.filter = *parsed;
    request.order_by = order;
    request.limit = 10;
    request.explain = true;
    const auto page = docs.Query(request);
    EXPECT_TRUE(page.ok()) << Text(page);
    EXPECT_EQ(page->hits.size(), hits) << filter;
    if (hits > 0) {
      EXPECT_EQ(page->hits.front().document.key, first);
    }
    return page->explain->documents_read;
  };
  const OrderBy by_key = {}, down = {.descending = true}, by_m = {.field = "m"};
  EXPECT_LE(read("$key starts with \"b/\"", by_key, 10, "b/11000"), 11u);
  EXPECT_LE(read("$key starts with \"b/\"", down, 10, "b/11999"), 11u);
  EXPECT_LE(read("$key >= \"c/\" and m >= 0", by_key, 10, "c/12000"), 11u);
  EXPECT_LE(read("m >= 0 and $key < \"b/11500\"", down, 10, "b/11499"), 11u);
  EXPECT_LE(read("m < 0 and $key starts with \"b/\"", by_key, 0, ""), 1000u);
  EXPECT_LE(read("$key starts with \"b/\" and m >= 0", by_m, 10, "b/11000"), 1011u);
  EXPECT_EQ(read("$key > 3 and m >= 0", by_key, 0, ""), 0u);
}

// Without a snapshot: documents that do not change come once, whatever the others do.
TEST_F(QueryListTest, PagesOfTheLiveStateKeepWhatDoesNotChange) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  Change(docs, 300);
  const int lists = kListsPerState / 6;
  for (int i = 0; i < lists; ++i) {
    if (i == lists / 2) VDB_ASSERT_OK(docs.AddFieldIndex({.field = "o.f"}));
    const Condition condition = RandomCondition();
    QueryRequest request = RandomRequest(condition);
    request.limit = 5 + Random(40);
    const Model before = model_;
    std::map<std::string, int> found;
    std::set<std::string> changed;
    do {
      const auto page = docs.Query(request);
      VDB_ASSERT_OK(page);
      for (const QueryHit& hit : page->hits) ++found[hit.document.key];
      request.cursor = page->cursor;
      const Model old = model_;
      Change(docs, 3);
      for (const auto& [key, document] : old) {
        if (!model_.contains(key) || model_[key].json != document.json) changed.insert(key);
      }
    } while (!request.cursor.empty());
    for (const auto& [key, document] : before) {
      if (changed.contains(key)) continue;
      ASSERT_EQ(found[key], condition.Holds(key, document) ? 1 : 0) << key;
    }
  }
}

TEST_F(QueryListTest, ForeignCursorsAndGarbage) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  Change(docs, 100);
  QueryRequest request;
  request.limit = 3;
  const auto page = docs.Query(request);
  VDB_ASSERT_OK(page);
  ASSERT_FALSE(page->cursor.empty());
  const auto code = [&](const QueryRequest& other) { return docs.Query(other).status().code(); };
  QueryRequest same = request;
  same.cursor = page->cursor;
  same.limit = 7;
  same.projection.body = true;
  VDB_EXPECT_OK(docs.Query(same));
  QueryRequest other = same;
  other.filter = *Filter::Parse("m > 3");
  EXPECT_EQ(code(other), StatusCode::kInvalidArgument);
  other = same;
  other.order_by.descending = true;
  EXPECT_EQ(code(other), StatusCode::kInvalidArgument);
  other = same;
  other.order_by = {};
  other.vectors = {{.examples = {{.like = "k1"}}}};
  EXPECT_EQ(code(other), StatusCode::kInvalidArgument);
  auto second = db.CreateCollection("second");
  VDB_ASSERT_OK(second);
  EXPECT_EQ(second->Query(same).status().code(), StatusCode::kInvalidArgument);
  for (size_t i = 0; i < page->cursor.size(); ++i) {
    other = same;
    other.cursor[i] = other.cursor[i] == 'A' ? 'B' : 'A';
    // The last digit may hold bits that are no part of a byte.
    if (i + 1 < page->cursor.size()) {
      EXPECT_EQ(code(other), StatusCode::kInvalidArgument) << i;
    }
    if (i == 0) continue;
    other.cursor = page->cursor.substr(0, i);
    EXPECT_EQ(code(other), StatusCode::kInvalidArgument) << i;
  }
  for (const char* text : {" ", "A", "!", "\xFF", "AAAAAAAAAAAAAAAAAAAAAAAA"}) {
    other.cursor = text;
    EXPECT_EQ(code(other), StatusCode::kInvalidArgument) << text;
  }
}

TEST_F(QueryListTest, Projections) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  const std::vector<float> v = {1, 2};
  const std::string json =
      R"({"a":{"b":1,"c":{"d":[1,{"x":2}]}},"l":[{"x":1,"y":2},3,{"y":4},[{"x":5}]],"n":null,)"
      R"("w.x":"\u0001"})";
  VDB_ASSERT_OK(docs.Put({.key = "one", .metadata = json, .body = "text", .vectors = {{"v", v}}}));
  const auto metadata = [&](std::vector<std::string> fields) {
    QueryRequest request;
    request.projection.fields = std::move(fields);
    const auto result = docs.Query(request);
    EXPECT_TRUE(result.ok()) << Text(result);
    return result.ok() ? result->hits.at(0).document.metadata : std::string();
  };
  EXPECT_EQ(metadata({"a.b"}), R"({"a":{"b":1}})");
  EXPECT_EQ(metadata({"n", "a.c"}), R"({"a":{"c":{"d":[1,{"x":2}]}},"n":null})");
  EXPECT_EQ(metadata({"a.c.d.x", "nothing", "a.b.c"}), R"({"a":{"c":{"d":[{"x":2}]}}})");
  EXPECT_EQ(metadata({"l.x"}), R"({"l":[{"x":1},{}]})");
  EXPECT_EQ(metadata({"l.x", "l"}), R"({"l":[{"x":1,"y":2},3,{"y":4},[{"x":5}]]})");
  EXPECT_EQ(metadata({"`w.x`"}), R"({"w.x":"\u0001"})");
  EXPECT_EQ(metadata({"l.z", "w"}), "{}");
  QueryRequest request;
  request.projection = {.metadata = false, .body = true, .vectors = true};
  const auto result = docs.Query(request);
  VDB_ASSERT_OK(result);
  const Document& document = result->hits.at(0).document;
  EXPECT_EQ(document.key, "one");
  EXPECT_EQ(document.metadata, "");
  EXPECT_EQ(document.body, "text");
  EXPECT_EQ(document.vectors.at(0).values, v);
  EXPECT_FALSE(docs.Query({})->hits.at(0).document.body.has_value());
  request.projection.fields = {"$key"};
  EXPECT_EQ(docs.Query(request).status().code(), StatusCode::kInvalidArgument);
  request.projection.fields = {"a..b"};
  EXPECT_EQ(docs.Query(request).status().code(), StatusCode::kInvalidArgument);
}

class QueryLimitTest : public QueryListTest {
 protected:
  static constexpr int kDocuments = 6000;

  Collection Fill(Database& db) {
    Collection docs = MakeDocs(db);
    WriteBatch batch;
    for (int i = 0; i < kDocuments; ++i) {
      const std::string key = "k" + std::to_string(i);
      model_[key] = RandomDocument();
      batch.Put({.key = key, .metadata = model_[key].json});
    }
    EXPECT_TRUE(docs.Write(batch).ok());
    return docs;
  }
};

// The clock goes on a millisecond each time it is asked, which is once per block.
TEST_F(QueryLimitTest, WalksGoOnWhereADeadlineStoppedThem) {
  std::atomic<int64_t> now = 0;
  options_.clock = [&now] { return now.fetch_add(1'000'000); };
  Database db = Open();
  Collection docs = Fill(db);
  for (const bool descending : {false, true}) {
    Condition condition = {.text = "m >= 40 and m < 41", .low = 40, .past = 41, .negated = false};
    QueryRequest request;
    request.filter = *Filter::Parse(condition.text);
    request.order_by.descending = descending;
    request.limits.deadline_ms = 3;
    request.limit = kDocuments;
    request.offset = 7;
    std::vector<std::string> found;
    int stops = 0;
    do {
      const auto page = docs.Query(request);
      VDB_ASSERT_OK(page);
      for (const QueryHit& hit : page->hits) found.push_back(hit.document.key);
      stops += page->stopped == StopReason::kDeadline ? 1 : 0;
      EXPECT_EQ(page->exact, page->stopped == StopReason::kNone);
      request.cursor = page->cursor;
      ASSERT_LT(stops, 100);
    } while (!request.cursor.empty());
    EXPECT_GT(stops, 1);
    auto expected = Expected(model_, condition, request.order_by);
    expected.erase(expected.begin(), expected.begin() + 7);
    EXPECT_EQ(found, expected);
  }
  QueryRequest sort;  // what a sort has seen until then is not the beginning of the list
  sort.order_by.field = "o.f";
  sort.limits.deadline_ms = 3;
  const auto stopped = docs.Query(sort);
  VDB_ASSERT_OK(stopped);
  EXPECT_EQ(stopped->stopped, StopReason::kDeadline);
  EXPECT_EQ(stopped->hits.size(), sort.limit);
  EXPECT_EQ(stopped->cursor, "");
}

TEST_F(QueryLimitTest, MemoryAndCancellation) {
  Database db = Open();
  Collection docs = Fill(db);
  QueryRequest request;
  request.limit = kDocuments;
  request.limits.memory_bytes = 100'000;
  const auto full = docs.Query(request);
  VDB_ASSERT_OK(full);
  EXPECT_EQ(full->stopped, StopReason::kMemory);
  EXPECT_GT(full->hits.size(), 50u);
  EXPECT_LT(full->hits.size(), 2000u);
  for (const char* field : {"", "o.f"}) {
    request = {};
    request.order_by.field = field;
    request.limit = kDocuments;
    auto token = std::make_shared<CancelToken>();
    request.limits.cancel = token;
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      token->Cancel();
    });
    StopReason stopped = StopReason::kNone;
    while (stopped == StopReason::kNone) {
      const auto result = docs.Query(request);
      EXPECT_TRUE(result.ok()) << Text(result);
      if (!result.ok()) break;
      stopped = result->stopped;
    }
    canceller.join();
    EXPECT_EQ(stopped, StopReason::kCancelled);
  }
}

// Without bodies the rows of a list are counted once; each body is known only when it is read.
TEST_F(QueryListTest, BodiesStopWhereMemoryEnds) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  const std::string body(100'000, 'b');
  for (int i = 10; i < 60; ++i) {
    VDB_ASSERT_OK(docs.Put({.key = "k" + std::to_string(i), .body = body}, {.sync = false}));
  }
  QueryRequest request;
  request.limit = 100;
  request.projection.body = true;
  request.limits.memory_bytes = 1'000'000;
  size_t found = 0;
  do {
    const auto page = docs.Query(request);
    VDB_ASSERT_OK(page);
    EXPECT_LE(page->hits.size(), 10u);
    if (page->hits.empty() && found == 50) break;  // it stopped at the very end
    ASSERT_GT(page->hits.size(), 0u);
    EXPECT_EQ(page->hits[0].document.key, "k" + std::to_string(10 + found));
    found += page->hits.size();
    request.cursor = page->cursor;
  } while (!request.cursor.empty());
  EXPECT_EQ(found, 50u);
}

// The walk's rows are gone when all documents are sorted instead.
TEST_F(QueryListTest, AWalkThatWasGivenUpKeepsNoMemory) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "f"}));
  WriteBatch batch;
  const std::string pad(4000, 'p');
  std::vector<std::string> metadata, keys;
  for (int i = 0; i < 5000; ++i) {
    keys.push_back("k" + std::to_string(i));
    metadata.push_back("{\"f\":" + std::to_string(i) +
                       (i < 100 ? ",\"m\":1,\"pad\":\"" + pad + "\"}" : std::string("}")));
  }
  for (size_t i = 0; i < keys.size(); ++i) batch.Put({.key = keys[i], .metadata = metadata[i]});
  VDB_ASSERT_OK(docs.Write(batch));
  QueryRequest request;
  request.filter = *Filter::Parse("m = 1");
  request.order_by.field = "f";
  request.limit = 200;
  request.explain = true;
  request.limits.memory_bytes = 600'000;
  const auto found = docs.Query(request);
  VDB_ASSERT_OK(found);
  EXPECT_EQ(found->explain->plan, "sort by f");
  EXPECT_EQ(found->stopped, StopReason::kNone);
  EXPECT_EQ(found->hits.size(), 100u);
}

TEST_F(QueryListTest, ADamagedEntryDoesNotTurnAWalkRound) {
  {
    Database db = Open();
    Collection docs = MakeDocs(db);
    VDB_ASSERT_OK(docs.AddFieldIndex({.field = "f"}));
    for (const char* f : {"1", "2", "3"}) {
      VDB_ASSERT_OK(docs.Put({.key = f, .metadata = "{\"f\":" + std::string(f) + "}"}));
    }
    VDB_ASSERT_OK(db.Close());
  }
  PlantedStore(Path()).Write([](storage::StoreBatch* batch) {
    batch->Put(format::FieldIndexPrefix(1) + "\x70", format::FieldEntryValue(1, false));
  });
  Database db = Open(false);
  Collection docs = *db.OpenCollection("docs");
  QueryRequest request;
  request.order_by = {.field = "f", .descending = true};
  request.limit = 1;
  EXPECT_EQ(docs.Query(request).status().code(), StatusCode::kCorruption);
  request.order_by.descending = false;
  const auto ascending = docs.Query(request);  // does not come to it
  VDB_ASSERT_OK(ascending);
  EXPECT_EQ(ascending->hits.at(0).document.key, "1");
}

}  // namespace
}  // namespace vdb::testing
