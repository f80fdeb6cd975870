// Metadata: values survive JSON -> FlexBuffer -> JSON exactly, in canonical form; what cannot be
// kept is refused with its byte; damaged FlexBuffers give kCorruption or some text, never a crash.
#include "format/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "vdb/json_text.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

using ::testing::HasSubstr;

std::string Canonical(std::string_view json) {
  const auto encoded = MetadataFromJson(json);
  if (!encoded.ok()) return "refused: " + encoded.status().message();
  const auto text = MetadataToJson(*encoded);
  return text.ok() ? *text : "damaged: " + text.status().message();
}

TEST(Metadata, EmptyIsNothing) {
  for (const char* json : {"", "{}", " { } "}) {
    const auto encoded = MetadataFromJson(json);
    ASSERT_TRUE(encoded.ok()) << json;
    EXPECT_TRUE(encoded->empty());
    EXPECT_EQ(Canonical(json), "{}");
  }
}

TEST(Metadata, SortsFieldsAndDropsWhiteSpace) {
  EXPECT_EQ(Canonical(R"( { "b" : [ 1 , 2.5 ] , "a" : { "z" : null, "y" : true } } )"),
            R"({"a":{"y":true,"z":null},"b":[1,2.5]})");
  EXPECT_EQ(Canonical("{\"\xC3\xA9\":1,\"z\":2,\"\":3,\"\x7f\":4}"),
            "{\"\":3,\"z\":2,\"\x7f\":4,\"\xC3\xA9\":1}");
}

TEST(Metadata, LastOfEqualFieldsWins) {
  EXPECT_EQ(Canonical(R"({"a":1,"b":{"c":[1,2]},"a":{"x":[]},"b":2,"a":3})"), R"({"a":3,"b":2})");
  EXPECT_EQ(Canonical(R"({"a":1,"\u0061":2})"), R"({"a":2})");
}

TEST(Metadata, NumbersSurvive) {
  for (const char* number :
       {"0", "-1", "127", "128", "-128", "-129", "255", "256", "65535", "-32769", "2147483648",
        "4294967296", "9007199254740993", "9223372036854775807", "-9223372036854775808",
        "9223372036854775808", "18446744073709551615", "1.0", "-0.0", "0.0", "0.1", "2.5", "1e+300",
        "5e-324", "1.7976931348623157e+308", "-2.2250738585072014e-308", "0.30000000000000004",
        "16777217.0", "3.4028234663852886e+38", "1.1754943508222875e-38"}) {
    const std::string alone = "{\"a\":" + std::string(number) + "}";
    EXPECT_EQ(Canonical(alone), alone);
    // Beside others that widen or narrow its slot.
    const std::string array = "{\"a\":[1," + std::string(number) + ",-1,0.5,\"s\",true,null,[]]}";
    EXPECT_EQ(Canonical(array), array);
  }
  EXPECT_EQ(Canonical(R"({"a":-0,"b":1E5,"c":100000.0,"d":1e-400})"),
            R"({"a":0,"b":1e+05,"c":1e+05,"d":0.0})");
}

TEST(Metadata, RandomDoublesSurvive) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 100000; ++round) {
    double value = 0;
    const uint64_t bits = random();
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    char text[40];
    snprintf(text, sizeof(text), "{\"a\":%.17e}", value);
    const std::string printed = Canonical(text);
    ASSERT_EQ(strtod(printed.c_str() + 5, nullptr), value) << printed;
  }
}

TEST(Metadata, StringsAreBytes) {
  EXPECT_EQ(Canonical(R"({"a":"\u0000\udcff\u00e9\"","\udc80":1})"),
            "{\"a\":\"\\u0000\\udcff\xC3\xA9\\\"\",\"\\udc80\":1}");
  std::string big = "{\"a\":\"" + std::string(70000, 'x') + "\",\"b\":\"\"}";
  EXPECT_EQ(Canonical(big), big);
}

TEST(Metadata, RefusesAndNamesTheByte) {
  EXPECT_THAT(Canonical("[1]"), HasSubstr("at byte 0: expected '{' (a JSON object), found '['"));
  EXPECT_THAT(Canonical("null"), HasSubstr("expected '{'"));
  EXPECT_THAT(Canonical(" "), HasSubstr("found the end of the text"));
  EXPECT_THAT(Canonical("{\"a\":1} x"), HasSubstr("at byte 8"));
  EXPECT_THAT(Canonical(R"({"a":18446744073709551616})"), HasSubstr("write it as a string"));
  EXPECT_THAT(Canonical(R"({"a":-9223372036854775809})"), HasSubstr("at byte 5"));
  EXPECT_THAT(Canonical(R"({"a":1e309})"), HasSubstr("a double can hold"));
  EXPECT_THAT(Canonical(R"({"a\u0000b":1})"), HasSubstr("NUL"));
  EXPECT_THAT(Canonical(R"({"a":NaN})"), HasSubstr("NaN, which JSON does not have"));
  EXPECT_THAT(Canonical("{\"a\":\"" + std::string(kMetadataBytesMax, 'x') + "\"}"),
              HasSubstr("expected at most"));
}

TEST(Metadata, DepthIsBounded) {
  const auto nested = [](size_t depth, std::string open, std::string close) {
    std::string text = "{\"a\":";
    for (size_t i = 1; i < depth; ++i) text += open;
    text += "1";
    for (size_t i = 1; i < depth; ++i) text += close;
    return text + "}";
  };
  for (const auto& [open, close] : {std::pair("[", "]"), std::pair("{\"b\":", "}")}) {
    const std::string deepest = nested(kMetadataDepthMax, open, close);
    EXPECT_EQ(Canonical(deepest), deepest);
    EXPECT_THAT(Canonical(nested(kMetadataDepthMax + 1, open, close)), HasSubstr("nesting"));
    EXPECT_THAT(Canonical(nested(1000000, open, close)), HasSubstr("nesting"));
  }
}

TEST(Metadata, RandomDocumentsAreStable) {
  std::mt19937 random(3);
  std::function<std::string(int)> make = [&](int depth) -> std::string {
    switch (random() % (depth > 4 ? 6u : 8u)) {
      case 0: return "null";
      case 1: return random() % 2 ? "true" : "false";
      case 2: return std::to_string(static_cast<int64_t>(random()) << (random() % 32));
      case 3: return "-" + std::to_string(random() % 1000) + ".5";
      case 4: return std::to_string(random() % 300);
      case 5: {
        std::string text, bytes(random() % 300, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        AppendJsonString(&text, bytes);
        return text;
      }
      case 6: {
        std::string text = "[";
        for (auto i = random() % 6; i > 0; --i) text += make(depth + 1) + (i > 1 ? "," : "");
        return text + "]";
      }
      default: {
        std::string text = "{";
        for (auto i = random() % 6; i > 0; --i) {
          text +=
              "\"k" + std::to_string(random() % 8) + "\":" + make(depth + 1) + (i > 1 ? "," : "");
        }
        return text + "}";
      }
    }
  };
  for (int round = 0; round < 3000; ++round) {
    const std::string json = "{\"x\":" + make(0) + ",\"y\":" + make(0) + "}";
    const std::string once = Canonical(json);
    ASSERT_EQ(once[0], '{') << json << " " << once;
    ASSERT_EQ(Canonical(once), once);
    ASSERT_EQ(*MetadataFromJson(once), *MetadataFromJson(json));
  }
}

// A copy of exactly this size, so that the address sanitizer sees a read past its end.
void Decode(std::string_view bytes) {
  const std::unique_ptr<char[]> copy(new char[bytes.size()]);
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  const auto text = MetadataToJson({copy.get(), bytes.size()});
  if (!text.ok()) {
    EXPECT_EQ(text.status().code(), StatusCode::kCorruption);
  }
}

TEST(Metadata, DecoderSurvivesDamage) {
  const auto bytes = *MetadataFromJson(
      R"({"a":[1,2.5,"text",null,true,{"x":1,"y":[300,70000,"z"]},{"x":2,"y":[]}],)"
      R"("long name":{"b":{"c":{"d":[[[["deep"]]]]}}},"u":18446744073709551615,"e":{},"n":-5})");
  for (size_t size = 0; size < bytes.size(); ++size) {
    Decode(std::string_view(bytes).substr(0, size));
    Decode(std::string_view(bytes).substr(size));
  }
  std::mt19937 random(5);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      Decode(damaged);
    }
    for (int round = 0; round < 300; ++round) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(random());
      damaged[random() % damaged.size()] = static_cast<char>(random());
      Decode(damaged);
    }
  }
  for (int round = 0; round < 200000; ++round) {
    std::string noise(random() % 24, '\0');
    for (char& c : noise) c = static_cast<char>(random() % 3 ? random() % 12 : random());
    Decode(noise + "\x26\x01");  // a map of bytes at the root
  }
}

// FlexBuffers' own Verifier lets a key without an end pass.
TEST(Metadata, DecoderRefusesStringsWithoutAnEnd) {
  const std::string rest = "\x01\x02\x01\x01\x01\x05\x04\x02\x24\x01";  // a map of one int
  EXPECT_EQ(MetadataToJson("k" + rest).status().code(), StatusCode::kCorruption);
  std::string with_end = "k" + std::string(1, '\0') + rest;
  with_end[3] = '\x03';  // the key is one byte further away
  EXPECT_EQ(*MetadataToJson(with_end), "{\"k\":5}");

  std::string bytes = *MetadataFromJson(R"({"k":"xyz"})");
  const size_t end = bytes.find("xyz") + 3;
  ASSERT_EQ(bytes[end], '\0');
  bytes[end] = '!';
  EXPECT_EQ(MetadataToJson(bytes).status().code(), StatusCode::kCorruption);
}

// Fields out of order, or twice, are nothing that we write.
TEST(Metadata, DecoderRefusesFieldsOutOfOrder) {
  for (const char* name : {"a", "c"}) {
    std::string bytes = *MetadataFromJson(R"({"b":1,"c":2})");
    bytes[bytes.find('b')] = name[0];
    EXPECT_EQ(MetadataToJson(bytes).ok(), *name == 'a');
  }
}

// Vectors that share their elements: the work must stay within the size of the buffer.
TEST(Metadata, DecoderRefusesSharedParts) {
  std::string bytes;
  bytes += '\x01';                   // count of the innermost vector
  size_t inner = bytes.size();
  bytes += "\x07";                   // its element
  bytes += '\x04';                   // an int
  for (int level = 0; level < 20; ++level) {
    bytes += '\x08';
    const size_t at = bytes.size();
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(bytes.size() - inner);
    for (int i = 0; i < 8; ++i) bytes += '\x28';  // FBT_VECTOR, width 1
    inner = at;
  }
  const size_t key = bytes.size();
  bytes += std::string("k\0", 2);
  bytes += '\x01';
  const size_t keys = bytes.size();
  bytes += static_cast<char>(bytes.size() - key);
  bytes += static_cast<char>(bytes.size() - keys);  // a map's prefix: its keys
  bytes += '\x01';
  bytes += '\x01';
  const size_t map = bytes.size();
  bytes += static_cast<char>(bytes.size() - inner);
  bytes += '\x28';
  bytes += static_cast<char>(bytes.size() - map);
  bytes += "\x24\x01";
  EXPECT_EQ(MetadataToJson(bytes).status().code(), StatusCode::kCorruption);
}

}  // namespace
}  // namespace vdb::format
