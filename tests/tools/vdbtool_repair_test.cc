// vdbtool verify --level and repair: what is printed, and the exit codes.
#include <fstream>
#include <iterator>

#include "tests/tools/tool_runner.h"

namespace vdb::tools {
namespace {

class VdbtoolRepairTest : public ToolTest {
 protected:
  void Make() {
    std::string lines;
    for (int i = 0; i < 20; ++i) {
      lines += "{\"id\":\"k" + std::to_string(i) + "\",\"vector\":[" + std::to_string(i) +
               ",1],\"metadata\":{\"n\":" + std::to_string(i) + "}}\n";
    }
    Ok({"create", db()});
    Ok({"import", db(), "docs", WriteFile("docs.jsonl", lines)});
  }
  void Flip(const std::string& file, size_t at) {
    std::ifstream in(db() + "/" + file, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    ASSERT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    std::ofstream(db() + "/" + file, std::ios::binary | std::ios::trunc) << bytes;
  }
};

TEST_F(VdbtoolRepairTest, OneDamagedRow) {
  Make();
  for (const char* level : {"quick", "checksums", "references", "full"}) {
    EXPECT_NE(Ok({"verify", db(), "--level", level}).find("no problem found"), std::string::npos);
  }
  Misused({"verify", db(), "--level", "deep"});
  EXPECT_EQ(Ok({"repair", db()}), "nothing is damaged\n");
  Flip("segments/000001.npy", 4096 + 5 * 8 + 2);
  EXPECT_EQ(RunTool({"verify", db(), "--level", "quick"}).code, 0);
  const ToolResult verified = RunTool({"verify", db(), "--level", "checksums"});
  EXPECT_EQ(verified.code, 1);
  EXPECT_NE(verified.err.find("vdbtool repair"), std::string::npos);

  const ToolResult planned = RunTool({"repair", db(), "--dry-run", "--json"});
  EXPECT_EQ(planned.code, 1);
  EXPECT_TRUE(IsJsonLines(planned.out));
  EXPECT_EQ(Field(planned.out, "key"), "\"k5\"");
  EXPECT_EQ(Field(planned.out, "loss_count"), "1");
  EXPECT_EQ(RunTool({"verify", db()}).code, 1);

  const ToolResult repaired = RunTool({"repair", db()});
  EXPECT_EQ(repaired.code, 1);  // something is lost
  EXPECT_NE(repaired.out.find("lost: collection 'docs', key k5, column"), std::string::npos);
  EXPECT_NE(repaired.out.find("kept 20 documents with 19 vectors, 1 losses"), std::string::npos);
  EXPECT_NE(repaired.out.find("verified: no problem found"), std::string::npos);
  Ok({"verify", db(), "--level", "full"});
  EXPECT_EQ(Ok({"repair", db()}), "nothing is damaged\n");
}

TEST_F(VdbtoolRepairTest, NothingIsLostWithTheLedger) {
  Make();
  Flip("ledger", 4096 + 24);
  Flip("ledger", 2 * 4096 + 24);
  for (size_t slot = 0; slot < 8; ++slot) Flip("ledger", slot * 4096 + 40);
  Fails({"verify", db()}, {"ledger", "vdbtool repair"});
  const std::string out = Ok({"repair", db()});
  EXPECT_NE(out.find("0 losses"), std::string::npos) << out;
  Ok({"verify", db()});
}

}  // namespace
}  // namespace vdb::tools
