// vdbtool field-index, count and delete by a filter.
#include "tests/tools/tool_runner.h"

namespace vdb::tools {
namespace {

class FieldIndexToolTest : public ToolTest {
 protected:
  static constexpr int kDocuments = 50;

  void SetUp() override {
    ToolTest::SetUp();
    Ok({"create", db()});
    std::string lines;
    for (int i = 0; i < kDocuments; ++i) {
      lines += R"({"id":"k)" + std::to_string(i) + R"(","metadata":{"year":)" +
               std::to_string(2000 + i) + R"(,"tag":["t)" + std::to_string(i % 5) + "\"]}}\n";
    }
    Ok({"import", db(), "c", WriteFile("d.jsonl", lines)});
  }
  std::string Count(const std::string& filter) {
    const std::string json = Ok({"count", db(), "c", "--json", "--filter", filter});
    EXPECT_TRUE(IsJsonLines(json));
    return Field(json, "count");
  }
};

TEST_F(FieldIndexToolTest, AddListDrop) {
  EXPECT_NE(Ok({"field-index", "list", db(), "c"}).find("no field indexes"), std::string::npos);
  EXPECT_EQ(Ok({"field-index", "list", db(), "c", "--json"}), "");
  EXPECT_EQ(Count("year >= 2040"), "10");
  const std::string added = Ok({"field-index", "add", db(), "c", "year", "--json"});
  EXPECT_TRUE(IsJsonLines(added));
  EXPECT_EQ(Field(added, "documents"), "50");
  EXPECT_EQ(Field(added, "entries"), "50");
  EXPECT_NE(Ok({"field-index", "add", db(), "c", "tag"}).find("50 entries of 50 documents"),
            std::string::npos);
  const std::string list = Ok({"field-index", "list", db(), "c", "--json"});
  EXPECT_TRUE(IsJsonLines(list));
  EXPECT_NE(list.find("year"), std::string::npos);
  EXPECT_NE(list.find("ordered"), std::string::npos);
  EXPECT_EQ(Count("year >= 2040"), "10");
  EXPECT_EQ(Count("tag = \"t3\" and not year < 2040"), "2");
  Ok({"verify", db()});
  Fails({"field-index", "add", db(), "c", "year"}, {"year", "there already"});
  Ok({"field-index", "drop", db(), "c", "year"});
  Fails({"field-index", "drop", db(), "c", "year"}, {"no field index 'year'"});
  EXPECT_TRUE(IsJsonLines(Ok({"field-index", "drop", db(), "c", "tag", "--json"})));
  EXPECT_EQ(Count("year >= 2040"), "10");
}

TEST_F(FieldIndexToolTest, TextIndexes) {
  const std::string added = Ok({"field-index", "add", db(), "c", "tag", "--text", "--json"});
  EXPECT_TRUE(IsJsonLines(added));
  EXPECT_EQ(Field(added, "documents"), "50");
  EXPECT_EQ(Field(added, "entries"), "50");
  EXPECT_NE(Ok({"field-index", "add", db(), "c", "$body", "--text"})
                .find("added the text index $body of c: 0 entries of 50 documents"),
            std::string::npos);
  Ok({"field-index", "add", db(), "c", "tag"});  // one of each kind
  const std::string list = Ok({"field-index", "list", db(), "c"});
  EXPECT_NE(list.find("text"), std::string::npos);
  EXPECT_NE(list.find("ordered"), std::string::npos);
  Ok({"verify", db()});
  Fails({"field-index", "add", db(), "c", "tag", "--text"}, {"tag", "there already"});
  Fails({"field-index", "add", db(), "c", "$key", "--text"}, {"$key", "$body"});
  Ok({"field-index", "drop", db(), "c", "tag", "--text"});
  Fails({"field-index", "drop", db(), "c", "tag", "--text"}, {"no field index 'tag'"});
  EXPECT_EQ(Count("tag = \"t3\""), "10");
  Ok({"verify", db()});
}

TEST_F(FieldIndexToolTest, CountsAll) {
  EXPECT_EQ(Ok({"count", db(), "c"}), "50\n");
  EXPECT_EQ(Count(""), "50");
  EXPECT_EQ(Count("$key starts with \"k1\""), "11");
}

TEST_F(FieldIndexToolTest, DeletesWhatMatches) {
  Ok({"field-index", "add", db(), "c", "year"});
  const std::string deleted = Ok({"delete", db(), "c", "--json", "--filter", "year < 2010"});
  EXPECT_TRUE(IsJsonLines(deleted));
  EXPECT_EQ(Field(deleted, "deleted"), "10");
  EXPECT_EQ(Ok({"delete", db(), "c", "--filter", "tag = \"t0\""}), "deleted 8 documents\n");
  EXPECT_EQ(Ok({"delete", db(), "c", "k11"}), "deleted k11\n");
  EXPECT_EQ(Ok({"count", db(), "c"}), "31\n");
  Ok({"verify", db()});
}

TEST_F(FieldIndexToolTest, Mistakes) {
  Misused({"count", db(), "c", "--filter", "year >="}, {"--filter", "column"});
  Fails({"count", db(), "nowhere"}, {"nowhere"});
  Misused({"delete", db(), "c", "--filter", " "}, {"every document"});
  Fails({"field-index", "add", db(), "c", "a..b"}, {"field path", "byte 2"});
  Misused({"delete", db(), "c"});
  Misused({"delete", db(), "c", "k1", "--filter", "year = 1"});
  Misused({"field-index"});
  Misused({"field-index", "add", db(), "c"});
}

}  // namespace
}  // namespace vdb::tools
