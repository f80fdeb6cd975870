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

/// u8 layout 1, varint docno, varint version, u8 flags (1: has a body), varint column_count, varint
/// column ids ascending, then the metadata (FlexBuffer; empty: {}) to the end.
struct DocumentRecord {
  uint64_t docno = 0;
  uint64_t version = 0;
  bool has_body = false;
  std::vector<uint32_t> columns;  // ascending; may name columns that were dropped since
  std::string metadata;
};
std::string EncodeDocument(const DocumentRecord& record);
StatusOr<DocumentRecord> DecodeDocument(std::string_view bytes);

/// What filters need of a document record, read where it lies.
struct DocumentPeek {
  uint64_t docno = 0;
  std::string_view metadata;
};
StatusOr<DocumentPeek> PeekDocument(std::string_view bytes);

struct TombstoneRecord {
  uint32_t collection_id = 0;
  std::vector<uint32_t> columns;
};
std::string EncodeTombstone(const TombstoneRecord& record);
StatusOr<TombstoneRecord> DecodeTombstone(std::string_view bytes);

}  // namespace vdb::format
