// vemb v2 and nndex caches with damage of every kind planted: legacy-formats' tables, line by line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "format/legacy_npy.h"
#include "tests/format/legacy_support.h"
#include "vdb/json_text.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const char* const kManifest =
    R"({"version": 2, "model": "m", "dim": 2, "normalized": true, "keys": )"
    R"({"s/a:1:11": 0, "b:2:22": 1, "c:3:33": 2}})";
const std::vector<double> kRows = {3, 4, 0, -2, 0.6, 0.8};

LegacySources V2(std::string manifest, std::string matrix) {
  LegacySources sources;
  sources.name = "x/.vemb";
  sources.vemb_manifest = SourceOf(std::move(manifest));
  sources.vemb_vectors = SourceOf(std::move(matrix));
  return sources;
}

std::string Matrix() { return NpyFile("(3, 2)", FloatBytes(kRows)); }

// The entries as "key reason values", which says enough in a test.
std::vector<std::string> Lines(const LegacyCache& cache) {
  std::vector<std::string> lines;
  for (const LegacyEntry& entry : ReadAll(cache, 2)) {
    std::string line = entry.key + " " + std::string(LegacyReasonCode(entry.reason));
    for (const LegacyVector& vector : entry.vectors) {
      for (const double value : vector.values) {
        line += " " + std::to_string(static_cast<int>(std::lround(value * 10)));
      }
    }
    lines.push_back(line);
    EXPECT_EQ(entry.vectors.empty(), entry.reason != LegacyReason::kNone);
    EXPECT_EQ(entry.detail.empty(), entry.reason == LegacyReason::kNone);
  }
  return lines;
}

std::vector<std::string> V2Lines(std::string manifest, std::string matrix, size_t warnings = 0) {
  const auto cache = OpenLegacy(V2(std::move(manifest), std::move(matrix)));
  EXPECT_EQ(cache->refusal(), "");
  EXPECT_EQ(cache->warnings().size(), warnings);
  return Lines(*cache);
}

LegacyReason RefusalOf(const LegacySources& sources, const char* words,
                       const LegacyOptions& options = {}) {
  const auto cache = OpenLegacy(sources, options);
  EXPECT_THAT(cache->refusal(), HasSubstr(words));
  EXPECT_EQ(cache->entry_count(), 0u);
  EXPECT_THAT(cache->columns(), IsEmpty());
  return cache->refused();
}

std::string Replace(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

const char* const kAll[] = {"s/a:1:11  30 40", "b:2:22  0 -20", "c:3:33  6 8"};

TEST(VembV2, KeysMetadataColumn) {
  const auto cache = OpenLegacy(V2(kManifest, Matrix()));
  EXPECT_EQ(cache->format(), "vemb-v2");
  EXPECT_THAT(Lines(*cache), testing::ElementsAreArray(kAll));
  ASSERT_EQ(cache->columns().size(), 1u);
  EXPECT_EQ(cache->columns()[0].name, "m");
  EXPECT_EQ(cache->columns()[0].model, "m");
  EXPECT_EQ(cache->columns()[0].dimension, 2u);
  EXPECT_EQ(cache->vector_bytes(), 24u);
  const auto entries = ReadAll(*cache);
  EXPECT_EQ(entries[0].metadata, R"({"relpath":"s/a","size":1,"mtime_ns":11,"model":"m",)"
                                 R"("dialect":"0.2","source":"vemb-v2"})");
  EXPECT_EQ(entries[1].metadata,
            R"({"relpath":"b","size":2,"mtime_ns":22,"model":"m","source":"vemb-v2"})");
  EXPECT_EQ(kManifest[entries[1].source_offset + 1], 'b');
}

TEST(VembV2, DimensionAndCountComeFromTheMatrix) {
  EXPECT_THAT(V2Lines(Replace(kManifest, "\"dim\": 2", "\"dim\": null"), Matrix()),
              testing::ElementsAreArray(kAll));
  EXPECT_THAT(V2Lines(Replace(kManifest, "\"dim\": 2", "\"dim\": 0"), Matrix()),
              testing::ElementsAreArray(kAll));
  EXPECT_THAT(V2Lines(Replace(kManifest, "\"dim\": 2", "\"dim\": 768"), Matrix(), 1),
              testing::ElementsAreArray(kAll));
  EXPECT_THAT(V2Lines(Replace(kManifest, "\"dim\": 2, ", ""), Matrix()),
              testing::ElementsAreArray(kAll));
}

TEST(VembV2, TheHeaderLengthIsRead) {
  const std::string data = FloatBytes(kRows);
  for (const int version : {1, 2, 3}) {
    for (const size_t header_bytes : {0u, 70u, 118u, 374u, 5000u}) {
      const std::string matrix = NpyFile("(3, 2)", data, "'<f4'", false, version, header_bytes);
      EXPECT_THAT(V2Lines(kManifest, matrix), testing::ElementsAreArray(kAll)) << header_bytes;
    }
  }
}

TEST(VembV2, DoublesAndFortranOrderAreConverted) {
  const std::vector<double> columns = {3, 0, 0.6, 4, -2, 0.8};
  EXPECT_THAT(V2Lines(kManifest, NpyFile("(3, 2)", DoubleBytes(kRows), "'<f8'")),
              testing::ElementsAreArray(kAll));
  EXPECT_THAT(V2Lines(kManifest, NpyFile("(3, 2)", FloatBytes(columns), "'<f4'", true)),
              testing::ElementsAreArray(kAll));
  EXPECT_THAT(V2Lines(kManifest, NpyFile("(3, 2)", DoubleBytes(columns), "'<f8'", true)),
              testing::ElementsAreArray(kAll));
  // What no float32 can hold is finite as a double.
  const auto cache =
      OpenLegacy(V2(kManifest, NpyFile("(3, 2)", DoubleBytes({1e300, 0, 1e-300, 0, 1, 1}),
                                       "'<f8'")));
  EXPECT_EQ(ReadAll(*cache)[0].vectors[0].values[0], 1e300);
  EXPECT_EQ(ReadAll(*cache)[1].vectors[0].values[0], 1e-300);
}

TEST(VembV2, OtherMatricesAreRefused) {
  const std::string data = FloatBytes(kRows);
  for (const char* descr : {"'<f2'", "'>f4'", "'|i1'", "'<i8'", "'|O'", "'<c8'"}) {
    EXPECT_EQ(RefusalOf(V2(kManifest, NpyFile("(3, 2)", data, descr)), "'<f4'"),
              LegacyReason::kWrongType);
  }
  for (const char* shape : {"(6,)", "(3, 2, 1)", "()"}) {
    EXPECT_EQ(RefusalOf(V2(kManifest, NpyFile(shape, data)), "two dimensions"),
              LegacyReason::kWrongShape);
  }
  EXPECT_EQ(RefusalOf(V2(kManifest, NpyFile("(1, 65536)", data)), "65535"),
            LegacyReason::kTooLarge);
  EXPECT_EQ(RefusalOf(V2(kManifest, NpyFile("(3, 2)", data, "'<f4'", false, 4)), "version"),
            LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf(V2(kManifest, "not a matrix, though long enough to be one"), "magic"),
            LegacyReason::kWrongShape);
  const std::string whole = Matrix();
  for (const size_t size : {0u, 3u, 9u, 11u, 60u, 127u}) {
    EXPECT_EQ(RefusalOf(V2(kManifest, whole.substr(0, size)), "vectors.npy"),
              LegacyReason::kTruncated)
        << size;
  }
  LegacySources missing = V2(kManifest, "");
  missing.vemb_vectors = nullptr;
  EXPECT_EQ(RefusalOf(missing, "missing"), LegacyReason::kTruncated);
}

TEST(VembV2, RowsThatTheMatrixHasNot) {
  const std::string keys = Replace(kManifest, "\"c:3:33\": 2", "\"c:3:33\": 3, \"d:1:1\": -1, "
                                   "\"e:1:1\": 18446744073709551616, \"f:1:1\": 2");
  EXPECT_THAT(V2Lines(keys, Matrix(), 1),
              ElementsAre(kAll[0], kAll[1], "c:3:33 row_out_of_range", "d:1:1 row_out_of_range",
                          "e:1:1 row_out_of_range", "f:1:1  6 8"));
}

TEST(VembV2, RowsOfOtherKinds) {
  const std::string keys =
      Replace(kManifest, "\"b:2:22\": 1", R"("b:2:22": null, "d": "1", "e": 1.0, "f": [1], "g": {},
              "h": true, "i": NaN, "j": 1e0)");
  EXPECT_THAT(V2Lines(keys, Matrix()),
              ElementsAre(kAll[0], "b:2:22 wrong_type", "d wrong_type", "e wrong_type",
                          "f wrong_type", "g wrong_type", "h wrong_type", "i wrong_type",
                          "j wrong_type", kAll[2]));
}

TEST(VembV2, ACutMatrixGivesItsCompleteRows) {
  const std::string whole = Matrix();
  for (size_t cut = 1; cut <= 24; ++cut) {
    const size_t rows = (24 - cut) / 8;
    const auto lines = V2Lines(kManifest, whole.substr(0, whole.size() - cut), 1);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(lines[i].find("truncated") == std::string::npos, i < rows) << cut << lines[i];
    }
  }
  // Columns lie one after the other: a row is whole if the last column has it.
  const std::string columns =
      NpyFile("(3, 2)", FloatBytes({3, 0, 0.6, 4, -2, 0.8}), "'<f4'", true);
  EXPECT_THAT(V2Lines(kManifest, columns.substr(0, columns.size() - 5), 1),
              ElementsAre(kAll[0], "b:2:22 truncated", "c:3:33 truncated"));
  EXPECT_THAT(V2Lines(kManifest, columns.substr(0, columns.size() - 13), 1),
              ElementsAre("s/a:1:11 truncated", "b:2:22 truncated", "c:3:33 truncated"));
}

TEST(VembV2, DeclaredCountsAreNotTrusted) {
  const std::string data = FloatBytes(kRows);
  for (const char* shape : {"(1000000000000, 2)", "(18446744073709551615, 2)"}) {
    EXPECT_THAT(V2Lines(kManifest, NpyFile(shape, data), 1), testing::ElementsAreArray(kAll));
    EXPECT_THAT(V2Lines(kManifest, NpyFile(shape, data, "'<f4'", true), 1),
                ElementsAre("s/a:1:11 truncated", "b:2:22 truncated", "c:3:33 truncated"));
  }
  EXPECT_THAT(V2Lines(kManifest, NpyFile("(2, 2)", data), 2),
              ElementsAre(kAll[0], kAll[1], "c:3:33 row_out_of_range"));
  EXPECT_THAT(V2Lines(kManifest, NpyFile("(3, 0)", "")),
              ElementsAre("s/a:1:11 wrong_length", "b:2:22 wrong_length", "c:3:33 wrong_length"));
}

TEST(VembV2, DeadRowsAndEmptyCaches) {
  EXPECT_THAT(V2Lines(R"({"version": 2, "keys": {"c:3:33": 2}})", Matrix()), ElementsAre(kAll[2]));
  for (const char* shape : {"(0, 2)", "(0,)", "(0, 0)"}) {
    const auto cache = OpenLegacy(V2(R"({"version": 2, "keys": {}})", NpyFile(shape, "")));
    EXPECT_EQ(cache->refusal(), "") << shape;
    EXPECT_EQ(cache->entry_count(), 0u);
    EXPECT_THAT(cache->columns(), IsEmpty());
  }
}

TEST(VembV2, ValuesThatAreNoVectors) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(V2Lines(kManifest, NpyFile("(3, 2)", FloatBytes({1, kNan, 0, -0.0, -kInfinity, 0}))),
              ElementsAre("s/a:1:11 non_finite", "b:2:22 zero_norm", "c:3:33 non_finite"));
}

TEST(VembV2, OddKeys) {
  const std::string long_key(kKeyBytesMax + 1, 'k'), longest(kKeyBytesMax, 'k');
  const std::string huge(8 * kKeyBytesMax, 'h');
  const auto cache = OpenLegacy(
      V2(R"({"version": 2, "keys": {"\udc80\udcff\ud800:1:2": 0, "\u0000\n\"": 0, "": 0, ")" +
             long_key + R"(": 0, ")" + longest + R"(": 0, ")" + huge + R"(": 0, "a:b:1:2": 0}})",
         Matrix()));
  const auto entries = ReadAll(*cache, 1);
  ASSERT_EQ(entries.size(), 7u);
  EXPECT_EQ(entries[0].key, "\x80\xFF\xED\xA0\x80:1:2");
  EXPECT_EQ(entries[0].metadata.find("\\udc80\\udcff"), std::string(R"({"relpath":")").size());
  EXPECT_THAT(entries[0].flags, IsEmpty());
  EXPECT_EQ(entries[1].key, std::string("\0\n\"", 3));
  EXPECT_THAT(entries[1].flags, ElementsAre("no_size_mtime"));
  EXPECT_EQ(entries[2].reason, LegacyReason::kWrongShape);
  EXPECT_EQ(entries[3].reason, LegacyReason::kTooLarge);
  EXPECT_EQ(entries[4].reason, LegacyReason::kNone);
  EXPECT_EQ(entries[5].reason, LegacyReason::kTooLarge);
  EXPECT_EQ(entries[6].key, "a:b:1:2");
}

TEST(VembV2, OfARepeatedKeyTheLastStands) {
  const auto cache = OpenLegacy(V2(
      R"({"version": 2, "keys": {"a": 0, "b": 1, "\u0061": 1, "c": 0, "a": 2}})", Matrix()));
  EXPECT_THAT(Lines(*cache), ElementsAre("b  0 -20", "c  30 40", "a  6 8"));
  EXPECT_EQ(cache->replaced_count(), 2u);
}

TEST(VembV2, OneFileUnderBothDialects) {
  const std::string keys = R"({"version": 2, "keys":
      {"d.png:4:20": 0, "s/d.png:4:20": 1, "e.png:4:20": 2, "s/e.png:4:20": 0}})";
  const auto cache = OpenLegacy(V2(keys, NpyFile("(3, 2)", FloatBytes({1, 2, 1, 2, 3, 4}))));
  EXPECT_EQ(cache->warnings().size(), 1u);
  const auto entries = ReadAll(*cache);
  EXPECT_THAT(entries[0].flags, ElementsAre("duplicate_of:s/d.png:4:20"));
  EXPECT_EQ(PlainJson::Parse(entries[0].metadata)["duplicate_of"].string, "s/d.png:4:20");
  for (const size_t i : {1u, 2u, 3u}) EXPECT_THAT(entries[i].flags, IsEmpty()) << i;
}

TEST(VembV2, Versions) {
  for (const char* version : {"3", "1", "\"2\"", "null", "2.5", "[2]"}) {
    const std::string keys =
        Replace(kManifest, "\"version\": 2", "\"version\": " + std::string(version));
    EXPECT_EQ(RefusalOf(V2(keys, Matrix()), "version 2"), LegacyReason::kUnknownVersion);
    LegacyOptions force;
    force.force = true;
    EXPECT_THAT(Lines(*OpenLegacy(V2(keys, Matrix()), force)), testing::ElementsAreArray(kAll));
  }
  EXPECT_EQ(RefusalOf(V2(R"({"keys": {}})", Matrix()), "found none"),
            LegacyReason::kUnknownVersion);
}

TEST(VembV2, RootsOfOtherShapes) {
  for (const char* root : {"[]", "\"text\"", "2", "null", "[[[["}) {
    EXPECT_EQ(RefusalOf(V2(root, Matrix()), "object"), LegacyReason::kWrongShape) << root;
  }
  EXPECT_EQ(RefusalOf(V2(R"({"version": 2})", Matrix()), "keys"), LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf(V2(R"({"version": 2, "keys": [1]})", Matrix()), "keys"),
            LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf(V2(std::string(kManifest) + "}", Matrix()), "byte"), LegacyReason::kNotJson);
  EXPECT_EQ(RefusalOf(V2(std::string(kManifest) + "{}", Matrix()), "end"), LegacyReason::kNotJson);
  EXPECT_EQ(RefusalOf(V2(R"({"version": 2, "keys": {"\uZZZZ": 1}})", Matrix()), "byte"),
            LegacyReason::kNotJson);
  EXPECT_EQ(RefusalOf(V2(std::string(500, '\0'), Matrix()), "byte 0"), LegacyReason::kNotJson);
}

TEST(VembV2, TornAtEveryByte) {
  const std::string whole = kManifest;
  LegacyOptions salvage;
  salvage.salvage = true;
  for (size_t size = 0; size < whole.size(); ++size) {
    const LegacySources sources = V2(whole.substr(0, size), Matrix());
    EXPECT_EQ(RefusalOf(sources, "manifest.json"), LegacyReason::kTruncated) << size;
    // An entry is complete once something that is no number follows its row.
    size_t complete = 0;
    for (const char* end : {"0,", "1,", "2}"}) complete += size >= whole.find(end) + 2;
    const auto cache = OpenLegacy(sources, salvage);
    EXPECT_EQ(cache->entry_count(), complete) << size;
    EXPECT_EQ(cache->torn(), complete > 0);
    EXPECT_EQ(cache->refused() == LegacyReason::kNone, complete > 0);
    EXPECT_EQ(cache->warnings().size(), complete > 0 ? 1u : 0u);
    EXPECT_EQ(Lines(*cache), std::vector<std::string>(kAll, kAll + complete));
  }
}

TEST(VembV2, ModelsAndColumnNames) {
  const auto name_of = [](const std::string& model) {
    const auto cache = OpenLegacy(V2(Replace(kManifest, "\"m\"", model), Matrix()));
    return cache->columns()[0].name;
  };
  EXPECT_EQ(name_of(R"("TaylorAI/bge-micro-v2")"), "TaylorAI/bge-micro-v2");
  EXPECT_EQ(name_of("null"), "embedding");
  EXPECT_EQ(name_of(R"("")"), "embedding");
  EXPECT_EQ(name_of(R"("a\nb\udc80c")"), "a_b_c");
  EXPECT_LE(name_of('"' + std::string(3000, 'm') + '"').size(), kNameBytesMax);
}

TEST(VembV2, ASourceThatChangedIsNoticed) {
  class Changing : public ByteSource {
   public:
    uint64_t size() const override { return text.size(); }
    Status ReadAt(uint64_t offset, std::span<char> out) const override {
      return MemorySource(text).ReadAt(offset, out);
    }
    std::string text = kManifest;
  };
  const auto changing = std::make_shared<Changing>();
  LegacySources sources = V2("", Matrix());
  sources.vemb_manifest = changing;
  const auto cache = OpenLegacy(sources);
  changing->text = Replace(changing->text, "b:2", "B:2");
  const Status status = cache->ReadEntries(0, 3, [](LegacyEntry&) { return Status::Ok(); });
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_THAT(status.message(), HasSubstr("changed"));
}

TEST(VembV2, TakeAndProgressStop) {
  const auto cache = OpenLegacy(V2(kManifest, Matrix()));
  int taken = 0;
  const Status status = cache->ReadEntries(0, 3, [&](LegacyEntry&) {
    return ++taken == 2 ? Status::Cancelled("enough") : Status::Ok();
  });
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_EQ(taken, 2);
  EXPECT_FALSE(cache->ReadEntries(1, 3, [](LegacyEntry&) { return Status::Ok(); }).ok());
  const auto stopped = LegacyCache::Open(V2(kManifest, Matrix()), {},
                                         [](uint64_t, uint64_t) { return false; });
  EXPECT_EQ(stopped.status().code(), StatusCode::kCancelled);
}

TEST(VembV2, ManyRowsInAnyOrder) {
  // More than fit one read, keys out of row order, every order and element size against the plain
  // numbers.
  constexpr size_t kCount = 3000, kDimension = 100;
  std::vector<double> rows(kCount * kDimension), columns(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<double>(i * 7919 % 10007 + 1);
  for (size_t r = 0; r < kCount; ++r) {
    for (size_t c = 0; c < kDimension; ++c) columns[c * kCount + r] = rows[r * kDimension + c];
  }
  std::string keys = R"({"version": 2, "keys": {)";
  const auto row_of = [](size_t key) { return key < 1500 ? key : (key * 1231) % kCount; };
  for (size_t i = 0; i < kCount; ++i) {
    keys += (i > 0 ? ", \"k" : "\"k") + std::to_string(i) + "\": " + std::to_string(row_of(i));
  }
  keys += "}}";
  for (const bool fortran : {false, true}) {
    const auto& values = fortran ? columns : rows;
    for (const std::string& matrix :
         {NpyFile("(3000, 100)", FloatBytes(values), "'<f4'", fortran),
          NpyFile("(3000, 100)", DoubleBytes(values), "'<f8'", fortran)}) {
      const auto entries = ReadAll(*OpenLegacy(V2(keys, matrix)), 1024);
      ASSERT_EQ(entries.size(), kCount);
      for (size_t i = 0; i < kCount; ++i) {
        ASSERT_EQ(entries[i].key, "k" + std::to_string(i));
        const auto want = rows.begin() + static_cast<ptrdiff_t>(row_of(i) * kDimension);
        ASSERT_TRUE(std::equal(want, want + kDimension, entries[i].vectors[0].values.begin()));
      }
    }
  }
}

// Both versions in one folder. Of version 1 nothing is said here but what joining them asks.
LegacySources Both(std::string manifest, std::string matrix, std::string cache) {
  LegacySources sources = V2(std::move(manifest), std::move(matrix));
  sources.vemb_cache = SourceOf(std::move(cache));
  return sources;
}

const char* const kCache =
    R"({"version": 1, "model": "m", "dim": null, "entries": {)"
    R"("b:2:22": {"file": "b", "values": [9, 9]}, "x:4:44": {"file": "x", "values": [5, 6]},)"
    R"("c:3:33": {"file": "c", "values": [7, 8]}, "y:5:55": {"file": "y", "values": [1]}}})";

TEST(VembJoin, BothWholeGiveV2AndThenWhatItLacks) {
  const auto cache = OpenLegacy(Both(kManifest, Matrix(), kCache));
  EXPECT_EQ(cache->format(), "vemb-v2");
  EXPECT_THAT(Lines(*cache), ElementsAre(kAll[0], kAll[1], kAll[2], "x:4:44  50 60",
                                         "y:5:55 wrong_length"));
  EXPECT_EQ(cache->columns().size(), 1u);
  EXPECT_EQ(cache->vector_bytes(), 32u);
  EXPECT_EQ(cache->replaced_count(), 0u);
  EXPECT_THAT(cache->taken(), HasSubstr("2 entries of cache.json"));
  for (uint64_t first = 0; first <= 5; ++first) {
    for (uint64_t count = 0; first + count <= 5; ++count) {
      uint64_t found = 0;
      const Status status = cache->ReadEntries(first, count, [&](LegacyEntry&) {
        ++found;
        return Status::Ok();
      });
      EXPECT_TRUE(status.ok() && found == count) << first << " " << count;
    }
  }
}

TEST(VembJoin, WhatV2OnlyRefusesComesFromV1) {
  const auto cache = OpenLegacy(Both(kManifest, Matrix().substr(0, 128 + 8), kCache));
  EXPECT_THAT(Lines(*cache), ElementsAre(kAll[0], "b:2:22  90 90", "x:4:44  50 60",
                                         "c:3:33  70 80", "y:5:55 wrong_length"));
  EXPECT_EQ(cache->replaced_count(), 2u);
}

TEST(VembJoin, TwoDimensionsAreTwoColumns) {
  const std::string other = R"({"version": 1, "model": "m", "dim": null, "entries": {)"
                            R"("x:4:44": {"values": [1, 2, 3]}, "b:2:22": {"values": [1, 2, 3]}}})";
  const auto cache = OpenLegacy(Both(kManifest, Matrix(), other));
  EXPECT_THAT(Lines(*cache), ElementsAre(kAll[0], kAll[1], kAll[2], "x:4:44  10 20 30"));
  ASSERT_EQ(cache->columns().size(), 2u);
  EXPECT_EQ(cache->columns()[0].name, "m");
  EXPECT_EQ(cache->columns()[1].name, "m-3");
  EXPECT_EQ(cache->columns()[1].model, "m");
  EXPECT_EQ(cache->columns()[1].dimension, 3u);
  const auto entries = ReadAll(*cache);
  EXPECT_EQ(entries[0].vectors[0].column, 0u);
  EXPECT_EQ(entries[3].vectors[0].column, 1u);
  // All of its keys in v2: no column that nobody uses.
  const std::string known = Replace(other, "\"x:4:44\"", "\"c:3:33\"");
  EXPECT_EQ(OpenLegacy(Both(kManifest, Matrix(), known))->columns().size(), 1u);
}

TEST(VembJoin, AStoppedUpgradeIsTakenFromV1) {
  const std::string torn = std::string(kManifest).substr(0, 90);
  for (const bool salvage : {false, true}) {
    LegacyOptions options;
    options.salvage = salvage;
    for (const LegacySources& sources :
         {Both(torn, Matrix(), kCache), Both("", Matrix(), kCache),
          Both(std::string(300, '\0'), Matrix(), kCache), Both(kManifest, "", kCache),
          Both(kManifest, Matrix().substr(0, 50), kCache)}) {
      const auto cache = OpenLegacy(sources, options);
      EXPECT_EQ(cache->format(), "vemb-v1");
      EXPECT_EQ(cache->warnings().size(), 1u);
      EXPECT_FALSE(cache->torn());
      EXPECT_THAT(Lines(*cache), ElementsAre("b:2:22  90 90", "x:4:44  50 60", "c:3:33  70 80",
                                             "y:5:55 wrong_length"));
    }
  }
  // Not torn, but not understood: an older cache.json must not silently stand for it.
  const std::string newer = Replace(kManifest, "\"version\": 2", "\"version\": 3");
  EXPECT_EQ(RefusalOf(Both(newer, Matrix(), kCache), "version 2"),
            LegacyReason::kUnknownVersion);
}

TEST(VembJoin, ATornV1BesideAWholeV2) {
  const std::string torn = std::string(kCache).substr(0, 150);
  const auto cache = OpenLegacy(Both(kManifest, Matrix(), torn));
  EXPECT_THAT(Lines(*cache), testing::ElementsAreArray(kAll));
  EXPECT_THAT(cache->warnings(), ElementsAre(HasSubstr("cache.json")));
  LegacyOptions salvage;
  salvage.salvage = true;
  const auto salvaged = OpenLegacy(Both(kManifest, Matrix(), torn), salvage);
  EXPECT_THAT(Lines(*salvaged), ElementsAre(kAll[0], kAll[1], kAll[2], "x:4:44  50 60"));
  EXPECT_TRUE(salvaged->torn());
  // Both torn: refused, and what is left of both by option.
  const std::string torn_manifest = std::string(kManifest).substr(0, 90);
  EXPECT_EQ(RefusalOf(Both(torn_manifest, Matrix(), torn), "manifest.json"),
            LegacyReason::kTruncated);
  EXPECT_THAT(Lines(*OpenLegacy(Both(torn_manifest, Matrix(), torn), salvage)),
              ElementsAre(kAll[0], "b:2:22  90 90", "x:4:44  50 60"));
}

LegacySources NndexOf(std::string metadata, std::string matrix) {
  LegacySources sources;
  sources.nndex_metadata = SourceOf(std::move(metadata));
  sources.nndex_embeddings = SourceOf(std::move(matrix));
  return sources;
}

const char* const kChunks =
    R"({"model": "m", "dims": 2, "num_chunks": 3, "chunks": [)"
    R"({"file_path": "a.py", "start_line": 1, "end_line": 4, "preview": "x\u00e9\ud800"},)"
    R"({"file_path": "b", "start_line": 5, "end_line": 6, "model": "own", "extra": [1, {}]},)"
    R"({"end_line": 9, "start_line": 7, "file_path": "b"}]})";
const char* const kChunkLines[] = {"a.py:1-4  30 40", "b:5-6  0 -20", "b:7-9  6 8"};

TEST(Nndex, ChunksAreEntries) {
  const auto cache = OpenLegacy(NndexOf(kChunks, Matrix()));
  EXPECT_EQ(cache->format(), "nndex");
  EXPECT_THAT(Lines(*cache), testing::ElementsAreArray(kChunkLines));
  EXPECT_THAT(cache->warnings(), IsEmpty());
  EXPECT_EQ(cache->columns()[0].name, "m");
  const auto entries = ReadAll(*cache);
  EXPECT_EQ(entries[0].metadata,
            R"({"file_path":"a.py","start_line":1,"end_line":4,"preview":"x\u00e9\ud800",)"
            R"("model":"m","source":"nndex"})");
  EXPECT_EQ(entries[1].metadata,
            R"({"file_path":"b","start_line":5,"end_line":6,"model":"own","extra":[1, {}],)"
            R"("source":"nndex"})");
}

TEST(Nndex, BadChunksAreRefusedOneByOne) {
  std::string bad = R"({"chunks": [{"file_path": "a", "start_line": 1, "end_line": 2}, null, [1],
      "text", {}, {"file_path": 1, "start_line": 1, "end_line": 2},
      {"file_path": "b", "start_line": 1.5, "end_line": 2},
      {"file_path": "c", "start_line": "1", "end_line": 2}, {"file_path": "d", "start_line": 1},
      {"file_path": "e", "start_line": 1, "end_line": 2, "n": NaN},
      {"file_path": "f", "start_line": 1, "end_line": 2, "n": 1e999},
      {"file_path": ")" + std::string(kKeyBytesMax, 'f') +
                    R"(", "start_line": 1, "end_line": 2},
      {"file_path": "g", "start_line": -1, "end_line": 2}]})";
  const auto cache = OpenLegacy(NndexOf(bad, NpyFile("(13, 1)", FloatBytes({1, 2, 3, 4, 5, 6, 7, 8,
                                                                           9, 10, 11, 12, 13}))));
  std::vector<std::string> reasons;
  for (const LegacyEntry& entry : ReadAll(*cache)) {
    reasons.emplace_back(LegacyReasonCode(entry.reason));
  }
  EXPECT_THAT(reasons, ElementsAre("", "wrong_shape", "wrong_shape", "wrong_shape", "wrong_shape",
                                   "wrong_type", "wrong_type", "wrong_type", "wrong_shape",
                                   "wrong_type", "too_large", "too_large", ""));
  EXPECT_EQ(ReadAll(*cache)[12].vectors[0].values[0], 13);
}

TEST(Nndex, CountsAreCompared) {
  const auto warnings = [](const char* from, const char* to, std::string matrix) {
    const auto cache = OpenLegacy(NndexOf(Replace(kChunks, from, to), std::move(matrix)));
    EXPECT_EQ(cache->entry_count(), 3u);
    return cache->warnings();
  };
  EXPECT_THAT(warnings("\"num_chunks\": 3", "\"num_chunks\": 4", Matrix()),
              ElementsAre(HasSubstr("num_chunks 4")));
  EXPECT_THAT(warnings("\"dims\": 2", "\"dims\": 3", Matrix()), ElementsAre(HasSubstr("dims 3")));
  EXPECT_THAT(warnings("3,", "3,", NpyFile("(4, 2)", std::string(32, '\1'))),
              ElementsAre(HasSubstr("1 rows of embeddings.npy")));
  const auto cut = OpenLegacy(NndexOf(kChunks, Matrix().substr(0, 128 + 15)));
  EXPECT_THAT(Lines(*cut), ElementsAre(kChunkLines[0], "b:5-6 truncated", "b:7-9 truncated"));
  const auto fewer = OpenLegacy(NndexOf(kChunks, NpyFile("(1, 2)", FloatBytes({3, 4}))));
  EXPECT_THAT(Lines(*fewer),
              ElementsAre(kChunkLines[0], "b:5-6 row_out_of_range", "b:7-9 row_out_of_range"));
  EXPECT_EQ(fewer->warnings().size(), 1u);
}

TEST(Nndex, OfARepeatedChunkTheLastStands) {
  const auto cache = OpenLegacy(
      NndexOf(Replace(kChunks, "\"start_line\": 7", "\"start_line\": 5,  \"end_line\": 6"),
              Matrix()));
  // "end_line" stands twice in it; the later one counts.
  EXPECT_THAT(Lines(*cache), ElementsAre(kChunkLines[0], "b:5-6  6 8"));
  EXPECT_EQ(cache->replaced_count(), 1u);
}

TEST(Nndex, TornAtEveryByte) {
  const std::string whole = kChunks;
  LegacyOptions salvage;
  salvage.salvage = true;
  for (size_t size = 0; size < whole.size(); ++size) {
    const LegacySources sources = NndexOf(whole.substr(0, size), Matrix());
    EXPECT_EQ(RefusalOf(sources, "metadata.json"), LegacyReason::kTruncated) << size;
    size_t complete = 0;
    for (const char* end : {"\\ud800\"}", "{}]}", "\"b\"}]"}) {
      complete += size >= whole.find(end) + std::string(end).size() - (end[0] == '"');
    }
    EXPECT_EQ(OpenLegacy(sources, salvage)->entry_count(), complete) << size;
  }
  EXPECT_EQ(RefusalOf(NndexOf("[]", Matrix()), "object"), LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf(NndexOf(R"({"chunks": {}})", Matrix()), "chunks"),
            LegacyReason::kWrongShape);
  EXPECT_EQ(RefusalOf(NndexOf(R"({"chunks": [1, 2]})", Matrix()), "numbers"),
            LegacyReason::kWrongShape);
}

}  // namespace
}  // namespace vdb::format
