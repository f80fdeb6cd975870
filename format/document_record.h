// Keys and values of the RocksDB column family. Key prefixes, one byte each; integers in keys are
// big-endian so that byte order is number order.
//
//   'B'                          state: StateRecord, written in every batch
//   'D' u32 collection, key      document: DocumentRecord
//   'F' u32 field index, ...     entry of a field index (format/field_entry.h)
//   'S' u32 collection           counts: CountsRecord
//   'T' u64 docno                tombstone: u32 collection (LE), varint column ids
//   'W' u64 segment              watermark of an open segment: WatermarkRecord
//   'Y' u32 collection, key      body bytes of a document that has one
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

struct CollectionEntry;

std::string StateKey();
std::string DocumentKey(uint32_t collection_id, std::string_view key);
std::string BodyKey(uint32_t collection_id, std::string_view key);
std::string CountsKey(uint32_t collection_id);
std::string TombstoneKey(uint64_t docno);
std::string WatermarkKey(uint64_t segment_id);
/// The common prefix of a collection's document or body keys.
std::string DocumentPrefix(uint32_t collection_id);
std::string BodyPrefix(uint32_t collection_id);
inline constexpr size_t kDocumentPrefixBytes = 5;

/// 48 bytes: u32 version 1, u32 0, u64 batch, u64 next_docno, u64 min_generation, u64 running_hash,
/// u64 XXH3-64 of the first 40 bytes.
struct StateRecord {
  uint64_t batch = 0;
  uint64_t next_docno = 1;
  uint64_t min_generation = 0;
  uint64_t running_hash = 0;
};
std::string EncodeState(const StateRecord& record);
StatusOr<StateRecord> DecodeState(std::string_view bytes);

/// 40 bytes: five u64.
struct WatermarkRecord {
  uint64_t rows = 0;
  uint64_t key_bytes = 0;
  uint64_t sorted_rows = 0;  // leading rows with ascending docno
  uint64_t docno_min = 0;
  uint64_t docno_max = 0;
};
std::string EncodeWatermark(const WatermarkRecord& record);
StatusOr<WatermarkRecord> DecodeWatermark(std::string_view bytes);

/// varint documents, varint column_count, then varint column id, varint vectors, each.
struct CountsRecord {
  uint64_t documents = 0;
  std::map<uint32_t, uint64_t> vectors;  // by column id; columns without vectors are left out
};
std::string EncodeCounts(const CountsRecord& record);
StatusOr<CountsRecord> DecodeCounts(std::string_view bytes);

/// Layout 2: u8 2, u8 0, u64 checksum, then varint docno (at least 1), varint version, u8 flags (1:
/// has a body), u64 XXH3-64 of the body if it has one, varint column_count, varint column ids
/// ascending, and the metadata (FlexBuffer; empty: {}) to the end. The checksum is the XXH3-64 of
/// {u64 collection id, u64 XXH3-64 of the document's key, u64 XXH3-64 of all behind the checksum}:
/// it binds the record to its key, and through the record the body. The 0 would be a docno in
/// layout 1, where none is 0: no one changed byte makes one layout of the other.
///
/// Layout 1, in databases of format version 1: u8 1, then from docno on, without the body's hash.
struct DocumentRecord {
  uint64_t docno = 0;
  uint64_t version = 0;
  bool has_body = false;
  uint64_t body_checksum = 0;     // of layout 2, if it has a body: BodyChecksum
  std::vector<uint32_t> columns;  // ascending; may name columns that were dropped since
  std::string metadata;
  uint8_t layout = 2;             // that it was read from; always written as 2
};
std::string EncodeDocument(uint32_t collection_id, std::string_view key,
                           const DocumentRecord& record);
/// kCorruption names collection and key.
StatusOr<DocumentRecord> DecodeDocument(const CollectionEntry& collection, std::string_view key,
                                        std::string_view bytes);

/// What filters need of a document record, read where it lies, and checked alike.
struct DocumentPeek {
  uint64_t docno = 0;
  std::string_view metadata;
};
StatusOr<DocumentPeek> PeekDocument(const CollectionEntry& collection, std::string_view key,
                                    std::string_view bytes);

/// Whether `body` is the one that the record was written with; a record of layout 1 takes any.
/// kCorruption names collection and key.
Status CheckBody(const CollectionEntry& collection, std::string_view key,
                 const DocumentRecord& record, std::string_view body);
uint64_t BodyChecksum(std::string_view body);

struct TombstoneRecord {
  uint32_t collection_id = 0;
  std::vector<uint32_t> columns;
};
std::string EncodeTombstone(const TombstoneRecord& record);
StatusOr<TombstoneRecord> DecodeTombstone(std::string_view bytes);

}  // namespace vdb::format
