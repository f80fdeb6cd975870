// JsonScanner: events against a plain recursive reader, in memory and over a source whose tokens
// straddle blocks; the exact byte of errors; hostile texts.
#include "format/json_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/format/legacy_support.h"

namespace vdb::format {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Events as text: structure by its bytes, values by their slices, runs by their count.
std::string Trace(JsonScanner* scanner) {
  std::string trace, scratch;
  for (;;) {
    const JsonToken token = scanner->Next();
    const auto slice = [&] {
      return std::string(scanner->Bytes(token.offset, token.end, &scratch).value());
    };
    switch (token.event) {
      case JsonEvent::kEnd: return trace + "END";
      case JsonEvent::kError: return trace + "ERROR " + std::to_string(scanner->error_offset());
      case JsonEvent::kBeginObject: trace += "{ "; break;
      case JsonEvent::kEndObject: trace += "} "; break;
      case JsonEvent::kBeginArray: trace += "[ "; break;
      case JsonEvent::kEndArray: trace += "] "; break;
      case JsonEvent::kKey: trace += slice() + ": "; break;
      case JsonEvent::kNumbers:
        trace += "#" + std::to_string(token.count) + (token.non_finite ? "! " : " ");
        break;
      default: trace += slice() + " "; break;
    }
  }
}

std::string TraceOf(const std::string& text) {
  JsonScanner in_memory(text);
  const std::string trace = Trace(&in_memory);
  const auto source = SourceOf(text);
  JsonScanner streaming(source.get());
  EXPECT_EQ(Trace(&streaming), trace) << text.substr(0, 100);
  return trace;
}

TEST(JsonScan, TellsStructure) {
  EXPECT_EQ(TraceOf(R"({"a": [1, 2.5,-3e2], "b\"": {"c": null, "d": true}, "e": -0.5})"),
            R"({ "a": [ #3 ] "b\"": { "c": null "d": true } "e": -0.5 } END)");
  EXPECT_EQ(TraceOf("[]"), "[ ] END");
  EXPECT_EQ(TraceOf("[[], [ ], {}, \"x\", false]"), "[ [ ] [ ] { } \"x\" false ] END");
  EXPECT_EQ(TraceOf(" \n"), "END");
  EXPECT_EQ(TraceOf("7"), "7 END");
}

TEST(JsonScan, RunsEndAtWhatIsNoNumber) {
  EXPECT_EQ(TraceOf("[1, 2, null, 3, [4], 5]"), "[ #2 null #1 [ #1 ] #1 ] END");
  EXPECT_EQ(TraceOf("[ 1 ,\n2\t]"), "[ #2 ] END");
  EXPECT_EQ(TraceOf("[null, 1]"), "[ null #1 ] END");
  EXPECT_EQ(TraceOf("[1, \"a\"]"), "[ #1 \"a\" ] END");
}

TEST(JsonScan, TakesPythonsWords) {
  EXPECT_EQ(TraceOf(R"({"a": NaN, "b": -Infinity, "c": [1, NaN, -Infinity, Infinity]})"),
            R"({ "a": NaN "b": -Infinity "c": [ #4! ] } END)");
  EXPECT_EQ(TraceOf("[NaN]"), "[ #1! ] END");
}

TEST(JsonScan, TakesSeveralRootsAndLogs) {
  EXPECT_EQ(TraceOf("{\"a\":1}\n{\"a\":2}\n"), R"({ "a": 1 } { "a": 2 } END)");
  EXPECT_EQ(TraceOf("\"k\": {\"a\": 1},\n\"l\": null,\n"), R"("k": { "a": 1 } "l": null END)");
  EXPECT_EQ(TraceOf("\xEF\xBB\xBF{}"), "{ } END");
  EXPECT_EQ(TraceOf("\"a\" \"b\""), "\"a\" \"b\" END");
}

TEST(JsonScan, NamesTheByteOfAnError) {
  EXPECT_EQ(TraceOf("[1, 2"), "[ ERROR 5");
  EXPECT_EQ(TraceOf("[1, ]"), "[ ERROR 4");
  EXPECT_EQ(TraceOf("[1 \"a\"]"), "[ ERROR 3");
  EXPECT_EQ(TraceOf("[1 }"), "[ ERROR 3");
  EXPECT_EQ(TraceOf("[,1]"), "[ ERROR 1");
  EXPECT_EQ(TraceOf("{\"a\" 1}"), "{ ERROR 5");
  EXPECT_EQ(TraceOf("{\"a\": 1,}"), "{ \"a\": 1 ERROR 8");
  EXPECT_EQ(TraceOf("{\"a\": 01}"), "{ \"a\": ERROR 7");
  EXPECT_EQ(TraceOf("{\"a\": 1.}"), "{ \"a\": ERROR 8");
  EXPECT_EQ(TraceOf("{\"a\": tru}"), "{ \"a\": ERROR 9");
  EXPECT_EQ(TraceOf("\"a\nb\""), "ERROR 2");
  EXPECT_EQ(TraceOf("\"a\\x\""), "ERROR 3");
  EXPECT_EQ(TraceOf("{1: 2}"), "{ ERROR 1");
  EXPECT_EQ(TraceOf("nan"), "ERROR 1");
  EXPECT_EQ(TraceOf("\"k\":"), "\"k\": ERROR 4");
  EXPECT_EQ(TraceOf("]"), "ERROR 0");
  JsonScanner scanner(std::string_view("{\"a\": Nope}"), 1000);
  Trace(&scanner);
  EXPECT_EQ(scanner.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(scanner.status().message(), HasSubstr("at byte 1007: expected 'NaN', found 'o'"));
  EXPECT_FALSE(scanner.torn());
}

TEST(JsonScan, DepthIsLimited) {
  const std::string open(JsonScanner::kDepthMax, '[');
  EXPECT_THAT(TraceOf(open + std::string(JsonScanner::kDepthMax, ']')), HasSubstr("END"));
  EXPECT_THAT(TraceOf(open + "["), HasSubstr("ERROR 100"));
}

// A source of one endless byte, of which almost nothing may be read.
class Brackets : public ByteSource {
 public:
  uint64_t size() const override { return uint64_t{1} << 30; }
  Status ReadAt(uint64_t, std::span<char> out) const override {
    read_ += out.size();
    std::fill(out.begin(), out.end(), '[');
    return Status::Ok();
  }
  mutable uint64_t read_ = 0;
};

TEST(JsonScan, AGigabyteOfBracketsEndsAtOnce) {
  Brackets source;
  JsonScanner scanner(&source);
  EXPECT_THAT(Trace(&scanner), HasSubstr("ERROR 100"));
  EXPECT_LT(source.read_, 2u << 20);
}

TEST(JsonScan, ErrorsOfTheSourceAndCancelling) {
  class Broken : public ByteSource {
   public:
    uint64_t size() const override { return 10; }
    Status ReadAt(uint64_t, std::span<char>) const override { return Status::IoError("no disk"); }
  } broken;
  JsonScanner scanner(&broken);
  EXPECT_EQ(scanner.Next().event, JsonEvent::kError);
  EXPECT_EQ(scanner.Next().event, JsonEvent::kError);
  EXPECT_EQ(scanner.status().code(), StatusCode::kIoError);
  const auto source = SourceOf("[1]");
  JsonScanner cancelled(source.get(), [](uint64_t, uint64_t) { return false; });
  EXPECT_EQ(cancelled.Next().event, JsonEvent::kError);
  EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
}

// Text whose tokens fall on every place relative to blocks and lanes, against counts known when it
// was made.
TEST(JsonScan, LongRunsAndStringsKeepTheirCount) {
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    std::string text = "[";
    std::string expected = "[ ";
    const auto arrays = 1 + random() % 5;
    for (uint32_t a = 0; a < arrays; ++a) {
      const auto numbers = 1 + random() % (round < 50 ? 300 : 60000);
      const bool bad = random() % 4 == 0;
      text += a > 0 ? ",[" : "[";
      for (uint32_t i = 0; i < numbers; ++i) {
        if (i > 0) text += random() % 9 == 0 ? "\n  , " : ",";
        text += std::to_string(static_cast<int>(random() % 2000000) - 1000000);
        if (random() % 3 == 0) text += ".5e-7";
        if (bad && i == numbers / 2) text += ",NaN";
        text.append(random() % 20 == 0 ? random() % 200 : 0, ' ');
      }
      text += "]";
      expected += "[ #" + std::to_string(numbers + bad) + (bad ? "! ] " : " ] ");
      std::string string(random() % (round < 50 ? 200 : 600000), 'x');
      for (char& c : string) c = static_cast<char>('a' + random() % 26);
      if (random() % 2 == 0) string += "\\\" \\u00e9 \\\\";
      text += ",\"" + string + "\"";
      expected += "\"" + string + "\" ";
    }
    text += "]";
    ASSERT_TRUE(TraceOf(text) == expected + "] END") << "round " << round;
  }
}

TEST(JsonScan, EveryPrefixIsTorn) {
  const std::string whole =
      R"({"a\u0041": [1, 2.5e3, NaN, -Infinity], "b": "x\"y", "c": [true, null, {}], "d": )"
           R"(-1.5e+3})";
  for (size_t size = 1; size < whole.size(); ++size) {
    const std::string text = whole.substr(0, size);
    ASSERT_THAT(TraceOf(text), HasSubstr("ERROR " + std::to_string(size))) << text;
    JsonScanner scanner{std::string_view(text)};
    Trace(&scanner);
    ASSERT_TRUE(scanner.torn()) << text;
  }
}

TEST(JsonScan, TakesNumbers) {
  JsonScanner scanner(std::string_view("[1, -2.5 ,3e2, NaN, -Infinity, \"x\", 4]"));
  ASSERT_EQ(scanner.Next().event, JsonEvent::kBeginArray);
  std::vector<double> values;
  ASSERT_TRUE(scanner.TakeNumbers(&values));
  ASSERT_EQ(values.size(), 5u);
  EXPECT_EQ(values[1], -2.5);
  EXPECT_TRUE(values[3] != values[3]);
  EXPECT_EQ(scanner.Next().event, JsonEvent::kString);
  ASSERT_TRUE(scanner.TakeNumbers(&values));
  EXPECT_EQ(values.back(), 4);
  EXPECT_EQ(scanner.Next().event, JsonEvent::kEndArray);
}

TEST(JsonScan, NumbersAreTheNearestDoubles) {
  std::mt19937_64 random(7);
  std::string text = "[";
  std::vector<double> expected;
  for (int i = 0; i < 20000; ++i) {
    char number[64];
    const double value = std::ldexp(static_cast<double>(random() >> 11),
                                    static_cast<int>(random() % 120) - 110);
    std::snprintf(number, sizeof(number), "%.*g", 6 + static_cast<int>(random() % 16),
                  random() % 2 == 0 ? value : -value);
    expected.push_back(std::strtod(number, nullptr));
    text += (i > 0 ? ", " : "") + std::string(number);
  }
  text += "]";
  JsonScanner scanner{std::string_view(text)};
  scanner.Next();
  std::vector<double> values;
  ASSERT_TRUE(scanner.TakeNumbers(&values));
  EXPECT_EQ(values, expected);
}

}  // namespace
}  // namespace vdb::format
