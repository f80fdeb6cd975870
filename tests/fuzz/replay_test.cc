// Every fuzz target without a fuzzer: its seeds, the files of its corpus (tests/fuzz/corpus/NAME),
// and seeded mutations of both, so that a failure comes again. VDB_FUZZ_ROUNDS and VDB_FUZZ_SEED
// ask for more. Many mutations must be valid, or they would test the first check of a decoder only.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>

#include "tests/fuzz/fuzz_target.h"

namespace vdb::fuzz {
namespace {

constexpr size_t kInputBytesMax = 1u << 16;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::vector<std::string> CorpusOf(const Target& target) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths;
  const fs::path folder = fs::path(VDB_SOURCE_DIR "/tests/fuzz/corpus") / target.name;
  EXPECT_TRUE(fs::is_directory(folder)) << folder;
  for (const auto& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());  // the same order everywhere
  std::vector<std::string> corpus = target.seeds();
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

class Mutator {
 public:
  /// The first `seeds` of the corpus are valid: half of the mutations are of them.
  Mutator(const std::vector<std::string>& corpus, size_t seeds, uint64_t seed)
      : corpus_(corpus), seeds_(seeds), random_(seed) {}

  std::string Next() {
    std::string bytes = Any();
    for (uint64_t i = 1 + Pick() % 3; i > 0; --i) Mutate(&bytes);
    bytes.resize(std::min(bytes.size(), kInputBytesMax));
    return bytes;
  }

 private:
  uint64_t Pick() { return random_() >> 8; }
  const std::string& Any() {
    return corpus_[Pick() % (Pick() % 2 == 0 ? seeds_ : corpus_.size())];
  }

  void Overwrite(std::string* bytes, size_t at, size_t width) {
    static constexpr uint64_t kNumbers[] = {0,       1,       2,          63,         64,
                                            0x7F,    0x80,    0xFF,       0xFFFF,     0x7FFFFFFF,
                                            1u << 20, 1u << 31, 0xFFFFFFFF, 1ull << 40, 1ull << 63,
                                            ~0ull};
    const uint64_t number = kNumbers[Pick() % std::size(kNumbers)];
    for (size_t i = 0; i < width && at + i < bytes->size(); ++i) {
      (*bytes)[at + i] = static_cast<char>(number >> (8 * i));
    }
  }

  void Mutate(std::string* bytes) {
    const size_t at = Pick() % (bytes->size() + 1);
    switch (Pick() % 9) {
      case 0: bytes->insert(at, 1, static_cast<char>(Pick())); break;
      case 1: bytes->erase(at, 1 + Pick() % 8); break;
      case 2: bytes->resize(at); break;
      case 3: bytes->insert(at, bytes->substr(Pick() % (bytes->size() + 1), Pick() % 64)); break;
      case 4: {
        const std::string& other = Any();
        bytes->insert(at, other.substr(Pick() % (other.size() + 1), Pick() % 64));
        break;
      }
      case 5: Overwrite(bytes, at & ~size_t{3}, 4); break;
      case 6: Overwrite(bytes, at & ~size_t{7}, 8); break;
      case 7: Overwrite(bytes, at, 1); break;
      default: if (at < bytes->size()) (*bytes)[at] ^= static_cast<char>(1 << Pick() % 8);
    }
  }

  const std::vector<std::string>& corpus_;
  const size_t seeds_;
  std::mt19937_64 random_;
};

class ReplayTest : public ::testing::TestWithParam<Target> {};

TEST_P(ReplayTest, SeedsAreValid) {
  for (const std::string& seed : GetParam().seeds()) EXPECT_TRUE(GetParam().run(seed));
}

TEST_P(ReplayTest, CorpusAndMutations) {
  const Target& target = GetParam();
  const auto corpus = CorpusOf(target);
  for (const std::string& bytes : corpus) target.run(bytes);
  Mutator mutator(corpus, target.seeds().size(), FromEnvironment("VDB_FUZZ_SEED", 1));
  const uint64_t rounds = FromEnvironment("VDB_FUZZ_ROUNDS", 8000);
  uint64_t valid = 0;
  for (uint64_t round = 0; round < rounds; ++round) valid += target.run(mutator.Next()) ? 1 : 0;
  std::cout << target.name << ": " << corpus.size() << " files, " << rounds << " mutations, "
            << valid << " valid\n";
  EXPECT_GT(valid, rounds / 100);
}

INSTANTIATE_TEST_SUITE_P(Targets, ReplayTest, ::testing::ValuesIn(Targets()),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace vdb::fuzz
