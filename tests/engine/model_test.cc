// Property test: random operations on a database and on a std::map must give the same documents,
// the same answers (brute force in double), and the same after a reopen. A failure means that some
// sequence of calls loses, invents or mixes documents or vectors.
#include <cmath>
#include <random>

#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

struct ModelDocument {
  std::string metadata = "{}";
  std::optional<std::string> body;
  std::map<std::string, std::vector<float>> vectors;
};
using Model = std::map<std::string, ModelDocument>;

class ModelTest : public EngineTest {
 protected:
  void Run(uint64_t seed, Metric metric, int steps);
  void Step(Collection& docs, Model* model);
  void Check(Collection& docs, const Model& model, Metric metric);

  std::vector<float> RandomVector(size_t dimension) {
    std::vector<float> v(dimension);
    for (float& x : v) x = static_cast<float>(int(random_() % 9) - 4);  // ties and duplicates
    const bool zero = std::all_of(v.begin(), v.end(), [](float x) { return x == 0; });
    if (metric_ == Metric::kCosine && zero) v[0] = 1;
    return v;
  }
  std::string RandomKey() { return "key" + std::to_string(random_() % 60); }

  std::mt19937_64 random_;
  Metric metric_ = Metric::kL2;
  static constexpr size_t kDimension[2] = {3, 5};
};

void ModelTest::Step(Collection& docs, Model* model) {
  const std::string key = RandomKey();
  const bool there = model->contains(key);
  const WriteOptions options = {.sync = random_() % 4 == 0};
  switch (random_() % 10) {
    case 0: {
      const auto deleted = docs.Delete(key, options);
      EXPECT_EQ(deleted.ok(), there);
      model->erase(key);
      return;
    }
    case 1: {
      const std::string metadata = "{\"n\":" + std::to_string(random_() % 1000) + "}";
      const auto set = docs.SetMetadata(key, metadata, options);
      EXPECT_EQ(set.ok(), there);
      if (there) (*model)[key].metadata = metadata;
      return;
    }
    case 2:
    case 3: {
      const int column = int(random_() % 2);
      const auto v = RandomVector(kDimension[column]);
      const auto set = docs.SetVector(key, column == 0 ? "v" : "w", v, options);
      EXPECT_EQ(set.ok(), there);
      if (there) (*model)[key].vectors[column == 0 ? "v" : "w"] = v;
      return;
    }
    default: break;
  }
  WriteBatch batch;
  Model next = *model;
  for (uint64_t i = random_() % 6 + 1; i > 0; --i) {
    const std::string batch_key = RandomKey();
    if (random_() % 5 == 0) {
      batch.Delete(batch_key);
      next.erase(batch_key);
      continue;
    }
    ModelDocument document;
    if (random_() % 2 == 0) document.body = std::string(random_() % 50, 'b');
    if (random_() % 8 != 0) document.vectors["v"] = RandomVector(kDimension[0]);
    if (random_() % 2 == 0) document.vectors["w"] = RandomVector(kDimension[1]);
    DocumentView view = {.key = batch_key};
    if (document.body) view.body = *document.body;
    for (const auto& [column, values] : document.vectors) view.vectors.push_back({column, values});
    batch.Put(view);
    next[batch_key] = document;
  }
  VDB_ASSERT_OK(docs.Write(batch, options));
  *model = std::move(next);
}

double Score(Metric metric, const std::vector<float>& q, const std::vector<float>& v) {
  double dot = 0, qq = 0, vv = 0, l2 = 0;
  for (size_t i = 0; i < q.size(); ++i) {
    dot += double(q[i]) * v[i];
    qq += double(q[i]) * q[i];
    vv += double(v[i]) * v[i];
    l2 += (double(q[i]) - v[i]) * (double(q[i]) - v[i]);
  }
  return metric == Metric::kDot ? dot : metric == Metric::kL2 ? -l2 : dot / std::sqrt(qq * vv);
}

void ModelTest::Check(Collection& docs, const Model& model, Metric metric) {
  ASSERT_EQ(*docs.Count(), model.size());
  auto it = docs.NewIterator();
  VDB_ASSERT_OK(it);
  auto expected = model.begin();
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++expected) {
    ASSERT_NE(expected, model.end());
    ASSERT_EQ(it->key(), expected->first);
    auto found = it->document();
    VDB_ASSERT_OK(found);
    EXPECT_EQ(found->metadata, expected->second.metadata);
    EXPECT_EQ(found->body, expected->second.body);
    ASSERT_EQ(found->vectors.size(), expected->second.vectors.size());
    for (const auto& vector : found->vectors) {
      const auto& values = expected->second.vectors.at(vector.column);
      for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(vector.values[i], values[i], 1e-5);
    }
  }
  EXPECT_EQ(expected, model.end());
  for (int column = 0; column < 2; ++column) {
    const std::string name = column == 0 ? "v" : "w";
    const auto query = RandomVector(kDimension[column]);
    std::vector<double> scores;
    for (const auto& [key, document] : model) {
      const auto vector = document.vectors.find(name);
      if (vector != document.vectors.end()) scores.push_back(Score(metric, query, vector->second));
    }
    std::sort(scores.rbegin(), scores.rend());
    const size_t k = random_() % 12;
    auto result = docs.Search(VectorView(query), {.k = k, .column = name});
    VDB_ASSERT_OK(result);
    const auto& hits = result->answers[0].hits;
    ASSERT_EQ(hits.size(), std::min(k, scores.size()));
    for (size_t i = 0; i < hits.size(); ++i) {
      EXPECT_NEAR(hits[i].score, scores[i], 1e-4);
      const auto& values = model.at(hits[i].key).vectors.at(name);
      EXPECT_NEAR(hits[i].score, Score(metric, query, values), 1e-4);
    }
  }
}

void ModelTest::Run(uint64_t seed, Metric metric, int steps) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  random_.seed(seed);
  metric_ = metric;
  options_.segment_rows_max = 16 + seed % 50;
  options_.tombstones_max = 10 + seed % 30;
  options_.write_buffer_bytes = 64 << 10;
  auto db = std::make_unique<Database>(Open());
  {
    auto docs = MakeDocs(*db, metric);
    VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = kDimension[1], .metric = metric}));
    VDB_ASSERT_OK(docs.DropColumn("v"));
    VDB_ASSERT_OK(docs.AddColumn("v", {.dimension = kDimension[0], .metric = metric}));
  }
  Model model;
  for (int step = 0; step < steps && !HasFatalFailure(); ++step) {
    auto docs = *db->OpenCollection("docs");
    Step(docs, &model);
    if (step % 20 == 0) Check(docs, model, metric);
    if (random_() % 60 != 0) continue;
    const std::string before = *db->ContentHash();
    ExpectClean(*db);
    VDB_ASSERT_OK(db->Close());
    db = std::make_unique<Database>(Open(false));
    EXPECT_EQ(*db->ContentHash(), before);
    auto reopened = *db->OpenCollection("docs");
    Check(reopened, model, metric);
  }
  ExpectClean(*db);
}

TEST_F(ModelTest, L2) { Run(11, Metric::kL2, 700); }
TEST_F(ModelTest, Dot) { Run(22, Metric::kDot, 700); }
TEST_F(ModelTest, Cosine) { Run(33, Metric::kCosine, 700); }

}  // namespace
}  // namespace vdb::testing
