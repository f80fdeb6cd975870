// The fuzz entry of filters on mutations of the corpus and of filters that parse: seeded, so that a
// failure comes again.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "vdb/filter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace vdb::query {
namespace {

const char* const kParsing[] = {
    R"(year >= 2020 and tag in ("a", "b") and not author.name starts with "x")",
    R"(a = 1 or b != -2.5e3 and (`and` <= 18446744073709551615 or a.b contains "\u0000\udcff"))",
    R"(b >= timestamp "2020-02-29T12:00:00.12345+23:59" or b < timestamp "1969-12-31 23:59:60z")",
    R"(not (a is null or not not a is not null) and $key not in ("key", true, 1, 1.0, -0.0))",
    R"(a not between "a" and "z" or a between false and true or a exists and a <> "\ud83d\ude00")",
    R"(((((((`a b`.``.`c``d` = "")))))) OR NOT a EXISTS AND tag Starts With "")",
};

std::vector<std::string> Corpus() {
  std::vector<std::string> corpus(std::begin(kParsing), std::end(kParsing));
  std::ifstream file(VDB_SOURCE_DIR "/tests/query/malformed_filters.txt");
  for (std::string line; std::getline(file, line);) {
    corpus.push_back(line.substr(line.find(' ') + 1));
  }
  return corpus;
}

class Mutator {
 public:
  explicit Mutator(std::vector<std::string> corpus) : corpus_(std::move(corpus)) {}

  std::string Next() {
    // One of two is a filter that parses, so that mutants often do too.
    std::string text = Pick() % 2 ? kParsing[Pick() % std::size(kParsing)] : AnyText();
    for (auto i = Pick() % 4; i > 0; --i) Mutate(&text);
    return text;
  }

 private:
  uint32_t Pick() { return static_cast<uint32_t>(random_()); }
  const std::string& AnyText() { return corpus_[Pick() % corpus_.size()]; }

  void Mutate(std::string* text) {
    const size_t at = Pick() % (text->size() + 1);
    const size_t size = Pick() % (1 + text->size() / 4);
    switch (Pick() % 6) {
      case 0: text->insert(at, 1, static_cast<char>(Pick())); break;
      case 1: text->erase(at, size); break;
      case 2: text->insert(at, text->substr(Pick() % (text->size() + 1), size)); break;
      case 3: text->insert(at, AnyText()); break;
      case 4: text->insert(at, kPieces[Pick() % std::size(kPieces)]); break;
      default:
        if (at < text->size()) (*text)[at] = static_cast<char>((*text)[at] ^ (1 << Pick() % 8));
    }
  }

  static constexpr const char* kPieces[] = {
      " and ", " or ", " not ", "(", ")", " a ", " = ", " in (", ",", " between ", " null ",
      "\"", "`", "$key", "timestamp \"", "\\u", "\\ud800", "0", "9", "e", ".", "-", " contains "};

  std::vector<std::string> corpus_;
  std::mt19937 random_{4};
};

TEST(FilterFuzz, MutationsOfTheCorpus) {
  Mutator mutator(Corpus());
  int parsed = 0;
  for (int round = 0; round < 50000; ++round) {
    const std::string text = mutator.Next();
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    if (Filter::Parse(text).ok()) ++parsed;
  }
  // Or the mutations would test the first error of each text alone.
  EXPECT_GT(parsed, 5000);
}

}  // namespace
}  // namespace vdb::query
