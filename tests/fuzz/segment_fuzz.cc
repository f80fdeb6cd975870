// Any bytes as the header pages, block sums and durable hint of a segment; told by the magic.
#include "format/segment_layout.h"

#include "format/byte_io.h"
#include "format/frame.h"
#include "tests/fuzz/fuzz_target.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

constexpr size_t kHeaderBytes = 40;

SegmentIdentity Identity() { return {9, 3, 128, kUuid}; }

// Pages are compared with what they must be, so a page that passes has nothing to say but its hint.
bool RunPage(std::string_view bytes) {
  bool any = false;
  for (const auto file : {SegmentFile::kRecords, SegmentFile::kKeys}) {
    if (!CheckSegmentPage(file, Identity(), bytes, "p").ok()) continue;
    any = true;
    std::string good = EncodeSegmentPage(file, Identity());
    if (file == SegmentFile::kRecords) {
      good.replace(kDurableHintOffset, kDurableHintBytes,
                   bytes.substr(kDurableHintOffset, kDurableHintBytes));
    }
    Require(good == bytes.substr(0, good.size()));
  }
  return any;
}

bool RunHint(std::string_view bytes) {
  const DurableHint hint = DecodeDurableHint(bytes.substr(0, kDurableHintBytes));
  const bool whole = IsDurableHint(bytes.substr(0, kDurableHintBytes));
  Require(whole || (hint.rows == 0 && hint.key_bytes == 0));
  return whole;
}

bool Run(std::string_view bytes) {
  bool any = RunHint(bytes);
  std::string page = WithFrameFixed(bytes, kHeaderBytes);
  any = RunPage(bytes) || any;
  if (page.size() < kSegmentPageBytes) page.resize(kSegmentPageBytes, '\0');
  any = RunPage(page) || any;
  const auto decode = [](std::string_view b) { return DecodeSums(b, "s"); };
  return FramedRoundTrip(bytes, decode, EncodeSums) || any;
}

std::vector<std::string> Seeds() {
  SegmentSums sums;
  sums.segment_id = 4;
  sums.files = {{SegmentFile::kRows, kSumsBlockBytes + 5, {1, 2}},
                {SegmentFile::kRecords, 100, {3}},
                {SegmentFile::kKeys, 0, {}}};
  const auto head = [](SegmentFile file) {
    return EncodeSegmentPage(file, Identity()).substr(0, kFrameBytes + kHeaderBytes);
  };
  return {EncodeSums(sums), head(SegmentFile::kRecords), head(SegmentFile::kKeys),
          EncodeDurableHint({77, 300})};
}

VDB_FUZZ_TARGET(segment, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
