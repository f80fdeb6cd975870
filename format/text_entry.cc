#include "format/text_entry.h"

#include "format/byte_io.h"
#include "format/text_tokens.h"
#include "vdb/json_text.h"

namespace vdb::format {
namespace {

constexpr char kPosting = 1;
constexpr char kStatistics = 2;
constexpr size_t kHeadBytes = 6;   // type, id, posting or statistics
constexpr size_t kTailBytes = 9;   // NUL, docno

std::string Head(uint32_t index_id, char part) {
  std::string head = TextIndexPrefix(index_id);
  head.push_back(part);
  return head;
}

// Varints as we write them: none could be shorter.
uint64_t ShortVarint(ByteReader* reader, bool* ok) {
  const size_t before = reader->remaining();
  const uint64_t value = reader->Varint();
  size_t bytes = 1;
  for (uint64_t rest = value >> 7; rest != 0; rest >>= 7) ++bytes;
  if (!reader->ok() || before - reader->remaining() != bytes) *ok = false;
  return value;
}

}  // namespace

std::string TextIndexPrefix(uint32_t index_id) {
  std::string prefix = "X";
  AppendBigU32(&prefix, index_id);
  return prefix;
}

std::string PostingsPrefix(uint32_t index_id) { return Head(index_id, kPosting); }

std::string PostingsPrefix(uint32_t index_id, std::string_view term) {
  std::string prefix = PostingsPrefix(index_id);
  prefix += term;
  prefix.push_back('\0');
  return prefix;
}

std::string PostingKey(uint32_t index_id, std::string_view term, uint64_t docno) {
  std::string key = PostingsPrefix(index_id, term);
  AppendBigU64(&key, docno);
  return key;
}

std::string PostingValue(uint64_t frequency, uint64_t length, std::string_view key) {
  std::string value;
  AppendVarint(&value, frequency);
  AppendVarint(&value, length);
  value += key;
  return value;
}

bool DecodePosting(std::string_view store_key, std::string_view value, PostingView* posting) {
  if (store_key.size() <= kHeadBytes + kTailBytes || store_key[0] != 'X' ||
      store_key[kHeadBytes - 1] != kPosting) {
    return false;
  }
  store_key.remove_prefix(kHeadBytes);
  posting->term = store_key.substr(0, store_key.size() - kTailBytes);
  ByteReader tail(store_key.substr(posting->term.size()));
  if (posting->term.size() > kTokenBytesMax ||
      posting->term.find('\0') != std::string_view::npos || tail.U8() != 0) {
    return false;
  }
  posting->docno = tail.BigU64();
  ByteReader reader(value);
  bool ok = true;
  posting->frequency = ShortVarint(&reader, &ok);
  posting->length = ShortVarint(&reader, &ok);
  posting->key = reader.Bytes(reader.remaining());
  return ok && posting->docno != 0 && posting->frequency != 0 &&
         posting->frequency <= posting->length && !posting->key.empty();
}

std::string TextStatisticsKey(uint32_t index_id) { return Head(index_id, kStatistics); }

std::string EncodeTextStatistics(const TextStatistics& statistics) {
  std::string value;
  AppendVarint(&value, statistics.documents);
  AppendVarint(&value, statistics.tokens);
  return value;
}

bool DecodeTextStatistics(std::string_view value, TextStatistics* statistics) {
  ByteReader reader(value);
  bool ok = true;
  statistics->documents = ShortVarint(&reader, &ok);
  statistics->tokens = ShortVarint(&reader, &ok);
  return ok && reader.AtEnd() && statistics->documents != 0 &&
         statistics->documents <= statistics->tokens;
}

Status TextEntryDamaged(std::string_view store_key) {
  std::string text;
  AppendJsonString(&text, store_key.substr(0, 100));
  return Status::Corruption("docs: the text index entry " + text +
                            " does not decode; run `vdbtool verify`, then drop the index and add "
                            "it again");
}

}  // namespace vdb::format
