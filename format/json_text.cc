// JSON strings for bytes: the writing half of include/vdb/json_text.h. ParseJsonString, the reading
// half, stands beside JsonReader.
#include "vdb/json_text.h"

#include <cstddef>

namespace vdb {
namespace {

// Length of the well-formed UTF-8 sequence that begins at `from`, 0 if there is none. Table 3-7 of
// the Unicode standard.
size_t Utf8Length(const unsigned char* from, size_t size) {
  const unsigned char lead = from[0];
  if (lead < 0x80) return 1;
  size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;  // of the second byte
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;   // no overlong forms
    if (lead == 0xED) high = 0x9F;  // no surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;  // nothing above U+10FFFF
  }
  if (length == 0 || size < length || from[1] < low || from[1] > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (from[i] < 0x80 || from[i] > 0xBF) return 0;
  }
  return length;
}

void AppendUnicodeEscape(std::string* out, unsigned code) {
  static constexpr char kHex[] = "0123456789abcdef";
  *out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out->push_back(kHex[(code >> shift) & 15]);
}

void AppendEscaped(std::string* out, unsigned char byte) {
  switch (byte) {
    case '"': *out += "\\\""; break;
    case '\\': *out += "\\\\"; break;
    case '\b': *out += "\\b"; break;
    case '\f': *out += "\\f"; break;
    case '\n': *out += "\\n"; break;
    case '\r': *out += "\\r"; break;
    case '\t': *out += "\\t"; break;
    default: AppendUnicodeEscape(out, byte < 0x80 ? byte : 0xDC00u + byte); break;
  }
}

}  // namespace

void AppendJsonString(std::string* out, std::string_view bytes) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  out->push_back('"');
  size_t begin = 0;  // of the run that is copied as it is
  for (size_t i = 0; i < bytes.size();) {
    const unsigned char byte = data[i];
    const bool plain = byte >= 0x20 && byte != '"' && byte != '\\';
    const size_t length = plain ? Utf8Length(data + i, bytes.size() - i) : 0;
    if (length > 0) {
      i += length;
      continue;
    }
    out->append(bytes, begin, i - begin);
    AppendEscaped(out, byte);
    begin = ++i;
  }
  out->append(bytes, begin, bytes.size() - begin);
  out->push_back('"');
}

bool IsValidUtf8(std::string_view bytes) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  for (size_t i = 0; i < bytes.size();) {
    const size_t length = Utf8Length(data + i, bytes.size() - i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

}  // namespace vdb
