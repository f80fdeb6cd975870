// A database of format version 1: the golden one, since nothing writes such databases any more.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "engine/upgrade.h"
#include "tests/engine/engine_fixture.h"

namespace vdb::testing {

/// ContentHash of tests/golden/v1, and of v2, which was written by the same calls.
inline constexpr char kGoldenHash[] = "b1e7e07711d8aa3805e54237b21ce7c7";

/// By relative path, but for LOCK; folders have no contents.
inline std::map<std::string, std::string> TreeOf(const std::string& root) {
  namespace fs = std::filesystem;
  std::map<std::string, std::string> tree;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string name = fs::relative(entry.path(), root).string();
    if (name == "LOCK") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    tree[name] = entry.is_regular_file()
                     ? std::string{std::istreambuf_iterator<char>(in), {}}
                     : std::string();
  }
  return tree;
}

class UpgradeFixture : public EngineTest {
 protected:
  void CopyGolden(const std::string& source_dir, const std::string& version) {
    std::filesystem::copy(source_dir + "/tests/golden/" + version, Path(),
                          std::filesystem::copy_options::recursive);
  }
  StatusOr<UpgradeReport> Upgrade(const UpgradeOptions& options = {}) {
    return engine::UpgradeDatabase(Path(), options, options_);
  }
  bool Has(const std::string& name) const { return std::filesystem::exists(Path() + "/" + name); }

  // Of the new version alone, with the same contents.
  void ExpectUpgraded() {
    for (const char* gone : {"UPGRADING", "CURRENT.tmp", "docs-000001", "ledger"}) {
      EXPECT_FALSE(Has(gone)) << gone;
    }
    auto db = OpenReadOnly();
    VDB_ASSERT_OK(db);
    EXPECT_EQ(db->Stats()->format_version, kFormatVersion);
    EXPECT_EQ(*db->ContentHash(), kGoldenHash);
    ExpectClean(*db);
  }
};

}  // namespace vdb::testing
