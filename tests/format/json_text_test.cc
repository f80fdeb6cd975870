// JSON text: every byte string survives AppendJsonString and ParseJsonString; JsonReader takes what
// RFC 8259 allows and nothing else, and names the byte where it stops.
#include "vdb/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "format/json_reader.h"

namespace vdb {
namespace {

using ::testing::HasSubstr;

std::string Escaped(std::string_view bytes) {
  std::string out;
  AppendJsonString(&out, bytes);
  return out;
}

TEST(JsonText, WritesValidUtf8AsItIs) {
  EXPECT_EQ(Escaped("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F"),
            "\"a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F\"");
  EXPECT_EQ(Escaped(std::string_view("\"\\/\b\f\n\r\t\0\x1f", 10)),
            "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\"");
}

TEST(JsonText, EscapesEachByteThatIsNoUtf8) {
  EXPECT_EQ(Escaped("\xFF"), "\"\\udcff\"");
  EXPECT_EQ(Escaped("\xC3"), "\"\\udcc3\"");                          // cut
  EXPECT_EQ(Escaped("\xC0\x80"), "\"\\udcc0\\udc80\"");               // overlong
  EXPECT_EQ(Escaped("\xE0\x80\x80"), "\"\\udce0\\udc80\\udc80\"");    // overlong
  EXPECT_EQ(Escaped("\xED\xA0\x80"), "\"\\udced\\udca0\\udc80\"");    // surrogate
  EXPECT_EQ(Escaped("\xF4\x90\x80\x80"), "\"\\udcf4\\udc90\\udc80\\udc80\"");  // above U+10FFFF
  EXPECT_EQ(Escaped("\xE2\x82x"), "\"\\udce2\\udc82x\"");
}

TEST(JsonText, RoundTripsRandomBytes) {
  std::mt19937 random(7);
  // Mostly lead and continuation bytes, where the decisions are.
  const std::string alphabet =
      "a\"\\\n\x80\xBF\xC2\xC3\xE0\xE2\xED\x9F\xA0\xEF\xF0\xF4\x8F\x90\xFF";
  for (int round = 0; round < 200000; ++round) {
    std::string bytes(random() % 12, '\0');
    for (char& c : bytes) {
      c = random() % 2 ? alphabet[random() % alphabet.size()] : static_cast<char>(random());
    }
    const std::string text = Escaped(bytes);
    ASSERT_TRUE(IsValidUtf8(text)) << text;
    const auto back = ParseJsonString(text);
    ASSERT_TRUE(back.ok()) << back.status().ToString();
    ASSERT_EQ(*back, bytes) << text;
  }
}

TEST(JsonText, ParsesEscapes) {
  const auto parse = [](std::string_view text) {
    const auto value = ParseJsonString(text);
    return value.ok() ? *value : "error: " + value.status().message();
  };
  EXPECT_EQ(parse(R"("\u00e9\ud83d\ude00\/\b")"), "\xC3\xA9\xF0\x9F\x98\x80/\b");
  EXPECT_EQ(parse(R"("\udc80\uDCFF")"), "\x80\xFF");
  EXPECT_EQ(parse(R"("\ud800")"), "\xED\xA0\x80");
  EXPECT_EQ(parse(R"("\ud800\ud800\udc00")"), "\xED\xA0\x80\xF0\x90\x80\x80");
  EXPECT_EQ(parse(R"("\ud800\udc80")"), "\xF0\x90\x82\x80");  // a pair, not a byte
  EXPECT_EQ(parse(R"("\udc7f\udd00")"), "\xED\xB1\xBF\xED\xB4\x80");
  EXPECT_EQ(parse(R"("\\udc80")"), "\\udc80");
  EXPECT_EQ(parse("\"\xFF\""), "\xFF");
  EXPECT_EQ(parse(" \"a\" \r\n"), "a");
  EXPECT_EQ(parse(R"("\u0000")"), std::string(1, '\0'));
  EXPECT_THAT(parse("\"\\x\""), HasSubstr("at byte 2: expected one of"));
  EXPECT_THAT(parse("\"\\u12g4\""), HasSubstr("at byte 3: expected four hexadecimal"));
  EXPECT_THAT(parse("\"\\u12"), HasSubstr("four hexadecimal"));
  EXPECT_THAT(parse("\"\\u+123\""), HasSubstr("four hexadecimal"));
  EXPECT_THAT(parse("\"abc"), HasSubstr("at byte 4: expected '\"', found the end of the text"));
  EXPECT_THAT(parse("\"a\nb\""), HasSubstr("found byte 0x0a"));
  EXPECT_THAT(parse("\"a\"b"), HasSubstr("at byte 3: expected the end of the text, found 'b'"));
  EXPECT_THAT(parse("1"), HasSubstr("expected a string, found '1'"));
  EXPECT_THAT(parse(""), HasSubstr("found the end of the text"));
}

std::string ErrorOf(std::string_view text) {
  format::JsonReader reader(text, 8);
  reader.SkipValue();
  reader.Finish();
  return reader.status().message();
}

TEST(JsonReader, TakesEverythingValid) {
  for (const char* text :
       {"0", "-0", "-0.0", "1e5", "1E+5", "1.25e-7", "123456789012345678901234567890", "null",
        "true", "false", "[]", "[ ]", "{}", "{ }", "[1,2]", " [ 1 , [ ] , { \"a\" : [ ] } ] \n",
        R"({"":0})", R"({"a":{"b":{"c":null}},"d":"\u0000"})", "\"\x7f\""}) {
    EXPECT_EQ(ErrorOf(text), "") << text;
  }
}

TEST(JsonReader, RefusesEverythingElse) {
  for (const char* text :
       {"", " ", "01", "-01", "00", "-", "+1", ".5", "5.", "1.e5", "1e", "1e+", "0x10", "1_000",
        "nul", "nulll", "True", "tru", "falsy", "None", "undefined", "NaN", "-NaN", "nan", "inf",
        "Infinity", "-Infinity", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1,,2]", "{", "}",
        "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{'a':1}", "{1:1}",
        "{null:1}", "{\"a\":1 \"b\":2}", "[1}", "{\"a\":1]", "1 2", "[]]", "'a'", "\"a", "\"\\\"",
        "// c\n1", "[1] x", "\xEF\xBB\xBF[]", "-i", "-I", "[[[[[[[[[]]]]]]]]]"}) {
    EXPECT_NE(ErrorOf(text), "") << text;
  }
  EXPECT_NE(ErrorOf(std::string_view("[]\0", 3)), "");
  EXPECT_NE(ErrorOf(std::string_view("\0", 1)), "");
}

TEST(JsonReader, NamesWhereAndWhat) {
  EXPECT_EQ(ErrorOf("[1, nan]"),
            "JSON: at byte 4: expected a value, found nan, which JSON does not have");
  EXPECT_EQ(ErrorOf("[1, -Infinity]"),
            "JSON: at byte 4: expected a value, found -Infinity, which JSON does not have");
  EXPECT_EQ(ErrorOf("{\"a\":1,}"), "JSON: at byte 7: expected a field name in quotes, found '}'");
  EXPECT_EQ(ErrorOf("[1,"), "JSON: at byte 3: expected a value, found the end of the text");
  EXPECT_EQ(ErrorOf("[[[[[[[[[1]]]]]]]]]"),
            "JSON: at byte 8: expected at most 8 levels of nesting, found more");
}

TEST(JsonReader, EveryTruncationIsAnError) {
  const std::string text = R"({"a":[1.5e3,true,null,"x\u00e9\n"],"b":{"c":false}})";
  ASSERT_EQ(ErrorOf(text), "");
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_NE(ErrorOf(std::string_view(text).substr(0, size)), "") << size;
  }
}

TEST(JsonReader, RoundsNumbersToTheNearestDouble) {
  const auto read = [](std::string_view text, double* value) {
    format::JsonReader reader(text, 0);
    return reader.ReadDouble(value) && reader.Finish();
  };
  double value = 1;
  EXPECT_TRUE(read("0.1", &value) && value == 0.1);
  EXPECT_TRUE(read("1e-400", &value) && value == 0 && !std::signbit(value));
  EXPECT_TRUE(read("-1e-400", &value) && value == 0 && std::signbit(value));
  EXPECT_TRUE(read("-0.0", &value) && value == 0 && std::signbit(value));
  EXPECT_TRUE(read("0e999999999999999999999", &value) && value == 0);
  EXPECT_TRUE(read("5e-324", &value) && value == 5e-324);
  EXPECT_TRUE(read("0." + std::string(500, '0') + "1e501", &value) && value == 1);
  EXPECT_TRUE(read("1e-99999999999999999999999", &value) && value == 0);
  EXPECT_FALSE(read("1e400", &value));
  EXPECT_FALSE(read("-1e400", &value));
  EXPECT_FALSE(read("1e99999999999999999999999", &value));
  EXPECT_FALSE(read("1" + std::string(400, '0'), &value));
  EXPECT_FALSE(read("1.7976931348623159e308", &value));
}

}  // namespace
}  // namespace vdb
