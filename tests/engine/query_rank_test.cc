// Ranked queries against computations of the test's own on the whole ranking of each clause:
// fusion, rounds of candidates, groups, diversity, minimum scores, pages, examples.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "engine/query_fusion.h"
#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kCases = 120;
#else
constexpr int kCases = 600;
#endif

struct ModelDocument {
  int m = 0;
  std::string group;  // JSON; empty: none
  std::vector<float> a, b, unit_a, unit_b;
};

struct Scored {
  std::string key;
  double score = 0;
  std::vector<double> clause_scores;
  std::string group;
};

class QueryRankTest : public EngineTest {
 protected:
  QueryRankTest() { options_.segment_rows_max = 128; }

  uint64_t Random(uint64_t below) { return random_() % below; }
  std::vector<float> Vector(size_t dimension) {
    std::vector<float> v(dimension);
    std::normal_distribution<float> normal;
    for (float& x : v) x = normal(random_);
    // Small integers: many vectors, and so scores, are equal.
    while (!smooth_) {
      for (float& x : v) x = static_cast<float>(static_cast<int>(Random(7)) - 3);
      if (std::any_of(v.begin(), v.end(), [](float x) { return x != 0; })) break;
    }
    return v;
  }

  Collection Make(Database& db, int documents) {
    auto docs = db.CreateCollection("docs");
    EXPECT_TRUE(docs.ok());
    VDB_EXPECT_OK(docs->AddColumn("a", {.dimension = 4, .metric = Metric::kCosine}));
    VDB_EXPECT_OK(docs->AddColumn("b", {.dimension = 3, .metric = Metric::kL2}));
    VDB_EXPECT_OK(docs->AddFieldIndex({.field = "t", .kind = FieldIndexKind::kText}));
    WriteBatch batch;
    const char* const kGroups[] = {"1", "\"one\"", "null", "[1,2]", "true", "2.5"};
    for (int i = 0; i < documents; ++i) {
      const std::string key = "k" + std::to_string(Random(1000));
      ModelDocument document;
      document.m = static_cast<int>(Random(100));
      if (Random(4) != 0) document.group = kGroups[Random(6)];
      std::string json = "{\"m\":" + std::to_string(document.m);
      if (!document.group.empty()) json += ",\"g\":" + document.group;
      json += ",\"t\":\"";
      for (uint64_t w = Random(8); w > 0; --w) json += " w" + std::to_string(Random(6));
      json += "\"}";
      DocumentView view;
      view.key = key;
      view.metadata = json;
      if (Random(8) != 0) document.a = Vector(4);
      if (Random(4) != 0) document.b = Vector(3);
      if (!document.a.empty()) view.vectors.push_back({"a", document.a});
      if (!document.b.empty()) view.vectors.push_back({"b", document.b});
      batch.Put(view);
      model_[key] = std::move(document);
    }
    VDB_EXPECT_OK(docs->Write(batch));
    for (auto& [key, document] : model_) {
      const auto stored = docs->Get(key);
      for (const DocumentVector& vector : stored->vectors) {
        (vector.column == "a" ? document.unit_a : document.unit_b) = vector.stored.unit;
      }
    }
    return *docs;
  }

  // Random clauses; the vectors that they refer to live in queries_.
  QueryRequest RandomRequest() {
    QueryRequest request;
    queries_.clear();
    const uint64_t what = Random(8);  // bits: a, b, text
    const uint64_t clauses = what == 0 ? 7 : what;
    for (int c = 0; c < 2; ++c) {
      if ((clauses >> c & 1) == 0) continue;
      queries_.push_back(Vector(c == 0 ? 4 : 3));
      VectorClause clause;
      clause.column = c == 0 ? "a" : "b";
      clause.weight = static_cast<double>(1 + Random(3));
      request.vectors.push_back(clause);
    }
    for (size_t i = 0; i < queries_.size(); ++i) {
      request.vectors[i].examples = {{.values = queries_[i]}};
    }
    if ((clauses & 4) != 0) request.text = {.words = "w" + std::to_string(Random(6)) + " w1"};
    request.exact = true;
    if (Random(2) == 0) {
      past_ = static_cast<int>(Random(100));
      request.filter = Field("m").Less(past_);
    } else {
      past_ = 100;
    }
    request.fusion = Random(2) == 0 ? Fusion::kReciprocalRank : Fusion::kWeightedScore;
    request.limit = 1 + Random(20);
    request.candidates = Random(3) == 0 ? 0 : 1 + Random(30);
    if (Random(3) == 0) request.offset = Random(10);
    return request;
  }

  // All that a clause finds, best first.
  std::vector<Hit> Ranking(Collection& docs, const QueryRequest& request, size_t clause) {
    if (clause < request.vectors.size()) {
      const auto found = docs.Search(VectorView(queries_[clause]),
                                     {.k = 5000, .exact = true, .filter = request.filter,
                                      .column = request.vectors[clause].column});
      EXPECT_TRUE(found.ok()) << Text(found);
      return found->answers[0].hits;
    }
    QueryRequest text;
    text.text = request.text;
    text.filter = request.filter;
    text.limit = 5000;
    const auto found = docs.Query(text);
    EXPECT_TRUE(found.ok()) << Text(found);
    std::vector<Hit> hits;
    for (const QueryHit& hit : found->hits) hits.push_back({hit.document.key, hit.score});
    return hits;
  }

  static double Nan() { return std::numeric_limits<double>::quiet_NaN(); }

  // One round: the candidates of the rankings' first `count`, in order.
  static std::vector<Scored> FuseNaively(const QueryRequest& request,
                                         const std::vector<std::vector<Hit>>& rankings,
                                         size_t count) {
    std::map<std::string, Scored> all;
    const auto weight = [&](size_t c) {
      return c < request.vectors.size() ? request.vectors[c].weight : request.text->weight;
    };
    for (size_t c = 0; c < rankings.size(); ++c) {
      for (size_t r = 0; r < std::min(count, rankings[c].size()); ++r) {
        Scored& one = all[rankings[c][r].key];
        one.clause_scores.resize(rankings.size(), Nan());
        one.clause_scores[c] = rankings[c][r].score;
        one.score += rankings.size() == 1 ? rankings[c][r].score
                                          : weight(c) / (61 + static_cast<double>(r));
      }
    }
    std::vector<Scored> result;
    for (auto& [key, one] : all) {
      one.key = key;
      result.push_back(one);
    }
    if (rankings.size() == 1) {
      std::map<std::string, size_t> ranks;
      for (const Hit& hit : rankings[0]) ranks.emplace(hit.key, ranks.size());
      std::sort(result.begin(), result.end(), [&](const Scored& x, const Scored& y) {
        return ranks[x.key] < ranks[y.key];
      });
      return result;
    }
    if (request.fusion == Fusion::kWeightedScore) {
      for (Scored& one : result) {
        one.score = 0;
        for (size_t c = 0; c < rankings.size(); ++c) {
          if (rankings[c].empty()) continue;
          const double score = one.clause_scores[c];
          const double lowest = rankings[c][std::min(count, rankings[c].size()) - 1].score;
          one.score += weight(c) * (std::isnan(score) ? lowest : score);
        }
      }
    }
    std::stable_sort(result.begin(), result.end(),
                     [](const Scored& x, const Scored& y) { return x.score > y.score; });
    return result;
  }

  // The whole list, round by round.
  std::vector<Scored> Expected(const QueryRequest& request,
                               const std::vector<std::vector<Hit>>& rankings, size_t first) {
    std::vector<Scored> list;
    std::set<std::string> seen;
    size_t longest = 0;
    for (const auto& ranking : rankings) longest = std::max(longest, ranking.size());
    for (size_t count = first;; count *= 2) {
      std::vector<Scored> fresh;
      for (Scored& one : FuseNaively(request, rankings, count)) {
        if (one.score < request.min_score || !seen.insert(one.key).second) continue;
        one.group = model_[one.key].group;
        fresh.push_back(one);
      }
      if (request.diversity_lambda < 1) DiversifyNaively(request, &fresh, list);
      list.insert(list.end(), fresh.begin(), fresh.end());
      if (count >= longest) return list;
    }
  }

  double Cosine(const std::vector<float>& x, const std::vector<float>& y) {
    if (x.empty() || y.empty()) return 0;
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      xy += double{x[i]} * double{y[i]};
      xx += double{x[i]} * double{x[i]};
      yy += double{y[i]} * double{y[i]};
    }
    return xy / std::sqrt(xx * yy);
  }

  void DiversifyNaively(const QueryRequest& request, std::vector<Scored>* fresh,
                        const std::vector<Scored>& before) {
    const auto vector = [&](const Scored& one) {
      const ModelDocument& document = model_[one.key];
      return request.vectors[0].column == "a" ? document.unit_a : document.unit_b;
    };
    if (fresh->empty()) return;
    double low = 1e300, high = -1e300;
    for (const Scored& one : *fresh) {
      low = std::min(low, one.score);
      high = std::max(high, one.score);
    }
    std::vector<Scored> taken = before, rest = *fresh;
    while (!rest.empty()) {
      size_t best = 0;
      double best_value = -1e300;
      for (size_t i = 0; i < rest.size(); ++i) {
        const double r = high > low ? (rest[i].score - low) / (high - low) : 1;
        double s = taken.empty() ? 0 : -2;
        for (const Scored& other : taken) s = std::max(s, Cosine(vector(rest[i]), vector(other)));
        const double value = request.diversity_lambda * r - (1 - request.diversity_lambda) * s;
        if (value > best_value) {
          best = i;
          best_value = value;
        }
      }
      taken.push_back(rest[best]);
      rest.erase(rest.begin() + static_cast<int>(best));
    }
    fresh->assign(taken.begin() + static_cast<int>(before.size()), taken.end());
  }

  static std::vector<Scored> Grouped(const std::vector<Scored>& list, size_t size, size_t skip,
                                     size_t limit) {
    std::vector<std::vector<Scored>> groups;
    std::map<std::string, size_t> places;
    for (const Scored& one : list) {
      size_t at = groups.size();
      if (!one.group.empty()) at = places.emplace(one.group, groups.size()).first->second;
      if (at == groups.size()) groups.emplace_back();
      if (groups[at].size() < size) groups[at].push_back(one);
    }
    std::vector<Scored> hits;
    for (size_t i = skip; i < groups.size() && i - skip < limit; ++i) {
      hits.insert(hits.end(), groups[i].begin(), groups[i].end());
    }
    return hits;
  }

  static std::vector<Scored> Page(const std::vector<Scored>& list, size_t skip, size_t limit) {
    std::vector<Scored> hits;
    for (size_t i = skip; i < list.size() && i - skip < limit; ++i) hits.push_back(list[i]);
    return hits;
  }

  static void ExpectHits(const QueryResult& result, const std::vector<Scored>& expected,
                         const std::string& what) {
    ASSERT_EQ(result.hits.size(), expected.size()) << what;
    for (size_t i = 0; i < expected.size(); ++i) {
      const QueryHit& hit = result.hits[i];
      ASSERT_EQ(hit.document.key, expected[i].key) << what << " hit " << i;
      ASSERT_NEAR(hit.score, expected[i].score, 1e-9) << what;
      ASSERT_EQ(hit.clause_scores.size(), expected[i].clause_scores.size());
      for (size_t c = 0; c < hit.clause_scores.size(); ++c) {
        if (std::isnan(expected[i].clause_scores[c])) {
          ASSERT_TRUE(std::isnan(hit.clause_scores[c])) << what;
        } else {
          ASSERT_EQ(hit.clause_scores[c], expected[i].clause_scores[c]) << what;
        }
      }
    }
  }

  std::vector<std::vector<Hit>> Rankings(Collection& docs, const QueryRequest& request) {
    std::vector<std::vector<Hit>> rankings;
    for (size_t c = 0; c < request.vectors.size() + (request.text ? 1 : 0); ++c) {
      rankings.push_back(Ranking(docs, request, c));
    }
    return rankings;
  }

  // The candidates of the first round, as vdb/query.h has it.
  static size_t FirstRound(const QueryRequest& request, size_t clauses) {
    const bool plain = clauses == 1 && request.group_by.field.empty() &&
                       request.diversity_lambda == 1;
    if (plain) return 100'000;  // one exact clause has one order
    if (request.candidates > 0) return request.candidates;
    return std::max<size_t>(100, 10 * (request.offset + request.limit));
  }

  std::mt19937_64 random_{73};
  std::map<std::string, ModelDocument> model_;
  std::vector<std::vector<float>> queries_;
  int past_ = 100;
  bool smooth_ = false;  // cosines that differ do so by more than rounding
};

TEST_F(QueryRankTest, FusionAndPages) {
  Database db = Open();
  Collection docs = Make(db, 400);
  for (int i = 0; i < kCases; ++i) {
    QueryRequest request = RandomRequest();
    const auto rankings = Rankings(docs, request);
    if (Random(3) == 0 && !rankings[0].empty()) {
      request.min_score = rankings.size() == 1 ? rankings[0][rankings[0].size() / 2].score
                          : request.fusion == Fusion::kReciprocalRank
                              ? 0.005 + 0.01 * static_cast<double>(Random(5))
                              : -1;
    }
    const size_t first = FirstRound(request, rankings.size());
    const auto list = Expected(request, rankings, first);
    size_t skip = request.offset;
    const std::string what = "case " + std::to_string(i);
    for (int page = 0; page < 4; ++page) {
      const auto result = docs.Query(request);
      VDB_ASSERT_OK(result);
      ASSERT_TRUE(result->exact);
      ASSERT_NO_FATAL_FAILURE(ExpectHits(*result, Page(list, skip, request.limit), what));
      skip += request.limit;
      ASSERT_EQ(result->cursor.empty(), skip >= list.size()) << what;
      if (result->cursor.empty()) break;
      request.cursor = result->cursor;
    }
  }
}

TEST_F(QueryRankTest, GroupsAndDiversity) {
  smooth_ = true;
  Database db = Open();
  Collection docs = Make(db, 120);
  for (int i = 0; i < kCases / 5; ++i) {
    QueryRequest request = RandomRequest();
    if (!request.vectors.empty() && Random(2) == 0) {
      request.diversity_lambda = static_cast<double>(Random(10)) / 10;
    }
    if (request.diversity_lambda == 1 || Random(3) == 0) {
      request.group_by = {.field = "g", .size = 1 + Random(3)};
    }
    const auto rankings = Rankings(docs, request);
    const auto list = Expected(request, rankings, FirstRound(request, rankings.size()));
    const std::string what = "case " + std::to_string(i) + " lambda " +
                             std::to_string(request.diversity_lambda);
    size_t skip = request.offset;
    for (int page = 0; page < 3; ++page) {
      const auto result = docs.Query(request);
      VDB_ASSERT_OK(result);
      const auto expected = request.group_by.field.empty()
                                ? Page(list, skip, request.limit)
                                : Grouped(list, request.group_by.size, skip, request.limit);
      ASSERT_NO_FATAL_FAILURE(ExpectHits(*result, expected, what));
      for (size_t h = 0; h < expected.size() && !request.group_by.field.empty(); ++h) {
        ASSERT_EQ(result->hits[h].group, expected[h].group);
      }
      skip += request.limit;
      if (result->cursor.empty()) break;
      request.cursor = result->cursor;
    }
  }
}

TEST_F(QueryRankTest, Examples) {
  Database db = Open();
  Collection docs = Make(db, 300);
  for (int i = 0; i < kCases / 4; ++i) {
    const bool cosine = Random(2) == 0;
    VectorClause clause = {.column = cosine ? "a" : "b"};
    std::vector<std::vector<float>> given;
    for (uint64_t n = 1 + Random(3); n > 0; --n) given.push_back(Vector(cosine ? 4 : 3));
    std::vector<double> sum(cosine ? 4 : 3);
    std::set<std::string> like;
    double weights = 0;
    const auto add = [&](const std::vector<float>& vector, double weight) {
      double norm = 0;
      for (const float x : vector) norm += double{x} * double{x};
      for (size_t d = 0; d < sum.size(); ++d) {
        sum[d] += weight * double{vector[d]} / (cosine ? std::sqrt(norm) : 1);
      }
      weights += std::abs(weight);
    };
    for (const auto& vector : given) {
      const double weight = (Random(3) == 0 ? -0.5 : 1) * static_cast<double>(1 + Random(2));
      clause.examples.push_back({.values = vector, .weight = weight});
      add(vector, weight);
    }
    for (uint64_t n = Random(3); n > 0; --n) {
      auto it = std::next(model_.begin(), static_cast<int>(Random(model_.size())));
      const auto& vector = cosine ? it->second.a : it->second.b;
      if (vector.empty()) continue;
      clause.examples.push_back({.like = it->first, .weight = 1.5});
      add(vector, 1.5);
      like.insert(it->first);
    }
    double length = 0;
    for (double& x : sum) {
      x /= weights;
      length += x * x;
    }
    QueryRequest request;
    request.vectors = {clause};
    request.exact = true;
    request.limit = 1000;
    const auto result = docs.Query(request);
    if (cosine && length < 1e-12) {
      EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
      continue;
    }
    VDB_ASSERT_OK(result);
    // By key: what is far and near decides alike; scores within rounding.
    std::map<std::string, double> expected;
    for (const auto& [key, document] : model_) {
      const auto& vector = cosine ? document.a : document.b;
      if (vector.empty() || like.contains(key)) continue;
      double dot = 0, norm = 0, distance = 0;
      for (size_t d = 0; d < sum.size(); ++d) {
        dot += sum[d] * double{vector[d]};
        norm += double{vector[d]} * double{vector[d]};
        distance += (sum[d] - double{vector[d]}) * (sum[d] - double{vector[d]});
      }
      expected[key] = cosine ? dot / std::sqrt(norm * length) : -distance;
    }
    ASSERT_EQ(result->hits.size(), expected.size());
    double last = 1e300;
    for (const QueryHit& hit : result->hits) {
      ASSERT_TRUE(expected.contains(hit.document.key));
      ASSERT_NEAR(hit.score, expected[hit.document.key], 1e-4) << i;
      ASSERT_LE(hit.score, last);
      last = hit.score;
    }
    // A short page of the same: examples that are left out leave no gaps.
    request.limit = 5;
    const auto short_page = docs.Query(request);
    VDB_ASSERT_OK(short_page);
    ASSERT_EQ(short_page->hits.size(), std::min<size_t>(5, expected.size()));
    for (size_t h = 0; h < short_page->hits.size(); ++h) {
      ASSERT_EQ(short_page->hits[h].document.key, result->hits[h].document.key);
    }
  }
}

TEST_F(QueryRankTest, Mistakes) {
  Database db = Open();
  Collection docs = Make(db, 50);
  const std::vector<float> a = {1, 0, 0, 1}, minus = {-1, 0, 0, -1}, zero(4);
  const auto status = [&](const std::function<void(QueryRequest*)>& change) {
    QueryRequest request;
    request.vectors = {{.examples = {{.values = a}}}};
    change(&request);
    return docs.Query(request).status();
  };
  const auto invalid = [&](const std::function<void(QueryRequest*)>& change) {
    EXPECT_EQ(status(change).code(), StatusCode::kInvalidArgument);
  };
  VDB_EXPECT_OK(status([](QueryRequest*) {}));
  invalid([](QueryRequest* r) { r->vectors[0].examples.clear(); });
  invalid([](QueryRequest* r) { r->vectors[0].weight = 0; });
  invalid([](QueryRequest* r) { r->vectors[0].examples[0].weight = 0; });
  invalid([](QueryRequest* r) { r->vectors[0].examples[0].like = "k"; });
  invalid([&](QueryRequest* r) { r->vectors[0].examples[0].values = zero; });
  invalid([&](QueryRequest* r) { r->vectors[0].examples.push_back({.values = minus}); });
  invalid([&](QueryRequest* r) { r->vectors[0].column = "b"; });
  invalid([](QueryRequest* r) { r->order_by.field = "m"; });
  invalid([](QueryRequest* r) { r->diversity_lambda = 1.5; });
  invalid([](QueryRequest* r) { r->group_by = {.field = "g", .size = 0}; });
  invalid([](QueryRequest* r) { r->group_by = {.field = "$key"}; });
  invalid([](QueryRequest* r) { r->recall = 0; });
  invalid([](QueryRequest* r) { r->min_score = std::nan(""); });
  invalid([](QueryRequest* r) { r->vectors.clear(); r->group_by.field = "g"; });
  invalid([](QueryRequest* r) { r->vectors.clear(); r->diversity_lambda = 0.5; });
  invalid([](QueryRequest* r) { r->text = {.words = "w", .fields = {"m"}}; });
  EXPECT_EQ(status([](QueryRequest* r) { r->vectors[0].column = "c"; }).code(),
            StatusCode::kNotFound);
  const Status missing = status([](QueryRequest* r) {
    r->vectors[0].examples = {{.like = "not there"}};
  });
  EXPECT_EQ(missing.code(), StatusCode::kNotFound);
  EXPECT_NE(missing.message().find("not there"), std::string::npos);
}

TEST_F(QueryRankTest, LimitsGiveTheBestSoFar) {
  Database db = Open();
  Collection docs = Make(db, 300);
  QueryRequest request;
  const std::vector<float> a = {1, 0, 0, 1};
  request.vectors = {{.examples = {{.values = a}}}};
  request.text = {.words = "w1"};
  request.group_by.field = "g";
  auto token = std::make_shared<CancelToken>();
  token->Cancel();
  request.limits.cancel = token;
  const auto cancelled = docs.Query(request);
  VDB_ASSERT_OK(cancelled);
  EXPECT_EQ(cancelled->stopped, StopReason::kCancelled);
  EXPECT_FALSE(cancelled->exact);
  request.limits = {.memory_bytes = 1};
  const auto full = docs.Query(request);
  VDB_ASSERT_OK(full);
  EXPECT_EQ(full->stopped, StopReason::kMemory);
  request.limits = {.deadline_ms = 60'000};
  const auto whole = docs.Query(request);
  VDB_ASSERT_OK(whole);
  EXPECT_EQ(whole->stopped, StopReason::kNone);
  EXPECT_GT(whole->hits.size(), 0u);
}

TEST_F(QueryRankTest, DiversityStopsWhereADeadlineDoes) {
  std::vector<engine::Candidate> candidates;
  std::vector<std::vector<float>> vectors;
  std::normal_distribution<float> normal;
  for (int i = 0; i < 3000; ++i) {
    candidates.push_back({"k" + std::to_string(i), 1.0 / (i + 1), {}});
    auto& vector = vectors.emplace_back(64);
    for (float& value : vector) value = normal(random_);
  }
  const auto take = [&](query::Budget* budget) {
    auto copy = vectors;
    return engine::Diversifier(0.5).Take(candidates, &copy, 100, budget);
  };
  query::Budget unlimited;
  const auto all = take(&unlimited);
  ASSERT_EQ(all.size(), 100u);
  for (const int at : {1, 2, 20}) {
    int asked = 0;
    query::Budget budget({.deadline_ms = 1}, [&asked, at] {
      return ++asked <= at ? int64_t{0} : int64_t{1'000'000};
    });
    const auto some = take(&budget);
    EXPECT_EQ(budget.stopped(), StopReason::kDeadline);
    EXPECT_EQ(asked, at + 1);
    EXPECT_EQ(std::set<size_t>(some.begin(), some.end()).size(), 100u);
    // One hit per question at least, but for those asked within the comparisons.
    const auto same = std::mismatch(some.begin(), some.end(), all.begin()).first - some.begin();
    EXPECT_GE(same, at / 2);
    EXPECT_LT(same, at + 2);
  }
}

TEST_F(QueryRankTest, DiversityCountsItsVectors) {
  Database db = Open();
  auto docs = db.CreateCollection("docs");
  VDB_ASSERT_OK(docs);
  VDB_ASSERT_OK(docs->AddColumn("v", {.dimension = 256, .metric = Metric::kCosine}));
  std::normal_distribution<float> normal;
  std::vector<float> vector(256);
  for (int i = 0; i < 1000; ++i) {
    for (float& value : vector) value = normal(random_);
    VDB_ASSERT_OK(docs->Put({.key = "k" + std::to_string(i), .vectors = {{"v", vector}}},
                            {.sync = false}));
  }
  QueryRequest request;
  request.vectors = {{.examples = {{.values = vector}}}};
  request.candidates = 1000;
  request.diversity_lambda = 0.5;
  request.limits.memory_bytes = 700'000;  // vectors of 1,024,000 bytes
  const auto stopped = docs->Query(request);
  VDB_ASSERT_OK(stopped);
  EXPECT_EQ(stopped->stopped, StopReason::kMemory);
  EXPECT_FALSE(stopped->exact);
  EXPECT_EQ(stopped->hits.size(), 1u);
  request.limits.memory_bytes = 2'000'000;
  const auto whole = docs->Query(request);
  VDB_ASSERT_OK(whole);
  EXPECT_EQ(whole->stopped, StopReason::kNone);
  EXPECT_EQ(whole->hits.size(), 10u);
}

}  // namespace
}  // namespace vdb::testing
