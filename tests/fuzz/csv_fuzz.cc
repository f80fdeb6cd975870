// Any bytes as CSV, as the text of a vector, and as a file of keys.
#include "format/csv.h"

#include "format/json_reader.h"
#include "format/keys_file.h"
#include "tests/fuzz/fuzz_target.h"
#include "vdb/json_text.h"
#include "vdb/types.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

std::string Quoted(const std::string& field) {
  std::string text = "\"";
  for (const char c : field) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

void RunField(const std::string& field) {
  std::vector<float> values;
  if (ParseVectorText(field, &values).ok()) Require(values.size() <= field.size());
  LookOfVector(field);
  std::string json;
  AppendTypedJson(field, &json);
  JsonReader reader(json, 2);
  reader.SkipValue();
  Require(reader.Finish());
}

bool RunRecord(std::string_view record) {
  std::vector<std::string> fields;
  if (!ParseCsvRecord(record, ',', &fields).ok()) return false;
  std::string again;
  for (const std::string& field : fields) {
    RunField(field);
    again += (again.empty() ? "" : ",") + Quoted(field);
  }
  std::vector<std::string> same;
  Require(ParseCsvRecord(again, ',', &same).ok() && same == fields);
  return true;
}

bool RunCsv(std::string_view bytes) {
  bool any = false;
  size_t lines = 0;
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = CsvRecordBytes(bytes, at, &lines);
    Require(size > 0 && size <= bytes.size() - at);
    any = RunRecord(bytes.substr(at, size)) || any;
    at += size;
  }
  return any;
}

bool RunKeys(std::string_view bytes) {
  const auto keys = KeysFile::Parse(bytes);
  if (!keys.ok()) return false;
  std::string again;
  for (size_t i = 0; i < keys->size(); ++i) {
    const std::string_view key = keys->key(i);
    Require(!key.empty() && key.size() <= kKeyBytesMax);
    AppendJsonString(&again, key);
    again += '\n';
  }
  const auto same = KeysFile::Parse(again);
  Require(same.ok() && same->size() == keys->size());
  for (size_t i = 0; i < keys->size(); ++i) Require(same->key(i) == keys->key(i));
  return true;
}

bool Run(std::string_view bytes) {
  const bool csv = RunCsv(bytes);
  return RunKeys(bytes) || csv;
}

std::vector<std::string> Seeds() {
  return {"id,year,vector\r\nk1,2020,\"[0.1, 2e-3]\"\r\n\"k\"\"2\",007,(1;2)\n",
          "a,\"b\nc\",\n,,\"\"\n1e999,nan,-0.0,true,18446744073709551615\n", "0.1 0.2 -3",
          "\"key 1\"\n\"key\\n2\"\n", "a\nb \nc\r\n"};
}

VDB_FUZZ_TARGET(csv, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
