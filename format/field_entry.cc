#include "format/field_entry.h"

#include "format/byte_io.h"
#include "format/field_value.h"
#include "vdb/json_text.h"

namespace vdb::format {
namespace {

constexpr uint8_t kCut = 1;

}  // namespace

std::string FieldIndexPrefix(uint32_t index_id) {
  std::string prefix = "F";
  AppendBigU32(&prefix, index_id);
  return prefix;
}

std::string FieldEntryKey(uint32_t index_id, std::string_view encoded, std::string_view key) {
  std::string out;
  MakeFieldEntryKey(index_id, encoded, key, &out);
  return out;
}

void MakeFieldEntryKey(uint32_t index_id, std::string_view encoded, std::string_view key,
                       std::string* out) {
  out->clear();
  out->reserve(kFieldEntryPrefixBytes + encoded.size() + key.size());
  out->push_back('F');
  AppendBigU32(out, index_id);
  *out += encoded;
  *out += key;
}

std::string FieldEntryValue(uint64_t docno, bool cut) {
  std::string out;
  AppendVarint(&out, docno);
  out.push_back(static_cast<char>(cut ? kCut : 0));
  return out;
}

bool DecodeFieldEntry(std::string_view store_key, std::string_view value, FieldEntryView* entry) {
  if (store_key.size() <= kFieldEntryPrefixBytes || store_key[0] != 'F') return false;
  store_key.remove_prefix(kFieldEntryPrefixBytes);
  const size_t bytes = FieldValueBytes(store_key);
  if (bytes == 0 || bytes == store_key.size()) return false;
  entry->encoded = store_key.substr(0, bytes);
  entry->key = store_key.substr(bytes);
  ByteReader reader(value);
  entry->docno = reader.Varint();
  const uint8_t flags = reader.U8();
  entry->cut = flags == kCut;
  return reader.AtEnd() && entry->docno != 0 && flags <= kCut;
}

Status FieldEntryDamaged(std::string_view store_key) {
  std::string text;
  AppendJsonString(&text, store_key.substr(0, 100));
  return Status::Corruption("docs: the field index entry " + text +
                            " does not decode; run `vdbtool verify`, then drop the index and add "
                            "it again");
}

}  // namespace vdb::format
