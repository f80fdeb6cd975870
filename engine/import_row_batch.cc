#include "engine/import_row_batch.h"

#include "format/json_number.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

// A row as quarantine keeps it: a line that can be mended and imported.
std::string Content(const format::RowLayout& layout, std::string_view key,
                    const std::string& column, const char* row) {
  std::string text = "{\"id\": ";
  AppendJsonString(&text, key);
  text += ", \"vectors\": {";
  AppendJsonString(&text, column);
  text += ": [";
  for (uint32_t j = 0; j < layout.dimension; ++j) {
    if (j > 0) text += ", ";
    format::AppendJsonAnyDouble(&text, format::RowNumber(layout, row, j));
  }
  return text + "]}}";
}

}  // namespace

Status ConvertRows(const ImportChunk& chunk, const format::RowLayout& layout,
                   const ImportKeys& keys, const std::string& column, const std::string& name,
                   ImportBatch* batch) {
  std::vector<float> scratch;
  std::string number;
  DocumentView document;
  document.vectors.resize(1);
  document.vectors[0].column = column;
  for (uint64_t i = 0; i < chunk.row_count; ++i) {
    const char* row = chunk.bytes.data() + i * layout.row_bytes;
    const uint64_t place = chunk.begin.place + i;
    if (const Status good = format::CheckRowPrefix(layout, row, place); !good.ok()) {
      return Prefixed("'" + name + "', ", good);
    }
    const auto key = keys.KeyOf(place, &number);
    if (!key) return keys.CheckEnd(place + 1);
    document.key = *key;
    const auto values = format::RowValues(layout, row, &scratch);
    if (!values.ok()) {
      batch->Reject(place, values.status().message(), Content(layout, document.key, column, row));
      continue;
    }
    document.vectors[0].values = *values;
    batch->Put(document, place);
  }
  return Status::Ok();
}

}  // namespace vdb::engine
