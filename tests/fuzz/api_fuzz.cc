// libFuzzer entry of api_run.h.
#include <cstdint>
#include <cstdio>

#include "tests/fuzz/api_run.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vdb::fuzz::ApiCounts counts;
  const vdb::Status status =
      vdb::fuzz::RunApi({reinterpret_cast<const char*>(data), size}, {}, &counts);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  __builtin_trap();
}
