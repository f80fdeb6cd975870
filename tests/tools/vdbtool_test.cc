// vdbtool, as scripts use it: every command, its exit codes, valid JSON, keys of any bytes, and
// refusals that leave the database as it was.
#include <cmath>
#include <filesystem>
#include <fstream>

#include "tests/tools/tool_runner.h"
#include "vdb/json_text.h"

namespace vdb::tools {
namespace {

using Strings = std::vector<std::string>;

class VdbtoolTest : public ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    Ok({"create", db()});
  }
  // Three documents in two dimensions.
  void PutThree() {
    Ok({"put", db(), "c", "east", "--vector", "v=1,0", "--metadata", R"({"n": 1})"});
    Ok({"put", db(), "c", "north", "--vector", "v=0,1", "--body", "up"});
    Ok({"put", db(), "c", "northeast", "--vector", "v=1,1"});
  }
};

TEST_F(VdbtoolTest, HelpAndVersion) {
  for (const char* command : {"create", "import", "put", "get", "delete", "drop", "column",
                              "search", "list", "stats", "verify"}) {
    const std::string help = Ok({command, "--help"});
    EXPECT_NE(help.find(command), std::string::npos) << help;
  }
  for (const char* command : {"add", "drop", "default"}) Ok({"column", command, "--help"});
  EXPECT_NE(Ok({"--help"}).find("search"), std::string::npos);
  EXPECT_NE(Ok({"--version"}).find("vdbtool"), std::string::npos);
}

TEST_F(VdbtoolTest, UsageErrorsExitWith2) {
  Misused({});
  Misused({"frobnicate"});
  Misused({"create"});
  Misused({"get", db(), "c"});
  Misused({"get", db(), "c", "k", "extra"});
  Misused({"list", db(), "--jason"});
  Misused({"search", db(), "c"});
  Misused({"search", db(), "c", "--like", "k", "--queries", "-"});
  Misused({"search", db(), "c", "--like", "k", "-k", "many"});
  Misused({"search", db(), "c", "--like", "k", "-k", "-1"});
  Misused({"search", db(), "c", "--like", "k", "--threads", "-1"});
  Misused({"import", db(), "c", "x.npy", "--metric", "manhattan"});
  Misused({"import", db(), "c", "x.jsonl", "--column", "v"});
  Misused({"import", db(), "c", "x.npy", "--batch-rows", "0"});
  Misused({"put", db(), "c", "k", "--vector", "v"});
  Misused({"put", db(), "c", "k", "--vector", "=1"});
  Misused({"put", db(), "c", "k", "--body", "x", "--body-file", "y"});
  Misused({"column", db()});
  Misused({"column", "add", db(), "c", "v"});
}

TEST_F(VdbtoolTest, CreateRefusesWhatExists) {
  Fails({"create", db()}, {"my.vdb"});
  const std::string other = Path("other.vdb");
  EXPECT_TRUE(IsJsonLines(Ok({"create", other, "--json"})));
  std::filesystem::create_directory(Path("full"));
  WriteFile("full/letter.txt", "dear");
  Fails({"create", Path("full")}, {"full"});
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(Path("full")), {}), 1);
}

TEST_F(VdbtoolTest, WhatIsNoDatabase) {
  for (const char* command : {"list", "stats", "verify"}) {
    Fails({command, Path("nowhere")}, {"nowhere"});
    std::filesystem::create_directory(Path("empty"));
    Fails({command, Path("empty")}, {"empty"});
  }
  Fails({"put", Path("empty"), "c", "k"}, {"empty"});
  Fails({"import", Path("empty"), "c", WriteFile("x.jsonl", "{\"id\":1}\n")}, {"empty"});
  EXPECT_TRUE(std::filesystem::is_empty(Path("empty")));
  EXPECT_FALSE(std::filesystem::exists(Path("nowhere")));
}

TEST_F(VdbtoolTest, PutGetDelete) {
  PutThree();
  const std::string json = Ok({"get", db(), "c", "east", "--json"});
  EXPECT_TRUE(IsJsonLines(json));
  EXPECT_EQ(Field(json, "id"), "\"east\"");
  EXPECT_EQ(Field(json, "metadata"), "{\"n\":1}");
  EXPECT_EQ(Field(json, "body"), "null");
  EXPECT_EQ(Field(json, "vectors"), "{\"v\": [1, 0]}");
  EXPECT_EQ(Field(Ok({"get", db(), "c", "north", "--json"}), "body"), "\"up\"");
  EXPECT_NE(Ok({"get", db(), "c", "north"}).find("body      up\n"), std::string::npos);

  EXPECT_TRUE(IsJsonLines(Ok({"put", db(), "c", "east", "--vector", "v=3,4", "--json"})));
  EXPECT_EQ(Field(Ok({"get", db(), "c", "east", "--json"}), "vectors"), "{\"v\": [3, 4]}");
  EXPECT_EQ(Field(Ok({"get", db(), "c", "east", "--json"}), "metadata"), "{}");

  EXPECT_TRUE(IsJsonLines(Ok({"delete", db(), "c", "east", "--json"})));
  Fails({"get", db(), "c", "east"}, {"east"});
  Fails({"delete", db(), "c", "east"}, {"east"});
  Fails({"get", db(), "other", "north"}, {"other"});
  Ok({"verify", db()});
}

TEST_F(VdbtoolTest, PutReadsBodies) {
  const std::string body("\0\xFF\nx", 4);
  Ok({"put", db(), "c", "k", "--body-file", WriteFile("body", body)});
  EXPECT_EQ(Field(Ok({"get", db(), "c", "k", "--json"}), "body"), "\"\\u0000\\udcff\\nx\"");
  Ok({"put", db(), "c", "k", "--body-file", "-"}, "from stdin");
  EXPECT_EQ(Field(Ok({"get", db(), "c", "k", "--json"}), "body"), "\"from stdin\"");
  Ok({"put", db(), "c", "k", "--body", ""});
  EXPECT_EQ(Field(Ok({"get", db(), "c", "k", "--json"}), "body"), "\"\"");
  Fails({"put", db(), "c", "k", "--body-file", Path("none")}, {"none"});
}

TEST_F(VdbtoolTest, SearchLikeLeavesTheKeyOut) {
  PutThree();
  const std::string json = Ok({"search", db(), "c", "--like", "east", "-k", "2", "--json"});
  EXPECT_TRUE(IsJsonLines(json));
  EXPECT_EQ(json.find("\"east\""), std::string::npos);
  EXPECT_EQ(Field(json, "query"), "0");
  EXPECT_EQ(Field(json, "count"), "2");
  EXPECT_EQ(Field(json, "exact"), "true");
  EXPECT_EQ(json.rfind(R"({"query": 0, "count": 2, "exact": true, "hits": [{"key": "northeast", )"
                       R"("score": 0.70710)", 0), 0u) << json;
  EXPECT_NE(json.find(R"({"key": "north", "score": 0}]})"), std::string::npos) << json;
  const std::string text = Ok({"search", db(), "c", "--like", "east"});
  EXPECT_NE(text.find("query 0: 2 hits, exact\n     1    0.707107  northeast\n"), std::string::npos)
      << text;
  EXPECT_EQ(Field(Ok({"search", db(), "c", "--like", "east", "-k", "0", "--json"}), "hits"), "[]");
  Fails({"search", db(), "c", "--like", "west"}, {"west"});
  Ok({"put", db(), "c", "bare"});
  Fails({"search", db(), "c", "--like", "bare"}, {"bare", "'v'"});
}

// Under dot a document need not be its own best hit.
TEST_F(VdbtoolTest, SearchLikeUnderDot) {
  for (const char* key : {"1", "2", "3", "4"}) {
    Ok({"put", db(), "c", key, "--metric", "dot", "--vector", std::string("v=") + key + ",0"});
  }
  const std::string json = Ok({"search", db(), "c", "--like", "1", "-k", "2", "--json"});
  EXPECT_EQ(Field(json, "hits"), R"([{"key": "4", "score": 4}, {"key": "3", "score": 3}])");
}

TEST_F(VdbtoolTest, SearchReadsQueries) {
  PutThree();
  const Strings search{"search", db(), "c", "-k", "1", "--json", "--exact", "--threads", "1"};
  const auto with = [&](const std::string& file) {
    Strings all = search;
    all.insert(all.end(), {"--queries", file});
    return all;
  };
  const std::string expected =
      R"({"query": 0, "count": 1, "exact": true, "hits": [{"key": "north", "score": 1}]})" "\n"
      R"({"query": 1, "count": 1, "exact": true, "hits": [{"key": "east", "score": 1}]})" "\n";
  EXPECT_EQ(Ok(with(WriteFile("q.fvecs", Fvecs({{0, 2}, {5, 0}})))), expected);
  EXPECT_EQ(Ok(with(WriteFile("q.npy", Npy<float>({{0, 2}, {5, 0}}, "<f4")))), expected);
  EXPECT_EQ(Ok(with(WriteFile("q8.npy", Npy<double>({{0, 2}, {5, 0}}, "<f8")))), expected);
  EXPECT_EQ(Ok(with(WriteFile("q.jsonl", "[0, 2]\n\n [5, 0]\r\n"))), expected);
  EXPECT_EQ(Ok(with("-"), "[0, 2]\n[5, 0]"), expected);
  EXPECT_EQ(Ok(with("-"), ""), "");
  EXPECT_EQ(Ok(with(WriteFile("none.fvecs", ""))), "");
  Fails(with(WriteFile("bad.fvecs", Fvecs({{0, 2, 3}}))), {"dimension", "2", "3"});
  Fails(with(WriteFile("nan.fvecs", Fvecs({{0, std::nanf("")}}))), {"query 0", "not finite"});
  Fails(with(WriteFile("zero.fvecs", Fvecs({{0, 0}}))), {"zero"});
  Fails(with(WriteFile("q.txt", "0 2")), {"q.txt", ".fvecs"});
  Fails(with(Path("missing.npy")), {"missing.npy"});
  Fails(with("-"), {"line 2", "expected 2 numbers, found 1"}, "[0, 2]\n[1]\n");
  Fails(with("-"), {"line 1", "NaN"}, "[NaN, 2]\n");
  Fails(with("-"), {"line 1", "at byte 3"}, "[0 2]\n");
}

TEST_F(VdbtoolTest, ColumnsAndDrop) {
  PutThree();
  EXPECT_TRUE(IsJsonLines(Ok({"column", "add", db(), "c", "w", "--dimension", "3", "--metric", "l2",
                              "--model", "m", "--json"})));
  std::string list = Ok({"list", db(), "--json"});
  EXPECT_TRUE(IsJsonLines(list));
  EXPECT_NE(list.find(R"({"name": "w", "dimension": 3, "metric": "l2", "model": "m", )"
                      R"("default": false, "vectors": 0})"), std::string::npos) << list;
  EXPECT_EQ(Field(list, "documents"), "3");
  EXPECT_NE(Ok({"list", db()}).find("dimension 3, l2, 0 vectors, model m"), std::string::npos);
  Ok({"column", "default", db(), "c", "w"});
  EXPECT_EQ(Field(Ok({"search", db(), "c", "--queries", "-", "--json"}, "[1,2,3]"), "count"), "0");
  Fails({"column", "add", db(), "c", "w", "--dimension", "3"}, {"'w'"});
  Fails({"column", "add", db(), "c", "x", "--dimension", "0"}, {"dimension"});
  Fails({"column", "add", db(), "c", "x", "--dimension", "65536"}, {"65535"});
  Fails({"column", "add", db(), "nope", "x", "--dimension", "3"}, {"nope"});
  Fails({"column", "default", db(), "c", "x"}, {"'x'"});
  Fails({"column", "drop", db(), "c", "x"}, {"'x'"});
  Ok({"column", "drop", db(), "c", "w"});
  EXPECT_EQ(Ok({"list", db(), "--json"}).find("\"w\""), std::string::npos);
  Fails({"search", db(), "c", "--like", "east", "--column", "w"}, {"'w'"});
  Ok({"drop", db(), "c"});
  Fails({"drop", db(), "c"}, {"'c'"});
  EXPECT_EQ(Ok({"list", db(), "--json"}), "{\"collections\": []}\n");
  Ok({"verify", db()});
}

TEST_F(VdbtoolTest, StatsAndVerify) {
  PutThree();
  const std::string stats = Ok({"stats", db(), "--json"});
  EXPECT_TRUE(IsJsonLines(stats));
  EXPECT_EQ(Field(stats, "content_hash").size(), 34u) << stats;
  for (const char* name : {"path", "uuid", "format_version", "generation", "batch_number",
                           "durable_batch_number", "tombstones", "sync_rounds", "simd_level",
                           "collections", "segment_bytes", "rows", "segments"}) {
    EXPECT_EQ(Field(stats, name).find("(no field"), std::string::npos) << name;
  }
  EXPECT_EQ(Ok({"stats", db(), "--json", "--no-hash"}).find("content_hash"), std::string::npos);
  EXPECT_NE(Ok({"stats", db()}).find("content hash"), std::string::npos);

  const std::string report = Ok({"verify", db(), "--json"});
  EXPECT_TRUE(IsJsonLines(report));
  EXPECT_EQ(Field(report, "ok"), "true");
  EXPECT_EQ(Field(report, "documents_checked"), "3");
  EXPECT_NE(Ok({"verify", db()}).find("no problem found"), std::string::npos);
}

TEST_F(VdbtoolTest, VerifyFindsDamageAndExitsWith1) {
  PutThree();
  std::string damaged;
  for (const auto& entry : std::filesystem::directory_iterator(db() + "/segments")) {
    if (entry.path().extension() == ".npy") damaged = entry.path();
  }
  ASSERT_NE(damaged, "");
  std::fstream file(damaged, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096 + 2);
  file.put('\x55');
  file.close();
  const ToolResult text = RunTool({"verify", db()});
  EXPECT_EQ(text.code, 1);
  EXPECT_NE(text.out.find(std::filesystem::path(damaged).filename()), std::string::npos)
      << text.out;
  EXPECT_NE(text.err.find("problems found"), std::string::npos);
  const ToolResult json = RunTool({"verify", db(), "--json"});
  EXPECT_EQ(json.code, 1);
  EXPECT_TRUE(IsJsonLines(json.out));
  EXPECT_EQ(Field(json.out, "ok"), "false");
}

TEST_F(VdbtoolTest, KeysAreBytes) {
  // 35 kB: real caches have whole texts as keys.
  const Strings keys{"a\nb", "\"quoted\"", "back\\slash", "\xFF\xFE", "\xC3", "\xED\xB2\x80",
                     "\\udc80", "tab\t", "\x01", "-5", "{}", "[a,b]", "%s", "\xF0\x9F\x98\x80", " ",
                     "search", std::string(35000, 'k'), "\x7F\x1B[31m"};
  for (const std::string& key : keys) {
    Ok({"put", db(), "c", "--vector", "v=1,0.5", "--", key});
    const std::string json = Ok({"get", db(), "c", "--json", "--", key});
    EXPECT_TRUE(IsJsonLines(json));
    const auto id = ParseJsonString(Field(json, "id"));
    ASSERT_TRUE(id.ok()) << json;
    EXPECT_EQ(*id, key);
    const std::string text = Ok({"get", db(), "c", "--", key});
    EXPECT_TRUE(IsValidUtf8(text));
    EXPECT_EQ(text.find('\x1B'), std::string::npos);
  }
  const std::string json =
      Ok({"search", db(), "c", "--like", "\xFF\xFE", "-k", "100", "--json"});
  EXPECT_TRUE(IsJsonLines(json));
  EXPECT_EQ(Field(json, "count"), std::to_string(keys.size() - 1));
  EXPECT_NE(json.find(R"("\udced\udcb2\udc80")"), std::string::npos);
  for (const std::string& key : keys) Ok({"delete", db(), "c", "--", key});
  EXPECT_EQ(Field(Ok({"list", db(), "--json"}), "documents"), "0");
}

TEST_F(VdbtoolTest, NamesThatAreNotUtf8AreRefusedOrEscaped) {
  Fails({"put", db(), "\xFF", "k"}, {"UTF-8"});
  Fails({"put", db(), "line\nbreak", "k"}, {"name"});
  Ok({"put", db(), "quote\"s", "k"});
  EXPECT_TRUE(IsJsonLines(Ok({"list", db(), "--json"})));
  EXPECT_TRUE(IsJsonLines(Ok({"stats", db(), "--json"})));
}

TEST_F(VdbtoolTest, RefusedPutsWriteNothing) {
  PutThree();
  const std::string before = ContentHash();
  const std::string list = Ok({"list", db(), "--json"});
  const auto refused = [&](const Strings& rest, const Strings& words) {
    for (const char* collection : {"c", "fresh"}) {
      Strings all{"put", db(), collection};
      all.insert(all.end(), rest.begin(), rest.end());
      Fails(all, words);
    }
    EXPECT_EQ(ContentHash(), before);
    EXPECT_EQ(Ok({"list", db(), "--json"}), list);
  };
  refused({"k", "--vector", "w=1,nan"}, {"nan"});
  refused({"k", "--vector", "w=1,inf"}, {"inf"});
  refused({"k", "--vector", "w=1e39"}, {"float32"});
  refused({"k", "--vector", "w=1,,2"}, {"at byte 3", "found ','"});
  refused({"k", "--vector", "w="}, {"at least one"});
  refused({"k", "--vector", "w=0,0"}, {"zero"});
  refused({"k", "--metadata", "{\"a\":}"}, {"at byte 5"});
  refused({"k", "--metadata", "[1]"}, {"expected '{'"});
  refused({"k", "--vector", "v=1,0", "--vector", "v=1,0"}, {"'v'"});
  refused({std::string(65537, 'k')}, {"65537"});
  refused({""}, {"key"});
  Fails({"put", db(), "c", "k", "--vector", "v=1,2,3"}, {"'v'", "dimension 2", "3"});
  EXPECT_EQ(ContentHash(), before);
}

TEST_F(VdbtoolTest, GetPrintsWhatImportTakes) {
  // 7.038531e-26 is the one float that does not survive a double in its shortest form.
  const std::string vector = "v=7.038531e-26,3.4028235e38,1e-45,0.1,-0.0,-16777217,0.33333333333";
  const Strings keys{"k\xFF", "a\nb", "plain"};
  for (const std::string& key : keys) {
    Ok({"put", db(), "c", key, "--metric", "dot", "--vector", vector, "--vector", "w=1,2",
        "--metadata", R"({"big": 18446744073709551615, "x": 0.1, "s": "\udcff", "z": 1.0})",
        "--body", "b\xFE\n"});
  }
  Ok({"put", db(), "c", "bare"});
  const std::string before = ContentHash();
  std::string lines = Ok({"get", db(), "c", "bare", "--json"});
  for (const std::string& key : keys) lines += Ok({"get", db(), "c", key, "--json"});
  Ok({"drop", db(), "c"});
  EXPECT_NE(ContentHash(), before);
  Ok({"import", db(), "c", WriteFile("again.jsonl", lines), "--metric", "dot"});
  EXPECT_EQ(ContentHash(), before);
}

}  // namespace
}  // namespace vdb::tools
