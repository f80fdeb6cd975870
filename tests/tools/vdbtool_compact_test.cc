// vdbtool compact: what it reports, what it refuses, and that contents stay.
#include "tests/tools/tool_runner.h"

namespace vdb::tools {
namespace {

class CompactToolTest : public ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    std::vector<std::vector<float>> rows;
    for (int i = 0; i < 60; ++i) {
      rows.push_back({static_cast<float>(i % 7) + 1, static_cast<float>(i % 11), 1});
    }
    Ok({"create", db()});
    Ok({"import", db(), "c", WriteFile("x.fvecs", Fvecs(rows))});
  }
};

TEST_F(CompactToolTest, DropsDeadRowsAndKeepsContents) {
  for (int i = 0; i < 20; ++i) Ok({"delete", db(), "c", std::to_string(i)});
  const std::string hash = ContentHash();
  EXPECT_NE(Ok({"compact", db(), "--help"}).find("--rate"), std::string::npos);
  const std::string json = Ok({"compact", db(), "c", "--rate", "20MiB", "--json"});
  EXPECT_TRUE(IsJsonLines(json));
  EXPECT_EQ(Field(json, "columns"), "1");
  EXPECT_EQ(Field(json, "rows_rewritten"), "40");
  EXPECT_EQ(Field(json, "rows_dropped"), "20");
  EXPECT_EQ(ContentHash(), hash);
  const std::string text = Ok({"compact", db(), "--full"});
  EXPECT_NE(text.find("compacted 0 columns"), std::string::npos) << text;
  EXPECT_EQ(text.find("proof"), text.rfind("proof")) << text;
  Ok({"delete", db(), "c", "33"});
  EXPECT_NE(Ok({"compact", db(), "c", "--column", "vector", "--full"}).find("1 dead rows"),
            std::string::npos);
  Ok({"verify", db()});
}

TEST_F(CompactToolTest, RefusesWhatIsNotThere) {
  Fails({"compact", db(), "nope"}, {"nope"});
  Fails({"compact", db(), "c", "--column", "nope"}, {"nope", "c"});
  Fails({"compact", db(), "--column", "vector"}, {"vector", "collection"});
  Fails({"compact", Path("none.vdb")}, {"none.vdb"});
  Misused({"compact"});
  Misused({"compact", db(), "--rate", "many"});
}

}  // namespace
}  // namespace vdb::tools
