// The one target of a libFuzzer program, as libFuzzer calls it. VDB_FUZZ_SEEDS=DIR: writes the
// target's seeds there first.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  const char* directory = std::getenv("VDB_FUZZ_SEEDS");
  if (directory == nullptr) return 0;
  int number = 0;
  for (const std::string& seed : vdb::fuzz::Targets().at(0).seeds()) {
    std::ofstream(std::string(directory) + "/seed-" + std::to_string(number++), std::ios::binary)
        << seed;
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vdb::fuzz::Targets()[0].run({reinterpret_cast<const char*>(data), size});
  return 0;
}
