// See crash_main.h.
#include "tests/crash/crash_main.h"

#include <gtest/gtest.h>

#include "tests/crash/recorded_run.h"

namespace vdb::testing {
namespace {

bool long_run = false;

std::string& MutableProgramPath() {
  static std::string path;
  return path;
}

ChildMain& MutableChildMain() {
  static ChildMain child = nullptr;
  return child;
}

}  // namespace

bool LongRun() { return long_run; }
const std::string& ProgramPath() { return MutableProgramPath(); }
void SetChildMain(ChildMain child) { MutableChildMain() = child; }

int Main(int argc, char** argv) {
  MutableProgramPath() = argv[0];
  if (argc > 1 && std::string(argv[1]) == "--child" && MutableChildMain() != nullptr) {
    return MutableChildMain()(std::vector<std::string>(argv + 2, argv + argc));
  }
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) long_run |= std::string(argv[i]) == "--long";
  return RUN_ALL_TESTS();
}

}  // namespace vdb::testing

int main(int argc, char** argv) { return vdb::testing::Main(argc, argv); }
