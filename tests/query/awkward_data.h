// Vectors of distributions that indexes find hard, for tests of recall. Equal seeds give equal
// vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vdb::query {

enum class Awkward {
  kCurve,       ///< a closed curve in a space of many dimensions
  kShells,      ///< directions at random, on four concentric spheres
  kLowRank,     ///< a few directions, and a little noise in all
  kSpikes,      ///< few components are not zero, and those are heavy-tailed
  kSigns,       ///< hash codes of +1 and -1: many ties
  kBlocks,      ///< components correlated in blocks, each block weaker than the last
  kHeavyTails,  ///< clusters of very different size and spread, with outliers
  kCube,        ///< uniform in a cube: no structure at all
  kLattice,     ///< points of a lattice, 30 % of them exact duplicates
  kOffset,      ///< clusters that are small beside their distance from the origin
};
inline constexpr Awkward kAwkwards[] = {
    Awkward::kCurve,  Awkward::kShells,     Awkward::kLowRank, Awkward::kSpikes,  Awkward::kSigns,
    Awkward::kBlocks, Awkward::kHeavyTails, Awkward::kCube,    Awkward::kLattice, Awkward::kOffset};

const char* AwkwardName(Awkward kind);

struct AwkwardData {
  std::vector<float> rows;     ///< [row_count x dimension], none of them zero
  std::vector<float> queries;  ///< of the same distribution, held out
};
AwkwardData MakeAwkwardData(Awkward kind, size_t row_count, size_t query_count, uint32_t dimension,
                            uint64_t seed);

}  // namespace vdb::query
