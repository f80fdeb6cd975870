// vdbtool import: every format, refusals that name file and row and write nothing, imports that are
// repeated or were interrupted.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/support/thinning.h"
#include "tests/tools/tool_runner.h"

namespace vdb::tools {
namespace {

using Strings = std::vector<std::string>;

class ImportTest : public ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    Ok({"create", db()});
  }
  std::string Vectors(const std::string& collection, const std::string& key) {
    return Field(Ok({"get", db(), collection, key, "--json"}), "vectors");
  }
  // Expects the import to be refused and the database to stay as it is.
  void Refused(const Strings& arguments, const Strings& words) {
    const std::string before = ContentHash(), list = Ok({"list", db(), "--json"});
    Strings all{"import", db()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    Fails(all, words);
    EXPECT_EQ(ContentHash(), before);
    EXPECT_EQ(Ok({"list", db(), "--json"}), list);
  }
};

std::vector<std::vector<float>> RandomRows(size_t rows, size_t dimension) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> all(rows, std::vector<float>(dimension));
  for (auto& row : all) {
    for (float& value : row) value = normal(random);
  }
  return all;
}

TEST_F(ImportTest, VectorFilesWithoutKeys) {
  const std::string report =
      Ok({"import", db(), "a", WriteFile("x.fvecs", Fvecs({{1, 2}, {3, 4}})), "--json"});
  EXPECT_TRUE(IsJsonLines(report));
  EXPECT_EQ(Field(report, "documents"), "2");
  EXPECT_EQ(Vectors("a", "0"), "{\"vector\": [1, 2]}");
  EXPECT_EQ(Vectors("a", "1"), "{\"vector\": [3, 4]}");
  Ok({"import", db(), "b", WriteFile("x.npy", Npy<float>({{1, 2}, {3, 4}}, "<f4")), "--column", "w",
      "--metric", "l2", "--model", "m"});
  EXPECT_EQ(Vectors("b", "1"), "{\"w\": [3, 4]}");
  EXPECT_NE(Ok({"list", db(), "--json"}).find(R"("metric": "l2", "model": "m")"),
            std::string::npos);
  Ok({"import", db(), "d", WriteFile("y.npy", Npy<double>({{0.1, 2}, {3, 1e-300}}, "<f8"))});
  EXPECT_EQ(Vectors("d", "0"), "{\"vector\": [0.1, 2]}");
  EXPECT_NE(Ok({"import", db(), "e", WriteFile("none.fvecs", "")}).find("imported 0 documents"),
            std::string::npos);
  Ok({"verify", db()});
}

TEST_F(ImportTest, KeysFiles) {
  const std::string vectors = WriteFile("x.fvecs", Fvecs({{1, 2}, {3, 4}, {5, 6}}));
  Ok({"import", db(), "a", vectors, "--keys", WriteFile("keys", "one\ntwo\r\n\xFF\xFE\n")});
  EXPECT_EQ(Vectors("a", "two\r"), "{\"vector\": [3, 4]}");
  EXPECT_EQ(Vectors("a", "\xFF\xFE"), "{\"vector\": [5, 6]}");
  Ok({"import", db(), "b", vectors, "--keys", WriteFile("json", "\"a\\nb\"\n\"\\udcff\"\n\"c\"")});
  EXPECT_EQ(Vectors("b", "a\nb"), "{\"vector\": [1, 2]}");
  EXPECT_EQ(Vectors("b", "\xFF"), "{\"vector\": [3, 4]}");
  Refused({"c", vectors, "--keys", WriteFile("two", "a\nb\n")},
          {"expected 3 keys", "found 2", "two"});
  Refused({"c", vectors, "--keys", WriteFile("gap", "a\n\nb\n")}, {"line 2", "found 0"});
  Refused({"c", vectors, "--keys", WriteFile("long", "a\nb\n" + std::string(65537, 'k'))},
          {"line 3", "65537"});
  Refused({"c", vectors, "--keys", Path("missing")}, {"missing"});
}

TEST_F(ImportTest, LaterRowOfAKeyWins) {
  std::vector<std::vector<float>> rows;
  std::string keys, lines;
  const int count = testing::Thinning() > 1 ? 700 : 5000;
  for (int i = 0; i < count; ++i) {
    rows.push_back({1.0f, static_cast<float>(i)});
    keys += "k" + std::to_string(i % 7) + "\n";
    lines += "{\"id\": \"k" + std::to_string(i % 7) + "\", \"vector\": [1, " + std::to_string(i) +
             "]}\n";
  }
  Ok({"import", db(), "a", WriteFile("x.fvecs", Fvecs(rows)), "--keys", WriteFile("keys", keys),
      "--batch-rows", "10", "--metric", "dot"});
  Ok({"import", db(), "b", WriteFile("x.jsonl", lines), "--batch-rows", "10", "--metric", "dot"});
  for (int i = count - 7; i < count; ++i) {
    const std::string expected = "{\"vector\": [1, " + std::to_string(i) + "]}";
    EXPECT_EQ(Vectors("a", "k" + std::to_string(i % 7)), expected);
    EXPECT_EQ(Vectors("b", "k" + std::to_string(i % 7)), expected);
  }
  Ok({"verify", db()});
}

TEST_F(ImportTest, JsonLines) {
  Ok({"import", db(), "a",
      WriteFile(
          "x.jsonl",
          "\xEF\xBB\xBF{\"id\": \"k1\", \"metadata\": {\"b\": 1, \"a\": [2.0]}, \"body\": \"t\", "
          "\"vectors\": {\"v\": [1, 2], \"w\": [3]}}\n\n  \r\n"
          "{\"id\": 7, \"vector\": [1, 2, 3]}\r\n"
          "{\"id\": \"bare\", \"metadata\": null, \"body\": null, \"vectors\": {\"v\": null}}")});
  const std::string k1 = Ok({"get", db(), "a", "k1", "--json"});
  EXPECT_EQ(Field(k1, "metadata"), "{\"a\":[2.0],\"b\":1}");
  EXPECT_EQ(Field(k1, "body"), "\"t\"");
  EXPECT_EQ(Field(k1, "vectors"), "{\"v\": [1, 2], \"w\": [3]}");
  EXPECT_EQ(Vectors("a", "7"), "{\"vector\": [1, 2, 3]}");
  EXPECT_EQ(Vectors("a", "bare"), "{}");
  EXPECT_EQ(Field(Ok({"list", db(), "--json"}), "documents"), "3");
}

TEST_F(ImportTest, RefusesJsonLinesAndNamesTheLine) {
  const auto file = [&](const std::string& second) {
    return WriteFile("x.jsonl", "{\"id\": \"ok\", \"vector\": [1, 2]}\n" + second + "\n");
  };
  Refused({"c", file("{\"id\": \"k\", \"vector\": [1, 2}")}, {"x.jsonl", "line 2", "at byte 27"});
  Refused({"c", file("{\"id\": \"k\", \"vector\": [1, 2, 3]}")},
          {"line 2", "'vector'", "dimension 2", "found 3"});
  Refused({"c", file("{\"id\": \"k\", \"vector\": [1, NaN]}")}, {"line 2", "NaN"});
  Refused({"c", file("{\"id\": \"k\", \"vector\": [1, 1e40]}")}, {"line 2", "float32"});
  Refused({"c", file("{\"id\": \"k\", \"vector\": [0, 0]}")}, {"line 2", "zero"});
  Refused({"c", file("{\"id\": \"k\", \"vector\": []}")}, {"line 2", "found 0"});
  Refused({"c", file("{\"id\": \"k\", \"vektor\": [1, 2]}")}, {"line 2", "'vektor'"});
  Refused({"c", file("{\"vector\": [1, 2]}")}, {"line 2", "'id'"});
  Refused({"c", file("{\"id\": \"\", \"vector\": [1, 2]}")}, {"line 2", "key", "found 0"});
  Refused({"c", file("{\"id\": \"" + std::string(65537, 'k') + "\"}")}, {"line 2", "65537"});
  Refused({"c", file("{\"id\": \"k\", \"metadata\": {\"a\": 1e400}}")}, {"line 2", "double"});
  Refused({"c", file("{\"id\": \"k\", \"metadata\": {\"a\": 99999999999999999999}}")},
          {"line 2", "as a string"});
  Refused({"c", file("not json")}, {"line 2", "expected '{'"});
  Refused({"c", file("{}"), "--keys", file("{}")}, {"keys file"});
  Refused({"\xFF", file("{\"id\":1}")}, {"UTF-8"});
}

TEST_F(ImportTest, RefusesVectorFilesAndNamesTheRow) {
  const float nan = std::nanf(""), infinity = HUGE_VALF;
  Refused({"c", WriteFile("n.fvecs", Fvecs({{1, 2}, {1, nan}}))}, {"n.fvecs", "row 1", "NaN"});
  Refused({"c", WriteFile("i.fvecs", Fvecs({{1, 2}, {infinity, 1}}))}, {"row 1", "infinity"});
  Refused({"c", WriteFile("z.fvecs", Fvecs({{1, 2}, {0, 0}}))}, {"row 1", "zero"});
  Refused({"c", WriteFile("d.fvecs", Fvecs({{1, 2}, {1, 2, 3}}))},
          {"row 1", "dimension 2", "found 3"});
  Refused({"c", WriteFile("t.fvecs", Fvecs({{1, 2}}) + "xyz")}, {"row 1", "the end of the file"});
  Refused({"c", WriteFile("f.npy", Npy<double>({{1, 2}, {1, 1e300}}, "<f8"))},
          {"row 1", "float32"});
  Refused({"c", WriteFile("b.npy", Npy<float>({{1, 2}}, ">f4"))}, {"b.npy", "'>f4'"});
  Refused({"c", WriteFile("s.npy", Npy<float>({{1, 2}}, "<f8"))}, {"does not fit"});
  Refused({"c", WriteFile("e.npy", "")}, {"e.npy", "magic"});
  Refused({"c", WriteFile("x.txt", "1,2\n")}, {"x.txt", ".jsonl"});
  Refused({"c", Path("missing.fvecs")}, {"missing.fvecs"});
  Refused({"c", WriteFile("g.fvecs", Fvecs({{1, 2}})), "--column", "a\nb"}, {"name"});

  Ok({"import", db(), "c", WriteFile("g.fvecs", Fvecs({{1, 2}}))});
  Refused({"c", WriteFile("w.fvecs", Fvecs({{1, 2, 3}}))},
          {"w.fvecs", "row 0", "'vector'", "dimension 2", "found 3"});
  Refused({"c", Path("g.fvecs"), "--metric", "dot"}, {"cosine", "dot"});
}

// A batch is all or nothing; those before it stay.
TEST_F(ImportTest, BatchesBeforeABadRowStay) {
  auto rows = RandomRows(100, 4);
  rows[57][2] = std::nanf("");
  Fails({"import", db(), "c", WriteFile("x.fvecs", Fvecs(rows)), "--batch-rows", "10"},
        {"row 57", "NaN", "position 2"});
  const std::string found = Field(Ok({"list", db(), "--json"}), "documents");
  EXPECT_GE(std::stoi(found), 50);
  for (int row = 50; row < 60; ++row) Fails({"get", db(), "c", std::to_string(row)}, {});
  for (int row = 0; row < 50; row += 7) Ok({"get", db(), "c", std::to_string(row)});
  Ok({"verify", db()});
}

TEST_F(ImportTest, TwiceIsTheSameAsOnce) {
  const std::string file = WriteFile("x.fvecs", Fvecs(RandomRows(3000, 8)));
  Ok({"import", db(), "c", file});
  const std::string once = ContentHash();
  Ok({"import", db(), "c", file, "--batch-rows", "77"});
  EXPECT_EQ(ContentHash(), once);
  EXPECT_EQ(Field(Ok({"list", db(), "--json"}), "documents"), "3000");
  Ok({"verify", db()});
}

// Killed at different moments, and gone on with: the same as an import in one piece, bad rows too.
TEST_F(ImportTest, KilledImportIsResumed) {
  std::string lines;
  int number = 0;
  for (const auto& row : RandomRows(20000, 8)) {
    if (++number % 1000 == 0) {
      lines += "bad " + std::to_string(number) + "\n";
      continue;
    }
    lines += "{\"id\": " + std::to_string(number) + ", \"vector\": [";
    for (const float value : row) lines += std::to_string(value) + ",";
    lines.back() = ']';
    lines += "}\n";
  }
  const std::string file = WriteFile("x.jsonl", lines);
  const auto arguments = [&](const std::string& database, const std::string& bad) {
    return Strings{"import", database, "c", file, "--batch-rows", "50", "--skip-bad",
                   "--quarantine", bad, "--resume", "--json"};
  };
  ToolResult result;
  uint64_t resumed = 0;
  for (int kill_after_ms = 20; kill_after_ms < 5000; kill_after_ms += 60) {
    result = RunTool(arguments(db(), Path("bad")), "", kill_after_ms);
    if (result.code != 128 + 9) break;
  }
  ASSERT_EQ(result.code, 3) << result.err;
  resumed = std::stoull(Field(result.out, "resumed"));
  EXPECT_EQ(resumed + std::stoull(Field(result.out, "documents")), 20000u - 20u +
            (resumed > 0 ? resumed / 1000 : 0));
  Ok({"create", Path("clean.vdb")});
  EXPECT_EQ(RunTool(arguments(Path("clean.vdb"), Path("bad2"))).code, 3);
  EXPECT_EQ(ContentHash(), Field(Ok({"stats", Path("clean.vdb"), "--json"}), "content_hash"));
  const auto read = [](const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  EXPECT_EQ(read(Path("bad")), read(Path("bad2")));
  Ok({"verify", db()});
}

TEST_F(ImportTest, StdinAndWhatGoesTogether) {
  Ok({"import", db(), "c", "-", "--format", "csv"}, "id,v\na,[1 2]\n");
  EXPECT_EQ(Vectors("c", "a"), "{\"vector\": [1, 2]}");
  Ok({"import", db(), "c", "-", "--format", "fvecs"}, Fvecs({{3, 4}}));
  EXPECT_EQ(Vectors("c", "0"), "{\"vector\": [3, 4]}");
  Misused({"import", db(), "c", "-"});
  Misused({"import", db(), "c", "-", "--format", "csv", "--resume"});
  Misused({"import", db(), "c"});
  Misused({"import", db(), "--from-db"});
  Misused({"import", db(), "c", "x.csv", "--from-db", "other"});
  Misused({"import", db(), "c", "x.csv", "--if-absent", "--upsert"});
  Misused({"import", db(), "c", "x.csv", "--quarantine", "q"});
  const std::string before = ContentHash();
  const std::string dry = Ok({"import", db(), "d", WriteFile("x.csv", "id,v\na,[1 2 3]\n"),
                              "--dry-run", "--json"});
  EXPECT_TRUE(IsJsonLines(dry));
  EXPECT_EQ(Field(dry, "dimension"), "3");
  EXPECT_EQ(ContentHash(), before);
}

TEST_F(ImportTest, ExportAndBack) {
  Ok({"import", db(), "c", "-", "--format", "jsonl", "--metric", "l2"},
     "{\"id\": \"a\", \"metadata\": {\"n\": 1}, \"vector\": [3, 4]}\n"
     "{\"id\": \"b\", \"body\": \"\\udc80\"}\n");
  const std::string all = Ok({"export", db(), "c", "-"});
  EXPECT_TRUE(IsJsonLines(all));
  const std::string report = Ok({"export", db(), "c", Path("out.jsonl"), "--json"});
  EXPECT_EQ(Field(report, "documents"), "2");
  Ok({"export", db(), Path("all")});
  Ok({"export", db(), "c", Path("out.fvecs")});
  EXPECT_NE(Ok({"export", db(), "c", "-", "--filter", "n = 1", "--plain-vectors"})
                .find("\"metadata\": {\"n\":1}, \"vectors\": {\"vector\": [3, 4]}}"),
            std::string::npos);
  for (const Strings& from : {Strings{"c", Path("out.jsonl")}, Strings{"--from-db", Path("all")},
                              Strings{"--from-db", db()}}) {
    const std::string copy = Path("copy.vdb");
    std::filesystem::remove_all(copy);
    Ok({"create", copy});
    Strings arguments{"import", copy};
    arguments.insert(arguments.end(), from.begin(), from.end());
    Ok(arguments);
    EXPECT_EQ(Field(Ok({"stats", copy, "--json"}), "content_hash"), ContentHash()) << from[0];
  }
  Misused({"export", db(), "-"});
  Misused({"export", db()});
  Misused({"export", db(), "c", "-", "--json"});
  Misused({"export", db(), "c", "-", "--filter", "n ="});
  Fails({"export", db(), "c", Path("x.csv")}, {"x.csv", ".jsonl"});
  Fails({"export", db(), "none", "-"}, {"none"});
  Fails({"export", db(), Path("all")}, {"all", "not empty"});
}

TEST_F(ImportTest, InterruptedImportIsRunAgain) {
  std::string lines;
  int number = 0;
  for (const auto& row : RandomRows(20000, 8)) {
    lines += "{\"id\": " + std::to_string(number++) + ", \"metadata\": {\"n\": 1}, \"vector\": [";
    for (const float value : row) lines += std::to_string(value) + ",";
    lines.back() = ']';
    lines += "}\n";
  }
  const std::string file = WriteFile("x.jsonl", lines);
  for (const int kill_after_ms : {5, 30, 80, 150, 300}) {
    const ToolResult killed =
        RunTool({"import", db(), "c", file, "--batch-rows", "50"}, "", kill_after_ms);
    if (killed.code == 0) break;
    EXPECT_EQ(killed.code, 128 + 9) << killed.err;
    RunTool({"list", db(), "--json"});
  }
  Ok({"import", db(), "c", file});
  const std::string after = ContentHash();
  Ok({"verify", db()});
  Ok({"create", Path("clean.vdb")});
  Ok({"import", Path("clean.vdb"), "c", file});
  EXPECT_EQ(Field(Ok({"stats", Path("clean.vdb"), "--json"}), "content_hash"), after);
}

}  // namespace
}  // namespace vdb::tools
