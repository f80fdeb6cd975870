// Seeds for legacy_fuzz.cc: small caches of every format and shape, as inputs of that program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vdb::fuzz {

/// As legacy_fuzz.cc splits them. `kind`: its first byte.
struct LegacyInput {
  unsigned char kind = 0;
  std::string parts[3];

  std::string Bytes() const;
};

/// The JSON samples: one of each shape that people's caches have (docs/migration.md).
const std::vector<std::string_view>& LegacyShapes();

/// The shapes, and the small fixtures of tests/golden/legacy in `folder`.
std::vector<LegacyInput> LegacyCorpus(const std::string& folder);

}  // namespace vdb::fuzz
