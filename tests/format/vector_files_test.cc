// .npy headers, .fvecs rows, both as vectors, and keys files: what they accept, and that everything
// else, every truncation included, is refused with what was found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "format/keys_file.h"
#include "format/npy.h"
#include "format/vector_rows.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

using ::testing::HasSubstr;

std::string Npy(const std::string& dict, int major = 1) {
  std::string file = "\x93NUMPY";
  file += static_cast<char>(major);
  file += '\0';
  const auto size = static_cast<uint32_t>(dict.size());
  file.append(reinterpret_cast<const char*>(&size), major == 1 ? 2 : 4);
  return file + dict;
}

StatusOr<NpyHeader> Parse(const std::string& file, uint64_t data_bytes) {
  return ParseNpyHeader(file, file.size() + data_bytes);
}

std::string NpyError(const std::string& dict, uint64_t data_bytes = 24) {
  return Parse(Npy(dict), data_bytes).status().message();
}

TEST(Npy, ReadsAllVersionsAndOrders) {
  for (const int major : {1, 2, 3}) {
    for (const char* dict :
         {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }            \n",
          "{\"shape\":(2,3),'fortran_order':False,'descr':'<f4'}",
          " { 'shape' : ( 2L , 3L , ) , 'descr' : '<f4' , 'fortran_order' : False } "}) {
      const std::string file = Npy(dict, major);
      const auto header = Parse(file, 24);
      ASSERT_TRUE(header.ok()) << header.status().ToString() << dict;
      EXPECT_EQ(header->data_offset, file.size());
      EXPECT_EQ(header->rows, 2u);
      EXPECT_EQ(header->dimension, 3u);
      EXPECT_EQ(header->element_bytes, 4u);
    }
  }
  const auto wide = Parse(Npy("{'descr':'<f8','fortran_order':False,'shape':(0,5)}"), 0);
  ASSERT_TRUE(wide.ok());
  EXPECT_EQ(wide->element_bytes, 8u);
  EXPECT_EQ(wide->rows, 0u);
}

TEST(Npy, RefusesAndNamesWhatItFound) {
  EXPECT_THAT(NpyError("{'descr':'>f4','fortran_order':False,'shape':(2,3)}"), HasSubstr("'>f4'"));
  EXPECT_THAT(NpyError("{'descr':'<i8','fortran_order':False,'shape':(2,3)}"), HasSubstr("'<i8'"));
  EXPECT_THAT(NpyError("{'descr':[('a','<f4')],'fortran_order':False,'shape':(2,3)}"),
              HasSubstr("structured"));
  EXPECT_THAT(NpyError("{'descr':'<f4','fortran_order':True,'shape':(2,3)}"), HasSubstr("Fortran"));
  EXPECT_THAT(NpyError("{'descr':'<f4','fortran_order':False,'shape':(6,)}"), HasSubstr("(6,)"));
  EXPECT_THAT(NpyError("{'descr':'<f4','fortran_order':False,'shape':()}"), HasSubstr("shape ()"));
  EXPECT_THAT(NpyError("{'descr':'<f4','fortran_order':False,'shape':(1,2,3)}"),
              HasSubstr("(1, 2, 3)"));
  EXPECT_THAT(NpyError("{'descr':'<f4','fortran_order':False,'shape':(-2,3)}"),
              HasSubstr("number"));
  EXPECT_THAT(NpyError("{'descr':'<f4','fortran_order':False}"), HasSubstr("'shape'"));
  EXPECT_THAT(NpyError("{'descr':'<f4','fortran_order':False,'shape':(2,3),'x':1}"),
              HasSubstr("unknown field 'x'"));
  const std::string good = "{'descr':'<f4','fortran_order':False,'shape':(2,3)}";
  EXPECT_EQ(NpyError(good), "");
  EXPECT_THAT(NpyError(good, 23), HasSubstr("does not fit"));
  EXPECT_THAT(NpyError(good, 25), HasSubstr("does not fit"));
  EXPECT_THAT(
      NpyError("{'descr':'<f8','fortran_order':False,'shape':(4611686018427387904,1000)}"),
      HasSubstr("2^64"));
  EXPECT_THAT(ParseNpyHeader("hello, world", 12).status().message(), HasSubstr("magic"));
  EXPECT_THAT(Parse(Npy(good, 4), 24).status().message(), HasSubstr("found 4.0"));
}

TEST(Npy, SurvivesTruncationAndFlips) {
  const std::string file = Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 2);
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseNpyHeader(std::string(file, 0, size), file.size() + 24).ok());
  }
  for (size_t at = 0; at < file.size() * 8; ++at) {
    std::string damaged = file;
    damaged[at / 8] = static_cast<char>(damaged[at / 8] ^ (1 << (at % 8)));
    const auto header = Parse(damaged, 24);
    if (header.ok()) {
      EXPECT_EQ(header->data_offset + header->rows * header->dimension * header->element_bytes,
                damaged.size() + 24);
    }
  }
}

std::string Fvecs(const std::vector<std::vector<float>>& rows) {
  std::string file;
  for (const auto& row : rows) {
    const auto dimension = static_cast<int32_t>(row.size());
    file.append(reinterpret_cast<const char*>(&dimension), 4);
    file.append(reinterpret_cast<const char*>(row.data()), row.size() * 4);
  }
  return file;
}

TEST(Fvecs, ReadsRows) {
  const std::string bytes = Fvecs({{1, 2, 3}, {4, 5, 6}});
  const auto file = VectorRows::Parse(VectorFormat::kFvecs, bytes);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->rows(), 2u);
  EXPECT_EQ(file->dimension(), 3u);
  std::vector<float> scratch;
  EXPECT_THAT(*file->Row(1, &scratch), ::testing::ElementsAre(4.0f, 5.0f, 6.0f));
  ASSERT_TRUE(VectorRows::Parse(VectorFormat::kFvecs, "").ok());
  EXPECT_EQ(VectorRows::Parse(VectorFormat::kFvecs, "")->rows(), 0u);
}

TEST(Fvecs, RefusesAndNamesTheRow) {
  const auto error = [](const std::string& bytes) {
    return VectorRows::Parse(VectorFormat::kFvecs, bytes).status().message();
  };
  EXPECT_THAT(error(Fvecs({{1, 2}, {3, 4}, {5, 6, 7}})),
              HasSubstr("row 2: expected dimension 2 as in row 0, found 3"));
  EXPECT_THAT(error(Fvecs({{}})), HasSubstr("row 0: expected a dimension of 1 to 65535, found 0"));
  EXPECT_THAT(error(std::string("\xFF\xFF\xFF\xFF", 4)), HasSubstr("found -1"));
  EXPECT_THAT(error("abc"), HasSubstr("the end of the file"));
  const std::string bytes = Fvecs({{1, 2, 3}, {4, 5, 6}});
  for (size_t size = 1; size < bytes.size(); ++size) {
    if (size == bytes.size() / 2) continue;
    EXPECT_NE(error(bytes.substr(0, size)), "") << size;
  }
}

// Rows of `dimension` and elements of another type than float.
template <typename T>
std::string Vecs(const std::vector<std::vector<T>>& rows) {
  std::string file;
  for (const auto& row : rows) {
    const auto dimension = static_cast<int32_t>(row.size());
    file.append(reinterpret_cast<const char*>(&dimension), 4);
    file.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(T));
  }
  return file;
}

TEST(IvecsAndBvecs, AreConvertedExactly) {
  std::vector<float> scratch;
  const std::string ints = Vecs<int32_t>({{0, -1, 1 << 24}, {-2147483647 - 1, 7, 1 << 30}});
  const auto ivecs = VectorRows::Parse(VectorFormat::kIvecs, ints);
  ASSERT_TRUE(ivecs.ok()) << ivecs.status().ToString();
  EXPECT_THAT(*ivecs->Row(0, &scratch), ::testing::ElementsAre(0.0f, -1.0f, 16777216.0f));
  EXPECT_THAT(*ivecs->Row(1, &scratch),
              ::testing::ElementsAre(-2147483648.0f, 7.0f, 1073741824.0f));
  const std::string odd = Vecs<int32_t>({{1, (1 << 24) + 1}});
  EXPECT_THAT(VectorRows::Parse(VectorFormat::kIvecs, odd)->Row(0, &scratch).status().message(),
              HasSubstr("found 16777217.000000 at position 1"));
  const std::string bytes = Vecs<uint8_t>({{0, 127, 255, 3, 4}, {1, 2, 3, 4, 5}});
  const auto bvecs = VectorRows::Parse(VectorFormat::kBvecs, bytes);
  ASSERT_TRUE(bvecs.ok()) << bvecs.status().ToString();
  EXPECT_THAT(*bvecs->Row(0, &scratch), ::testing::ElementsAre(0.0f, 127.0f, 255.0f, 3.0f, 4.0f));
  for (size_t size = 1; size < bytes.size(); ++size) {
    if (size == bytes.size() / 2) continue;
    EXPECT_FALSE(VectorRows::Parse(VectorFormat::kBvecs, bytes.substr(0, size)).ok()) << size;
  }
}

// A straightforward reading of the same bytes; every mutation must give the same or be refused by
// both.
TEST(Vecs, AgreeWithAnOracleOnMutations) {
  std::mt19937 random(7);
  const std::string whole = Vecs<uint8_t>({{9, 8, 7, 6}, {5, 4, 3, 2}, {1, 0, 255, 254}});
  int taken = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole.substr(0, random() % 4 == 0 ? random() % whole.size() : whole.size());
    for (auto flips = random() % 3; flips > 0 && !bytes.empty(); --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    std::vector<std::vector<float>> expected;
    bool good = true;
    for (size_t at = 0; good && at < bytes.size();) {
      int32_t dimension = 0;
      good = bytes.size() - at >= 4;
      if (good) std::memcpy(&dimension, bytes.data() + at, 4);
      const size_t first = expected.empty() ? static_cast<size_t>(dimension) : expected[0].size();
      good = good && dimension >= 1 && dimension <= 65535 &&
             static_cast<size_t>(dimension) == first &&
             bytes.size() - at - 4 >= static_cast<size_t>(dimension);
      if (!good) break;
      expected.emplace_back();
      for (size_t j = 0; j < first; ++j) {
        expected.back().push_back(static_cast<uint8_t>(bytes[at + 4 + j]));
      }
      at += 4 + first;
    }
    const auto rows = VectorRows::Parse(VectorFormat::kBvecs, bytes);
    ASSERT_EQ(rows.ok(), good) << round;
    if (!good) continue;
    ++taken;
    ASSERT_EQ(rows->rows(), expected.size());
    std::vector<float> scratch;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_THAT(*rows->Row(i, &scratch), ::testing::ElementsAreArray(expected[i]));
    }
  }
  EXPECT_GT(taken, 1000);
}

TEST(VectorRows, ReadsEveryAlignmentAndWidth) {
  const std::string dict = "{'descr':'<f4','fortran_order':False,'shape':(2,3)}";
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  for (size_t padding = 0; padding < 4; ++padding) {
    std::string bytes = Npy(dict + std::string(padding, ' '));
    bytes.append(reinterpret_cast<const char*>(values.data()), 24);
    const auto rows = VectorRows::Parse(VectorFormat::kNpy, bytes);
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    std::vector<float> scratch;
    EXPECT_THAT(*rows->Row(1, &scratch), ::testing::ElementsAre(4.0f, 5.0f, 6.0f));
  }
  std::string wide = Npy("{'descr':'<f8','fortran_order':False,'shape':(1,3)}");
  const std::vector<double> doubles{0.1, -1e-300, 3.4028235e38};
  wide.append(reinterpret_cast<const char*>(doubles.data()), 24);
  const auto rows = VectorRows::Parse(VectorFormat::kNpy, wide);
  ASSERT_TRUE(rows.ok());
  std::vector<float> scratch;
  EXPECT_THAT(*rows->Row(0, &scratch),
              ::testing::ElementsAre(0.1f, 0.0f, std::numeric_limits<float>::max()));
  const double huge = 3.4028236e38;
  std::memcpy(wide.data() + wide.size() - 8, &huge, 8);
  EXPECT_THAT(VectorRows::Parse(VectorFormat::kNpy, wide)->Row(0, &scratch).status().message(),
              HasSubstr("position 2"));
  EXPECT_FALSE(VectorRows::Parse(VectorFormat::kNpy,
                                 Npy("{'descr':'<f4','fortran_order':False,'shape':(0,0)}"))
                   .ok());
}

std::vector<std::string> Keys(const std::string& text) {
  const auto file = KeysFile::Parse(text);
  if (!file.ok()) return {"refused: " + file.status().message()};
  std::vector<std::string> keys;
  for (size_t i = 0; i < file->size(); ++i) keys.emplace_back(file->key(i));
  return keys;
}

TEST(KeysFile, PlainLines) {
  using Strings = std::vector<std::string>;
  EXPECT_EQ(Keys("a\nb c\n"), (Strings{"a", "b c"}));
  EXPECT_EQ(Keys("a\nb"), (Strings{"a", "b"}));
  EXPECT_EQ(Keys("a\r\n\xFF\r\n"), (Strings{"a\r", "\xFF\r"}));
  EXPECT_EQ(Keys("\"a\"\nb\n"), (Strings{"\"a\"", "b"}));  // not every line is JSON
  EXPECT_EQ(Keys(""), Strings{});
}

TEST(KeysFile, JsonLines) {
  using Strings = std::vector<std::string>;
  EXPECT_EQ(Keys("\"a\\nb\"\n\"\\udcff\"\n"), (Strings{"a\nb", "\xFF"}));
  EXPECT_EQ(Keys("\"a\"\r\n \"b\" "), (Strings{"a", "b"}));
}

TEST(KeysFile, RefusesKeysOutOfRange) {
  EXPECT_THAT(Keys("a\n\nb\n")[0],
              HasSubstr("line 2: expected a key of 1 to 65536 bytes, found 0"));
  EXPECT_THAT(Keys("\"\"\n\"\"\n")[0], HasSubstr("line 1"));
  EXPECT_THAT(Keys("\"a\"\n\"\"\n")[0], HasSubstr("line 2"));
  EXPECT_EQ(Keys(std::string(kKeyBytesMax, 'k')).size(), 1u);
  EXPECT_THAT(Keys("x\n" + std::string(kKeyBytesMax + 1, 'k'))[0], HasSubstr("found 65537"));
}

}  // namespace
}  // namespace vdb::format
