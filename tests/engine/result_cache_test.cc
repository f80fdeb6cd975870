// The cache of answers: which entry goes, what bytes it counts, and that a search through it is the
// search without it, whatever is written meanwhile.
#include "engine/result_cache.h"

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

using engine::ResultCache;

SearchResult ResultOf(int hits, size_t key_bytes = 4) {
  SearchResult result;
  result.answers.emplace_back();
  for (int i = 0; i < hits; ++i) {
    result.answers[0].hits.push_back({std::string(key_bytes, 'k'), static_cast<double>(i)});
  }
  return result;
}

TEST(ResultCacheTest, LeastRecentlyUsedGoesFirst) {
  const uint64_t one = ResultCache::BytesOf("a", ResultOf(3));
  ResultCache cache(3 * one);
  for (const char* key : {"a", "b", "c"}) cache.Insert(key, ResultOf(3));
  EXPECT_EQ(cache.stats().entries, 3u);
  EXPECT_EQ(cache.stats().bytes, 3 * one);
  EXPECT_NE(cache.Find("a"), nullptr);  // b is now the oldest
  cache.Insert("d", ResultOf(3));
  EXPECT_EQ(cache.Find("b"), nullptr);
  EXPECT_NE(cache.Find("c"), nullptr);
  cache.Insert("a", ResultOf(2));  // replaced, and newest
  EXPECT_EQ(cache.Find("a")->answers[0].hits.size(), 2u);
  cache.Insert("e", ResultOf(3));  // c was used after d
  EXPECT_EQ(cache.Find("d"), nullptr);
  EXPECT_NE(cache.Find("c"), nullptr);
  EXPECT_LE(cache.stats().bytes, 3 * one);
  EXPECT_EQ(cache.stats().hits, 4u);
  EXPECT_EQ(cache.stats().misses, 2u);
}

TEST(ResultCacheTest, CountsBytes) {
  EXPECT_GE(ResultCache::BytesOf("a", ResultOf(10, 1000)), 10'000u);
  EXPECT_GE(ResultCache::BytesOf(std::string(5000, 'x'), ResultOf(0)), 5000u);
  ResultCache cache(1500);
  cache.Insert("small", ResultOf(1));
  cache.Insert("large", ResultOf(1000));  // larger than all, and pushes nothing out
  EXPECT_EQ(cache.Find("large"), nullptr);
  EXPECT_NE(cache.Find("small"), nullptr);
  cache.Insert("middle", ResultOf(1, 900));
  EXPECT_EQ(cache.Find("small"), nullptr);
  EXPECT_EQ(cache.stats().entries, 1u);
  EXPECT_EQ(cache.stats().bytes, ResultCache::BytesOf("middle", ResultOf(1, 900)));
  EXPECT_FALSE(ResultCache(0).enabled());
}

TEST(ResultCacheTest, AgreesWithAModelOfIt) {
  std::mt19937_64 random(5);
  ResultCache cache(20'000);
  std::vector<std::pair<std::string, int>> model;  // the last used at the end
  const auto bytes = [&model] {
    uint64_t sum = 0;
    for (const auto& [key, hits] : model) sum += ResultCache::BytesOf(key, ResultOf(hits));
    return sum;
  };
  for (int i = 0; i < 5000; ++i) {
    const std::string key = "key" + std::to_string(random() % 60);
    const auto at = std::find_if(model.begin(), model.end(),
                                 [&](const auto& entry) { return entry.first == key; });
    if (random() % 2 == 0) {
      const auto found = cache.Find(key);
      ASSERT_EQ(found != nullptr, at != model.end());
      if (found == nullptr) continue;
      ASSERT_EQ(found->answers[0].hits.size(), static_cast<size_t>(at->second));
      std::rotate(at, at + 1, model.end());
      continue;
    }
    const int hits = static_cast<int>(random() % 40);
    if (at != model.end()) model.erase(at);
    cache.Insert(key, ResultOf(hits));
    model.emplace_back(key, hits);
    while (bytes() > 20'000) model.erase(model.begin());
    ASSERT_EQ(cache.stats().entries, model.size());
    ASSERT_EQ(cache.stats().bytes, bytes());
  }
}

TEST(ResultCacheTest, ManyThreads) {
  ResultCache cache(50'000);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      for (int i = 0; i < 5000; ++i) {
        const int number = static_cast<int>(random() % 50);
        const std::string key = std::to_string(number);
        if (random() % 2 == 0) {
          cache.Insert(key, ResultOf(number));
        } else if (const auto found = cache.Find(key)) {
          wrong += found->answers[0].hits.size() != static_cast<size_t>(number);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

class CachedSearchTest : public EngineTest {};

TEST_F(CachedSearchTest, IsTheSearchWithout) {
  options_.user.result_cache_bytes = 1 << 20;
  Database db = Open();
  Collection docs = MakeDocs(db);
  std::mt19937_64 random(7);
  const auto number = [&](uint64_t below) { return static_cast<float>(random() % below); };
  for (int i = 0; i < 2000; ++i) {
    if (random() % 8 == 0) {
      const std::string key = "k" + std::to_string(random() % 60);
      if (random() % 3 != 0) {
        const std::string json = "{\"n\":" + std::to_string(random() % 4) + "}";
        const std::vector<float> v = {number(5), number(5)};
        VDB_ASSERT_OK(docs.Put({.key = key, .metadata = json, .vectors = {{"v", v}}},
                               {.sync = false}));
      } else {
        WriteBatch batch;
        batch.Delete(key);
        VDB_ASSERT_OK(docs.Write(batch, {.sync = false}));
      }
    }
    const std::vector<float> query = {number(2), number(2)};
    SearchOptions options;
    options.k = 1 + random() % 3;
    options.exact = random() % 2 == 0;
    if (random() % 2 == 0) options.filter = Field("n").Less(static_cast<int>(random() % 3));
    if (random() % 4 == 0) options.min_score = -static_cast<double>(random() % 3);
    const auto cached = docs.Search(VectorView(query), options);
    VDB_ASSERT_OK(cached);
    EXPECT_TRUE(cached->explains.empty());
    options.explain = true;  // not from the cache
    const auto plain = docs.Search(VectorView(query), options);
    VDB_ASSERT_OK(plain);
    ASSERT_EQ(plain->explains.size(), 1u);
    ASSERT_EQ(cached->batch_number, plain->batch_number);
    ASSERT_EQ(Keys(cached->answers[0]), Keys(plain->answers[0])) << i;
  }
}

// Says what a hit takes; no limit on it.
TEST_F(CachedSearchTest, HitsAreQuick) {
  options_.user.result_cache_bytes = 1 << 20;
  Database db = Open();
  auto docs = db.CreateCollection("docs");
  VDB_ASSERT_OK(docs);
  VDB_ASSERT_OK(docs->AddColumn("v", {.dimension = 768}));
  std::vector<float> v(768, 1);
  for (int i = 0; i < 50; ++i) {
    v[static_cast<size_t>(i)] = 2;
    VDB_ASSERT_OK(docs->Put({.key = "k" + std::to_string(i), .vectors = {{"v", v}}},
                            {.sync = false}));
  }
  for (const bool filtered : {false, true}) {
    SearchOptions options;
    if (filtered) options.filter = *Filter::Parse("not n = 1 and not m in (1, 2, 3)");
    constexpr int kRuns = 10'000;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kRuns; ++i) {
      ASSERT_EQ(docs->Search(VectorView(v), options)->answers[0].hits.size(), 10u);
    }
    const std::chrono::duration<double, std::micro> took =
        std::chrono::steady_clock::now() - start;
    RecordProperty(filtered ? "filtered_hit_us" : "hit_us", std::to_string(took.count() / kRuns));
  }
}

}  // namespace
}  // namespace vdb::testing
