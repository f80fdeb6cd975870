// .npy headers, .fvecs rows, both as vectors, and keys files: what they accept, and that everything
// else, every truncation included, is refused with what was found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "format/fvecs.h"
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
  const auto file = FvecsFile::Parse(bytes);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->rows(), 2u);
  EXPECT_EQ(file->dimension(), 3u);
  EXPECT_THAT(file->row(1), ::testing::ElementsAre(4.0f, 5.0f, 6.0f));
  ASSERT_TRUE(FvecsFile::Parse("").ok());
  EXPECT_EQ(FvecsFile::Parse("")->rows(), 0u);
}

TEST(Fvecs, RefusesAndNamesTheRow) {
  const auto error = [](const std::string& bytes) {
    return FvecsFile::Parse(bytes).status().message();
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
