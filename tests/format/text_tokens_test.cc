// Tokens of texts in several scripts, of bytes that are no text, and of texts longer than a window.
#include "format/text_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

namespace vdb::format {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Tokens(std::string_view text, size_t window = kTokenWindowBytes) {
  std::vector<std::string> tokens;
  const Status status = ForEachToken(
      text, [&tokens](std::string_view token) { tokens.emplace_back(token); }, window);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return tokens;
}

std::string Repeated(std::string_view part, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += part;
  return text;
}

TEST(TextTokens, English) {
  EXPECT_THAT(Tokens("Hello, World!  It can't stop at 3.14 (U.S.A.): foo_bar, a-b."),
              ElementsAre("hello", "world", "it", "can't", "stop", "at", "3.14", "u.s.a", "foo_bar",
                          "a", "b"));
  EXPECT_THAT(Tokens(""), IsEmpty());
  EXPECT_THAT(Tokens(" \t\n ... --- !?"), IsEmpty());
}

TEST(TextTokens, FoldsFully) {
  // Sharp s and its capital are ss; accents stay, composed; ligatures and wide digits are plain.
  EXPECT_THAT(Tokens("Stra\xC3\x9F" "e STRA\xE1\xBA\x9E" "E STRASSE"),
              ElementsAre("strasse", "strasse", "strasse"));
  EXPECT_THAT(Tokens("E\xCC\x81t\xC3\xA9 \xC3\x89T\xC3\x89"),
              ElementsAre("\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9"));
  EXPECT_THAT(Tokens("\xEF\xAC\x81sh 1\xEF\xBC\x92" "3"), ElementsAre("fish", "123"));
  EXPECT_THAT(Tokens("\xCE\xA3\xCE\x9F\xCE\xA3 \xCF\x83\xCE\xBF\xCF\x82"),  // final sigma
              ElementsAre("\xCF\x83\xCE\xBF\xCF\x83", "\xCF\x83\xCE\xBF\xCF\x83"));
  // A soft hyphen is nothing.
  EXPECT_THAT(Tokens("hy\xC2\xADphen"), ElementsAre("hyphen"));
}

TEST(TextTokens, DotlessIIsAnotherLetter) {
  EXPECT_THAT(Tokens("I i \xC4\xB1 \xC4\xB0"),
              ElementsAre("i", "i", "\xC4\xB1", "i\xCC\x87"));
}

TEST(TextTokens, ScriptsWithoutSpaces) {
  // Chinese "we study at Tokyo university", Japanese katakana, Thai "hello" + polite word.
  EXPECT_THAT(Tokens("\xE6\x88\x91\xE4\xBB\xAC\xE5\x9C\xA8\xE4\xB8\x9C\xE4\xBA\xAC"
                     "\xE5\xA4\xA7\xE5\xAD\xA6\xE5\xAD\xA6\xE4\xB9\xA0\xE3\x80\x82"),
              ElementsAre("\xE6\x88\x91\xE4\xBB\xAC", "\xE5\x9C\xA8", "\xE4\xB8\x9C\xE4\xBA\xAC",
                          "\xE5\xA4\xA7\xE5\xAD\xA6", "\xE5\xAD\xA6\xE4\xB9\xA0"));
  EXPECT_THAT(Tokens("\xE3\x82\xAB\xE3\x82\xBF\xEF\xBD\xB6\xEF\xBE\x85"),  // half width too
              ElementsAre("\xE3\x82\xAB\xE3\x82\xBF\xE3\x82\xAB\xE3\x83\x8A"));
  EXPECT_THAT(Tokens("\xE0\xB8\xAA\xE0\xB8\xA7\xE0\xB8\xB1\xE0\xB8\xAA\xE0\xB8\x94\xE0\xB8\xB5"
                     "\xE0\xB8\x84\xE0\xB8\xA3\xE0\xB8\xB1\xE0\xB8\x9A"),
              ElementsAre("\xE0\xB8\xAA\xE0\xB8\xA7"
                          "\xE0\xB8\xB1\xE0\xB8\xAA\xE0\xB8\x94\xE0\xB8\xB5",
                          "\xE0\xB8\x84\xE0\xB8\xA3\xE0\xB8\xB1\xE0\xB8\x9A"));
}

TEST(TextTokens, EmojiAreNoWords) {
  EXPECT_THAT(Tokens("a\xF0\x9F\x98\x80" "b \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD "
                     "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA c"),
              ElementsAre("a", "b", "c"));
}

TEST(TextTokens, BytesThatAreNoText) {
  EXPECT_THAT(Tokens(std::string_view("a\0b\0\0c", 6)), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Tokens("one\xFFtwo\xC3"), ElementsAre("one", "two"));
  EXPECT_THAT(Tokens("\xC0\x80" "x\xED\xA0\x80y\xF4\x90\x80\x80z"), ElementsAre("x", "y", "z"));
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    for (const size_t window : {size_t{8}, size_t{37}, kTokenWindowBytes}) {
      for (const std::string& token : Tokens(bytes, window)) {
        EXPECT_FALSE(token.empty());
        EXPECT_LE(token.size(), kTokenBytesMax);
        EXPECT_EQ(token.find('\0'), std::string::npos);
      }
    }
  }
}

TEST(TextTokens, LongTokensAreCutBetweenCharacters) {
  EXPECT_THAT(Tokens(std::string(300, 'A') + " b"), ElementsAre(std::string(255, 'a'), "b"));
  const std::string e = "\xC3\xA9";  // 2 bytes: 127 fit
  EXPECT_THAT(Tokens(Repeated(e, 200)), ElementsAre(Repeated(e, 127)));
  const std::string supplementary = "\xF0\x90\x90\xA8";  // a Deseret letter: 63 fit
  EXPECT_THAT(Tokens(Repeated(supplementary, 5000)), ElementsAre(Repeated(supplementary, 63)));
}

TEST(TextTokens, AMegabyteWithoutABreak) {
  const auto letters = Tokens(std::string(1u << 20, 'x'));
  EXPECT_EQ(letters.size(), (1u << 20) / kTokenWindowBytes);
  for (const auto& token : letters) EXPECT_EQ(token, std::string(255, 'x'));
  // A dictionary's script: whole words, none of them longer than a few characters.
  size_t bytes = 0;
  const std::string chinese = Repeated("\xE5\xA4\xA7\xE5\xAD\xA6", (1u << 20) / 6);
  for (const auto& token : Tokens(chinese)) bytes += token.size();
  EXPECT_EQ(bytes, chinese.size());
  EXPECT_THAT(Tokens(std::string(1u << 20, '.')), IsEmpty());
  EXPECT_THAT(Tokens(std::string(1u << 20, '\xFF')), IsEmpty());
}

TEST(TextTokens, WindowsDoNotShow) {
  const std::vector<std::string> parts = {
      "word", "can't", " ", "  ", ". ", "3.14", ", ", "\r\n", "\xC3\xA9t\xC3\xA9", "'", "x\xCC\x81",
      "\xE5\xA4\xA7\xE5\xAD\xA6", "\xE3\x80\x82",
      "\xE0\xB8\x84\xE0\xB8\xA3\xE0\xB8\xB1\xE0\xB8\x9A",
      "\xF0\x9F\x98\x80", "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA", " \xCC\x81", "\xFF", "_", ":", "-"};
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    size_t words_in_a_row = 0;
    for (int i = 0; i < 150; ++i) {
      const std::string& part = parts[random() % parts.size()];
      text += part;
      // A window holds a stretch of words in any case.
      if (++words_in_a_row == 8) text += " ", words_in_a_row = 0;
    }
    const auto whole = Tokens(text);
    for (const size_t window : {200, 211, 333}) EXPECT_EQ(Tokens(text, window), whole) << text;
  }
}

TEST(TextTokens, ThreadsDoNotShareTheirIterators) {
  const std::string text = Repeated("Lemon trees can't stop 3.14 \xC3\x89T\xC3\x89 ", 2000);
  const auto expected = Tokens(text);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(Tokens(text), expected); });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(TermCounter, CountsAndSorts) {
  TermCounter counter;
  ASSERT_TRUE(counter.Add("b a B").ok());
  ASSERT_TRUE(counter.Add("c b").ok());
  TextTerms terms = counter.Take();
  EXPECT_THAT(terms.terms, ElementsAre(TextTerm{"a", 1}, TextTerm{"b", 3}, TextTerm{"c", 1}));
  EXPECT_EQ(terms.length, 5u);
  EXPECT_TRUE(counter.Take().empty());
}

}  // namespace
}  // namespace vdb::format
