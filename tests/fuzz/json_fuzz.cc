// Any bytes as JSON: the strict reader, JSON strings, the structural scanner, and lines of
// documents. What the strict reader takes, the scanner takes too, with the same events.
#include <cmath>
#include <limits>

#include "format/byte_source.h"
#include "format/json_reader.h"
#include "format/json_scan.h"
#include "format/jsonl.h"
#include "tests/fuzz/fuzz_target.h"
#include "vdb/json_text.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

constexpr size_t kDepth = 50;

// Numbers in arrays, members and elements: both readers must count the same.
struct Counts {
  uint64_t numbers = 0, strings = 0, containers = 0, keys = 0, words = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
};

void Walk(JsonReader* reader, Counts* counts) {
  std::string scratch;
  std::string_view text;
  JsonNumber number;
  bool truth = false;
  switch (reader->Peek()) {
    case JsonKind::kNull: reader->ReadNull(), ++counts->words; break;
    case JsonKind::kBool: reader->ReadBool(&truth), ++counts->words; break;
    case JsonKind::kNumber: reader->ReadNumber(&number), ++counts->numbers; break;
    case JsonKind::kString: reader->ReadString(&scratch, &text), ++counts->strings; break;
    case JsonKind::kArray:
      ++counts->containers;
      if (!reader->EnterArray()) return;
      while (reader->NextElement()) Walk(reader, counts);
      break;
    case JsonKind::kObject:
      ++counts->containers;
      if (!reader->EnterObject()) return;
      while (reader->NextField(&scratch, &text)) ++counts->keys, Walk(reader, counts);
      break;
    case JsonKind::kError: reader->SkipValue(); break;
  }
}

// False: refused.
bool Scan(JsonScanner* scanner, Counts* counts) {
  uint64_t behind = 0;
  for (;;) {
    const JsonToken& token = scanner->Next();
    if (token.event == JsonEvent::kError) {
      Require(!scanner->status().ok());
      return false;
    }
    if (token.event == JsonEvent::kEnd) return true;
    Require(token.offset >= behind && token.end >= token.offset);
    behind = token.end;
    switch (token.event) {
      case JsonEvent::kBeginObject:
      case JsonEvent::kBeginArray: ++counts->containers; break;
      case JsonEvent::kKey: ++counts->keys; break;
      case JsonEvent::kString: ++counts->strings; break;
      case JsonEvent::kNumber: ++counts->numbers; break;
      case JsonEvent::kNumbers: counts->numbers += token.count; break;
      case JsonEvent::kTrue:
      case JsonEvent::kFalse:
      case JsonEvent::kNull: ++counts->words; break;
      default: break;
    }
  }
}

bool RunReaders(std::string_view bytes) {
  JsonReader skipper(bytes, kDepth), reader(bytes, kDepth);
  skipper.SkipValue();
  const bool valid = skipper.Finish();
  Counts read, scanned, from_source;
  Walk(&reader, &read);
  Require(reader.Finish() == valid);
  if (!valid) Require(reader.error_offset() <= bytes.size() && !reader.status().ok());
  JsonScanner scanner(bytes);
  const bool taken = Scan(&scanner, &scanned);
  const MemorySource source(bytes);
  JsonScanner of_source(&source);
  Require(Scan(&of_source, &from_source) == taken && from_source == scanned);
  if (valid) Require(taken && read == scanned);
  return taken;
}

void RunNumbers(std::string_view bytes) {
  JsonScanner scanner(bytes);
  std::vector<double> values;
  while (scanner.Next().event == JsonEvent::kBeginArray) {
    if (!scanner.TakeNumbers(&values)) return;
  }
  Require(values.size() <= bytes.size());
}

bool RunString(std::string_view bytes) {
  std::string json;
  AppendJsonString(&json, bytes);
  Require(IsValidUtf8(json));
  const auto back = ParseJsonString(json);
  Require(back.ok() && *back == bytes);
  return ParseJsonString(bytes).ok();
}

bool RunLine(std::string_view bytes) {
  JsonlParser parser;
  JsonlDocument document;
  if (!parser.Parse(bytes, &document).ok()) return false;
  for (const auto& vector : document.vectors) {
    for (const float value : document.values_of(vector)) Require(std::isfinite(value));
  }
  return true;
}

bool Run(std::string_view bytes) {
  bool any = RunReaders(bytes);
  RunNumbers(bytes);
  any = RunString(bytes) || any;
  return RunLine(bytes) || any;
}

std::vector<std::string> Seeds() {
  return {R"({"id": "k1", "metadata": {"year": 2020}, "body": "\ud83d\ude00", )"
          R"("vectors": {"v": [0.1, -2e-3], "w": {"unit": [0.6, 0.8], "norm": 2.5}, "x": null}})",
          R"({"id": 7, "vector": [1, 2, 3], "version": 3})",
          "[[1,2.5,-0e5],[true,false,null,\"\\u00e9\\udcff\"],{},[],{\"a\":{\"b\":[]}}]",
          "[1, NaN, -Infinity, 3]", "{\"a\":1}\n{\"b\":[2,3]}", "\"text \\n \\\\ \\\"\"",
          "-12.5e+3"};
}

VDB_FUZZ_TARGET(json, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
