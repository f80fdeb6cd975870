#include "format/document_record.h"

#include <cstring>

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/manifest.h"
#include "vdb/json_text.h"

namespace vdb::format {
namespace {

std::string PrefixedKey(char prefix, uint32_t collection_id, std::string_view key) {
  std::string out(1, prefix);
  out.reserve(kDocumentPrefixBytes + key.size());
  AppendBigU32(&out, collection_id);
  out += key;
  return out;
}

Status Damaged(const char* what) {
  return Status::Corruption(std::string("docs: a ") + what +
                            " does not decode; run `vdbtool verify` and restore from a copy");
}

constexpr size_t kLayout2Bytes = 10;  // before the docno
constexpr char kNotARecord[] = "its record does not decode";

Status DamagedDocument(const CollectionEntry& collection, std::string_view key,
                       const char* what) {
  std::string message = "docs: collection '" + collection.name + "', key ";
  AppendJsonString(&message, key.substr(0, 100));
  return Status::Corruption(message + ": " + what +
                            "; run `vdbtool verify` and restore from a copy");
}

// Of a whole record of layout 2.
uint64_t RecordChecksum(uint32_t collection_id, std::string_view key, std::string_view bytes) {
  const uint64_t parts[3] = {collection_id, Hash64(key), Hash64(bytes.substr(kLayout2Bytes))};
  return Hash64(parts, sizeof(parts));
}

// What is wrong with the head of a record, or null.
const char* CheckLayout(uint32_t collection_id, std::string_view key, std::string_view bytes) {
  if (!bytes.empty() && bytes[0] == 1) return nullptr;
  if (bytes.size() < kLayout2Bytes || bytes[0] != 2 || bytes[1] != 0) return kNotARecord;
  return LoadU64(bytes.data() + 2) == RecordChecksum(collection_id, key, bytes)
             ? nullptr
             : "its record does not have its checksum, or is another document's";
}

void AppendColumns(std::string* out, const std::vector<uint32_t>& columns) {
  AppendVarint(out, columns.size());
  for (const uint32_t id : columns) AppendVarint(out, id);
}

// False unless the ids ascend strictly.
bool ReadColumns(ByteReader* reader, std::vector<uint32_t>* columns) {
  const uint64_t count = reader->Varint();
  if (!reader->ok() || count > reader->remaining()) return false;
  uint64_t last = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t id = reader->Varint();
    if (!reader->ok() || id <= last || id > UINT32_MAX) return false;
    columns->push_back(static_cast<uint32_t>(id));
    last = id;
  }
  return true;
}

}  // namespace

std::string StateKey() { return "B"; }
std::string DocumentKey(uint32_t collection_id, std::string_view key) {
  return PrefixedKey('D', collection_id, key);
}
std::string BodyKey(uint32_t collection_id, std::string_view key) {
  return PrefixedKey('Y', collection_id, key);
}
std::string CountsKey(uint32_t collection_id) { return PrefixedKey('S', collection_id, {}); }
std::string DocumentPrefix(uint32_t collection_id) { return PrefixedKey('D', collection_id, {}); }
std::string BodyPrefix(uint32_t collection_id) { return PrefixedKey('Y', collection_id, {}); }
std::string TombstoneKey(uint64_t docno) {
  std::string key = "T";
  AppendBigU64(&key, docno);
  return key;
}
std::string WatermarkKey(uint64_t segment_id) {
  std::string key = "W";
  AppendBigU64(&key, segment_id);
  return key;
}

std::string EncodeState(const StateRecord& record) {
  std::string out;
  AppendU32(&out, 1);
  AppendU32(&out, 0);
  AppendU64(&out, record.batch);
  AppendU64(&out, record.next_docno);
  AppendU64(&out, record.min_generation);
  AppendU64(&out, record.running_hash);
  AppendU64(&out, Hash64(out));
  return out;
}

StatusOr<StateRecord> DecodeState(std::string_view bytes) {
  if (bytes.size() != 48 || LoadU32(bytes.data()) != 1 ||
      LoadU64(bytes.data() + 40) != Hash64(bytes.data(), 40)) {
    return Damaged("state record");
  }
  return StateRecord{LoadU64(bytes.data() + 8), LoadU64(bytes.data() + 16),
                     LoadU64(bytes.data() + 24), LoadU64(bytes.data() + 32)};
}

std::string EncodeWatermark(const WatermarkRecord& record) {
  std::string out;
  AppendU64(&out, record.rows);
  AppendU64(&out, record.key_bytes);
  AppendU64(&out, record.sorted_rows);
  AppendU64(&out, record.docno_min);
  AppendU64(&out, record.docno_max);
  return out;
}

StatusOr<WatermarkRecord> DecodeWatermark(std::string_view bytes) {
  ByteReader reader(bytes);
  WatermarkRecord r;
  r.rows = reader.U64();
  r.key_bytes = reader.U64();
  r.sorted_rows = reader.U64();
  r.docno_min = reader.U64();
  r.docno_max = reader.U64();
  if (!reader.AtEnd() || r.rows > UINT32_MAX || r.key_bytes >= (uint64_t{1} << 48) ||
      r.sorted_rows > r.rows || r.docno_min > r.docno_max) {
    return Damaged("watermark record");
  }
  return r;
}

std::string EncodeCounts(const CountsRecord& record) {
  std::string out;
  AppendVarint(&out, record.documents);
  uint64_t columns = 0;
  for (const auto& [id, count] : record.vectors) columns += count != 0;
  AppendVarint(&out, columns);
  for (const auto& [id, count] : record.vectors) {
    if (count == 0) continue;
    AppendVarint(&out, id);
    AppendVarint(&out, count);
  }
  return out;
}

StatusOr<CountsRecord> DecodeCounts(std::string_view bytes) {
  ByteReader reader(bytes);
  CountsRecord record;
  record.documents = reader.Varint();
  const uint64_t columns = reader.Varint();
  for (uint64_t i = 0; reader.ok() && i < columns; ++i) {
    const uint64_t id = reader.Varint();
    record.vectors[static_cast<uint32_t>(id)] = reader.Varint();
  }
  if (!reader.AtEnd()) return Damaged("counts record");
  return record;
}

uint64_t BodyChecksum(std::string_view body) { return Hash64(body); }

std::string EncodeDocument(uint32_t collection_id, std::string_view key,
                           const DocumentRecord& record) {
  std::string out;
  out.reserve(kLayout2Bytes + 40 + record.metadata.size());
  out.push_back(2);
  out.push_back(0);
  out.resize(kLayout2Bytes);
  AppendVarint(&out, record.docno);
  AppendVarint(&out, record.version);
  out.push_back(record.has_body ? 1 : 0);
  if (record.has_body) AppendU64(&out, record.body_checksum);
  AppendColumns(&out, record.columns);
  out += record.metadata;
  const uint64_t checksum = RecordChecksum(collection_id, key, out);
  std::memcpy(out.data() + 2, &checksum, sizeof(checksum));
  return out;
}

StatusOr<DocumentRecord> DecodeDocument(const CollectionEntry& collection, std::string_view key,
                                        std::string_view bytes) {
  const char* wrong = CheckLayout(collection.id, key, bytes);
  if (wrong != nullptr) return DamagedDocument(collection, key, wrong);
  ByteReader reader(bytes);
  DocumentRecord record;
  record.layout = reader.U8();
  if (record.layout == 2) reader.Bytes(kLayout2Bytes - 1);
  record.docno = reader.Varint();
  record.version = reader.Varint();
  const uint8_t flags = reader.U8();
  record.has_body = (flags & 1) != 0;
  if (record.has_body && record.layout == 2) record.body_checksum = reader.U64();
  if (!reader.ok() || record.docno == 0 || flags > 1 || !ReadColumns(&reader, &record.columns)) {
    return DamagedDocument(collection, key, kNotARecord);
  }
  record.metadata = reader.Bytes(reader.remaining());
  return record;
}

StatusOr<DocumentPeek> PeekDocument(const CollectionEntry& collection, std::string_view key,
                                    std::string_view bytes) {
  const char* wrong = CheckLayout(collection.id, key, bytes);
  if (wrong != nullptr) return DamagedDocument(collection, key, wrong);
  ByteReader reader(bytes);
  DocumentPeek peek;
  const uint8_t layout = reader.U8();
  if (layout == 2) reader.Bytes(kLayout2Bytes - 1);
  peek.docno = reader.Varint();
  reader.Varint();
  const uint8_t flags = reader.U8();
  if ((flags & 1) != 0 && layout == 2) reader.U64();
  const uint64_t columns = reader.Varint();
  if (columns > reader.remaining()) return DamagedDocument(collection, key, kNotARecord);
  for (uint64_t i = 0; i < columns; ++i) reader.Varint();
  if (!reader.ok() || peek.docno == 0 || flags > 1) {
    return DamagedDocument(collection, key, kNotARecord);
  }
  peek.metadata = reader.Bytes(reader.remaining());
  return peek;
}

Status CheckBody(const CollectionEntry& collection, std::string_view key,
                 const DocumentRecord& record, std::string_view body) {
  if (record.layout == 1 || (record.has_body && BodyChecksum(body) == record.body_checksum)) {
    return Status::Ok();
  }
  return DamagedDocument(collection, key,
                         "its body does not have the checksum that its record has");
}

std::string EncodeTombstone(const TombstoneRecord& record) {
  std::string out;
  AppendU32(&out, record.collection_id);
  AppendColumns(&out, record.columns);
  return out;
}

StatusOr<TombstoneRecord> DecodeTombstone(std::string_view bytes) {
  ByteReader reader(bytes);
  TombstoneRecord record;
  record.collection_id = reader.U32();
  if (!reader.ok() || !ReadColumns(&reader, &record.columns) || !reader.AtEnd()) {
    return Damaged("tombstone");
  }
  return record;
}

}  // namespace vdb::format
