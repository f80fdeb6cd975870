// vemb v1: every line of the verdict table of the format, keys of bytes, metadata, twins, and torn
// files cut at every byte. The fixtures have their own test.
#include "format/vemb_v1.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "tests/format/legacy_support.h"

namespace vdb::format {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

LegacySources Of(std::string json) {
  LegacySources sources;
  sources.name = "cache.json";
  sources.vemb_cache = SourceOf(std::move(json));
  return sources;
}

// A cache of these entries, as JSON text.
std::string CacheOf(const std::string& entries, const std::string& dim = "null") {
  return R"({"version": 1, "model": "m", "dim": )" + dim + R"(, "entries": {)" + entries + "}}";
}

constexpr const char* kGood =
    R"("a.png:1:10": {"file": "p/a.png", "values": [1, 2, 3]}, )"
    R"("b.png:2:20": {"file": "p/b.png", "values": [4, 5, 6]})";

// The verdict on an entry `value`, beside two good ones of three numbers.
LegacyEntry VerdictOn(const std::string& value) {
  const auto cache = OpenLegacy(Of(CacheOf(std::string(kGood) + R"(, "x.png:3:30": )" + value)));
  if (cache == nullptr || cache->entry_count() != 3) return {};
  return ReadAll(*cache)[2];
}

std::string CodeOn(const std::string& value) {
  return std::string(LegacyReasonCode(VerdictOn(value).reason));
}

TEST(VembV1, GivesEveryVerdictOfItsTable) {
  EXPECT_EQ(CodeOn(R"({"values": [1, 2]})"), "wrong_length");
  EXPECT_EQ(CodeOn(R"({"values": [1, 2, 3, 4]})"), "wrong_length");
  EXPECT_EQ(CodeOn(R"({"values": []})"), "wrong_length");
  EXPECT_EQ(CodeOn(R"({"values": [1, null, 3]})"), "wrong_type");
  EXPECT_EQ(CodeOn(R"({"values": [1, 2, null]})"), "wrong_type");
  EXPECT_EQ(CodeOn(R"({"values": ["1", 2, 3]})"), "wrong_type");
  EXPECT_EQ(CodeOn(R"({"values": [true, 2, 3]})"), "wrong_type");
  EXPECT_EQ(CodeOn(R"({"values": [[1, 2, 3]]})"), "wrong_type");
  EXPECT_EQ(CodeOn(R"({"values": [1, 2, {"a": [1]}]})"), "wrong_type");
  EXPECT_EQ(CodeOn(R"({"values": null})"), "wrong_type");
  EXPECT_EQ(CodeOn(R"({"values": "1, 2, 3"})"), "wrong_type");
  EXPECT_EQ(CodeOn(R"("text")"), "wrong_type");
  EXPECT_EQ(CodeOn("7"), "wrong_type");
  EXPECT_EQ(CodeOn("null"), "wrong_shape");
  EXPECT_EQ(CodeOn("[1, 2, 3]"), "wrong_shape");
  EXPECT_EQ(CodeOn("{}"), "wrong_shape");
  EXPECT_EQ(CodeOn(R"({"file": "p/x.png"})"), "wrong_shape");
  EXPECT_EQ(CodeOn(R"({"values": [NaN, 2, 3]})"), "non_finite");
  EXPECT_EQ(CodeOn(R"({"values": [1, Infinity, 3]})"), "non_finite");
  EXPECT_EQ(CodeOn(R"({"values": [1, 2, -Infinity]})"), "non_finite");
  EXPECT_EQ(CodeOn(R"({"values": [1, 2, 1e400]})"), "non_finite");
  EXPECT_EQ(CodeOn(R"({"values": [0, 0.0, -0.0]})"), "zero_norm");
}

TEST(VembV1, ANumberThatIsNoneRefusesItsEntryOnly) {
  for (const char* number : {"1-2", "--1", "1,,2", "1.2.3", "1e", "- 1"}) {
    const LegacyEntry entry =
        VerdictOn(std::string(R"({"values": [)") + number + ", 2, 3]}");
    EXPECT_EQ(entry.reason, LegacyReason::kNotJson) << number;
    EXPECT_THAT(entry.detail, HasSubstr("at byte ")) << number;
  }
}

TEST(VembV1, AcceptsWhatADoubleHolds) {
  EXPECT_THAT(VerdictOn(R"({"values": [1e39, 1E-30, -0]})").vectors[0].values,
              ElementsAre(1e39, 1e-30, 0));
  EXPECT_THAT(VerdictOn(R"({"values": [7, -12, 9007199254740993]})").vectors[0].values,
              ElementsAre(7, -12, 9007199254740992.0));
  EXPECT_THAT(VerdictOn(R"({"values":[1e-999,4.9e-324,1.7976931348623157e308]})").vectors[0].values,
              ElementsAre(0, 4.9e-324, std::numeric_limits<double>::max()));
}

TEST(VembV1, ZeroVectorsKeepTheirDocument) {
  const LegacyEntry entry = VerdictOn(R"({"file": "p/x.png", "values": [0, 0, 0]})");
  EXPECT_TRUE(entry.migrates());
  EXPECT_THAT(entry.vectors, IsEmpty());
  EXPECT_EQ(PlainJson::Parse(entry.metadata)["file"].string, "p/x.png");
}

TEST(VembV1, TheCommonestLengthIsTheDimension) {
  const std::string two = R"("k:1:1": {"values": [1, 2]}, "l:1:1": {"values": [1, 2]}, )";
  const auto cache = OpenLegacy(Of(CacheOf(two + R"("m:1:1": {"values": [1, 2, 3]})", "3")));
  ASSERT_NE(cache, nullptr);
  ASSERT_EQ(cache->columns().size(), 1u);
  EXPECT_EQ(cache->columns()[0].dimension, 2u);
  EXPECT_EQ(cache->columns()[0].name, "m");
  EXPECT_THAT(cache->warnings(), ElementsAre(HasSubstr("dim says 3")));
  EXPECT_EQ(ReadAll(*cache)[2].reason, LegacyReason::kWrongLength);
  // On a tie the one seen first.
  const auto tie = OpenLegacy(
      Of(CacheOf(R"("m:1:1": {"values": [1, 2, 3]}, "k:1:1": {"values": [1, 2]})")));
  EXPECT_EQ(tie->columns()[0].dimension, 3u);
}

TEST(VembV1, MoreNumbersThanAColumnCanHave) {
  std::string many = "[1";
  for (int i = 0; i < 65535; ++i) many += ",1";
  const auto cache =
      OpenLegacy(Of(CacheOf("\"a:1:1\": {\"values\": " + many + "]}, \"b:1:1\": {\"values\": " +
                            many.substr(0, many.size() - 2) + "]}")));
  ASSERT_NE(cache, nullptr);
  ASSERT_EQ(cache->columns().size(), 1u);
  EXPECT_EQ(cache->columns()[0].dimension, 65535u);
  EXPECT_EQ(ReadAll(*cache)[0].reason, LegacyReason::kWrongLength);
  const auto only = OpenLegacy(Of(CacheOf("\"a:1:1\": {\"values\": " + many + "]}")));
  EXPECT_TRUE(only->columns().empty());
  EXPECT_EQ(ReadAll(*only)[0].reason, LegacyReason::kTooLarge);
}

TEST(VembV1, TheLastOfARepeatedKeyStands) {
  const auto cache = OpenLegacy(Of(CacheOf(
      R"("k\u0061:1:1": {"values": [1, 2]}, "b:1:1": {"values": [3, 4]}, )"
      R"("ka:1:1": {"values": [5, 6]}, "\u006ba:1:1": {"values": [7, 8]})")));
  ASSERT_NE(cache, nullptr);
  EXPECT_EQ(cache->entry_count(), 2u);
  EXPECT_EQ(cache->replaced_count(), 2u);
  const auto entries = ReadAll(*cache);
  EXPECT_EQ(entries[1].key, "ka:1:1");
  EXPECT_THAT(entries[1].vectors[0].values, ElementsAre(7, 8));
}

TEST(VembV1, KeysAreBytes) {
  const auto cache = OpenLegacy(Of(CacheOf(
      R"("a\udcff\udc80.png:3:30": {"file": "d/a\udcff\udc80.png", "values": [1]}, )"
      R"("\ud83c\udf0a \"q\"\\:\n:1:-5": {"values": [1]}, "\ud800:1:1": {"values": [1]})")));
  ASSERT_NE(cache, nullptr);
  const auto entries = ReadAll(*cache, 1);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].key, "a\xFF\x80.png:3:30");
  EXPECT_EQ(PlainJson::Parse(entries[0].metadata)["relpath"].string, "a\xFF\x80.png");
  EXPECT_EQ(entries[1].key, "\xF0\x9F\x8C\x8A \"q\"\\:\n:1:-5");
  EXPECT_EQ(PlainJson::Parse(entries[1].metadata)["mtime_ns"].string, "-5");
  EXPECT_EQ(entries[2].key, "\xED\xA0\x80:1:1");
}

TEST(VembV1, KeepsOtherFieldsAndDoesNotLetThemHideItsOwn) {
  const LegacyEntry entry = VerdictOn(
      R"({"note": {"deep": [1, {"x": NaN}]}, "values": [1, 2, 3], "size": 99, "big": )"
           R"(18446744073709551615})");
  EXPECT_EQ(entry.reason, LegacyReason::kNone);
  EXPECT_THAT(entry.metadata, HasSubstr(R"("note":{"deep": [1, {"x": null}]})"));
  EXPECT_THAT(entry.metadata, HasSubstr(R"("entry_size":99)"));
  EXPECT_THAT(entry.metadata, HasSubstr(R"("size":3,)"));
  EXPECT_THAT(entry.metadata, HasSubstr(R"("big":18446744073709551615)"));
  EXPECT_THAT(entry.metadata, Not(HasSubstr("values")));
  EXPECT_THAT(entry.flags, Contains("nan_in_metadata"));
}

TEST(VembV1, AKeyWithoutPartsIsFlagged) {
  const auto cache = OpenLegacy(Of(CacheOf(R"("plain": {"values": [1]})")));
  const auto entries = ReadAll(*cache);
  EXPECT_EQ(entries[0].key, "plain");
  EXPECT_THAT(entries[0].flags, ElementsAre("no_size_mtime"));
}

TEST(VembV1, TwinsMustHaveEqualVectors) {
  const std::string newer = R"("s/d.png:4:22": {"file": "m/s/d.png", "values": [1, 2]}, )";
  const auto differ = OpenLegacy(
      Of(CacheOf(newer + R"("d.png:4:22": {"file": "m/s/d.png", "values": [1, 2.5]})")));
  for (const LegacyEntry& entry : ReadAll(*differ)) {
    EXPECT_THAT(entry.flags, Not(Contains(HasSubstr("duplicate_of"))));
  }
  const auto same = OpenLegacy(
      Of(CacheOf(newer + R"("d.png:4:22": {"file": "m/s/d.png", "values": [1.0, 2e0]})")));
  const LegacyEntry older = ReadAll(*same)[1];
  EXPECT_THAT(older.flags, Contains("duplicate_of:s/d.png:4:22"));
  EXPECT_EQ(PlainJson::Parse(older.metadata)["duplicate_of"].string, "s/d.png:4:22");
}

LegacyReason RefusalOf(const std::string& json, LegacyOptions options = {}) {
  const auto cache = OpenLegacy(Of(json), options);
  if (cache == nullptr) return LegacyReason::kNone;
  if (cache->refused() != LegacyReason::kNone) {
    EXPECT_THAT(cache->refusal(), HasSubstr("cache.json: "));
    EXPECT_EQ(cache->entry_count(), 0u);
  }
  return cache->refused();
}

TEST(VembV1, RefusesWholeSources) {
  EXPECT_EQ(RefusalOf(""), LegacyReason::kNotJson);
  EXPECT_EQ(RefusalOf(" \n"), LegacyReason::kNotJson);
  EXPECT_EQ(RefusalOf("garbage"), LegacyReason::kNotJson);
  EXPECT_EQ(RefusalOf("[]"), LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf("7"), LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf("null"), LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf(R"({"version": 1})"), LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf(R"({"version": 1, "entries": []})"), LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf(CacheOf(kGood) + "}"), LegacyReason::kNotJson);
  EXPECT_EQ(RefusalOf(CacheOf(kGood) + CacheOf(kGood)), LegacyReason::kNotJson);
  EXPECT_EQ(RefusalOf(CacheOf("")), LegacyReason::kNone);
}

TEST(VembV1, AnUnknownVersionNeedsForce) {
  for (const char* version : {"3", "\"1\"", "null", "1.5"}) {
    std::string json = CacheOf(kGood);
    json.replace(json.find(": 1,") + 2, 1, version);
    EXPECT_EQ(RefusalOf(json), LegacyReason::kUnknownVersion) << version;
    LegacyOptions options;
    options.force = true;
    EXPECT_EQ(RefusalOf(json, options), LegacyReason::kNone) << version;
  }
  EXPECT_EQ(RefusalOf(R"({"entries": {}})"), LegacyReason::kUnknownVersion);
}

TEST(VembV1, TornAtEveryByte) {
  const std::string whole = CacheOf(kGood);
  const size_t first = whole.find("},") + 1, second = whole.rfind("]}") + 2;
  LegacyOptions salvage;
  salvage.salvage = true;
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string torn = whole.substr(0, size);
    ASSERT_EQ(RefusalOf(torn), LegacyReason::kNotJson) << size;
    if (size > 0) {
      ASSERT_THAT(OpenLegacy(Of(torn))->refusal(),
                  HasSubstr("at byte " + std::to_string(size))) << size;
    }
    const auto cache = OpenLegacy(Of(torn), salvage);
    ASSERT_NE(cache, nullptr);
    const uint64_t complete = size < first ? 0 : size < second ? 1 : 2;
    ASSERT_EQ(cache->entry_count(), complete) << size;
    ASSERT_EQ(cache->torn(), complete > 0) << size;
    if (complete > 0) {
      ASSERT_THAT(ReadAll(*cache)[0].vectors[0].values, ElementsAre(1, 2, 3));
    }
  }
}

TEST(VembV1, EntriesInPiecesAreTheSame) {
  std::string entries;
  for (int i = 0; i < 300; ++i) {
    entries += (i > 0 ? ", \"" : "\"") + std::to_string(i) + R"(:1:1": {"values": [)";
    for (int j = 0; j < 500; ++j) entries += (j > 0 ? ", " : "") + std::to_string(i * 1000 + j);
    entries += "]}";
  }
  const auto cache = OpenLegacy(Of(CacheOf(entries)));
  ASSERT_EQ(cache->entry_count(), 300u);
  for (const uint64_t piece : {1u, 7u, 1000u}) {
    const auto read = ReadAll(*cache, piece);
    ASSERT_EQ(read.size(), 300u);
    for (size_t i = 0; i < 300; ++i) {
      ASSERT_EQ(read[i].key, std::to_string(i) + ":1:1");
      ASSERT_EQ(read[i].vectors[0].values[499], static_cast<double>(i) * 1000 + 499);
    }
  }
}

}  // namespace
}  // namespace vdb::format
