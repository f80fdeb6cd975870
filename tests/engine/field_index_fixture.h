// What the tests of field indexes share: documents with metadata of all kinds, filters on them, and
// counts by a look at each document to compare with.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "tests/engine/engine_fixture.h"
#include "vdb/filter.h"

namespace vdb::testing {

class FieldIndexTest : public EngineTest {
 protected:
  static constexpr uint64_t kSeed = 31;

  FieldIndexTest() { options_.write_buffer_bytes = 64 << 10; }

  // A collection "docs" with `documents` of random metadata.
  Database Make(int documents);
  std::string RandomMetadata();
  Filter RandomFilter(int depth);
  // Writes, or adds or drops an index, or deletes by a filter, or reopens.
  void Step(Database& db, Collection& docs);

  // Matches by a look at each document.
  static uint64_t CountByLook(Collection& docs, const Filter& filter);
  static void ExpectCount(Collection& docs, const Filter& filter);
  static Filter Parse(std::string_view text);
  static uint64_t Count(Collection& docs, std::string_view text);

 private:
  uint64_t Random(uint64_t below) { return random_() % below; }

  std::mt19937_64 random_{kSeed};
};

}  // namespace vdb::testing
