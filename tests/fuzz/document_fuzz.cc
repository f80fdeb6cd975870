// Any bytes as the values in RocksDB: state, watermark, counts, document, tombstone.
#include "format/document_record.h"

#include "format/byte_io.h"
#include "format/checksum.h"
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

bool RunDocument(std::string_view bytes) {
  const auto peek = PeekDocument(bytes);
  const auto whole = DecodeDocument(bytes);
  Require(!whole.ok() || peek.ok());
  if (whole.ok()) Require(peek->docno == whole->docno && peek->metadata == whole->metadata);
  return RoundTrip(bytes, DecodeDocument, EncodeDocument);
}

bool Run(std::string_view bytes) {
  bool any = RunState(bytes);
  any = RunDocument(bytes) || any;
  any = RoundTrip(bytes, DecodeWatermark, EncodeWatermark) || any;
  any = RoundTrip(bytes, DecodeCounts, EncodeCounts) || any;
  return RoundTrip(bytes, DecodeTombstone, EncodeTombstone) || any;
}

std::vector<std::string> Seeds() {
  return {EncodeState({5, 6, 7, 8}), EncodeWatermark({10, 70, 9, 1, 12}),
          EncodeCounts({300, {{3, 200}, {4, 1}}}),
          EncodeDocument({300, 77, true, {3, 4, 900}, "metadata"}),
          EncodeTombstone({2, {3, 4}})};
}

VDB_FUZZ_TARGET(document, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
