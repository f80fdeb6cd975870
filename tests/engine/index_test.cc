// Building, updating and dropping vector indexes: contents stay what they are, whatever is written
// or cancelled meanwhile, and whatever becomes of the index files.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kDimension = 12;
using Model = std::map<std::string, std::vector<float>>;

std::vector<float> RandomVector(std::mt19937* random) {
  // Around a few centres, so that lists have something to find.
  std::normal_distribution<float> noise(0, 0.3f);
  std::vector<float> values(kDimension);
  const auto centre = static_cast<uint32_t>((*random)() % 9);
  for (uint32_t i = 0; i < kDimension; ++i) {
    values[i] = noise(*random) + static_cast<float>((centre * (i + 3)) % 7) - 3.0f;
  }
  return values;
}

double ScoreOf(Metric metric, const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += double{a[i]} * double{b[i]};
    aa += double{a[i]} * double{a[i]};
    bb += double{b[i]} * double{b[i]};
  }
  if (metric == Metric::kDot) return dot;
  return metric == Metric::kCosine ? dot / std::sqrt(aa * bb) : 2 * dot - aa - bb;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class IndexTest : public EngineTest {
 protected:
  IndexTest() { options_.segment_rows_max = 64; }

  Collection Make(Database& db, Metric metric = Metric::kL2) {
    auto docs = db.CreateCollection("docs");
    EXPECT_TRUE(docs.ok()) << Text(docs);
    EXPECT_TRUE(docs->AddColumn("v", {.dimension = kDimension, .metric = metric}).ok());
    metric_ = metric;
    return *docs;
  }
  void PutOne(Collection& docs, const std::string& key, std::vector<float> values) {
    VDB_ASSERT_OK(Put(docs, key, values));
    model_[key] = std::move(values);
  }
  void PutSome(Collection& docs, const std::string& prefix, int count) {
    WriteBatch batch;
    for (int i = 0; i < count; ++i) {
      if (i % 50 == 49) {  // a batch is never split over segments
        VDB_ASSERT_OK(docs.Write(batch));
        batch = {};
      }
      const std::string key = prefix + std::to_string(i);
      model_[key] = RandomVector(&random_);
      batch.Put({.key = key, .vectors = {{"v", model_[key]}}});
    }
    VDB_ASSERT_OK(docs.Write(batch));
  }
  void DeleteOne(Collection& docs, const std::string& key) {
    VDB_ASSERT_OK(docs.Delete(key));
    model_.erase(key);
  }

  // Every document, its vector, its answers, and verify.
  void ExpectContents(Database& db, bool clean = true) {
    auto docs = db.OpenCollection("docs");
    VDB_ASSERT_OK(docs);
    EXPECT_EQ(*docs->Count(), model_.size());
    for (const auto& [key, values] : model_) {
      auto document = docs->Get(key);
      VDB_ASSERT_OK(document);
      ASSERT_EQ(document->vectors.size(), 1u) << key;
      for (uint32_t i = 0; i < kDimension; ++i) {
        ASSERT_NEAR(document->vectors[0].values[i], values[i], 1e-4 * (1 + std::abs(values[i])));
      }
    }
    std::mt19937 random(5);
    for (int q = 0; q < 3; ++q) {
      const std::vector<float> query = RandomVector(&random);
      std::vector<double> scores;
      for (const auto& item : model_) scores.push_back(ScoreOf(metric_, query, item.second));
      std::sort(scores.rbegin(), scores.rend());
      for (const bool exact : {true, false}) {
        auto found = docs->Search(VectorView(query), {.k = 10, .exact = exact});
        VDB_ASSERT_OK(found);
        const auto& hits = found->answers[0].hits;
        ASSERT_EQ(hits.size(), std::min<size_t>(10, scores.size()));
        for (size_t i = 0; i < hits.size(); ++i) {
          ASSERT_TRUE(model_.contains(hits[i].key)) << hits[i].key;
          const double right = ScoreOf(metric_, query, model_.at(hits[i].key));
          EXPECT_NEAR(hits[i].score, right, 1e-4 * (1 + std::abs(right)));
          if (exact || found->answers[0].exact) {
            EXPECT_NEAR(hits[i].score, scores[i], 1e-4 * (1 + std::abs(scores[i])));
          }
        }
      }
    }
    if (clean) ExpectClean(db);
  }

  std::set<std::string> Files(const std::string& ending) const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(Path())) {
      if (entry.path().extension() == ending) {
        names.insert(fs::relative(entry.path(), Path()).string());
      }
    }
    return names;
  }
  static IndexStats StatsOf(Database& db, size_t column = 0) {
    auto stats = db.OpenCollection("docs")->Stats();
    EXPECT_TRUE(stats.ok() && stats->columns[column].index.has_value()) << Text(stats);
    return stats.ok() ? stats->columns[column].index.value_or(IndexStats()) : IndexStats();
  }

  Model model_;
  Metric metric_ = Metric::kL2;
  std::mt19937 random_{11};
};

TEST_F(IndexTest, ABuildKeepsContentsUnderEveryMetric) {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    SCOPED_TRACE(MetricName(metric));
    fs::remove_all(Path());
    model_.clear();
    std::string hash;
    {
      auto db = Open();
      auto docs = Make(db, metric);
      PutSome(docs, "k", 500);
      for (int i = 0; i < 40; ++i) DeleteOne(docs, "k" + std::to_string(i * 7));
      hash = *db.ContentHash();
      auto report = docs.BuildIndex({.list_count = 12});
      VDB_ASSERT_OK(report);
      EXPECT_TRUE(report->trained);
      EXPECT_EQ(report->list_count, 12u);
      EXPECT_EQ(report->row_count, 460u);
      EXPECT_EQ(report->segment_count, 8u);
      EXPECT_EQ(*db.ContentHash(), hash);
      ExpectContents(db);
      const IndexStats stats = StatsOf(db);
      EXPECT_EQ(stats.indexed_row_count, 460u);  // the dead ones are gone
      EXPECT_EQ(stats.unindexed_row_count, 0u);
      EXPECT_EQ(stats.list_count, 12u);
      EXPECT_FALSE(stats.stale) << stats.advice;
      EXPECT_EQ(stats.index_bytes, report->index_bytes);
      EXPECT_GE(stats.imbalance_ratio, 1.0);
    }
    auto db = Open(false);
    EXPECT_EQ(*db.ContentHash(), hash);
    ExpectContents(db);
    auto reader = OpenReadOnly();
    VDB_ASSERT_OK(reader);
    EXPECT_EQ(StatsOf(*reader).indexed_row_count, 460u);
    ExpectContents(*reader);
  }
}

// Deletes, replacements and new documents at every stage of a build, with folds of the tombstones
// and publishes of other columns in between.
TEST_F(IndexTest, WritesDuringABuildAreKept) {
  options_.tombstones_max = 5;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 400);
  PutSome(docs, "gone", 30);
  for (int i = 0; i < 10; ++i) DeleteOne(docs, "gone" + std::to_string(i));
  int step = 0;
  std::set<std::string> stages;
  IndexOptions options;
  options.list_count = 9;
  options.progress = [&](const Progress& progress) {
    stages.insert(std::string(progress.stage));
    if (step >= 20) return true;
    const std::string n = std::to_string(step);
    DeleteOne(docs, "k" + n);
    DeleteOne(docs, "gone" + std::to_string(10 + step));
    PutOne(docs, "k" + std::to_string(200 + step), RandomVector(&random_));
    PutOne(docs, "new" + n, RandomVector(&random_));
    if (step % 5 == 0) VDB_EXPECT_OK(docs.AddColumn("c" + n, {.dimension = 2}));
    ++step;
    return true;
  };
  VDB_ASSERT_OK(docs.BuildIndex(options));
  EXPECT_EQ(stages, (std::set<std::string>{"train", "assign", "write", "calibrate"}));
  EXPECT_GT(step, 3);
  ExpectContents(db);
  const std::string hash = *db.ContentHash();
  VDB_ASSERT_OK(db.Close());
  for (int life = 0; life < 3; ++life) {
    auto reopened = Open(false);
    EXPECT_EQ(*reopened.ContentHash(), hash);
    ExpectContents(reopened);
    auto collection = *reopened.OpenCollection("docs");
    VDB_ASSERT_OK(collection.BuildIndex());
    EXPECT_EQ(StatsOf(reopened).unindexed_row_count, 0u);
    ExpectContents(reopened);
  }
}

TEST_F(IndexTest, AnUpdateKeepsWhatIsIndexed) {
  auto db = Open();
  auto docs = Make(db, Metric::kCosine);
  PutSome(docs, "k", 512);
  VDB_ASSERT_OK(docs.BuildIndex({.list_count = 8}));
  std::map<std::string, std::string> before;
  for (const char* ending : {".npy", ".rows", ".keys", ".ivf", ".vdbe"}) {
    for (const std::string& name : Files(ending)) before[name] = ReadFile(Path() + "/" + name);
  }
  PutSome(docs, "new", 100);
  EXPECT_EQ(StatsOf(db).unindexed_row_count, 100u);
  auto report = docs.BuildIndex();
  VDB_ASSERT_OK(report);
  EXPECT_FALSE(report->trained);
  EXPECT_EQ(report->row_count, 100u);
  for (const auto& [name, bytes] : before) {
    EXPECT_TRUE(ReadFile(Path() + "/" + name) == bytes) << name;
  }
  EXPECT_EQ(StatsOf(db).indexed_row_count, 612u);
  ExpectContents(db);
  // Nothing to do but to calibrate.
  report = docs.BuildIndex();
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->row_count, 0u);
  EXPECT_FALSE(report->trained);
  // Another number of lists, or the wish, trains anew; the old files go.
  report = docs.BuildIndex({.list_count = 5});
  VDB_ASSERT_OK(report);
  EXPECT_TRUE(report->trained);
  EXPECT_EQ(report->row_count, 612u);
  VDB_ASSERT_OK(docs.BuildIndex({.list_count = 5, .retrain = true}));
  EXPECT_EQ(Files(".vdbe").size(), 1u);
  EXPECT_EQ(Files(".ivf").size(), Files(".npy").size());
  ExpectContents(db);
  // Four times the rows train anew.
  PutSome(docs, "more", 2000);
  report = docs.BuildIndex();
  VDB_ASSERT_OK(report);
  EXPECT_TRUE(report->trained);
  ExpectContents(db);
}

TEST_F(IndexTest, ManySmallUpdatesDoNotLeaveManySmallSegments) {
  options_.segment_rows_max = 1000;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 500);
  VDB_ASSERT_OK(docs.BuildIndex());
  for (int i = 0; i < 12; ++i) {
    PutSome(docs, "n" + std::to_string(i) + ".", 8);
    VDB_ASSERT_OK(docs.BuildIndex());
  }
  EXPECT_LE(Files(".ivf").size(), 5u);
  ExpectContents(db);
}

TEST_F(IndexTest, DropLeavesTheRows) {
  auto db = Open();
  auto docs = Make(db);
  EXPECT_EQ(docs.DropIndex().code(), StatusCode::kNotFound);
  PutSome(docs, "k", 200);
  VDB_ASSERT_OK(docs.BuildIndex());
  const std::string hash = *db.ContentHash();
  VDB_ASSERT_OK(docs.DropIndex());
  EXPECT_TRUE(Files(".ivf").empty());
  EXPECT_TRUE(Files(".vdbe").empty());
  EXPECT_FALSE(docs.Stats()->columns[0].index.has_value());
  EXPECT_EQ(*db.ContentHash(), hash);
  ExpectContents(db);
  EXPECT_EQ(docs.DropIndex("nope").code(), StatusCode::kNotFound);
  VDB_ASSERT_OK(docs.BuildIndex());
  VDB_ASSERT_OK(docs.DropColumn("v"));
  EXPECT_TRUE(Files(".npy").empty());
  EXPECT_TRUE(Files(".ivf").empty());
  EXPECT_TRUE(Files(".vdbe").empty());
  ExpectClean(db);
}

TEST_F(IndexTest, CancelledAtAnyStageItLeavesTheOldState) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 300);
  const auto cancel_at = [&](const std::string& stage) {
    SCOPED_TRACE(stage);
    IndexOptions options;
    options.list_count = 7;
    options.retrain = true;
    options.progress = [stage](const Progress& progress) { return progress.stage != stage; };
    EXPECT_EQ(docs.BuildIndex(options).status().code(), StatusCode::kCancelled);
  };
  for (const char* stage : {"train", "assign", "write", "calibrate"}) {
    cancel_at(stage);
    EXPECT_TRUE(Files(".ivf").empty());
    EXPECT_TRUE(Files(".vdbe").empty());
    EXPECT_EQ(Files(".npy").size(), 6u);
    ExpectContents(db);
  }
  VDB_ASSERT_OK(docs.BuildIndex());
  const auto lists = Files(".ivf"), epochs = Files(".vdbe");
  for (const char* stage : {"train", "assign", "write", "calibrate"}) {
    cancel_at(stage);
    EXPECT_EQ(Files(".ivf"), lists);
    EXPECT_EQ(Files(".vdbe"), epochs);
    ExpectContents(db);
  }
}

TEST_F(IndexTest, DamagedFilesOnlyMakeSearchesSlower) {
  {
    auto db = Open();
    auto docs = Make(db);
    PutSome(docs, "k", 300);
    VDB_ASSERT_OK(docs.BuildIndex({.list_count = 6}));
  }
  const auto flip = [](size_t at) {
    return [at](const fs::path& path) {
      std::string bytes = ReadFile(path);
      bytes[at * bytes.size() / 100] ^= 4;
      WriteFile(path, bytes);
    };
  };
  const std::vector<std::function<void(const fs::path&)>> damages = {
      [](const fs::path& path) { fs::remove(path); },
      [](const fs::path& path) { fs::resize_file(path, fs::file_size(path) - 1); },
      flip(0), flip(50), flip(99)};
  for (const char* ending : {".ivf", ".vdbe"}) {
    for (size_t d = 0; d < damages.size(); ++d) {
      SCOPED_TRACE(std::string(ending) + " " + std::to_string(d));
      const std::string name = *Files(ending).begin();
      damages[d](Path() + "/" + name);
      {
        auto reader = OpenReadOnly();
        VDB_ASSERT_OK(reader);
        ExpectContents(*reader, /*clean=*/false);
      }
      auto db = Open(false);
      ExpectContents(db, /*clean=*/false);
      auto found = db.Verify();
      VDB_ASSERT_OK(found);
      ASSERT_EQ(found->problem_count, 1u);
      EXPECT_EQ(found->problems[0].file, name);
      auto docs = *db.OpenCollection("docs");
      auto report = docs.BuildIndex();
      VDB_ASSERT_OK(report);
      EXPECT_EQ(report->trained, ending == std::string(".vdbe"));
      ExpectContents(db);
      EXPECT_FALSE(StatsOf(db).stale) << StatsOf(db).advice;
    }
  }
}

TEST_F(IndexTest, TwoColumnsHaveTheirOwnIndexes) {
  auto db = Open();
  auto docs = Make(db, Metric::kCosine);
  PutSome(docs, "k", 150);
  VDB_ASSERT_OK(docs.AddColumn("w", {.dimension = 3, .metric = Metric::kDot}));
  for (int i = 149; i >= 0; --i) {  // filled backwards: docnos descend
    const std::vector<float> w = {float(i), 1, float(i % 5)};
    VDB_ASSERT_OK(docs.SetVector("k" + std::to_string(i), "w", w));
  }
  VDB_ASSERT_OK(docs.BuildIndex({.column = "w"}));
  EXPECT_EQ(Nearest(docs, {1, 0, 0}, 2, "w"), (std::vector<std::string>{"k149", "k148"}));
  VDB_ASSERT_OK(docs.BuildIndex());
  EXPECT_EQ(Files(".vdbe").size(), 2u);
  VDB_ASSERT_OK(docs.Delete("k149"));
  EXPECT_EQ(Nearest(docs, {1, 0, 0}, 1, "w"), std::vector<std::string>{"k148"});
  VDB_ASSERT_OK(docs.BuildIndex({.column = "w", .retrain = true}));
  VDB_ASSERT_OK(docs.DropIndex("v"));
  EXPECT_EQ(Files(".vdbe").size(), 1u);
  EXPECT_EQ(StatsOf(db, 1).indexed_row_count, 149u);
  ExpectClean(db);
  VDB_ASSERT_OK(db.Close());
  auto again = Open(false);
  auto reopened = *again.OpenCollection("docs");
  EXPECT_EQ(Nearest(reopened, {1, 0, 0}, 2, "w"), (std::vector<std::string>{"k148", "k147"}));
  ExpectClean(again);
}

TEST_F(IndexTest, ZeroRowsAndHugeNorms) {
  for (const Metric metric : {Metric::kDot, Metric::kL2}) {
    SCOPED_TRACE(MetricName(metric));
    fs::remove_all(Path());
    model_.clear();
    auto db = Open();
    auto docs = Make(db, metric);
    PutSome(docs, "k", 130);
    for (int i = 0; i < 5; ++i) PutOne(docs, "zero" + std::to_string(i), std::vector<float>(12));
    for (int i = 0; i < 5; ++i) {
      PutOne(docs, "huge" + std::to_string(i), std::vector<float>(12, 1e18f * float(i + 1)));
      PutOne(docs, "tiny" + std::to_string(i), std::vector<float>(12, 1e-30f));
    }
    VDB_ASSERT_OK(docs.BuildIndex({.list_count = 4}));
    ExpectContents(db);
    PutOne(docs, "huge", std::vector<float>(12, -3e18f));
    VDB_ASSERT_OK(docs.BuildIndex());
    ExpectContents(db);
  }
}

TEST_F(IndexTest, ColumnsWithoutRows) {
  auto db = Open();
  auto docs = Make(db);
  auto report = docs.BuildIndex();
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->row_count, 0u);
  PutSome(docs, "k", 100);
  VDB_ASSERT_OK(docs.BuildIndex());
  for (int i = 0; i < 100; ++i) DeleteOne(docs, "k" + std::to_string(i));
  ExpectContents(db);
  VDB_ASSERT_OK(docs.BuildIndex());
  EXPECT_TRUE(Files(".npy").empty());
  EXPECT_TRUE(Files(".vdbe").empty());
  ExpectContents(db);
  PutSome(docs, "again", 3);
  VDB_ASSERT_OK(docs.BuildIndex({.list_count = 50}));
  EXPECT_EQ(StatsOf(db).list_count, 3u);
  ExpectContents(db);
}

TEST_F(IndexTest, OneBuildAtATimeAndNoneWithoutAWriter) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  IndexOptions options;
  Status second, dropped, closed;
  options.progress = [&](const Progress&) {
    second = docs.BuildIndex().status();
    dropped = docs.DropIndex();
    closed = db.Close();
    return true;
  };
  VDB_ASSERT_OK(docs.BuildIndex(options));
  EXPECT_EQ(second.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(dropped.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(closed.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(docs.BuildIndex({.list_count = 1u << 30}).status().code(),
            StatusCode::kInvalidArgument);
  const std::vector<float> query = {1, 2};
  EXPECT_EQ(docs.BuildIndex({.queries = VectorView(query)}).status().code(),
            StatusCode::kInvalidArgument);
  auto reader = OpenReadOnly();
  VDB_ASSERT_OK(reader);
  EXPECT_EQ(reader->OpenCollection("docs")->BuildIndex().status().code(),
            StatusCode::kFailedPrecondition);
  ExpectContents(db);
}

TEST_F(IndexTest, AColumnDroppedDuringItsBuild) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  bool dropped = false;
  IndexOptions options;
  options.progress = [&](const Progress& progress) {
    if (progress.stage == "calibrate" && progress.total_count == 0 && !dropped) {
      dropped = true;
      VDB_EXPECT_OK(docs.DropColumn("v"));
    }
    return true;
  };
  EXPECT_EQ(docs.BuildIndex(options).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(Files(".npy").empty());
  EXPECT_TRUE(Files(".ivf").empty());
  EXPECT_TRUE(Files(".vdbe").empty());
  ExpectClean(db);
}

// A snapshot reads what it saw, through builds that replace every file of it.
TEST_F(IndexTest, SnapshotsOutliveTheirFiles) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  VDB_ASSERT_OK(docs.BuildIndex({.list_count = 5}));
  const std::vector<float> query = model_.at("k17");
  {
    auto snapshot = db.GetSnapshot();
    VDB_ASSERT_OK(snapshot);
    DeleteOne(docs, "k17");
    for (int i = 0; i < 2; ++i) VDB_ASSERT_OK(docs.BuildIndex({.list_count = 4, .retrain = true}));
    auto found = docs.Search(VectorView(query), {.k = 1, .snapshot = &*snapshot});
    VDB_ASSERT_OK(found);
    EXPECT_EQ(found->answers[0].hits[0].key, "k17");
    EXPECT_EQ(docs.Search(VectorView(query), {.k = 200})->answers[0].hits.size(), 199u);
  }
  ExpectContents(db);
}

TEST_F(IndexTest, TheBackgroundThreadTakesRowsIn) {
  options_.user.background_jobs = true;
  options_.indexer_rows_min = 120;
  options_.indexer_pause_ms = 10;
  auto db = Open();
  auto docs = Make(db);
  const auto wait_for = [&](uint64_t indexed) {
    for (int i = 0; i < 2000; ++i) {
      const auto stats = docs.Stats()->columns[0].index;
      if (stats && stats->indexed_row_count >= indexed) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  };
  PutSome(docs, "k", 100);  // too few
  PutSome(docs, "more", 200);
  EXPECT_TRUE(wait_for(180));  // up to 120 may be left: a build may have begun between the puts
  PutSome(docs, "again", 300);
  EXPECT_TRUE(wait_for(450));
  ExpectContents(db);
  for (int i = 0; i < 3; ++i) {  // whatever it is doing, Close ends it
    PutSome(docs, "last" + std::to_string(i), 400);
    VDB_ASSERT_OK(db.Close());
    db = Open(false);
    docs = *db.OpenCollection("docs");
  }
  ExpectContents(db);
}

TEST_F(IndexTest, OwnQueriesCalibrate) {
  auto db = Open();
  auto docs = Make(db, Metric::kCosine);
  PutSome(docs, "k", 400);
  std::vector<float> queries;
  for (int i = 0; i < 60; ++i) {
    const auto one = RandomVector(&random_);
    queries.insert(queries.end(), one.begin(), one.end());
  }
  auto report = docs.BuildIndex({.list_count = 8, .queries = {queries.data(), 60, kDimension}});
  VDB_ASSERT_OK(report);
  EXPECT_EQ(StatsOf(db).calibration_query_count, 60u);
  EXPECT_EQ(StatsOf(db).recalls_proven, report->recalls_proven);
  ExpectContents(db);
}

}  // namespace
}  // namespace vdb::testing
