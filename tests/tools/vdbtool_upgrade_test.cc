// vdbtool upgrade, and what the other commands say of a database that needs it.
#include <filesystem>

#include "tests/tools/tool_runner.h"

namespace vdb::tools {
namespace {

class VdbtoolUpgradeTest : public ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    std::filesystem::copy(std::string(VDB_SOURCE_DIR) + "/tests/golden/v1", db(),
                          std::filesystem::copy_options::recursive);
  }
};

TEST_F(VdbtoolUpgradeTest, IsNamedWhereItIsNeeded) {
  EXPECT_EQ(Field(Ok({"stats", db(), "--json"}), "format_version"), "1");
  Ok({"get", db(), "docs", "key3"});
  Ok({"verify", db(), "--level", "full"});
  const ToolResult refused = RunTool({"put", db(), "docs", "k", "--metadata", "{}"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("run `vdbtool upgrade " + db() + "`"), std::string::npos)
      << refused.err;
}

TEST_F(VdbtoolUpgradeTest, DryRunThenReally) {
  EXPECT_NE(Ok({"upgrade", db(), "--dry-run"}).find("would upgrade from version 1 to 2"),
            std::string::npos);
  const std::string planned = Ok({"upgrade", db(), "--dry-run", "--json"});
  EXPECT_TRUE(IsJsonLines(planned));
  EXPECT_EQ(Field(planned, "needed"), "true");
  const std::string done = Ok({"upgrade", db(), "--json"});
  EXPECT_TRUE(IsJsonLines(done));
  EXPECT_EQ(Field(done, "document_count"), "15");
  EXPECT_EQ(Field(done, "content_hash"), "\"b1e7e07711d8aa3805e54237b21ce7c7\"");
  EXPECT_EQ(Ok({"upgrade", db()}), "it is of format version 2 already\n");
  EXPECT_EQ(Field(Ok({"stats", db(), "--json"}), "format_version"), "2");
  Ok({"put", db(), "docs", "k", "--metadata", "{}"});
  Ok({"verify", db(), "--level", "full"});
  EXPECT_EQ(RunTool({"upgrade", db() + ".none"}).code, 1);
}

}  // namespace
}  // namespace vdb::tools
