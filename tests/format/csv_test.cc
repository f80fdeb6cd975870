// CSV: what RFC 4180 says, the types of fields, vectors as text; and agreement with a reader that
// goes byte by byte, on mutated text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "format/csv.h"

namespace vdb::format {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Strings = std::vector<std::string>;

std::string Error(const std::string& record) {
  Strings fields;
  return ParseCsvRecord(record, ',', &fields).message();
}

TEST(Csv, ReadsRecords) {
  Strings fields;
  ASSERT_TRUE(ParseCsvRecord("a,\"b,\"\"c\"\"\r\nd\",,e\r\n", ',', &fields).ok());
  EXPECT_EQ(fields, (Strings{"a", "b,\"c\"\r\nd", "", "e"}));
  ASSERT_TRUE(ParseCsvRecord("", ',', &fields).ok());
  EXPECT_EQ(fields, Strings{""});
  ASSERT_TRUE(ParseCsvRecord("a\t\"\"\t", '\t', &fields).ok());
  EXPECT_EQ(fields, (Strings{"a", "", ""}));
  EXPECT_THAT(Error("a,b\"c\""), HasSubstr("at byte 3"));
  EXPECT_THAT(Error("\"a\"b,c"), HasSubstr("found 'b'"));
  EXPECT_THAT(Error("a,\"b"), HasSubstr("closing quote"));
  size_t lines = 0;
  EXPECT_EQ(CsvRecordBytes("a,\"b\n\"\nc\n", 0, &lines), 7u);
  EXPECT_EQ(lines, 2u);
  EXPECT_EQ(CsvRecordBytes("a,\"b\n\"\nc\n", 7, &lines), 2u);
  EXPECT_EQ(CsvRecordBytes("\"a", 0, &lines), 2u);
}

std::string Typed(const std::string& text) {
  std::string out;
  AppendTypedJson(text, &out);
  return out;
}

TEST(Csv, TypesAreTakenWhereTheySayTheSame) {
  for (const char* kept : {"0", "-1", "9223372036854775807", "-9223372036854775808",
                           "18446744073709551615", "0.5", "1.50", "1e5", "-2.5E-3", "0.0",
                           "0.30000000000000004", "true", "false"}) {
    EXPECT_EQ(Typed(kept), kept);
  }
  EXPECT_EQ(Typed("True"), "true");
  EXPECT_EQ(Typed("FALSE"), "false");
  for (const char* text : {"", "007", "+1", "1.", ".5", "1e999", "nan", "inf", "0x10", "1 ", " 1",
                           "18446744073709551616", "-9223372036854775809", "yes", "1,5", "-0",
                           "0.12345678901234567890", "1e-999", "null", "[1]"}) {
    EXPECT_EQ(Typed(text), "\"" + std::string(text) + "\"");
  }
}

std::optional<std::vector<float>> Vector(const std::string& text) {
  std::vector<float> values;
  if (!ParseVectorText(text, &values).ok()) return std::nullopt;
  return values;
}

TEST(Csv, VectorsAsText) {
  for (const char* text : {"[1, -2.5, 3e1]", "1 -2.5 3e1", "(1;-2.5;30)", " [ 1 -2.5\n 30.0 ] ",
                           "+1,-2.5,30", "{1,-2.5,30}"}) {
    ASSERT_TRUE(Vector(text)) << text;
    EXPECT_THAT(*Vector(text), ElementsAre(1.0f, -2.5f, 30.0f)) << text;
  }
  EXPECT_THAT(*Vector("[1e-60, 3.4e38]"), ElementsAre(0.0f, 3.4e38f));
  for (const char* text : {"", "[]", "[1,,2]", "[1,2", "1,2,", "a b", "[1, x]", "1e39 2", "1 2]",
                           "[[1,2]]", "1-2", ",1"}) {
    EXPECT_FALSE(Vector(text)) << text;
  }
  EXPECT_EQ(LookOfVector("[1]"), VectorLook::kBrackets);
  EXPECT_EQ(LookOfVector("1 2"), VectorLook::kNumbers);
  EXPECT_EQ(LookOfVector("1"), VectorLook::kNo);
  EXPECT_EQ(LookOfVector("2020-01-02"), VectorLook::kNo);
}

// A state machine, one byte at a time. Nothing: malformed.
std::optional<Strings> Oracle(std::string record) {
  if (!record.empty() && record.back() == '\n') record.pop_back();
  if (!record.empty() && record.back() == '\r') record.pop_back();
  Strings fields(1);
  enum { kStart, kPlain, kQuoted, kClosed } state = kStart;
  for (const char c : record) {
    if (state == kQuoted) {
      if (c == '"') {
        state = kClosed;
      } else {
        fields.back() += c;
      }
    } else if (c == ',') {
      fields.emplace_back();
      state = kStart;
    } else if (c == '"') {
      if (state == kPlain) return std::nullopt;
      if (state == kClosed) fields.back() += '"';
      state = kQuoted;
    } else {
      if (state == kClosed) return std::nullopt;
      fields.back() += c;
      state = kPlain;
    }
  }
  if (state == kQuoted) return std::nullopt;
  return fields;
}

TEST(Csv, AgreesWithAnOracleOnMutations) {
  std::mt19937 random(3);
  const std::string letters = "a,\"\n\r0.;[] ";
  int good = 0, bad = 0;
  for (int round = 0; round < 100000; ++round) {
    std::string text;
    for (size_t size = random() % 12; size > 0; --size) text += letters[random() % letters.size()];
    size_t lines = 0;
    const size_t size = CsvRecordBytes(text, 0, &lines);
    ASSERT_LE(size, text.size());
    ASSERT_EQ(lines, static_cast<size_t>(std::count(text.begin(), text.begin() +
                                                    static_cast<std::ptrdiff_t>(size), '\n')));
    const std::string record = text.substr(0, size);
    Strings fields;
    const bool parsed = ParseCsvRecord(record, ',', &fields).ok();
    const auto expected = Oracle(record);
    ASSERT_EQ(parsed, expected.has_value()) << record;
    if (parsed) {
      ASSERT_EQ(fields, *expected) << record;
    }
    (parsed ? good : bad) += 1;
    for (const std::string& field : fields) {
      (void)Vector(field);
      (void)Typed(field);
    }
  }
  EXPECT_GT(good, 10000);
  EXPECT_GT(bad, 10000);
}

}  // namespace
}  // namespace vdb::format
