// JSON lines: every accepted shape, and a clear refusal of everything else.
#include "format/jsonl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace vdb::format {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(std::string_view line) {
  JsonlParser parser;
  JsonlDocument document;
  return parser.Parse(line, &document).message();
}

TEST(Jsonl, ReadsADocument) {
  JsonlParser parser;
  JsonlDocument document;
  const std::string line =
      R"( {"id": "k\n1", "metadata": {"b": 1, "a": [2]}, "body": "x\udcff", )"
      R"("vectors": {"v": [0.5, -1e-3], "w": [3], "none": null}, "vector": [1, 2, 3], )"
      R"("version": 7} )";
  ASSERT_EQ(parser.Parse(line, &document).ToString(), "ok");
  EXPECT_EQ(document.id, "k\n1");
  EXPECT_EQ(document.metadata, R"({"b": 1, "a": [2]})");
  ASSERT_TRUE(document.body.has_value());
  EXPECT_EQ(*document.body, "x\xFF");
  ASSERT_EQ(document.vectors.size(), 3u);
  EXPECT_EQ(document.vectors[0].column, "v");
  EXPECT_THAT(document.values_of(document.vectors[0]), ElementsAre(0.5f, -1e-3f));
  EXPECT_THAT(document.values_of(document.vectors[1]), ElementsAre(3.0f));
  EXPECT_EQ(document.vectors[2].column, "vector");
  EXPECT_THAT(document.values_of(document.vectors[2]), ElementsAre(1.0f, 2.0f, 3.0f));

  // The next line starts from nothing.
  ASSERT_TRUE(parser.Parse(R"({"id": -12})", &document).ok());
  EXPECT_EQ(document.id, "-12");
  EXPECT_TRUE(document.metadata.empty());
  EXPECT_FALSE(document.body.has_value());
  EXPECT_TRUE(document.vectors.empty());
}

TEST(Jsonl, NullIsAbsent) {
  JsonlParser parser;
  JsonlDocument document;
  ASSERT_TRUE(parser
                  .Parse(R"({"id":"","metadata":null,"body":null,"vectors":null,"vector":null})",
                         &document)
                  .ok());
  EXPECT_TRUE(document.metadata.empty());
  EXPECT_FALSE(document.body.has_value());
  EXPECT_TRUE(document.vectors.empty());
}

TEST(Jsonl, RefusesAndSaysWhy) {
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("expected '{'"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("'id'"));
  EXPECT_THAT(ErrorOf(R"({"id":1.5})"), HasSubstr("a string or an integer"));
  EXPECT_THAT(ErrorOf(R"({"id":null})"), HasSubstr("a string or an integer"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"id":2})"), HasSubstr("'id' again"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vektor":[1]})"), HasSubstr("the field 'vektor'"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"metadata":[]})"), HasSubstr("an object or null"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"metadata":{"a":}})"), HasSubstr("at byte 24"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"body":5})"), HasSubstr("a string"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vectors":[1]})"), HasSubstr("'{'"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vector":[]})"), HasSubstr("numbers in a vector, found 0"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vector":[1,NaN]})"), HasSubstr("NaN, which JSON does not have"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vector":[-Infinity]})"), HasSubstr("-Infinity, which"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vector":[null]})"), HasSubstr("expected a number, found 'n'"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vector":["1"]})"), HasSubstr("a number"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vector":[1e39]})"), HasSubstr("float32"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vector":[1e999]})"), HasSubstr("float32"));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vector":[1],"vectors":{"vector":[1]}})"),
              HasSubstr("a second one for column 'vector'"));
  EXPECT_THAT(ErrorOf(R"({"id":1} {"id":2})"), HasSubstr("the end of the text"));
  EXPECT_THAT(ErrorOf(R"({"id":1)"), HasSubstr("the end of the text"));
}

TEST(Jsonl, RoundsToFloatAtTheEdges) {
  JsonlParser parser;
  JsonlDocument document;
  ASSERT_TRUE(parser
                  .Parse(R"({"id":1,"vector":[3.4028234663852886e38,3.4028235e38,1e-46,-1e-999,)"
                         R"(1.401298464324817e-45,0.1]})",
                         &document)
                  .ok());
  const float max = std::numeric_limits<float>::max();
  EXPECT_THAT(document.values, ElementsAre(max, max, 0.0f, -0.0f, 1.401298464324817e-45f, 0.1f));
  EXPECT_THAT(ErrorOf(R"({"id":1,"vector":[3.4028236e38]})"), HasSubstr("float32"));
}

TEST(Jsonl, MetadataMayBeAsDeepAsAlone) {
  const std::string open(99, '['), close(99, ']');
  EXPECT_EQ(ErrorOf("{\"id\":1,\"metadata\":{\"a\":" + open + close + "}}"), "");
  EXPECT_THAT(ErrorOf("{\"id\":1,\"metadata\":{\"a\":[" + open + close + "]}}"),
              HasSubstr("nesting"));
}

TEST(Jsonl, EveryTruncationIsAnError) {
  const std::string line =
      R"({"id":"k","metadata":{"a":[1,"x"]},"body":"b","vectors":{"v":[0.5,-2e3]}})";
  ASSERT_EQ(ErrorOf(line), "");
  for (size_t size = 0; size < line.size(); ++size) EXPECT_NE(ErrorOf(line.substr(0, size)), "");
}

}  // namespace
}  // namespace vdb::format
