// vdbtool backup, backups, verify of backups, backup-drop, restore: as a user's shell runs them.
#include <filesystem>
#include <fstream>

#include "tests/tools/tool_runner.h"

namespace vdb::tools {
namespace {

class BackupToolTest : public ToolTest {
 protected:
  void Put(const std::string& key, const std::string& vector) {
    Ok({"put", db(), "words", key, "--metadata", "{\"n\": 1}", "--vector", "v=" + vector});
  }
  std::string dir() const { return Path("backups"); }
};

TEST_F(BackupToolTest, BackupAndRestore) {
  Ok({"create", db()});
  Put("a", "1,2");
  EXPECT_NE(Ok({"backup", db(), dir()}).find("backup 1: 1 documents"), std::string::npos);
  const std::string then = ContentHash();
  Put("b", "2,3");
  const std::string json = Ok({"backup", db(), dir(), "--json", "--level", "9"});
  EXPECT_TRUE(IsJsonLines(json));
  EXPECT_EQ(Field(json, "id"), "2");
  EXPECT_EQ(Field(json, "document_count"), "2");
  const std::string list = Ok({"backups", dir()});
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 2) << list;
  EXPECT_TRUE(IsJsonLines(Ok({"backups", dir(), "--json"})));
  EXPECT_NE(Ok({"verify", dir()}).find("no problem found"), std::string::npos);

  const std::string now = ContentHash();
  EXPECT_NE(Ok({"restore", dir(), Path("new.vdb")}).find("restored backup 2"), std::string::npos);
  const std::string restored =
      Ok({"restore", dir(), Path("old.vdb"), "--backup", "1", "--collection", "words", "--json"});
  EXPECT_TRUE(IsJsonLines(restored));
  EXPECT_EQ(Field(restored, "restored_document_count"), "1");
  EXPECT_EQ(Field(Ok({"stats", Path("new.vdb"), "--json"}), "content_hash"), now);
  EXPECT_EQ(Field(Ok({"stats", Path("old.vdb"), "--json"}), "content_hash"), then);
  Ok({"backup-drop", dir(), "1"});
  Fails({"restore", dir(), Path("x.vdb"), "--backup", "1"}, {"no backup 1"});
  EXPECT_NE(Ok({"verify", dir()}).find("no problem found"), std::string::npos);
}

TEST_F(BackupToolTest, Errors) {
  Ok({"create", db()});
  Put("a", "1,2");
  Fails({"backup", db(), db()}, {"holds other files"});
  Fails({"backups", db()}, {"no backup directory"});
  Fails({"restore", Path("none"), Path("x")}, {"no backup directory"});
  Fails({"restore", db(), Path("x")}, {"no backup directory"});
  Ok({"backup", db(), dir()});
  Fails({"restore", dir(), db()}, {"exists"});
  Fails({"restore", dir(), Path("x"), "--collection", "none"}, {"no collection 'none'"});
  Misused({"backup", db()});
  Misused({"restore", dir(), Path("x"), "--backup", "zero"});
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir() + "/chunks")) {
    if (!entry.is_regular_file()) continue;
    std::ofstream(entry.path(), std::ios::app) << "x";
    break;
  }
  const ToolResult verified = RunTool({"verify", dir()});
  EXPECT_EQ(verified.code, 1);
  EXPECT_NE(verified.out.find("chunks/"), std::string::npos) << verified.out;
  Fails({"restore", dir(), Path("x")}, {"chunks/", "backup 1"});
  EXPECT_FALSE(std::filesystem::exists(Path("x")));
}

}  // namespace
}  // namespace vdb::tools
