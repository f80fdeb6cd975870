// Any bytes as an epoch file (.vdbe).
#include <cmath>

#include "format/index_layout.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/some_epoch.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

bool RunFile(std::string_view bytes) {
  const AlignedBytes aligned(bytes);
  const auto epoch = DecodeEpoch(aligned.view(), "e");
  if (!epoch.ok()) return false;
  const auto& header = epoch->header;
  Require(epoch->mean.size() == header.padded_dimension &&
          epoch->centroids.size() == size_t{header.list_count} * header.padded_dimension &&
          epoch->rho.size() == header.list_count);
  for (const auto values : {epoch->mean, epoch->centroids, epoch->rho}) {
    for (const float value : values) Require(std::isfinite(value));
  }
  const std::string again = EncodeEpoch(
      {header, epoch->mean, epoch->centroids, epoch->rho, epoch->centroid_blocks});
  const AlignedBytes same(again);
  const auto decoded = DecodeEpoch(same.view(), "e");
  Require(decoded.ok() && again.size() == bytes.size());
  return true;
}

// Corpus files are without the zeros at the end; 2,496 bytes are an epoch of three lists.
constexpr size_t kSeedBytes = 192 + 4 * (64 + 3 * 64 + 3) + BlockBytes(64);

bool Run(std::string_view bytes) {
  const bool raw = RunFile(bytes);
  const bool fixed = RunFile(WithFrameFixed(bytes));
  std::string padded(bytes);
  if (padded.size() < kSeedBytes) padded.resize(kSeedBytes, '\0');
  return RunFile(WithFrameFixed(padded)) || fixed || raw;
}

std::vector<std::string> Seeds() { return {testing::SomeEpoch().Bytes()}; }

VDB_FUZZ_TARGET(epoch, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
