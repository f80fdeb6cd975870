// The checker must turn red on every kind of violation: each is planted in a string here. What it
// finds in the tree itself is tree_test.cc.
#include "tests/layers/source_rules.h"

#include <gtest/gtest.h>

namespace vdb::layers {
namespace {

size_t IncludeFindings(const std::string& file, std::string_view include) {
  return CheckIncludes(file, "// Head.\n#include " + std::string(include) + "\n").size();
}

TEST(SourceRulesTest, FindsUpwardIncludes) {
  EXPECT_EQ(IncludeFindings("include/vdb/database.h", "\"engine/database_impl.h\""), 1u);
  EXPECT_EQ(IncludeFindings("format/manifest.cc", "\"storage/file_system.h\""), 1u);
  EXPECT_EQ(IncludeFindings("storage/segment.cc", "\"query/exact_search.h\""), 1u);
  EXPECT_EQ(IncludeFindings("query/exact_search.cc", "\"engine/view.h\""), 1u);
  EXPECT_EQ(IncludeFindings("engine/view.cc", "\"tools/commands.h\""), 1u);
}

TEST(SourceRulesTest, FindsSidewaysIncludes) {
  EXPECT_EQ(IncludeFindings("storage/segment.cc", "\"index/kernels/kernels.h\""), 1u);
  EXPECT_EQ(IncludeFindings("index/kernels/scalar.cc", "\"storage/file_system.h\""), 1u);
}

TEST(SourceRulesTest, ToolsSeeOnlyThePublicHeaders) {
  EXPECT_EQ(IncludeFindings("tools/search.cc", "\"format/json.h\""), 1u);
  EXPECT_EQ(IncludeFindings("tools/search.cc", "\"engine/view.h\""), 1u);
  EXPECT_EQ(IncludeFindings("tools/search.cc", "\"vdb/database.h\""), 0u);
  EXPECT_EQ(IncludeFindings("tools/search.cc", "\"tools/output.h\""), 0u);
}

TEST(SourceRulesTest, AllowsDownwardIncludes) {
  EXPECT_EQ(IncludeFindings("engine/view.cc", "\"query/exact_search.h\""), 0u);
  EXPECT_EQ(IncludeFindings("query/exact_search.cc", "\"storage/delete_mask.h\""), 0u);
  EXPECT_EQ(IncludeFindings("query/exact_search.cc", "\"index/kernels/kernels.h\""), 0u);
  EXPECT_EQ(IncludeFindings("index/kernels/scalar.cc", "\"format/checksum.h\""), 0u);
  EXPECT_EQ(IncludeFindings("format/manifest.cc", "\"vdb/status.h\""), 0u);
}

TEST(SourceRulesTest, SeesIncludesInEverySpelling) {
  EXPECT_EQ(CheckIncludes("format/a.cc", "  #  include   \"engine/view.h\"").size(), 1u);
  EXPECT_EQ(CheckIncludes("format/a.cc", "#include\t<engine/view.h>\n").size(), 1u);
  EXPECT_EQ(CheckIncludes("format/a.cc", "#include \"../engine/view.h\"\n").size(), 1u);
}

TEST(SourceRulesTest, KeepsForeignHeadersInTheirPlace) {
  EXPECT_EQ(IncludeFindings("engine/view.cc", "<rocksdb/db.h>"), 1u);
  EXPECT_EQ(IncludeFindings("storage/segment.cc", "<rocksdb/db.h>"), 1u);
  EXPECT_EQ(IncludeFindings("storage/rocksdb/store.cc", "<rocksdb/db.h>"), 0u);
  EXPECT_EQ(IncludeFindings("query/exact_search.cc", "<immintrin.h>"), 1u);
  EXPECT_EQ(IncludeFindings("index/kernels/avx2.cc", "<immintrin.h>"), 0u);
  EXPECT_EQ(IncludeFindings("storage/segment.cc", "<unistd.h>"), 1u);
  EXPECT_EQ(IncludeFindings("engine/import.cc", "<sys/mman.h>"), 1u);
  EXPECT_EQ(IncludeFindings("storage/file_system_posix.cc", "<sys/mman.h>"), 0u);
  EXPECT_EQ(IncludeFindings("tools/main.cc", "<unistd.h>"), 0u);
  EXPECT_EQ(IncludeFindings("include/vdb/types.h", "<flatbuffers/flatbuffers.h>"), 1u);
  EXPECT_EQ(IncludeFindings("include/vdb/types.h", "<string>"), 0u);
}

TEST(SourceRulesTest, FindsPrintingThrowingAndEnding) {
  for (const char* code : {"std::cout << 1;", "std::cerr << 1;", "printf(\"x\");",
                           "std::fprintf(stderr, \"x\");", "abort();", "std::exit (1);",
                           "throw std::runtime_error(\"x\");", "std::terminate();"}) {
    EXPECT_EQ(CheckCalls("engine/view.cc", code).size(), 1u) << code;
    EXPECT_TRUE(CheckCalls("tools/main.cc", code).empty()) << code;
  }
}

TEST(SourceRulesTest, CommentsStringsAndOtherWordsAreNoCalls) {
  for (const char* code :
       {"// throw, abort() and printf()", "/* throw\n abort() */ int x;", "auto s = \"throw\";",
        "std::snprintf(out, 3, \"x\");", "auto s = R\"(abort())\";", "on_exit_ = 1;",
        "throw std::bad_alloc();", "int n = 1'000; // throw",
        "char c = '\"'; int throws = 1; // \"", "Rethrow();"}) {
    EXPECT_TRUE(CheckCalls("engine/view.cc", code).empty()) << code;
  }
}

TEST(SourceRulesTest, FindsCodeAfterLiterals) {
  EXPECT_EQ(CheckCalls("engine/a.cc", "char q = '\"'; abort();").size(), 1u);
  EXPECT_EQ(CheckCalls("engine/a.cc", "auto s = R\"x(\")x\"; abort();").size(), 1u);
  EXPECT_EQ(CheckCalls("engine/a.cc", "auto s = \"a\\\"b\"; abort();").size(), 1u);
  EXPECT_EQ(CheckCalls("engine/a.cc", "int n = 1'000; abort();").size(), 1u);
}

TEST(SourceRulesTest, FindsLongLinesForeignBytesAndLooseTodos) {
  EXPECT_EQ(CheckText("engine/a.cc", std::string(101, 'x') + "\n").size(), 1u);
  EXPECT_TRUE(CheckText("engine/a.cc", std::string(100, 'x') + "\n").empty());
  EXPECT_EQ(CheckText("engine/a.cc", "// caf\xc3\xa9\n").size(), 1u);
  const std::string todo = std::string("TO") + "DO";  // this file is checked too
  EXPECT_EQ(CheckText("engine/a.cc", "// " + todo + ": later\n").size(), 1u);
  EXPECT_TRUE(CheckText("engine/a.cc", "// " + todo + "(#12): later\n").empty());
}

TEST(SourceRulesTest, NamesFileAndLine) {
  const auto findings = CheckIncludes("format/a.cc", "// Head.\n\n#include \"engine/view.h\"\n");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].ToString(), "format/a.cc:3: format must not include engine: engine/view.h");
}

}  // namespace
}  // namespace vdb::layers
