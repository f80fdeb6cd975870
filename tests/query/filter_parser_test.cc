// The text form of filters: what is refused, with its column; forms that are the same; limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "vdb/filter.h"

namespace vdb {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Message(const std::string& text) {
  const auto filter = Filter::Parse(text);
  if (filter.ok()) return "parsed as " + filter->ToString();
  EXPECT_EQ(filter.status().code(), StatusCode::kInvalidArgument);
  return filter.status().message();
}

TEST(FilterParser, MalformedFiltersNameTheColumn) {
  std::ifstream file(VDB_SOURCE_DIR "/tests/query/malformed_filters.txt");
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const size_t space = line.find(' ');
    const std::string text = line.substr(space + 1);
    const std::string begin = "filter, column " + line.substr(0, space) + ": expected ";
    EXPECT_THAT(Message(text), StartsWith(begin)) << text;
    EXPECT_THAT(Message(text), HasSubstr(", found ")) << text;
  }
  EXPECT_GE(count, 100);
}

TEST(FilterParser, MessagesSayWhatToWrite) {
  EXPECT_THAT(Message("a = null"), HasSubstr("is null"));
  EXPECT_THAT(Message("a != null"), HasSubstr("is not null"));
  EXPECT_THAT(Message("2020 <= year"), HasSubstr("constants stand on the right"));
  EXPECT_THAT(Message("timestamp > 3"), HasSubstr("`timestamp`"));
  EXPECT_THAT(Message("a = 'x'"), HasSubstr("double quotes"));
  EXPECT_THAT(Message("a = \xC3\xA9"), HasSubstr("found byte 0xc3"));
  EXPECT_THAT(Message("a = b" + std::string(100, 'c')), HasSubstr("found 'bccc"));
  EXPECT_THAT(Message("a = b" + std::string(100, 'c')), HasSubstr("c...'"));
  EXPECT_THAT(Message(std::string("a = 1 \0", 7)), HasSubstr("found byte 0x00"));
}

TEST(FilterParser, OneFormOfEachFilter) {
  const auto same = [](const std::string& text, const std::string& form) {
    const auto filter = Filter::Parse(text);
    ASSERT_TRUE(filter.ok()) << filter.status().message();
    EXPECT_EQ(filter->ToString(), form);
  };
  same("a==1", "a = 1");
  same("a<>1", "a != 1");
  same("not a=1", "a != 1");
  same("NOT a IN(1)", "a not in (1)");
  same("a Not Between 1 And 2", "a not between 1 and 2");
  same("not a is null", "a is not null");
  same("a Starts\n With \"\"", "a starts with \"\"");
  same("a<1 and\tb>2", "a < 1 and b > 2");
  same("a = 1 or b = 2 and not c = 3", "a = 1 or b = 2 and c != 3");
  same("((a = 1 or b = 2)) and (c = 3)", "(a = 1 or b = 2) and c = 3");
  same("a exists and (b exists and (c exists))", "a exists and b exists and c exists");
  same("not (a exists and b exists)", "not (a exists and b exists)");
  same("not not not a exists", "not not not a exists");
  same("a in (2, 1, 2.0, \"x\", true, 1)", "a in (true, 1, 2, \"x\")");
  same("a = \"\\u0041\\ud83d\\ude00\\udcff\\/\"", "a = \"A\xF0\x9F\x98\x80\\udcff/\"");
  same("`a`.`b c`.`$d` = 1E2", "a.`b c`.`$d` = 100.0");
  same("`NOT` = TRUE and a.not = False", "`NOT` = true and a.not = false");
  same("a = -0 and b = -0.0", "a = 0 and b = -0.0");
  same("a = timestamp \"2020-01-01 01:00:00.500+01:00\"",
       "a = timestamp \"2020-01-01T00:00:00.5Z\"");
}

TEST(FilterParser, NumbersAreExact) {
  for (const char* number : {"9223372036854775807", "-9223372036854775808", "9223372036854775808",
                             "18446744073709551615", "0.1", "5e-324", "1.7976931348623157e+308"}) {
    const std::string text = std::string("a = ") + number;
    EXPECT_EQ(Filter::Parse(text)->ToString(), text);
  }
}

std::string Times(size_t count, const std::string& piece) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += piece;
  return text;
}

TEST(FilterParser, LimitsAreKept) {
  const size_t depth = kFilterDepthMax;
  EXPECT_TRUE(Filter::Parse(Times(depth, "(") + "a = 1" + Times(depth, ")")).ok());
  EXPECT_TRUE(Filter::Parse(Times(depth, "not ") + "a > 1").ok());
  const std::string too_deep = "nesting of at most 64 levels";
  EXPECT_THAT(Message(Times(depth + 1, "(") + "a = 1" + Times(depth + 1, ")")),
              StartsWith("filter, column 65: expected " + too_deep));
  EXPECT_THAT(Message(Times(depth + 1, "not ") + "a > 1"), StartsWith("filter, column 257:"));
  EXPECT_THAT(Message(Times(depth, "not ") + "a != 1"), HasSubstr(too_deep));
  for (const char* piece : {"(", "not ", "not (", "a=1 or(", "a=1 and(a=1 or("}) {
    EXPECT_THAT(Message(Times(50'000, piece)), HasSubstr(too_deep)) << piece;
  }
  // Each parenthesis hides two levels here.
  EXPECT_THAT(Message(Times(40, "a=1 or b=2 and(") + "c=3" + Times(40, ")")), HasSubstr(too_deep));

  const std::string longest = "a=1" + std::string(kFilterBytesMax - 3, ' ');
  EXPECT_TRUE(Filter::Parse(longest).ok());
  EXPECT_THAT(Message(longest + " "), StartsWith("filter, column 1048577: expected at most"));

  const std::string most = "a in(" + Times(kFilterNodesMax - 2, "1,") + "2";
  EXPECT_TRUE(Filter::Parse(most + ")").ok());
  const std::string column = std::to_string(most.size() + 2);
  EXPECT_THAT(Message(most + ",3)"), StartsWith("filter, column " + column + ": expected at most"));
  const std::string predicates = "a=1" + Times(kFilterNodesMax / 2 - 1, " or a=1");
  EXPECT_TRUE(Filter::Parse(predicates).ok());
  EXPECT_THAT(Message(predicates + " and b exists"), HasSubstr("at most 10000 predicates"));
}

}  // namespace
}  // namespace vdb
