// The source tree keeps the rules of source_rules.h, and no test lies about unregistered.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/layers/source_rules.h"

namespace vdb::layers {
namespace {

namespace fs = std::filesystem;

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Every .h and .cc below the folders, relative to the source tree.
std::vector<std::string> SourceFiles(const std::vector<std::string>& folders) {
  const fs::path root = VDB_SOURCE_DIR;
  std::vector<std::string> files;
  for (const auto& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const auto extension = entry.path().extension();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cc")) continue;
      files.push_back(fs::relative(entry.path(), root).generic_string());
    }
  }
  return files;
}

const std::vector<std::string> kLayers = {"include", "format", "storage", "index",
                                          "query",   "engine", "tools"};
const std::vector<std::string> kEverything = {"include", "format", "storage", "index", "query",
                                              "engine",  "tools",  "tests",   "bench", "docs"};

using Check = std::vector<Finding> (*)(const std::string& file, std::string_view text);

void ExpectNoFindings(const std::vector<std::string>& folders, Check check) {
  const auto files = SourceFiles(folders);
  EXPECT_GT(files.size(), 20u) << "looked in the wrong place: " << VDB_SOURCE_DIR;
  for (const auto& file : files) {
    for (const auto& finding : check(file, ReadText(fs::path(VDB_SOURCE_DIR) / file))) {
      ADD_FAILURE() << finding.ToString();
    }
  }
}

TEST(TreeTest, IncludesPointDownwards) { ExpectNoFindings(kLayers, CheckIncludes); }

TEST(TreeTest, LibraryCodeNeverPrintsThrowsOrEndsTheProcess) {
  ExpectNoFindings(kLayers, CheckCalls);
}

TEST(TreeTest, TextIsAsciiAndNarrow) { ExpectNoFindings(kEverything, CheckText); }

// A test file that no CMakeLists.txt names would never run.
TEST(TreeTest, EveryTestFileIsRegistered) {
  const fs::path root = VDB_SOURCE_DIR;
  for (const auto& file : SourceFiles({"tests"})) {
    if (!file.ends_with("_test.cc")) continue;
    bool registered = false;
    for (fs::path folder = fs::path(file).parent_path(); !registered && !folder.empty();
         folder = folder.parent_path()) {
      const std::string name = fs::relative(file, folder).generic_string();
      const std::string cmake = ReadText(root / folder / "CMakeLists.txt");
      registered = cmake.find(name) != std::string::npos;
    }
    EXPECT_TRUE(registered) << file << " is in no CMakeLists.txt, so ctest never runs it";
  }
}

}  // namespace
}  // namespace vdb::layers
