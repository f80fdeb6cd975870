// Random runs of the API against a model, with reopens and power cuts: seeded, so that a failure
// comes again. VDB_FUZZ_API_RUNS and VDB_FUZZ_SEED ask for more. A disk that lies about syncs must
// be noticed, or the net would hold nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "tests/crash/recorded_run.h"
#include "tests/fuzz/api_run.h"

namespace vdb::fuzz {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string RandomInput(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(100 + random() % 1200, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

TEST(ApiRunTest, RandomRuns) {
  const uint64_t seed = FromEnvironment("VDB_FUZZ_SEED", 1);
  const uint64_t fewer = std::min<size_t>(testing::Thinning(), 6);
  const uint64_t runs = FromEnvironment("VDB_FUZZ_API_RUNS", 12 / fewer);
  ApiCounts counts;
  for (uint64_t run = 0; run < runs; ++run) {
    const Status status = RunApi(RandomInput(seed + run), {}, &counts);
    ASSERT_TRUE(status.ok()) << "seed " << seed + run << ": " << status.ToString();
  }
  std::cout << runs << " runs: " << counts.operations << " operations, " << counts.writes
            << " writes, " << counts.reopens << " reopens, " << counts.cuts << " cuts\n";
}

TEST(ApiRunTest, ADiskThatLiesIsNoticed) {
  ApiCounts counts;
  bool noticed = false;
  for (uint64_t run = 0; run < 20 && !noticed; ++run) {
    noticed = !RunApi(RandomInput(run), {.disk_lies = true}, &counts).ok();
  }
  EXPECT_TRUE(noticed);
}

}  // namespace
}  // namespace vdb::fuzz
