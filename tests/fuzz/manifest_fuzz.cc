// Any bytes as a manifest or as CURRENT.
#include "format/manifest.h"

#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/some_manifest.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

bool Run(std::string_view bytes) {
  const auto current = DecodeCurrent(bytes);
  if (current.ok()) Require(EncodeCurrent(*current) == bytes);
  return FramedRoundTrip(
             bytes, [](std::string_view b) { return DecodeManifest(b, "m"); },
             [](const DecodedManifest& m) { return EncodeManifest(m.manifest); }) ||
         current.ok();
}

std::vector<std::string> Seeds() {
  Manifest empty;
  empty.generation = 1;
  empty.uuid = kUuid;
  return {EncodeManifest(SomeManifest()), EncodeManifest(empty), EncodeCurrent({42, 0xABCDEF})};
}

VDB_FUZZ_TARGET(manifest, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
