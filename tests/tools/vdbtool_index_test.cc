// vdbtool index, recall, and search with a goal: reports, JSON, refusals, and the next steps named.
#include <cmath>
#include <random>

#include "tests/tools/tool_runner.h"
#include "vdb/json_text.h"

namespace vdb::tools {
namespace {

using Rows = std::vector<std::vector<float>>;
using Strings = std::vector<std::string>;

// Rows around a few centres, as embeddings lie.
Rows ClusteredRows(size_t count, size_t dimension, uint32_t seed) {
  std::mt19937 centre_random(7);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Rows centres(40, std::vector<float>(dimension));
  for (auto& centre : centres) {
    for (float& value : centre) value = normal(centre_random);
  }
  Rows rows(count, std::vector<float>(dimension));
  for (auto& row : rows) {
    const auto& centre = centres[random() % centres.size()];
    for (size_t i = 0; i < dimension; ++i) row[i] = centre[i] + 0.4f * normal(random);
  }
  return rows;
}

class IndexTest : public ToolTest {
 protected:
  static constexpr size_t kRowCount = 3000;
  static constexpr size_t kDimension = 24;

  void SetUp() override {
    ToolTest::SetUp();
    Ok({"create", db()});
  }
  void Import(size_t count = kRowCount) {
    Ok({"import", db(), "c", WriteFile("x.fvecs", Fvecs(ClusteredRows(count, kDimension, 1))),
        "--batch-rows", "100000", "--json"});
  }
  std::string Queries(size_t count = 40) {
    return WriteFile("q.fvecs", Fvecs(ClusteredRows(count, kDimension, 2)));
  }
  std::string Search(const Strings& flags) {
    Strings all{"search", db(), "c", "--queries", Path("q.fvecs"), "--json"};
    all.insert(all.end(), flags.begin(), flags.end());
    const std::string lines = Ok(all);
    EXPECT_TRUE(IsJsonLines(lines));
    return lines;
  }
  double Number(const std::string& json, const std::string& name) {
    const std::string text = Field(json, name);
    EXPECT_NE(text.find_first_of("0123456789"), std::string::npos) << name << ": " << text;
    return std::strtod(text.c_str(), nullptr);
  }
};

size_t Count(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST_F(IndexTest, HelpIsThereForEveryCommand) {
  for (const char* command : {"build", "drop", "stats"}) {
    EXPECT_NE(Ok({"index", command, "--help"}).find("COLLECTION"), std::string::npos);
  }
  EXPECT_NE(Ok({"index", "build", "--help"}).find("interrupted"), std::string::npos);
  EXPECT_NE(Ok({"recall", "--help"}).find("interval"), std::string::npos);
}

TEST_F(IndexTest, UsageErrorsExitWith2) {
  Misused({"index"});
  Misused({"index", "build", db()});
  Misused({"index", "build", db(), "c", "--nlist", "0"});
  Misused({"index", "build", db(), "c", "--threads", "-1"});
  for (const char* recall : {"0", "-0.5", "1.01", "nan", "inf", "0.9x", "", "95"}) {
    Misused({"search", db(), "c", "--like", "1", std::string("--recall=") + recall});
    Misused({"recall", db(), "c", std::string("--recall=") + recall});
  }
  Misused({"search", db(), "c", "--like", "1", "--exact", "--recall", "0.9"});
  Misused({"search", db(), "c", "--like", "1", "--exact", "--nprobe", "3"});
  Misused({"search", db(), "c", "--like", "1", "--nprobe", "3", "--recall", "0.9"});
  Misused({"search", db(), "c", "--like", "1", "--nprobe", "0"});
  Misused({"recall", db(), "c", "--nprobe", "3", "--recall", "0.9"});
  Misused({"recall", db(), "c", "-k", "0"});
  Misused({"recall", db(), "c", "--samples", "0"});
  Misused({"recall", db(), "c", "--samples", "5", "--queries", "q.fvecs"});
  EXPECT_NE(RunTool({"search", db(), "c", "--like", "1", "--exact", "--recall", "1"}).err.find(
                "--recall and --exact exclude one another"), std::string::npos);
  EXPECT_NE(RunTool({"search", db(), "c", "--like", "1", "--recall", "95"}).err.find(
                "above 0 and up to 1 (1: exact), found 95"), std::string::npos);
}

TEST_F(IndexTest, WithoutAnIndexEverySearchIsExact) {
  Import(100);
  Queries(3);
  const std::string exact = Search({"--exact"});
  EXPECT_EQ(Search({"--recall", "0.9"}), exact);
  EXPECT_EQ(Search({"--nprobe", "3"}), exact);
  EXPECT_EQ(Count(exact, R"("exact": true)"), 3u);
  Fails({"recall", db(), "c"}, {"no index", "every search is exact", "vdbtool index build", "c`"});
  Fails({"index", "drop", db(), "c"}, {"index"});
  const std::string stats = Ok({"index", "stats", db(), "c", "--json"});
  EXPECT_TRUE(IsJsonLines(stats));
  EXPECT_EQ(Field(stats, "index"), "null");
  EXPECT_EQ(Field(stats, "next"), "[]");
  EXPECT_NE(Ok({"index", "stats", db(), "c"}).find("no index: every search is exact"),
            std::string::npos);
}

TEST_F(IndexTest, NamesWhatIsMissing) {
  Import(100);
  for (const char* command : {"build", "drop", "stats"}) {
    Fails({"index", command, Path("nowhere"), "c"}, {"nowhere"});
    Fails({"index", command, db(), "nope"}, {"nope"});
    Fails({"index", command, db(), "c", "--column", "w"}, {"'c'", "'w'", "vdbtool list"});
  }
  Fails({"recall", db(), "nope"}, {"nope"});
  Fails({"recall", db(), "c", "--column", "w"}, {"'w'", "vdbtool list"});
  Ok({"put", db(), "bare", "k"});
  for (const char* command : {"build", "drop", "stats"}) {
    Fails({"index", command, db(), "bare"}, {"'bare'", "default column", "--column"});
  }
}

TEST_F(IndexTest, ColumnsThatAreAlmostEmpty) {
  Ok({"put", db(), "c", "k", "--vector", "v=1,0"});
  Ok({"delete", db(), "c", "k"});
  EXPECT_EQ(Ok({"index", "build", db(), "c"}), "no vectors in c, column v: nothing to index\n");
  EXPECT_EQ(Field(Ok({"index", "build", db(), "c", "--json"}), "epoch"), "0");
  Fails({"recall", db(), "c"}, {"no index"});
  Ok({"put", db(), "c", "k", "--vector", "v=1,0"});
  Ok({"index", "build", db(), "c"});
  Fails({"recall", db(), "c"}, {"at least 2 vectors", "found 1"});
}

TEST_F(IndexTest, ManyRowsOutsideTheIndexAskForABuild) {
  Import(1000);
  Ok({"index", "build", db(), "c", "--nlist", "8"});
  Import(1500);
  const Strings stats{"index", "stats", db(), "c", "--json"};
  EXPECT_EQ(Field(Ok(stats), "stale"), "true");
  EXPECT_EQ(Field(Ok(stats), "next"), "[\"vdbtool index build " + db() + " c\"]");
  EXPECT_NE(Ok({"index", "stats", db(), "c"}).find("\n  advice  "), std::string::npos);
  Ok({"index", "build", db(), "c"});
  EXPECT_EQ(Field(Ok(stats), "next"), "[]");
}

TEST_F(IndexTest, BuildRefusesQueriesThatDoNotFit) {
  Import(100);
  const auto with = [&](const std::string& file) {
    return Strings{"index", "build", db(), "c", "--queries", file};
  };
  Fails(with(WriteFile("none.fvecs", "")), {"none.fvecs", "no vectors", "leave the option out"});
  Fails(with(WriteFile("bad.fvecs", Fvecs({{1, 2}}))), {"bad.fvecs", "expected dimension 24", "2"});
  Fails(with(Path("missing.npy")), {"missing.npy"});
}

TEST_F(IndexTest, BuildReportsAndStatsAgree) {
  Import();
  const std::string report = Ok({"index", "build", db(), "c", "--nlist", "32", "--json"});
  EXPECT_TRUE(IsJsonLines(report));
  EXPECT_EQ(Field(report, "column"), "\"vector\"");
  EXPECT_EQ(Field(report, "trained"), "true");
  EXPECT_EQ(Field(report, "lists"), "32");
  EXPECT_EQ(Field(report, "rows"), std::to_string(kRowCount));
  EXPECT_GT(Number(report, "index_bytes"), 0);
  EXPECT_GT(Number(report, "bytes_per_row"), 0);
  EXPECT_GT(Number(report, "memory_bytes_peak"), 0);
  for (const char* name : {"train_ms", "assign_ms", "write_ms", "sync_ms", "calibrate_ms"}) {
    EXPECT_GE(Number(report, name), 0) << name;
  }
  const std::string stats = Ok({"index", "stats", db(), "c", "--json"});
  EXPECT_TRUE(IsJsonLines(stats));
  for (const char* name : {"epoch", "lists", "recalls_proven"}) {
    EXPECT_EQ(Field(stats, name), Field(report, name)) << name;
  }
  EXPECT_EQ(Field(stats, "indexed_rows"), std::to_string(kRowCount));
  EXPECT_EQ(Field(stats, "unindexed_rows"), "0");
  EXPECT_EQ(Field(stats, "stale"), "false");
  EXPECT_EQ(Field(stats, "next"), "[]");
  const std::string text = Ok({"index", "stats", db(), "c"});
  for (const char* words : {"indexed\n", "lists             32", "recalls proven", "fresh"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  }
  EXPECT_NE(Ok({"stats", db()}).find("index: epoch "), std::string::npos);
  const std::string all = Ok({"stats", db(), "--json"});
  EXPECT_TRUE(IsJsonLines(all));
  EXPECT_EQ(Field(Field(all, "index"), "lists"), "32");
  const std::string kept = Ok({"index", "build", db(), "c", "--json"});
  EXPECT_EQ(Field(kept, "trained"), "false");
  EXPECT_EQ(Field(kept, "rows"), "0");
  const std::string again =
      Ok({"index", "build", db(), "c", "--nlist", "16", "--queries", Queries()});
  EXPECT_NE(again.find("newly trained"), std::string::npos) << again;
  EXPECT_NE(again.find("lists           16"), std::string::npos) << again;
  Ok({"verify", db()});
}

TEST_F(IndexTest, SearchesToEachGoal) {
  Import();
  Queries(5);
  const std::string before = Search({});
  EXPECT_EQ(Count(before, R"("exact": true)"), 5u);
  Ok({"index", "build", db(), "c", "--nlist", "32"});
  EXPECT_EQ(Search({"--exact"}), before);
  EXPECT_EQ(Search({"--recall", "1"}), before);
  const std::string probed = Search({"--nprobe", "2", "--explain"});
  EXPECT_EQ(Count(probed, R"("exact": false)"), 5u);
  EXPECT_EQ(Count(probed, R"("explain": {"plan": "probe")"), 5u) << probed;
  EXPECT_EQ(Count(probed, R"("lists_probed": 2,)"), 5u) << probed;
  EXPECT_EQ(Field(probed, "count"), "10");
  EXPECT_EQ(Search({"--recall", "0.9"}).find("explain"), std::string::npos);
  const std::string text = Ok({"search", db(), "c", "--like", "17", "-k", "2", "--explain"});
  EXPECT_LT(text.find("     2  "), text.find("  explain\n    plan")) << text;
  EXPECT_EQ(Count(text, "of 32"), 1u) << text;

  Ok({"index", "drop", db(), "c"});
  EXPECT_EQ(Search({}), before);
  Fails({"index", "drop", db(), "c"}, {"index"});
  Ok({"verify", db()});
}

TEST_F(IndexTest, RecallIsMeasured) {
  Import();
  Ok({"index", "build", db(), "c", "--nlist", "32"});
  const std::string held_out = Ok({"recall", db(), "c", "--samples", "60", "--nprobe", "2",
                                   "--json"});
  EXPECT_TRUE(IsJsonLines(held_out));
  EXPECT_EQ(Field(held_out, "queries"), "60");
  EXPECT_EQ(Field(held_out, "own_queries"), "false");
  EXPECT_EQ(Field(held_out, "recall_target"), "null");
  EXPECT_EQ(Field(held_out, "exact_answers"), "0");
  const double recall = Number(held_out, "recall"), low = Number(held_out, "recall_low"),
               high = Number(held_out, "recall_high");
  EXPECT_GT(low, 0.3);
  EXPECT_LE(low, recall);
  EXPECT_LE(recall, high);
  EXPECT_LE(high, 1);
  EXPECT_GT(high - low, 0.001);
  EXPECT_LT(high - low, 0.2);
  EXPECT_DOUBLE_EQ(Number(held_out, "lists_probed"), 2);
  EXPECT_GT(Number(held_out, "codes_scanned"), 0);
  EXPECT_GT(Number(held_out, "p50_ms"), 0);
  EXPECT_LE(Number(held_out, "p50_ms"), Number(held_out, "p99_ms"));

  const std::string all = Ok({"recall", db(), "c", "--queries", Queries(), "-k", "5", "--nprobe",
                              "32", "--json"});
  EXPECT_EQ(Field(all, "queries"), "40");
  EXPECT_EQ(Field(all, "own_queries"), "true");
  EXPECT_GT(Number(all, "recall"), 0.98);
  const std::string text = Ok({"recall", db(), "c", "--samples", "30", "--recall", "1"});
  EXPECT_NE(text.find("recall@10"), std::string::npos) << text;
  EXPECT_NE(text.find("1.0000, 95 % interval 0."), std::string::npos) << text;
  EXPECT_NE(text.find("0 approximate, 30 exact"), std::string::npos) << text;
  Fails({"recall", db(), "c", "--queries", WriteFile("none.fvecs", "")}, {"no vectors"});
  Fails({"recall", db(), "c", "--queries", WriteFile("bad.fvecs", Fvecs({{1}}))}, {"dimension"});
}

// A document is left out of its own answer by key: its copies are true neighbours.
TEST_F(IndexTest, RecallCountsDuplicates) {
  Rows rows = ClusteredRows(2000, kDimension, 1);
  for (size_t i = 0; i < 1000; ++i) rows[2 * i + 1] = rows[2 * i];
  Ok({"import", db(), "c", WriteFile("x.fvecs", Fvecs(rows)), "--batch-rows", "100000"});
  Ok({"index", "build", db(), "c", "--nlist", "16"});
  const std::string one = Ok({"recall", db(), "c", "-k", "1", "--nprobe", "1", "--json"});
  EXPECT_DOUBLE_EQ(Number(one, "recall"), 1) << one;  // its copy lies in the same list
  EXPECT_LT(Number(one, "recall_low"), 1);
}

TEST_F(IndexTest, RecallSkipsDocumentsWithoutAVector) {
  Import(1000);
  std::string lines;
  for (int i = 0; i < 2000; ++i) lines += "{\"id\": \"bare" + std::to_string(i) + "\"}\n";
  Ok({"import", db(), "c", WriteFile("bare.jsonl", lines)});
  Ok({"index", "build", db(), "c", "--nlist", "16"});
  const std::string json = Ok({"recall", db(), "c", "--samples", "50", "--json"});
  EXPECT_EQ(Field(json, "queries"), "50");
}

TEST_F(IndexTest, ImportNamesTheNextCommand) {
  const Rows rows = ClusteredRows(20001, 4, 1);
  const std::string few = WriteFile("few.fvecs", Fvecs(Rows(rows.begin(), rows.begin() + 100)));
  EXPECT_EQ(Field(Ok({"import", db(), "few", few, "--json"}), "next"), "[]");
  const std::string many = WriteFile("many.fvecs", Fvecs(rows));
  const Strings plain{"import", db(), "it's", many, "--batch-rows", "100000"};
  const ToolResult text = RunTool(plain);
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.err, "next: vdbtool index build " + db() + " 'it'\\''s'\n");
  Strings with_json = plain;
  with_json.push_back("--json");
  const std::string json = Ok(with_json);  // nothing on stderr
  EXPECT_TRUE(IsJsonLines(json));
  EXPECT_NE(Field(json, "next").find("vdbtool index build"), std::string::npos);
  EXPECT_NE(Ok({"index", "stats", db(), "it's"}).find("next: vdbtool index build"),
            std::string::npos);
  Ok({"index", "build", db(), "it's"});
  EXPECT_EQ(Field(Ok({"index", "stats", db(), "it's", "--json"}), "next"), "[]");
  EXPECT_EQ(Field(Ok({"import", db(), "it's", few, "--json"}), "next"), "[]");
}

TEST_F(IndexTest, TheNextCommandNamesAColumnThatIsNotTheDefault) {
  Ok({"put", db(), "--vector", "v=1,0", "--", "-c", "k"});
  const std::string wide = WriteFile("wide.fvecs", Fvecs(ClusteredRows(700, 12000, 1)));
  const ToolResult result = RunTool({"import", db(), "--column", "my w", "--", "-c", wide});
  EXPECT_EQ(result.err, "next: vdbtool index build --column='my w' -- " + db() + " -c\n");
}

}  // namespace
}  // namespace vdb::tools
