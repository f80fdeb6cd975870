// Any bytes as metadata on disk (a FlexBuffer), and as the JSON that it is made of.
#include "format/metadata.h"

#include "format/field_value.h"
#include "format/metadata_view.h"
#include "tests/fuzz/fuzz_target.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

// What filters and field indexes read without looking at the whole first.
void RunView(std::string_view bytes) {
  for (const FieldPath& path :
       {FieldPath{{"a"}}, FieldPath{{"a", "b"}}, FieldPath{{"year"}}, FieldPath{}}) {
    const auto entries = FieldEntriesOf(path, "key", bytes);
    if (!entries.ok()) continue;
    for (const FieldEntry& entry : *entries) {
      Require(FieldValueBytes(entry.value) == entry.value.size());
    }
  }
}

bool RunFlexBuffer(std::string_view bytes) {
  RunView(bytes);
  const auto json = MetadataToJson(bytes);
  if (!json.ok()) return false;
  const auto again = MetadataFromJson(*json);
  if (!again.ok()) return true;  // longer than JSON may be
  const auto same = MetadataToJson(*again);
  Require(same.ok() && *same == *json);
  return true;
}

bool RunJson(std::string_view json) {
  const auto metadata = MetadataFromJson(json);
  if (!metadata.ok()) return false;
  const auto text = MetadataToJson(*metadata);
  Require(text.ok());
  const auto again = MetadataFromJson(*text);
  Require(again.ok() && *again == *metadata);
  RunView(*metadata);
  return true;
}

bool Run(std::string_view bytes) {
  const bool flexbuffer = RunFlexBuffer(bytes);
  return RunJson(bytes) || flexbuffer;
}

std::vector<std::string> Seeds() {
  const std::vector<std::string> texts = {
      R"({"a":[1,-2.5,"text",null,true,{"b":"x\u0000\udcff"}],"b":"2020-02-29T12:00:00Z"})",
      R"({"year":2020,"a":{"b":[[],{}]},"big":18446744073709551615,"small":-9223372036854775808})",
      R"({"a":1})"};
  std::vector<std::string> seeds = texts;
  for (const std::string& text : texts) seeds.push_back(*MetadataFromJson(text));
  return seeds;
}

VDB_FUZZ_TARGET(metadata, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
