#include "engine/query_cursor.h"

#include "format/byte_io.h"
#include "format/checksum.h"

namespace vdb::engine {
namespace {

// Layout: u8 version, u8 flags, varint skip, varint candidates, then of a position the value's
// bytes and the key's with their sizes, u64 XXH3-64 of all that followed by the request's bytes.
constexpr uint8_t kCursorVersion = 1;
constexpr uint8_t kRanked = 1, kAfter = 2, kMissing = 4;
constexpr size_t kCursorTextMax = 256 * 1024;  // a key of the largest size fits

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string ToBase64(std::string_view bytes) {
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<uint8_t>(c);
    for (count += 8; count >= 6; count -= 6) text += kDigits[(bits >> (count - 6)) & 63];
  }
  if (count > 0) text += kDigits[(bits << (6 - count)) & 63];
  return text;
}

std::optional<std::string> FromBase64(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = std::string_view(kDigits, 64).find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count);
  }
  return bytes;
}

void AppendText(std::string* out, std::string_view text) {
  format::AppendVarint(out, text.size());
  *out += text;
}

void AppendDouble(std::string* out, double value) {
  format::AppendU64(out, std::bit_cast<uint64_t>(value));
}

uint64_t CursorHash(std::string_view cursor, std::string_view request) {
  format::StreamingHash hash;
  hash.Update(cursor);
  hash.Update(request);
  return hash.Digest64();
}

Status NotThisCursor() {
  return Status::InvalidArgument(
      "cursor: expected one that a page of the same request gave, found another text; a request's "
      "filter, order, clauses and groups must stay as they were");
}

}  // namespace

std::string RequestBytes(const format::CollectionEntry& collection, const QueryRequest& request) {
  std::string out;
  format::AppendVarint(&out, collection.id);
  AppendText(&out, collection.name);
  AppendText(&out, request.filter.ToString());
  format::AppendVarint(&out, request.vectors.size());
  for (const VectorClause& clause : request.vectors) {
    AppendText(&out, clause.column);
    AppendDouble(&out, clause.weight);
    format::AppendVarint(&out, clause.examples.size());
    for (const VectorExample& example : clause.examples) {
      AppendText(&out, {reinterpret_cast<const char*>(example.values.data()),
                        example.values.size() * sizeof(float)});
      AppendText(&out, example.like);
      AppendDouble(&out, example.weight);
    }
  }
  out += request.text ? '\1' : '\0';
  if (request.text) {
    AppendText(&out, request.text->words);
    format::AppendVarint(&out, request.text->fields.size());
    for (const std::string& field : request.text->fields) AppendText(&out, field);
    AppendDouble(&out, request.text->weight);
  }
  out += static_cast<char>(request.fusion);
  format::AppendVarint(&out, request.candidates);
  AppendDouble(&out, request.recall);
  out += request.exact ? '\1' : '\0';
  format::AppendVarint(&out, request.nprobe);
  AppendDouble(&out, request.min_score);
  AppendText(&out, request.order_by.field);
  out += request.order_by.descending ? '\1' : '\0';
  AppendText(&out, request.group_by.field);
  format::AppendVarint(&out, request.group_by.size);
  AppendDouble(&out, request.diversity_lambda);
  return out;
}

std::string EncodeCursor(const QueryCursor& cursor, std::string_view request) {
  std::string bytes(1, static_cast<char>(kCursorVersion));
  bytes += static_cast<char>((cursor.ranked ? kRanked : 0) | (cursor.after ? kAfter : 0) |
                             (cursor.after && cursor.after->missing ? kMissing : 0));
  format::AppendVarint(&bytes, cursor.skip);
  format::AppendVarint(&bytes, cursor.candidates);
  if (cursor.after) {
    AppendText(&bytes, cursor.after->value);
    AppendText(&bytes, cursor.after->key);
  }
  format::AppendU64(&bytes, CursorHash(bytes, request));
  return ToBase64(bytes);
}

StatusOr<QueryCursor> DecodeCursor(std::string_view text, std::string_view request) {
  if (text.size() > kCursorTextMax) return NotThisCursor();
  const auto bytes = FromBase64(text);
  if (!bytes || bytes->size() < sizeof(uint64_t)) return NotThisCursor();
  const std::string_view body = std::string_view(*bytes).substr(0, bytes->size() - 8);
  if (format::LoadU64(bytes->data() + body.size()) != CursorHash(body, request)) {
    return NotThisCursor();
  }
  format::ByteReader reader(body);
  const uint8_t version = reader.U8(), flags = reader.U8();
  QueryCursor cursor;
  cursor.ranked = (flags & kRanked) != 0;
  cursor.skip = reader.Varint();
  cursor.candidates = reader.Varint();
  if ((flags & kAfter) != 0) {
    ListPosition after;
    after.missing = (flags & kMissing) != 0;
    after.value = reader.Bytes(reader.Varint());
    after.key = reader.Bytes(reader.Varint());
    cursor.after = std::move(after);
  }
  if (version != kCursorVersion || !reader.AtEnd()) return NotThisCursor();
  return cursor;
}

}  // namespace vdb::engine
