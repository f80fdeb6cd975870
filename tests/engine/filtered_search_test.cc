// Filtered searches and counts against brute force, on states that keep changing: documents put,
// updated and deleted, field indexes missing, there for some fields, for all, vector indexes
// present, stale and absent. Exact answers must be identical, approximate ones never short.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <random>
#include <thread>

#include "engine/allow_mask.h"
#include "tests/engine/engine_fixture.h"
#include "tests/query/filter_oracle.h"

namespace vdb::testing {
namespace {

using query::OracleFilter;
using query::OracleMaker;
using query::OracleValue;

OracleValue Number(int number) {
  OracleValue value;
  value.kind = OracleValue::kNumber;
  value.number = number;
  value.text = std::to_string(number);
  return value;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kStates = 12;
#else
constexpr int kStates = 50;
#endif
constexpr int kCasesPerState = 200;

// A document with the oracle's random fields, and n: 0 to 99, g: 0 to 4 or missing.
struct ModelDocument {
  OracleValue metadata;
  bool has_vector = false;

  std::string Text() const {
    std::string text = "{";
    for (const auto& [name, value] : metadata.fields) {
      if (name.find('\0') != std::string::npos) continue;
      text += (text.size() > 1 ? ", \"" : "\"") + name + "\": " + value.text;
    }
    return text + "}";
  }
};

class FilteredSearchTest : public EngineTest {
 protected:
  static constexpr uint32_t kDimension = 12;

  FilteredSearchTest() {
    options_.segment_rows_max = 256;
    options_.tombstones_max = 64;
  }

  std::vector<float> Vector() {
    std::vector<float> v(kDimension);
    const auto cluster = static_cast<float>(random_() % 8);
    for (uint32_t d = 0; d < kDimension; ++d) {
      v[d] = std::sin(cluster * static_cast<float>(d + 1)) + 0.4f * normal_(random_);
    }
    return v;
  }

  ModelDocument Document() {
    ModelDocument document;
    document.metadata = maker_.Document();
    document.metadata.fields["n"] = Number(static_cast<int>(random_() % 100));
    if (random_() % 4 != 0) {
      document.metadata.fields["g"] = Number(static_cast<int>(random_() % 5));
    }
    document.has_vector = random_() % 8 != 0;
    return document;
  }

  void Change(Collection& docs) {
    WriteBatch batch;
    for (int i = 0; i < 60; ++i) {
      const std::string key = "k" + std::to_string(random_() % 700);
      const uint64_t what = random_() % 10;
      if (what < 6 || !model_.contains(key)) {
        ModelDocument document = Document();
        const std::vector<float> v = Vector();
        DocumentView view;
        const std::string text = document.Text();
        view.key = key;
        view.metadata = text;
        if (document.has_vector) view.vectors = {{"v", v}};
        batch.Put(view);
        model_[key] = std::move(document);
      } else if (what < 8) {
        const bool has_vector = model_[key].has_vector;
        model_[key] = Document();
        model_[key].has_vector = has_vector;
        batch.SetMetadata(key, model_[key].Text());
      } else {
        batch.Delete(key);
        model_.erase(key);
      }
    }
    VDB_ASSERT_OK(docs.Write(batch));
  }

  OracleFilter Narrow() {
    OracleFilter filter;
    filter.op = random_() % 2 == 0 ? OracleFilter::kLess : OracleFilter::kGreaterOrEqual;
    filter.path = {"n"};
    query::OracleConstant constant;
    constant.value = Number(static_cast<int>(random_() % 100));
    constant.text = constant.value.text;
    constant.library = FilterValue(static_cast<int>(constant.value.number));
    filter.constants = {constant};
    return filter;
  }

  OracleFilter AnyFilter() {
    const uint64_t kind = random_() % 4;
    if (kind == 0) return Narrow();
    if (kind == 1) return maker_.AnyFilter(2);
    OracleFilter both;
    both.op = random_() % 2 == 0 ? OracleFilter::kAnd : OracleFilter::kOr;
    both.children = {Narrow(), maker_.AnyFilter(2)};
    return both;
  }

  // All hits without a filter, in order: filtered by the oracle they are what must come back.
  std::vector<Hit> All(const Collection& docs, const std::vector<float>& query) {
    auto all = docs.Search(VectorView(query), {.k = 100'000, .exact = true});
    EXPECT_TRUE(all.ok()) << Text(all);
    return all.ok() ? all->answers[0].hits : std::vector<Hit>();
  }

  void Compare(const Collection& docs, int cases) {
    std::vector<float> query;
    std::vector<Hit> all;
    for (int i = 0; i < cases; ++i) {
      if (i % 50 == 0) {
        query = Vector();
        all = All(docs, query);
      }
      const OracleFilter oracle = AnyFilter();
      const size_t k = 1 + random_() % (i % 10 == 0 ? 300 : 12);
      std::vector<Hit> expected;
      for (const Hit& hit : all) {
        if (oracle.Matches(hit.key, model_.at(hit.key).metadata)) expected.push_back(hit);
      }
      const size_t matches = expected.size();
      expected.resize(std::min(k, matches));
      SearchOptions options;
      options.k = k;
      options.filter = oracle.Build();
      options.exact = i % 3 != 0;
      options.nprobe = i % 6 == 3 ? 1 : 0;
      options.explain = true;
      auto found = docs.Search(VectorView(query), options);
      ASSERT_TRUE(found.ok()) << Text(found) << " " << oracle.Text();
      const Answer& answer = found->answers[0];
      const std::string what = oracle.Text().substr(0, 500) + ", plan " +
                               found->explains[0].plan + ", filter plan " +
                               found->explains[0].filter.plan;
      EXPECT_TRUE(answer.exact || !options.exact) << what;
      EXPECT_EQ(found->explains[0].rows_allowed, matches) << what;
      ASSERT_EQ(answer.hits.size(), expected.size()) << what;
      plans_[found->explains[0].plan] += 1;
      filter_plans_[found->explains[0].filter.plan] += 1;
      for (size_t h = 0; h < expected.size(); ++h) {
        if (!answer.exact) {
          EXPECT_TRUE(oracle.Matches(answer.hits[h].key,
                                     model_.at(answer.hits[h].key).metadata)) << what;
          continue;
        }
        ASSERT_EQ(answer.hits[h].key, expected[h].key)
            << what << " hit " << h << ", expected " << model_.at(expected[h].key).Text();
        ASSERT_EQ(answer.hits[h].score, expected[h].score) << what << " hit " << h;
      }
      if (i % 4 == 0) CompareCount(docs, oracle);
    }
  }

  void CompareCount(const Collection& docs, const OracleFilter& oracle) {
    uint64_t expected = 0;
    for (const auto& [key, document] : model_) expected += oracle.Matches(key, document.metadata);
    auto parsed = Filter::Parse(oracle.Text());
    ASSERT_TRUE(parsed.ok()) << Text(parsed);
    auto counted = docs.Count(*parsed);
    ASSERT_TRUE(counted.ok()) << Text(counted);
    EXPECT_EQ(*counted, expected) << oracle.Text();
  }

  std::mt19937_64 random_{20261121};
  std::normal_distribution<float> normal_;
  OracleMaker maker_{7};
  std::map<std::string, ModelDocument> model_;
  std::map<std::string, int> plans_, filter_plans_;
};

// 10,000 cases (with sanitizers fewer), every second state through codes, which so few rows would
// not need.
TEST_F(FilteredSearchTest, RandomCasesEqualBruteForce) {
  options_.codes_always = true;
  Database db = Open();
  auto docs = db.CreateCollection("docs");
  VDB_ASSERT_OK(docs);
  VDB_ASSERT_OK(docs->AddColumn("v", {.dimension = kDimension, .metric = Metric::kL2}));
  const std::vector<std::string> fields = {"n", "a", "b", "c", "`in`", "a.b", "b.a"};
  size_t indexed = 0;
  for (int state = 0; state < kStates; ++state) {
    for (int i = 0; i < (state == 0 ? 12 : 1); ++i) Change(*docs);
    if (state % 6 == 5) {  // a search without codes from time to time
      VDB_ASSERT_OK(db.Close());
      options_.codes_always = !options_.codes_always;
      db = Open(false);
      docs = db.OpenCollection("docs");
      VDB_ASSERT_OK(docs);
    }
    if (state % 4 == 3 && indexed < fields.size()) {
      VDB_ASSERT_OK(docs->AddFieldIndex({.field = fields[indexed++]}));
    }
    if (state == kStates - 3) {
      VDB_ASSERT_OK(docs->DropFieldIndex("n"));
    }
    if (state % 8 == 3) {
      VDB_ASSERT_OK(docs->BuildIndex({.list_count = 16}));
    }
    Compare(*docs, kCasesPerState);
    if (HasFatalFailure()) return;
  }
  ExpectClean(db);
  for (const char* plan : {"matches", "probe", "exact by codes"}) {
    EXPECT_GT(plans_[plan], kStates * 5) << plan;
  }
  EXPECT_GT(filter_plans_["documents"], kStates * 10);
  EXPECT_GT(filter_plans_["indexes"], kStates * 2);
  EXPECT_GT(filter_plans_["indexes, then documents"], 0);
}

// What calibration promises under masks, at shares that it measured and between them. (The random
// cases above have too few rows for a promise: theirs are exact, or of one list.)
TEST_F(FilteredSearchTest, RecallReachesItsTargetUnderFilters) {
  options_.codes_always = true;
  options_.segment_rows_max = 0;
  Database db = Open();
  auto docs = db.CreateCollection("docs");
  VDB_ASSERT_OK(docs);
  VDB_ASSERT_OK(docs->AddColumn("v", {.dimension = kDimension, .metric = Metric::kL2}));
  WriteBatch batch;
  for (int i = 0; i < 12'000; ++i) {
    const std::string key = "k" + std::to_string(i);
    const std::string metadata = R"({"n": )" + std::to_string(i * 7919 % 1000) + "}";
    const std::vector<float> v = Vector();
    batch.Put({.key = key, .metadata = metadata, .vectors = {{"v", v}}});
  }
  VDB_ASSERT_OK(docs->Write(batch));
  VDB_ASSERT_OK(docs->AddFieldIndex({.field = "n"}));
  VDB_ASSERT_OK(docs->BuildIndex({.list_count = 60}));
  int probed = 0;
  for (const int share : {700, 300, 100}) {
    double good = 0, wanted = 0;
    for (int q = 0; q < 60; ++q) {
      const std::vector<float> query = Vector();
      SearchOptions options = {.k = 10, .filter = Field("n").Less(share), .explain = true};
      auto found = docs->Search(VectorView(query), options);
      VDB_ASSERT_OK(found);
      probed += found->explains[0].plan == "probe" ? 1 : 0;
      options.exact = true;
      auto truth = docs->Search(VectorView(query), options);
      VDB_ASSERT_OK(truth);
      ASSERT_EQ(found->answers[0].hits.size(), 10u);
      for (const Hit& hit : found->answers[0].hits) {
        good += hit.score >= truth->answers[0].hits.back().score ? 1 : 0;
      }
      wanted += 10;
    }
    EXPECT_GE(good, 0.95 * wanted) << share;
  }
  EXPECT_GT(probed, 60);
}

// Snapshots keep their matches, and caches do not mix states: a metadata-only update publishes no
// manifest and must be seen by the next search.
TEST_F(FilteredSearchTest, MasksFollowEveryBatch) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  for (int i = 0; i < 20; ++i) {
    VDB_ASSERT_OK(Put(docs, "k" + std::to_string(i), {static_cast<float>(i), 0},
                      R"({"on": )" + std::string(i % 2 == 0 ? "true" : "false") + "}"));
  }
  const SearchOptions on = {.k = 3, .filter = Field("on").Equals(true), .explain = true};
  const float zero[] = {0, 0};
  for (const bool with_index : {false, true}) {
    if (with_index) VDB_ASSERT_OK(docs.AddFieldIndex({.field = "on"}));
    auto snapshot = db.GetSnapshot();
    VDB_ASSERT_OK(snapshot);
    SearchOptions then = on;
    then.snapshot = &*snapshot;
    auto before = docs.Search(VectorView(zero), on);
    VDB_ASSERT_OK(before);
    EXPECT_FALSE(before->explains[0].filter.cached);
    auto again = docs.Search(VectorView(zero), on);
    VDB_ASSERT_OK(again);
    EXPECT_TRUE(again->explains[0].filter.cached);
    EXPECT_EQ(Keys(again->answers[0]), Keys(before->answers[0]));
    VDB_ASSERT_OK(docs.SetMetadata("k1", R"({"on": true})"));
    VDB_ASSERT_OK(docs.SetMetadata("k2", R"({"on": false})"));
    auto after = docs.Search(VectorView(zero), on);
    VDB_ASSERT_OK(after);
    EXPECT_EQ(Keys(after->answers[0]), (std::vector<std::string>{"k0", "k1", "k4"}));
    auto held = docs.Search(VectorView(zero), then);
    VDB_ASSERT_OK(held);
    EXPECT_EQ(Keys(held->answers[0]), Keys(before->answers[0]));
    VDB_ASSERT_OK(docs.SetMetadata("k1", R"({"on": false})"));
    VDB_ASSERT_OK(docs.SetMetadata("k2", R"({"on": true})"));
  }
}

// "$key exists" is true of documents without any entry: its keys are those of no index.
TEST_F(FilteredSearchTest, EveryDocumentHasAKey) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  VDB_ASSERT_OK(docs.AddFieldIndex({.field = "year"}));
  for (int i = 0; i < 20; ++i) {
    VDB_ASSERT_OK(Put(docs, "k" + std::to_string(i), {static_cast<float>(i), 0},
                      R"({"year": )" + std::to_string(i) + "}"));
  }
  struct Case {
    const char* filter;
    uint64_t matches;
  };
  const Case cases[] = {{"$key exists", 20},
                        {"$key exists or year = 3", 20},
                        {"$key exists and year = 3", 1},
                        {R"($key exists and $key starts with "k1" and $key contains "9")", 1},
                        {"not $key exists", 0},
                        {"not $key exists or year > 17", 2}};
  const float zero[] = {0, 0};
  for (const Case& one : cases) {
    const Filter filter = *Filter::Parse(one.filter);
    EXPECT_EQ(*docs.Count(filter), one.matches) << one.filter;
    auto found = docs.Search(VectorView(zero), {.k = 100, .filter = filter});
    VDB_ASSERT_OK(found);
    EXPECT_EQ(found->answers[0].hits.size(), one.matches) << one.filter;
    QueryRequest list;
    list.filter = filter;
    list.limit = 100;
    auto listed = docs.Query(list);
    VDB_ASSERT_OK(listed);
    EXPECT_EQ(listed->hits.size(), one.matches) << one.filter;
  }
  EXPECT_EQ(*docs.DeleteWhere(*Filter::Parse("$key exists and year < 5")), 5u);
  EXPECT_EQ(*docs.DeleteWhere(*Filter::Parse("year = 7 or $key exists")), 15u);
  EXPECT_EQ(*docs.Count(), 0u);
}

// A filter's text counts as its mask does.
TEST_F(FilteredSearchTest, TheMaskCacheIsBounded) {
  engine::MaskCache cache(1 << 20);
  for (uint32_t i = 0; i < 300; ++i) {
    auto mask = std::make_shared<engine::AllowMask>();
    mask->explain.predicates.resize(1);
    mask->explain.predicates[0].text.assign(5000, 'x');
    cache.Insert({1, 1, i, std::string(5000, 'y')}, mask);
    EXPECT_LE(cache.memory_bytes(), 1u << 20);
  }
  EXPECT_NE(cache.Find({1, 1, 299, std::string(5000, 'y')}), nullptr);
  EXPECT_EQ(cache.Find({1, 1, 0, std::string(5000, 'y')}), nullptr);
  int kept = 0;
  for (uint32_t i = 0; i < 300; ++i) {
    kept += cache.Find({1, 1, i, std::string(5000, 'y')}) != nullptr ? 1 : 0;
  }
  EXPECT_LT(kept, 75);
  EXPECT_GT(kept, 40);
}

// What a deadline may cost is work, not a number of documents.
TEST_F(FilteredSearchTest, DeadlinesCountTheWorkOfAFilter) {
  auto looks = std::make_shared<std::atomic<int>>(0);
  options_.clock = [looks] { return ++*looks < 2 ? 0 : int64_t{3'000'000'000}; };
  Database db = Open();
  Collection docs = MakeDocs(db);
  WriteBatch batch;
  for (int i = 0; i < 500; ++i) {
    const std::string key = "k" + std::to_string(i);
    batch.Put({.key = key, .metadata = R"({"a": 1})"});
  }
  VDB_ASSERT_OK(docs.Write(batch));
  std::vector<Filter> many;
  for (int i = 0; i < 2000; ++i) many.push_back(Field("f" + std::to_string(i)).Equals(i));
  const Filter filter = Filter::Or(many);
  const float zero[] = {0, 0};
  SearchOptions options = {.k = 5, .filter = filter, .explain = true};
  options.limits.deadline_ms = 1000;
  auto found = docs.Search(VectorView(zero), options);
  VDB_ASSERT_OK(found);
  EXPECT_EQ(found->answers[0].stopped, StopReason::kDeadline);
  EXPECT_LE(found->explains[0].filter.documents_read, 4u);
}

TEST_F(FilteredSearchTest, AMinimumScoreIsARadius) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  for (int i = 0; i < 100; ++i) {
    VDB_ASSERT_OK(Put(docs, "k" + std::to_string(i), {static_cast<float>(i), 0},
                      R"({"i": )" + std::to_string(i) + "}"));
  }
  const float zero[] = {0, 0};
  auto found = docs.Search(VectorView(zero), {.k = 50, .min_score = -25});
  VDB_ASSERT_OK(found);
  EXPECT_EQ(Keys(found->answers[0]),
            (std::vector<std::string>{"k0", "k1", "k2", "k3", "k4", "k5"}));
  EXPECT_TRUE(found->answers[0].exact);
  found = docs.Search(VectorView(zero), {.k = 2,
                                         .filter = Field("i").GreaterOrEqual(3),
                                         .min_score = -25});
  VDB_ASSERT_OK(found);
  EXPECT_EQ(Keys(found->answers[0]), (std::vector<std::string>{"k3", "k4"}));
  EXPECT_EQ(docs.Search(VectorView(zero), {.min_score = std::nan("")}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(FilteredSearchTest, BadFiltersAreRefused) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  VDB_ASSERT_OK(Put(docs, "k", {1, 0}));
  const float zero[] = {0, 0};
  const Filter bad = Field("a..b").Equals(1);
  EXPECT_FALSE(bad.status().ok());
  EXPECT_EQ(docs.Search(VectorView(zero), {.filter = bad}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(docs.Count(bad).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(docs.DeleteWhere(bad).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(*docs.Count(), 1u);
}

// The clock jumps past the deadline after a number of looks: wherever that is, the answer is
// marked, holds only matches, and nothing of it is kept for the next query.
TEST_F(FilteredSearchTest, DeadlinesMarkTheAnswer) {
  auto looks = std::make_shared<std::atomic<int>>(0);
  auto limit = std::make_shared<std::atomic<int>>(1'000'000);
  options_.clock = [looks, limit] { return ++*looks <= *limit ? 0 : int64_t{3'000'000'000}; };
  Database db = Open();
  Collection docs = MakeDocs(db);
  WriteBatch batch;
  for (int i = 0; i < 5000; ++i) {
    const float v[] = {static_cast<float>(i), 1};
    const std::string metadata = R"({"even": )" + std::string(i % 2 == 0 ? "true}" : "false}");
    batch.Put({.key = "k" + std::to_string(i), .metadata = metadata, .vectors = {{"v", v}}});
  }
  VDB_ASSERT_OK(docs.Write(batch));
  const float zero[] = {0, 0};
  SearchOptions options = {.k = 5, .filter = Field("even").Equals(true), .explain = true};
  options.limits.deadline_ms = 1000;
  int stopped = 0;
  for (int at = 1; at < 40; ++at) {
    *looks = 0;
    *limit = at;
    auto found = docs.Search(VectorView(zero), options);
    VDB_ASSERT_OK(found);
    const Answer& answer = found->answers[0];
    for (const Hit& hit : answer.hits) {
      EXPECT_EQ((hit.key.back() - '0') % 2, 0) << hit.key;
    }
    if (answer.stopped == StopReason::kNone) {
      EXPECT_EQ(Keys(answer), (std::vector<std::string>{"k0", "k2", "k4", "k6", "k8"}));
      break;
    }
    ++stopped;
    EXPECT_EQ(answer.stopped, StopReason::kDeadline);
    EXPECT_FALSE(answer.exact);
    EXPECT_FALSE(found->explains[0].filter.cached);
  }
  EXPECT_GE(stopped, 3);
  options.limits.deadline_ms = 0;
  options.limits.memory_bytes = 10;
  VDB_ASSERT_OK(docs.SetMetadata("k1", "{}"));  // another batch: another mask
  auto found = docs.Search(VectorView(zero), options);
  VDB_ASSERT_OK(found);
  EXPECT_EQ(found->answers[0].stopped, StopReason::kMemory);
}

}  // namespace
}  // namespace vdb::testing
