// vdbtool prune and rekey.
#include <filesystem>

#include "tests/tools/tool_runner.h"

namespace vdb::tools {
namespace {

class FilesToolTest : public ToolTest {};

TEST_F(FilesToolTest, PruneAndRekey) {
  Ok({"create", db()});
  const std::string kept = WriteFile("kept.txt", "12345");
  const std::string root = std::filesystem::path(kept).parent_path();
  Ok({"import", db(), "c",
      WriteFile("d.jsonl", R"({"id": "kept.txt", "metadata": {"relpath": "kept.txt", "size": 5}}
{"id": "grown", "metadata": {"relpath": "kept.txt", "size": 4}}
{"id": "gone", "metadata": {"relpath": "gone.txt", "size": 5}}
{"id": "other", "metadata": {}}
)")});
  const std::string dry = Ok({"prune", db(), "c", "--root", root, "--dry-run", "--json"});
  EXPECT_TRUE(IsJsonLines(dry));
  EXPECT_EQ(Field(dry, "gone"), "1");
  EXPECT_EQ(Field(dry, "changed"), "1");
  EXPECT_EQ(Ok({"count", db(), "c"}), "4\n");
  EXPECT_EQ(Ok({"prune", db(), "c", "--root", root}),
            "dropped 2 of 4 documents: 1 files gone, 1 changed; 1 documents name no file\n");
  EXPECT_EQ(Ok({"count", db(), "c"}), "2\n");
  EXPECT_EQ(Ok({"rekey", db(), "c", "--prefix", "ot", "--to", "an/ot", "--dry-run"}),
            "would rename 1 documents\n");
  EXPECT_EQ(Field(Ok({"rekey", db(), "c", "--prefix", "ot", "--to", "an/ot", "--json"}), "renamed"),
            "1");
  Ok({"get", db(), "c", "an/other"});
  Ok({"verify", db()});
  Fails({"rekey", db(), "c", "--prefix", "kept.txt", "--to", "an/other"}, {"an/other", "taken"});
  Fails({"prune", db(), "c", "--root", root + "/nowhere"}, {"nowhere"});
  Misused({"prune", db(), "c"});
  Misused({"rekey", db(), "c", "--prefix", "a"});
}

}  // namespace
}  // namespace vdb::tools
