#include <fstream>

#include "bench/peer.h"

namespace vdb::bench {

BuildTime ReadBuildTime(const std::string& path) {
  BuildTime time;
  std::ifstream(path + ".seconds") >> time.seconds >> time.cpu_seconds;
  return time;
}

void WriteBuildTime(const std::string& path, const BuildTime& time) {
  std::ofstream(path + ".seconds") << time.seconds << ' ' << time.cpu_seconds << '\n';
}

}  // namespace vdb::bench
