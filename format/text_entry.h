// Entries of text indexes in RocksDB: which document has which token how often, and what scoring
// needs of all documents together.
//
//   posting     key    'X', u32 BE field index id, 0x01, token (1 to 255 bytes, no NUL), 0x00,
//                      u64 BE docno
//               value  varint how often the document has the token, varint tokens of the document
//                      in this field, the document's key
//   statistics  key    'X', u32 BE field index id, 0x02
//               value  varint documents with a token, varint tokens in all
//
// Bytewise order is by token, then docno. Without a document that has a token there are no
// statistics.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "vdb/status.h"

namespace vdb::format {

/// The common prefix of all entries of an index, and of its postings. Ids stay below UINT32_MAX, so
/// id + 1 ends its range.
std::string TextIndexPrefix(uint32_t index_id);
std::string PostingsPrefix(uint32_t index_id);
/// Of the postings of one token.
std::string PostingsPrefix(uint32_t index_id, std::string_view term);
std::string PostingKey(uint32_t index_id, std::string_view term, uint64_t docno);
std::string PostingValue(uint64_t frequency, uint64_t length, std::string_view key);

/// Views into the bytes it was decoded from.
struct PostingView {
  std::string_view term;
  uint64_t docno = 0;
  uint64_t frequency = 0;
  uint64_t length = 0;
  std::string_view key;
};

/// False unless both are exactly what the functions above make.
bool DecodePosting(std::string_view store_key, std::string_view value, PostingView* posting);

/// Of the documents of an index that have at least one token.
struct TextStatistics {
  uint64_t documents = 0;
  uint64_t tokens = 0;

  friend bool operator==(const TextStatistics&, const TextStatistics&) = default;
};

std::string TextStatisticsKey(uint32_t index_id);
std::string EncodeTextStatistics(const TextStatistics& statistics);
/// False for anything that Encode does not make of at least one document.
bool DecodeTextStatistics(std::string_view value, TextStatistics* statistics);

/// For an entry that does not decode.
Status TextEntryDamaged(std::string_view store_key);

}  // namespace vdb::format
