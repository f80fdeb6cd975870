// Jobs of a database, their history, and metrics.
#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "tests/engine/engine_fixture.h"

namespace vdb::testing {
namespace {

using ::testing::HasSubstr;

class JobsTest : public EngineTest {
 protected:
  static void Fill(Collection& docs, int count) {
    WriteBatch batch;
    for (int i = 0; i < count; ++i) {
      const std::vector<float> v = {float(i), 1};
      batch.Put({.key = "k" + std::to_string(i), .metadata = R"({"n":1})", .vectors = {{"v", v}}});
    }
    VDB_ASSERT_OK(docs.Write(batch));
  }
};

TEST_F(JobsTest, EveryKindRunsInTheBackground) {
  {
    auto db = Open();
    Collection docs = MakeDocs(db);
    Fill(docs, 300);
    std::vector<uint64_t> ids;
    for (const JobRequest& request :
         {JobRequest{.kind = JobKind::kIndexBuild, .collection = "docs"},
          JobRequest{.kind = JobKind::kFieldIndexBuild, .collection = "docs", .field = "n"},
          JobRequest{.kind = JobKind::kCompaction},
          JobRequest{.kind = JobKind::kBackup, .directory = scratch_ / "backup"}}) {
      const auto id = db.StartJob(request);
      VDB_ASSERT_OK(id);
      ids.push_back(*id);
    }
    for (const uint64_t id : ids) VDB_EXPECT_OK(db.WaitForJob(id));
    EXPECT_TRUE(docs.Stats()->columns[0].index.has_value());
    EXPECT_TRUE(docs.FieldIndexes()->at(0).ready);
    EXPECT_EQ(ListBackups(scratch_ / "backup")->size(), 1u);
    EXPECT_EQ(db.StartJob({.kind = JobKind::kIndexBuild, .collection = "none"}).status().code(),
              StatusCode::kNotFound);
    VDB_ASSERT_OK(docs.BuildIndex());  // waited for, and a job as well
    EXPECT_EQ(docs.BuildIndex({.column = "none"}).status().code(), StatusCode::kNotFound);
    VDB_ASSERT_OK(db.Close());
  }
  for (const bool read_only : {true, false}) {
    auto db = read_only ? OpenReadOnly() : StatusOr<Database>(Open(false));
    VDB_ASSERT_OK(db);
    const auto jobs = *db->Jobs();
    ASSERT_EQ(jobs.size(), 6u);
    EXPECT_EQ(jobs[0].target, "docs");
    EXPECT_TRUE(jobs[0].background);
    EXPECT_EQ(jobs[1].target, "docs/n");
    EXPECT_EQ(jobs[4].state, JobState::kDone);
    EXPECT_FALSE(jobs[4].background);
    EXPECT_EQ(jobs[5].state, JobState::kFailed);
    EXPECT_THAT(jobs[5].message, HasSubstr("no column 'none'"));
    ExpectClean(*db);
  }
}

TEST_F(JobsTest, CloseEndsWhatRuns) {
  auto db = Open();
  Collection docs = MakeDocs(db);
  Fill(docs, 3000);
  VDB_ASSERT_OK(db.PauseJobs());
  VDB_ASSERT_OK(db.StartJob({.kind = JobKind::kIndexBuild, .collection = "docs"}));
  VDB_ASSERT_OK(db.Close());
  auto again = Open(false);
  EXPECT_EQ(again.Jobs()->back().state, JobState::kCancelled);
}

TEST_F(JobsTest, MetricsCountWhatHappened) {
  options_.user.slow_query_ms = 1;
  std::vector<std::string> lines;
  std::mutex mutex;
  options_.user.logger = [&](LogLevel level, std::string_view line) {
    const std::lock_guard lock(mutex);
    if (level == LogLevel::kWarning) lines.emplace_back(line);
  };
  auto db = Open();
  Collection docs = MakeDocs(db);
  Fill(docs, 40'000);
  VDB_ASSERT_OK(docs.Delete("k1"));
  EXPECT_FALSE(docs.Put({.key = ""}).ok());
  EXPECT_FALSE(docs.Delete("none").ok());
  VDB_ASSERT_OK(docs.Get("k2"));
  const std::vector<float> query(2 * 64, 3.f);
  auto answers = docs.Search(MatrixView(query.data(), 64, 2), {.k = 3});
  VDB_ASSERT_OK(answers);
  EXPECT_TRUE(answers->explains.empty());
  VDB_ASSERT_OK(docs.Query({.filter = *Filter::Parse("n = 1 and not n = 2"),
                            .order_by = {.field = "n"}}));
  const Metrics metrics = *db.GetMetrics();
  EXPECT_EQ(metrics.batches_committed, 2u);
  EXPECT_EQ(metrics.batches_refused, 1u);  // the other was no batch
  EXPECT_EQ(metrics.documents_put, 40'000u);
  EXPECT_EQ(metrics.documents_deleted, 1u);
  EXPECT_EQ(metrics.rows_written, 40'000u);
  EXPECT_EQ(metrics.document_count, 39'999u);
  EXPECT_EQ(metrics.searches_exact, 64u);
  EXPECT_EQ(metrics.search.count, 1u);
  EXPECT_EQ(metrics.query.count, 1u);
  EXPECT_EQ(metrics.read.count, 1u);
  EXPECT_GE(metrics.slow_query_count, 1u);  // a sort of 39,999 documents without an index
  const std::lock_guard lock(mutex);
  const auto logged = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.starts_with("slow query") && line.find("sort by n") != std::string::npos;
  });
  EXPECT_NE(logged, lines.end());
}

TEST_F(JobsTest, LatencyQuantilesAreUpperBounds) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.QuantileSeconds(0.99), 0);
  histogram.counts[3] = 98;  // below 8 us
  histogram.counts[10] = 2;  // below 1,024 us
  histogram.count = 100;
  EXPECT_DOUBLE_EQ(histogram.QuantileSeconds(0.5), 8e-6);
  EXPECT_DOUBLE_EQ(histogram.QuantileSeconds(0.98), 8e-6);
  EXPECT_DOUBLE_EQ(histogram.QuantileSeconds(0.99), 1024e-6);
}

// Each line is a comment or a sample; each sample's metric was introduced; buckets add up.
TEST_F(JobsTest, PrometheusTextIsWellFormed) {
  Metrics metrics;
  metrics.write.counts[0] = 2;
  metrics.write.counts[5] = 3;
  metrics.write.counts[31] = 1;
  metrics.write.count = 6;
  metrics.documents_put = 7;
  std::istringstream text(PrometheusText(metrics));
  const std::regex type(R"(# TYPE (vdb_[a-z_]+) (counter|gauge|histogram))");
  const std::regex sample(
      R"re((vdb_[a-z_]+?)(_bucket|_sum|_count)?(\{le="[^"]+"\})? [0-9.e+-]+)re");
  std::set<std::string> known;
  std::string line;
  std::smatch match;
  size_t samples = 0;
  while (std::getline(text, line)) {
    if (std::regex_match(line, match, type)) {
      EXPECT_TRUE(known.insert(match[1]).second) << line;
    } else if (!line.starts_with("# HELP ")) {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      const std::string whole = line.substr(0, line.find_first_of("{ "));
      EXPECT_TRUE(known.contains(match[1]) || known.contains(whole)) << line;
      ++samples;
    }
  }
  EXPECT_GT(samples, 150u);
  const std::string all = PrometheusText(metrics);
  EXPECT_THAT(all, HasSubstr("vdb_write_seconds_bucket{le=\"1e-06\"} 2\n"));
  EXPECT_THAT(all, HasSubstr("vdb_write_seconds_bucket{le=\"3.2e-05\"} 5\n"));
  EXPECT_THAT(all, HasSubstr("vdb_write_seconds_bucket{le=\"+Inf\"} 6\n"));
  EXPECT_THAT(all, HasSubstr("vdb_documents_put_total 7\n"));
}

}  // namespace
}  // namespace vdb::testing
