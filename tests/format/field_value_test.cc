// Field paths, timestamps and ordered encodings of metadata values: encodings order as values do,
// entries are what a document's field holds, and damaged metadata is never followed astray.
#include "format/field_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "format/field_path.h"
#include "format/metadata.h"
#include "format/metadata_view.h"
#include "format/timestamp.h"

namespace vdb::format {
namespace {

using ::testing::HasSubstr;

int Sign(int value) { return (value > 0) - (value < 0); }

// --- Paths ---

TEST(FieldPath, TextAndBack) {
  for (const char* text : {"a", "author.name", "_x9.y", "`strange name`.x", "````", "``", "a.``.b",
                           "`1a`", "`$key`", "`a.b`", "$key", "$body", "`\n\xFF`"}) {
    const auto path = ParseFieldPath(text);
    ASSERT_TRUE(path.ok()) << text << path.status().message();
    EXPECT_EQ(FieldPathText(*path), text);
  }
  EXPECT_EQ(FieldPathText(*ParseFieldPath("`a`.`b_1`.`c d`")), "a.b_1.`c d`");
  EXPECT_EQ(ParseFieldPath("a.`b``c`")->steps, (std::vector<std::string>{"a", "b`c"}));
  EXPECT_TRUE(ParseFieldPath("$key")->is_key());
  EXPECT_FALSE(ParseFieldPath("$body")->is_key());
}

TEST(FieldPath, ErrorsNameTheByte) {
  const auto message = [](std::string_view text) {
    const auto path = ParseFieldPath(text);
    EXPECT_EQ(path.status().code(), StatusCode::kInvalidArgument) << text;
    return path.ok() ? "parsed" : path.status().message();
  };
  EXPECT_THAT(message(""), HasSubstr("at byte 0: expected a field name"));
  EXPECT_THAT(message("a."), HasSubstr("at byte 2: expected a field name"));
  EXPECT_THAT(message("a..b"), HasSubstr("at byte 2"));
  EXPECT_THAT(message("a b"), HasSubstr("at byte 1: expected '.' or the end, found byte 0x20"));
  EXPECT_THAT(message("9a"), HasSubstr("at byte 0"));
  EXPECT_THAT(message("a.`b"), HasSubstr("at byte 4: expected a backquote"));
  EXPECT_THAT(message("```"), HasSubstr("at byte 3"));
  EXPECT_THAT(message(std::string("`a\0b`", 5)), HasSubstr("at byte 2: expected a field name w"));
  EXPECT_THAT(message("$name"), HasSubstr("at byte 0: expected $key or $body"));
  EXPECT_THAT(message("$key.x"), HasSubstr("at byte 4: expected the end"));
  EXPECT_THAT(message("a.$key"), HasSubstr("at byte 2"));
  std::string longest(kFieldPathBytesMax, 'x');
  EXPECT_TRUE(ParseFieldPath(longest).ok());
  EXPECT_TRUE(ParseFieldPath("`" + longest + "`").ok());
  EXPECT_THAT(message(longest + "x"), HasSubstr("at byte 0: expected a path of at most"));
  std::string deep = "a";
  for (size_t i = 1; i < kFieldStepsMax; ++i) deep += ".a";
  EXPECT_TRUE(ParseFieldPath(deep).ok());
  EXPECT_THAT(message(deep + ".a"), HasSubstr("at byte 64: expected a path of at most"));
}

// --- Timestamps ---

TEST(Timestamp, Parses) {
  const auto seconds = [](std::string_view text) {
    const auto time = Timestamp::Parse(text);
    EXPECT_TRUE(time.ok()) << time.status().message();
    return time.ok() ? time->seconds : -1;
  };
  EXPECT_EQ(seconds("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(seconds("1970-01-01t00:00:00z"), 0);
  EXPECT_EQ(seconds("1970-01-01 01:00:00+01:00"), 0);
  EXPECT_EQ(seconds("1969-12-31T23:59:59Z"), -1);
  EXPECT_EQ(seconds("2020-02-29T12:00:00+00:00"), 1582977600);
  EXPECT_EQ(seconds("2016-12-31T23:59:60Z"), 1483228800);
  EXPECT_EQ(seconds("0000-01-01T00:00:00+23:59"), kTimestampSecondsMin);
  EXPECT_EQ(seconds("9999-12-31T23:59:60-23:59"), kTimestampSecondsMax);
  EXPECT_EQ(*Timestamp::Parse("1969-12-31T23:59:59.5Z"), (Timestamp{-1, 500000000}));
  EXPECT_EQ(Timestamp::Parse("2000-01-01T00:00:00.1234567899999Z")->nanoseconds, 123456789u);
  EXPECT_EQ(Timestamp::Parse("2000-01-01T00:00:00.000000001Z")->nanoseconds, 1u);
}

TEST(Timestamp, RefusesAllElse) {
  for (const char* text :
       {"", "2020", "2020-13-01T00:00:00Z", "2020-00-01T00:00:00Z", "2021-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z", "2020-04-31T00:00:00Z", "2020-01-00T00:00:00Z",
        "2020-01-01T24:00:00Z", "2020-01-01T00:60:00Z", "2020-01-01T00:00:61Z",
        "2020-01-01T00:00:00", "2020-01-01T00:00:00.Z", "2020-01-01T00:00:00+1:00",
        "2020-01-01T00:00:00+24:00", "2020-01-01T00:00:00+00:60", "2020-01-01T00:00:00Z ",
        " 2020-01-01T00:00:00Z", "2020-01-01_00:00:00Z", "20200101T000000Z", "2020-01-01",
        "2020-1-01T00:00:00Z", "+020-01-01T00:00:00Z", "2020-01-01T00:00Z"}) {
    const auto time = Timestamp::Parse(text);
    EXPECT_EQ(time.status().code(), StatusCode::kInvalidArgument) << text;
  }
  EXPECT_THAT(Timestamp::Parse("2021-02-29T00:00:00Z").status().message(),
              HasSubstr("at byte 8: expected a day of that month"));
}

// Every day of 400 years against a calendar that counts, and random instants there and back.
TEST(Timestamp, TextAndBack) {
  int64_t day = 10957;  // 2000-01-01
  for (int year = 2000; year < 2400; ++year) {
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int lengths[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (int month = 1; month <= 12; ++month) {
      for (int date = 1; date <= lengths[month - 1]; ++date, ++day) {
        char text[64];
        snprintf(text, sizeof(text), "%04d-%02d-%02dT00:00:00Z", year, month, date);
        ASSERT_EQ(TimestampText({day * 86400, 0}), text);
        ASSERT_EQ(Timestamp::Parse(text)->seconds, day * 86400);
      }
    }
  }
  std::mt19937_64 random(1);
  for (int round = 0; round < 20000; ++round) {
    const auto span = static_cast<uint64_t>(kTimestampSecondsMax - kTimestampSecondsMin + 1);
    Timestamp time{kTimestampSecondsMin + static_cast<int64_t>(random() % span),
                   static_cast<uint32_t>(random() % 1000000000)};
    if (round % 4 == 0) time.nanoseconds = 500000000;
    if (round < 100) time.seconds = kTimestampSecondsMin + round;
    if (round >= 100 && round < 200) time.seconds = kTimestampSecondsMax - (round - 100);
    const auto back = Timestamp::Parse(TimestampText(time));
    ASSERT_TRUE(back.ok()) << TimestampText(time);
    ASSERT_EQ(*back, time) << TimestampText(time);
  }
}

// --- Order of encodings ---

// Exact for all of int64, uint64 and double on x86: 64 bits of mantissa.
static_assert(std::numeric_limits<long double>::digits >= 64);

struct Number {
  FilterValue value;
  long double exact;
};

template <typename T>
Number NumberOf(T value) {
  return {FilterValue(value), static_cast<long double>(value)};
}

std::vector<Number> Numbers() {
  std::vector<Number> numbers;
  const auto add_bits = [&numbers](uint64_t bits) {
    numbers.push_back(NumberOf(bits));
    numbers.push_back(NumberOf(static_cast<int64_t>(bits)));
    const auto rounded = static_cast<double>(bits);
    for (const double value : {rounded, -rounded, std::nextafter(rounded, 0.0),
                               std::nextafter(rounded, 1e300)}) {
      numbers.push_back(NumberOf(value));
    }
  };
  for (const int power : {0, 1, 8, 52, 53, 54, 62, 63}) {
    for (uint64_t delta = 0; delta < 4; ++delta) {
      add_bits((uint64_t{1} << power) + delta);
      add_bits((uint64_t{1} << power) - delta);
      add_bits(uint64_t{0} - ((uint64_t{1} << power) + delta));
    }
    for (const uint64_t delta : {1023u, 1024u, 1025u, 511u, 512u, 513u, 2047u, 2048u, 2049u}) {
      add_bits((uint64_t{1} << power) + delta);
      add_bits((uint64_t{1} << power) - delta);
    }
  }
  for (const double value : {0.0, -0.0, 0.5, 5e-324, -5e-324, 2.2250738585072014e-308,
                             2.2250738585072009e-308, 1.7976931348623157e308,
                             -1.7976931348623157e308, 0x1p64, -0x1p63}) {
    numbers.push_back(NumberOf(value));
  }
  std::mt19937_64 random(7);
  for (int i = 0; i < 400; ++i) {
    const uint64_t bits = random() >> (random() % 64);
    add_bits(bits);
    double value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    if (std::isfinite(value)) numbers.push_back(NumberOf(value));
  }
  return numbers;
}

TEST(FieldValue, NumbersOrderExactly) {
  std::vector<Number> numbers = Numbers();
  std::vector<std::string> encoded;
  for (const Number& number : numbers) encoded.push_back(EncodeFieldValue(number.value));
  for (size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(FieldValueBytes(encoded[i]), encoded[i].size());
    for (size_t j = 0; j < numbers.size(); ++j) {
      const long double a = numbers[i].exact, b = numbers[j].exact;
      const int order = (a > b) - (a < b);
      ASSERT_EQ(Sign(encoded[i].compare(encoded[j])), order)
          << a << " " << b;
    }
  }
}

TEST(FieldValue, StringsOrderByBytes) {
  std::mt19937 random(9);
  std::vector<std::string> strings = {"", std::string(1, '\0'), std::string(2, '\0'), "\xFF",
                                      std::string("\0\xFF", 2), std::string("\0\1", 2), "\1", "a"};
  for (int i = 0; i < 600; ++i) {
    std::string text(random() % 6, '\0');
    for (char& c : text) c = "\0\1\xFF\xFE" "ab"[random() % 6];
    strings.push_back(text);
  }
  for (const std::string& a : strings) {
    const std::string encoded = EncodeFieldValue(a);
    ASSERT_EQ(DecodeFieldString(encoded), a);
    ASSERT_EQ(FieldValueBytes(encoded + a), encoded.size());
    for (size_t cut = 0; cut < encoded.size(); ++cut) {
      ASSERT_EQ(FieldValueBytes(encoded.substr(0, cut)), 0u);
      ASSERT_EQ(DecodeFieldString(encoded.substr(0, cut)), std::nullopt);
    }
    for (const std::string& b : strings) {
      ASSERT_EQ(Sign(encoded.compare(EncodeFieldValue(b))), Sign(a.compare(b)));
    }
  }
}

TEST(FieldValue, TimesAndTypesOrder) {
  const std::vector<FilterValue> ascending = {
      false, true, -1.7976931348623157e308, 0, 1.7976931348623157e308, "", "z",
      Timestamp{kTimestampSecondsMin, 0}, Timestamp{-1, 999999999}, Timestamp{0, 0},
      Timestamp{0, 1}, Timestamp{1, 0}, Timestamp{kTimestampSecondsMax, 5}};
  for (size_t i = 0; i < ascending.size(); ++i) {
    const std::string encoded = EncodeFieldValue(ascending[i]);
    EXPECT_EQ(FieldValueBytes(encoded + "x"), encoded.size());
    EXPECT_EQ(FieldValueBytes(encoded.substr(0, encoded.size() - 1)), 0u);
    if (i > 0) {
      EXPECT_LT(EncodeFieldValue(ascending[i - 1]), encoded) << i;
    }
  }
}

TEST(FieldValue, BytesOfNothingKnown) {
  for (int type = 0; type < 256; ++type) {
    const std::string bytes(1, static_cast<char>(type));
    const std::set<int> alone = {0x10, 0x20, 0x21, 0x60};
    EXPECT_EQ(FieldValueBytes(bytes), alone.count(type));
  }
  EXPECT_EQ(FieldValueBytes(""), 0u);
  EXPECT_EQ(FieldValueBytes(std::string("\x40" "a\0b\0\1", 6)), 0u);
}

// --- Entries ---

std::vector<FieldEntry> Entries(std::string_view json, std::string_view path,
                                std::string_view key = "k") {
  const auto metadata = MetadataFromJson(json);
  EXPECT_TRUE(metadata.ok()) << json;
  const auto entries = FieldEntriesOf(*ParseFieldPath(path), key, *metadata);
  EXPECT_TRUE(entries.ok()) << json;
  return entries.ok() ? *entries : std::vector<FieldEntry>();
}

std::vector<FieldEntry> Uncut(std::vector<std::string> values) {
  std::sort(values.begin(), values.end());
  std::vector<FieldEntry> entries;
  for (std::string& value : values) entries.push_back({std::move(value)});
  return entries;
}

TEST(FieldEntries, OfPaths) {
  const auto of = [](FilterValue value) { return EncodeFieldValue(value); };
  const std::string null = "\x10", other = "\x60";
  const char* json = R"({"a":[{"b":1,"c":[true,null]},{"b":[2,"x",[3],{},[]]},[{"b":9}],5],)"
                     R"("n":null,"e":[],"o":{"p":{"q":"deep"}},"d":[3,3.0,1],"":7,)"
                     R"("u":18446744073709551615})";
  EXPECT_EQ(Entries(json, "a.b"), Uncut({of(1), of(2), of("x"), other}));
  EXPECT_EQ(Entries(json, "a.c"), Uncut({of(true), null}));
  EXPECT_EQ(Entries(json, "a"), Uncut({other, of(5)}));
  EXPECT_EQ(Entries(json, "n"), Uncut({null}));
  EXPECT_EQ(Entries(json, "n.x"), Uncut({}));
  EXPECT_EQ(Entries(json, "e"), Uncut({other}));
  EXPECT_EQ(Entries(json, "o"), Uncut({other}));
  EXPECT_EQ(Entries(json, "o.p.q"), Uncut({of("deep")}));
  EXPECT_EQ(Entries(json, "o.p.q.r"), Uncut({}));
  EXPECT_EQ(Entries(json, "d"), Uncut({of(1), of(3)}));
  EXPECT_EQ(Entries(json, "``"), Uncut({of(7)}));
  EXPECT_EQ(Entries(json, "u"), Uncut({of(18446744073709551615u)}));
  for (const char* missing : {"b", "aa", "`a\x01`", "zzzzzzzzzzzzzzzz", "o.x", "$body"}) {
    EXPECT_EQ(Entries(json, missing), Uncut({})) << missing;
    EXPECT_EQ(Entries("", missing), Uncut({}));
  }
  EXPECT_EQ(Entries(json, "$key", "2020-01-01T00:00:00Z"), Uncut({of("2020-01-01T00:00:00Z")}));
}

TEST(FieldEntries, OfTimesAndLongStrings) {
  const char* time = "2020-02-29T12:00:00+00:00";
  EXPECT_EQ(Entries(R"({"t":"2020-02-29T12:00:00+00:00"})", "t"),
            Uncut({EncodeFieldValue(time), EncodeFieldValue(*Timestamp::Parse(time))}));
  const std::string longest(kFieldStringBytesMax, 'x');
  const FieldEntry whole{EncodeFieldValue(longest), false}, cut{EncodeFieldValue(longest), true};
  EXPECT_EQ(Entries("{\"t\":\"" + longest + "\"}", "t"), std::vector<FieldEntry>{whole});
  EXPECT_EQ(Entries("{\"t\":\"" + longest + "y\"}", "t"), std::vector<FieldEntry>{cut});
  // One encoding comes once; that one of its strings was cut is what counts.
  const std::string both =
      "{\"t\":[\"" + longest + "y\",\"" + longest + "\",\"" + longest + "z\"]}";
  EXPECT_EQ(Entries(both, "t"), std::vector<FieldEntry>{cut});
  EXPECT_EQ(Entries("", "$key", longest + "k"), std::vector<FieldEntry>{cut});
}

TEST(FieldEntries, FindEveryFieldOfLargeObjects) {
  for (const size_t count : {1u, 2u, 3u, 100u, 1000u, 70000u}) {
    std::string json = "{";
    for (size_t i = 0; i < count; ++i) {
      json += (i > 0 ? ",\"f" : "\"f") + std::to_string(i) + "\":" + std::to_string(i);
    }
    const auto metadata = *MetadataFromJson(json + "}");
    for (size_t i = 0; i < count; i += 1 + count / 500) {
      const FieldPath path{{"f" + std::to_string(i)}};
      ASSERT_EQ(*FieldEntriesOf(path, "", metadata),
                Uncut({EncodeFieldValue(static_cast<int64_t>(i))}));
      ASSERT_EQ(*FieldEntriesOf({{path.steps[0] + "_"}}, "", metadata), Uncut({}));
    }
  }
}

// --- Damage ---

const char* const kPaths[] = {"a", "a.x", "a.y", "`long name`.b.c.d", "u", "e", "n", "zz"};

// A copy of exactly this size, so that the address sanitizer sees a read past its end.
void Look(std::string_view bytes) {
  const std::unique_ptr<char[]> copy(new char[bytes.size()]);
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  for (const char* path : kPaths) {
    const auto entries = FieldEntriesOf(*ParseFieldPath(path), "", {copy.get(), bytes.size()});
    if (!entries.ok()) {
      EXPECT_EQ(entries.status().code(), StatusCode::kCorruption);
      continue;
    }
    for (const FieldEntry& entry : *entries) {
      EXPECT_EQ(FieldValueBytes(entry.value), entry.value.size());
    }
  }
}

TEST(FieldEntries, SurviveDamage) {
  const auto bytes = *MetadataFromJson(
      R"({"a":[1,2.5,"text",null,true,{"x":1,"y":[300,70000,"z"]},{"x":2,"y":[]}],)"
      R"("long name":{"b":{"c":{"d":[[[["deep"]]]]}}},"u":18446744073709551615,"e":{},"n":-5})");
  for (size_t size = 0; size < bytes.size(); ++size) {
    Look(std::string_view(bytes).substr(0, size));
    Look(std::string_view(bytes).substr(size));
  }
  std::mt19937 random(5);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(value);
      Look(damaged);
    }
    for (int round = 0; round < 100; ++round) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(random());
      damaged[random() % damaged.size()] = static_cast<char>(random());
      Look(damaged);
    }
  }
  for (int round = 0; round < 30000; ++round) {
    std::string noise(random() % 24, '\0');
    for (char& c : noise) c = static_cast<char>(random() % 3 ? random() % 12 : random());
    Look(noise + "\x26\x01");  // a map of bytes at the root
  }
}

// A vector whose elements are all the same long string: the work stays within the buffer's size.
TEST(FieldEntries, RefuseSharedStrings) {
  const std::string text(200, 'x');
  std::string bytes = "\xC8" + text + std::string(1, '\0');  // a string of 200 at byte 1
  const size_t count = 120;
  bytes += static_cast<char>(count * 2);
  bytes.append(1, '\0');
  bytes[bytes.size() - 2] = static_cast<char>(count);
  const size_t vector = bytes.size();  // width 2
  for (size_t i = 0; i < count; ++i) {
    const size_t offset = bytes.size() - 1;
    bytes += static_cast<char>(offset & 0xFF);
    bytes += static_cast<char>(offset >> 8);
  }
  bytes.append(count, static_cast<char>(5 << 2));  // FBT_STRING, width 1
  const size_t key = bytes.size();
  bytes += std::string("a\0", 2);
  bytes += '\x01';
  const size_t keys = bytes.size();
  bytes += static_cast<char>(bytes.size() - key);
  const auto put2 = [&bytes](size_t value) {
    bytes += static_cast<char>(value & 0xFF);
    bytes += static_cast<char>(value >> 8);
  };
  put2(bytes.size() - keys);  // a map's prefix of width 2: its keys, their width, the count
  put2(1);
  put2(1);
  const size_t map = bytes.size();
  put2(bytes.size() - vector);
  bytes += '\x29';  // FBT_VECTOR, width 2
  bytes += static_cast<char>(bytes.size() - map);
  bytes += "\x25\x01";  // FBT_MAP, width 2
  const auto shared = FieldEntriesOf({{"a"}}, "", bytes);
  EXPECT_EQ(shared.status().code(), StatusCode::kCorruption);
  // The same buffer with one element is whole.
  bytes[vector - 2] = '\x01';
  bytes[vector + 2] = static_cast<char>(5 << 2);
  const auto one = FieldEntriesOf({{"a"}}, "", bytes);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(*one, Uncut({EncodeFieldValue(text)}));
}

// Every string of a document that was written is within the bound.
TEST(FieldEntries, ReadAllOfRandomArrays) {
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    std::string json = "{\"a\":[";
    std::vector<std::string> expected;
    std::set<std::string> seen;
    for (auto i = 1 + random() % 40; i > 0; --i) {
      const std::string text(random() % 3 == 0 ? random() % 400 : random() % 3,
                             static_cast<char>('a' + random() % 3));
      json += "\"" + text + "\"" + (i > 1 ? "," : "");
      if (seen.insert(text).second) expected.push_back(EncodeFieldValue(text));
    }
    ASSERT_EQ(Entries(json + "]}", "a"), Uncut(expected));
  }
}

}  // namespace
}  // namespace vdb::format
