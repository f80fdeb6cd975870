// What the tests of migration share: a source with a fake cache, and an oracle for its vectors.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/migrate.h"
#include "tests/engine/engine_fixture.h"
#include "tests/support/fake_cache.h"

namespace vdb::testing {

using Names = std::vector<std::string>;

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class MigrateTest : public EngineTest {
 protected:
  FakeSource source_{scratch_.path() + "/photos"};

  std::vector<std::string> log_;
  Logger LogLines() {
    return [this](LogLevel level, std::string_view line) {
      log_.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(line));
    };
  }
  StatusOr<Database> OpenFolder(bool read_only = false) {
    DatabaseOptions options;
    options.read_only = read_only;
    options.logger = LogLines();
    return Database::Open(source_.folder(), options);
  }
  void ExpectNothingMade() { EXPECT_EQ(source_.Names(), Names{".nndex"}); }
};

// Scaled to the largest component by division, summed in order, in extended precision: another way
// than both of the engine's.
inline std::vector<long double> OracleUnit(const std::vector<double>& values, long double* norm) {
  long double largest = 0, sum = 0;
  for (const double v : values) largest = std::max(largest, std::abs(static_cast<long double>(v)));
  for (const double v : values) sum += (v / largest) * (v / largest);
  *norm = largest * std::sqrt(sum);
  std::vector<long double> unit;
  for (const double v : values) unit.push_back(v / largest / std::sqrt(sum));
  return unit;
}

}  // namespace vdb::testing
