// Entries of text indexes: what is written is read, anything else is refused, and order is by
// token, then docno.
#include "format/text_entry.h"

#include <gtest/gtest.h>

#include <string>

#include "format/text_tokens.h"

namespace vdb::format {
namespace {

TEST(TextEntry, Postings) {
  const std::string key = PostingKey(7, "lemon", 300);
  const std::string value = PostingValue(2, 200, "k\xFF");
  EXPECT_EQ(key, std::string("X\0\0\0\7\1lemon\0\0\0\0\0\0\0\1\x2C", 20));
  EXPECT_EQ(key.substr(0, PostingsPrefix(7, "lemon").size()), PostingsPrefix(7, "lemon"));
  EXPECT_EQ(key.substr(0, PostingsPrefix(7).size()), PostingsPrefix(7));
  PostingView posting;
  ASSERT_TRUE(DecodePosting(key, value, &posting));
  EXPECT_EQ(posting.term, "lemon");
  EXPECT_EQ(posting.docno, 300u);
  EXPECT_EQ(posting.frequency, 2u);
  EXPECT_EQ(posting.length, 200u);
  EXPECT_EQ(posting.key, "k\xFF");
  EXPECT_LT(PostingKey(7, "a", ~uint64_t{0}), PostingKey(7, "a\1", 1));
  EXPECT_LT(PostingKey(7, "a", 255), PostingKey(7, "a", 256));
  EXPECT_LT(PostingKey(7, "zz", 1), TextStatisticsKey(7));
  EXPECT_LT(TextStatisticsKey(7), TextIndexPrefix(8));
}

TEST(TextEntry, OtherPostingsAreRefused) {
  const std::string key = PostingKey(7, "lemon", 300);
  const std::string value = PostingValue(2, 200, "k");
  PostingView posting;
  const auto decodes = [&posting](const std::string& k, const std::string& v) {
    return DecodePosting(k, v, &posting);
  };
  ASSERT_TRUE(decodes(key, value));
  for (size_t size = 0; size < key.size(); ++size) {
    // Shorter ones are other keys: their NUL is elsewhere.
    EXPECT_FALSE(decodes(key.substr(0, size), value)) << size;
  }
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decodes(key, value.substr(0, size))) << size;
  }
  EXPECT_FALSE(decodes("F" + key.substr(1), value));
  EXPECT_FALSE(decodes(TextStatisticsKey(7), value));
  EXPECT_FALSE(decodes(PostingKey(7, "", 300), value));
  EXPECT_FALSE(decodes(PostingKey(7, "lemon", 0), value));
  EXPECT_FALSE(decodes(PostingKey(7, std::string("le\0mon", 6), 300), value));
  EXPECT_TRUE(decodes(PostingKey(7, std::string(kTokenBytesMax, 'a'), 1), value));
  EXPECT_FALSE(decodes(PostingKey(7, std::string(kTokenBytesMax + 1, 'a'), 1), value));
  EXPECT_FALSE(decodes(key, PostingValue(0, 200, "k")));
  EXPECT_FALSE(decodes(key, PostingValue(201, 200, "k")));
  EXPECT_FALSE(decodes(key, PostingValue(2, 200, "")));
  EXPECT_FALSE(decodes(key, std::string("\x82\0\x02k", 4)));  // 2 in two bytes
  EXPECT_FALSE(decodes(key, std::string(12, '\xFF')));
}

TEST(TextEntry, Statistics) {
  TextStatistics statistics;
  ASSERT_TRUE(DecodeTextStatistics(EncodeTextStatistics({3, 1000}), &statistics));
  EXPECT_EQ(statistics, (TextStatistics{3, 1000}));
  const auto decodes = [&statistics](const std::string& value) {
    return DecodeTextStatistics(value, &statistics);
  };
  EXPECT_FALSE(decodes(""));
  EXPECT_FALSE(decodes("\3"));
  EXPECT_FALSE(decodes(EncodeTextStatistics({3, 1000}) + "x"));
  EXPECT_FALSE(decodes(EncodeTextStatistics({0, 0})));
  EXPECT_FALSE(decodes(EncodeTextStatistics({3, 2})));
  EXPECT_FALSE(decodes(std::string("\x83\0\x09", 3)));
}

}  // namespace
}  // namespace vdb::format
