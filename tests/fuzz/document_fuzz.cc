// Any bytes as the values in RocksDB: state, watermark, counts, document of either layout,
// tombstone.
#include "format/document_record.h"

#include <cstring>

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/manifest.h"
#include "tests/fuzz/fuzz_target.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

bool RunState(std::string_view bytes) {
  std::string fixed(bytes.substr(0, 40));
  AppendU64(&fixed, Hash64(fixed));
  const bool raw = RoundTrip(bytes, DecodeState, EncodeState);
  return RoundTrip(std::string_view(fixed), DecodeState, EncodeState) || raw;
}

const CollectionEntry& Docs() {
  static const CollectionEntry docs = {.id = 3, .name = "docs"};
  return docs;
}
constexpr char kKey[] = "key";

bool RunDocument(std::string_view bytes) {
  const auto peek = PeekDocument(Docs(), kKey, bytes);
  const auto whole = DecodeDocument(Docs(), kKey, bytes);
  Require(!whole.ok() || peek.ok());
  if (!whole.ok()) return false;
  Require(peek->docno == whole->docno && peek->metadata == whole->metadata);
  // What is written is of layout 2, whatever was read, and nobody else's.
  const std::string written = EncodeDocument(Docs().id, kKey, *whole);
  const auto again = DecodeDocument(Docs(), kKey, written);
  Require(again.ok() && again->layout == 2 && again->columns == whole->columns &&
          again->version == whole->version && again->has_body == whole->has_body);
  Require(!DecodeDocument(Docs(), "other", written).ok());
  Require(!DecodeDocument({.id = 4, .name = "docs"}, kKey, written).ok());
  if (whole->layout == 2) Require(written == bytes);
  return true;
}

// With its checksum made right.
bool RunChecked(std::string_view bytes) {
  if (bytes.size() < 10) return false;
  std::string fixed(bytes);
  fixed[0] = 2;
  fixed[1] = 0;
  const uint64_t parts[3] = {Docs().id, Hash64(kKey), Hash64(bytes.substr(10))};
  const uint64_t checksum = Hash64(parts, sizeof(parts));
  std::memcpy(fixed.data() + 2, &checksum, sizeof(checksum));
  return RunDocument(fixed);
}

bool Run(std::string_view bytes) {
  bool any = RunState(bytes);
  any = RunDocument(bytes) || any;
  any = RunChecked(bytes) || any;
  any = RoundTrip(bytes, DecodeWatermark, EncodeWatermark) || any;
  any = RoundTrip(bytes, DecodeCounts, EncodeCounts) || any;
  return RoundTrip(bytes, DecodeTombstone, EncodeTombstone) || any;
}

std::vector<std::string> Seeds() {
  return {EncodeState({5, 6, 7, 8}), EncodeWatermark({10, 70, 9, 1, 12}),
          EncodeCounts({300, {{3, 200}, {4, 1}}}),
          EncodeDocument(Docs().id, kKey, {300, 77, true, 99, {3, 4, 900}, "metadata"}),
          std::string("\1\xac\2\x4d\1\2\3\4metadata"),  // of layout 1
          EncodeTombstone({2, {3, 4}})};
}

VDB_FUZZ_TARGET(document, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
