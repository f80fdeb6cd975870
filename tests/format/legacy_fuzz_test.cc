// The fuzz entry of legacy caches on mutations of the fixtures and of each shape: seeded, so that a
// failure comes again. VDB_LEGACY_FUZZ_ROUNDS and VDB_LEGACY_FUZZ_SEED ask for more.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "format/legacy_cache.h"
#include "tests/fuzz/legacy_corpus.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace vdb::format {
namespace {

using fuzz::LegacyInput;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed)
      : corpus_(fuzz::LegacyCorpus(VDB_SOURCE_DIR "/tests/golden/legacy")), random_(seed) {}

  LegacyInput Next() {
    LegacyInput input = corpus_[Pick() % corpus_.size()];
    if (Pick() % 4 == 0) input.kind = static_cast<unsigned char>(input.kind | 8);
    if (Pick() % 8 == 0) input.kind = static_cast<unsigned char>(input.kind | 16);
    if (Pick() % 8 == 0) input.kind = static_cast<unsigned char>(input.kind | (32 << Pick() % 2));
    if (Pick() % 16 == 0) input.kind = static_cast<unsigned char>(Pick() % 128);
    for (auto i = Pick() % 5; i > 0; --i) Mutate(&AnyPartOf(&input));
    return input;
  }

 private:
  uint64_t Pick() { return random_() >> 8; }

  std::string& AnyPartOf(LegacyInput* input) {
    for (;;) {
      std::string& part = input->parts[Pick() % 3];
      if (!part.empty() || Pick() % 8 == 0) return part;
    }
  }
  std::string_view AnyText() {
    const LegacyInput& other = corpus_[Pick() % corpus_.size()];
    for (const std::string& part : other.parts) {
      if (!part.empty()) return part;
    }
    return "";
  }
  std::string_view SliceOf(std::string_view text) {
    return text.substr(Pick() % (text.size() + 1), Pick() % 200);
  }
  // Behind something that ends a value, so that mutants often are JSON.
  size_t AnyPlaceIn(const std::string& text) {
    const size_t at = Pick() % (text.size() + 1);
    if (Pick() % 2 == 0) return at;
    const size_t found = text.find_first_of("{[,:}]", at);
    return found == std::string::npos ? at : found + Pick() % 2;
  }

  void Mutate(std::string* text) {
    const size_t at = AnyPlaceIn(*text);
    switch (Pick() % 8) {
      case 0: text->insert(at, 1, static_cast<char>(Pick())); break;
      case 1: text->erase(at, Pick() % 2 ? 1 : Pick() % (1 + text->size() / 4)); break;
      case 2: text->insert(at, SliceOf(*text)); break;
      case 3: text->insert(at, SliceOf(AnyText())); break;
      case 4: text->resize(at); break;
      case 5:
        if (at < text->size()) (*text)[at] = static_cast<char>((*text)[at] ^ (1 << Pick() % 8));
        break;
      case 6: Repeat(text, at); break;
      default: text->insert(at, kPieces[Pick() % std::size(kPieces)]);
    }
  }
  void Repeat(std::string* text, size_t at) {
    const std::string piece(kPieces[Pick() % std::size(kPieces)]);
    std::string many;
    for (auto i = Pick() % 200; i > 0; --i) many += piece;
    text->insert(at, many);
  }

  static constexpr std::string_view kPieces[] = {
      "{", "}", "[", "]", ",", ":", "\"", "\\u", "\\ud800", "\\udc80", "null,", "true", "NaN",
      "-Infinity", "0", "1e39", "-0.0", "1e999", "18446744073709551616", "\"a\":",
      "\"embedding\":", "\"values\":", "\"vector\":", "\"id\":", "\"data\":", "\"keys\":",
      "\"model\":", "[0.5,1],", "\"zczMPc3MTD4=\"", "{\"id\":1,\"vector\":[1,2]},", "\n", "\r\n",
      "\xEF\xBB\xBF", "\xFF", " "};

  std::vector<LegacyInput> corpus_;
  std::mt19937_64 random_;
};

void RunInput(const LegacyInput& input) {
  const std::string bytes = input.Bytes();
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

TEST(LegacyFuzz, TheCorpus) {
  for (const LegacyInput& input : fuzz::LegacyCorpus(VDB_SOURCE_DIR "/tests/golden/legacy")) {
    RunInput(input);
  }
}

TEST(LegacyFuzz, FoundBefore) {
  for (const char* text : {
           // A vector that stands twice in a record.
           R"({"a": {"embedding": [1, 2], "text": "t", "embedding": [3, 4]}})",
           // A row number, a part and "#number" as keys that other entries have of their own.
           R"([{"id": 0, "vector": [1, 2]}, {"id": "2", "vector": [1, 2]}, {"vector": [1, 2]}])",
           R"([{"label": "x", "descriptors": [[1, 2], [3, 4]]},
               {"label": "x#1", "descriptors": [[5, 6]]}])",
           R"([{"id": 1, "vector": [1, 2]}, {"id": "1", "vector": [3, 4]},
               {"id": "1#number", "vector": [5, 6]}])",
       }) {
    LegacyInput input;
    input.kind = 5;
    input.parts[2] = text;
    RunInput(input);
  }
}

TEST(LegacyFuzz, MutationsOfTheCorpus) {
  const uint64_t rounds = FromEnvironment("VDB_LEGACY_FUZZ_ROUNDS", 20000);
  Mutator mutator(FromEnvironment("VDB_LEGACY_FUZZ_SEED", 5));
  const char* const keep = std::getenv("VDB_LEGACY_FUZZ_KEEP");  // a file for the input at hand
  for (uint64_t round = 0; round < rounds; ++round) {
    const LegacyInput input = mutator.Next();
    if (keep != nullptr) std::ofstream(keep, std::ios::binary) << input.Bytes();
    if (round % 100000 == 99999) std::cout << round + 1 << " inputs" << std::endl;
    RunInput(input);
  }
}

}  // namespace
}  // namespace vdb::format
