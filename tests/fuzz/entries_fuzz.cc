// Any bytes as keys and values of field and text indexes in RocksDB. Input: two strings.
#include "format/field_entry.h"
#include "format/field_value.h"
#include "format/text_entry.h"
#include "tests/fuzz/fuzz_target.h"
#include "vdb/filter.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

constexpr uint32_t kIndex = 7;

bool RunFieldEntry(std::string_view key, std::string_view value) {
  FieldEntryView entry;
  if (!DecodeFieldEntry(key, value, &entry)) return false;
  const auto text = DecodeFieldString(entry.encoded);
  Require(!text || text->size() <= kFieldStringBytesMax);
  Require(FieldValueBytes(entry.encoded) == entry.encoded.size() && !entry.key.empty());
  Require(FieldEntryValue(entry.docno, entry.cut) == value);
  const std::string again = FieldEntryKey(kIndex, entry.encoded, entry.key);
  Require(again.substr(kFieldEntryPrefixBytes) == key.substr(kFieldEntryPrefixBytes));
  return true;
}

bool RunPosting(std::string_view key, std::string_view value) {
  PostingView posting;
  if (!DecodePosting(key, value, &posting)) return false;
  Require(posting.frequency >= 1 && posting.frequency <= posting.length && !posting.key.empty());
  Require(PostingValue(posting.frequency, posting.length, posting.key) == value);
  const std::string again = PostingKey(kIndex, posting.term, posting.docno);
  const size_t prefix = TextIndexPrefix(kIndex).size();
  Require(again.substr(prefix) == key.substr(prefix));
  return true;
}

bool Run(std::string_view bytes) {
  const auto parts = SplitInput(bytes, 2);
  bool any = RunFieldEntry(parts[0], parts[1]);
  any = RunPosting(parts[0], parts[1]) || any;
  TextStatistics statistics;
  if (DecodeTextStatistics(bytes, &statistics)) {
    Require(EncodeTextStatistics(statistics) == bytes && statistics.documents > 0);
    any = true;
  }
  return any;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  const std::vector<FilterValue> values = {FilterValue("x\xFF"), FilterValue(true),
                                           FilterValue(int64_t{-5}), FilterValue(2.5),
                                           FilterValue(std::string("a\0b", 3))};
  for (const auto& value : values) {
    seeds.push_back(JoinInput({FieldEntryKey(kIndex, EncodeFieldValue(value), "k\xFF"),
                               FieldEntryValue(300, !seeds.empty())}));
  }
  seeds.push_back(JoinInput({PostingKey(kIndex, "token", 900), PostingValue(2, 300, "key")}));
  seeds.push_back(EncodeTextStatistics({200, 90000}));
  return seeds;
}

VDB_FUZZ_TARGET(entries, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
