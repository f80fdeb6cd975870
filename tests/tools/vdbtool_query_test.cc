// vdbtool query, and what goes beyond one vector in vdbtool search.
#include <sstream>

#include "tests/tools/tool_runner.h"

namespace vdb::tools {
namespace {

class QueryToolTest : public ToolTest {
 protected:
  static constexpr int kDocuments = 30;

  void SetUp() override {
    ToolTest::SetUp();
    Ok({"create", db()});
    std::string lines;
    for (int i = 0; i < kDocuments; ++i) {
      const std::string number = std::to_string(i);
      lines += R"({"id":"k)" + number + R"(","metadata":{"a":{"n":)" + std::to_string(99 - i) +
               R"(},"g":)" + std::to_string(i % 3) + R"(,"t":"word)" + std::to_string(i % 5) +
               R"( all"},"body":"b)" + number + R"(","vectors":{"v":[1,)" + number + "]}}\n";
    }
    Ok({"import", db(), "c", WriteFile("d.jsonl", lines)});
  }

  // Of a list that may have more pages, which stderr says.
  static std::string Out(const std::vector<std::string>& arguments) {
    const ToolResult result = RunTool(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  }
  static std::vector<std::string> Ids(const std::string& lines) {
    std::vector<std::string> ids;
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);) {
      const std::string id = Field(line, "id");  // in quotes
      ids.push_back(id.size() < 2 ? id : id.substr(1, id.size() - 2));
    }
    return ids;
  }
  static std::string CursorIn(const std::string& err) {
    const std::string mark = "--cursor ";
    const size_t at = err.find(mark);
    return at == std::string::npos ? "" : err.substr(at + mark.size(), err.size() - at -
                                                                           mark.size() - 1);
  }
};

TEST_F(QueryToolTest, Pages) {
  for (const bool indexed : {false, true}) {
    if (indexed) Ok({"field-index", "add", db(), "c", "a.n"});
    std::vector<std::string> command = {"query", db(), "c", "--json", "--order-by", "a.n",
                                        "--limit", "7", "--filter", "g != 1"};
    std::vector<std::string> ids;
    std::string cursor;
    do {
      auto page = command;
      if (!cursor.empty()) page.insert(page.end(), {"--cursor", cursor});
      const ToolResult result = RunTool(page);
      ASSERT_EQ(result.code, 0) << result.err;
      ASSERT_TRUE(IsJsonLines(result.out));
      for (const std::string& id : Ids(result.out)) ids.push_back(id);
      cursor = CursorIn(result.err);
    } while (!cursor.empty());
    std::vector<std::string> expected;
    for (int i = kDocuments - 1; i >= 0; --i) {
      if (i % 3 != 1) expected.push_back("k" + std::to_string(i));
    }
    EXPECT_EQ(ids, expected);
  }
  EXPECT_EQ(Ids(Out({"query", db(), "c", "--json", "--desc", "--limit", "2"})),
            (std::vector<std::string>{"k9", "k8"}));
  EXPECT_EQ(Ids(Out({"query", db(), "c", "--json", "--offset", "28", "--limit", "5"})),
            (std::vector<std::string>{"k8", "k9"}));
}

TEST_F(QueryToolTest, PartsOfDocuments) {
  const std::string plain = Out({"query", db(), "c", "--limit", "1", "--json"});
  EXPECT_EQ(plain.find("body"), std::string::npos);
  EXPECT_EQ(plain.find("vectors"), std::string::npos);
  const std::string all =
      Out({"query", db(), "c", "--limit", "1", "--json", "--body", "--vectors", "--fields", "a.n"});
  EXPECT_TRUE(IsJsonLines(all));
  EXPECT_EQ(Field(all, "body"), "\"b0\"");
  EXPECT_NE(all.find(R"("metadata": {"a":{"n":99}})"), std::string::npos) << all;
  EXPECT_NE(all.find(R"("vectors": {"v": [1, 0]})"), std::string::npos) << all;
  EXPECT_NE(Out({"query", db(), "c", "--limit", "1"}).find("k0  {"), std::string::npos);
  const ToolResult explained = RunTool({"query", db(), "c", "--json", "--explain"});
  EXPECT_TRUE(IsJsonLines(explained.out));
  EXPECT_NE(explained.err.find("\"plan\": \"key order\""), std::string::npos) << explained.err;
}

TEST_F(QueryToolTest, SearchesWithMore) {
  const std::string filtered = Ok({"search", db(), "c", "--like", "k3", "--filter", "g = 0",
                                   "--json", "--explain", "-k", "4"});
  EXPECT_TRUE(IsJsonLines(filtered));
  EXPECT_EQ(Field(filtered, "count"), "4");
  EXPECT_NE(filtered.find("\"filter\": {\"plan\": \"documents\""), std::string::npos) << filtered;
  EXPECT_NE(Ok({"search", db(), "c", "--like", "k3", "--filter", "g = 0", "--explain"})
                .find("10 of 30 documents match"),
            std::string::npos);
  EXPECT_EQ(Field(Ok({"search", db(), "c", "--like", "k3", "--min-score", "0.99", "--json"}),
                  "count"),
            "2");
  const std::string grouped =
      Ok({"search", db(), "c", "--like", "k3", "--group-by", "g", "--group-size", "2", "--json"});
  EXPECT_EQ(Field(grouped, "count"), "6");
  EXPECT_NE(grouped.find("\"group\": 1"), std::string::npos) << grouped;
  Ok({"search", db(), "c", "--like", "k3", "--mmr", "0.5", "--explain"});
  Fails({"search", db(), "c", "--text", "word1"}, {"text index"});
  Ok({"field-index", "add", db(), "c", "t", "--text"});
  const std::string words = Ok({"search", db(), "c", "--text", "word1", "--json"});
  EXPECT_EQ(Field(words, "count"), "6");
  const std::string both =
      Ok({"search", db(), "c", "--text", "word1", "--like", "k3", "--json", "--explain"});
  EXPECT_TRUE(IsJsonLines(both));
  EXPECT_NE(both.find("clause_scores"), std::string::npos);
  EXPECT_NE(both.find("\"plan\": \"fusion\""), std::string::npos) << both;
}

TEST_F(QueryToolTest, Mistakes) {
  Misused({"query", db(), "c", "--filter", "g ="}, {"--filter", "column"});
  Fails({"query", db(), "c", "--cursor", "AAAA"}, {"cursor"});
  Fails({"query", db(), "c", "--fields", "a..b"}, {"a..b"});
  Fails({"query", db(), "c", "--order-by", "$body"}, {"body"});
  Misused({"search", db(), "c", "--like", "k3", "--filter", "g ="}, {"--filter"});
  Misused({"query", db(), "c", "--limit", "-1"});
  Misused({"query", db(), "c", "--cursor", "AAAA", "--offset", "1"});
  Misused({"search", db(), "c", "--like", "k3", "--mmr", "2"});
  Misused({"search", db(), "c", "--like", "k3", "--group-size", "2"});
  Misused({"search", db(), "c"});
}

}  // namespace
}  // namespace vdb::tools
