// Any bytes as the record of an import, and as the head line of an export. Input: two strings; of
// the first the checksum is made right.
#include "engine/export_header.h"
#include "engine/import_record.h"
#include "format/byte_io.h"
#include "format/checksum.h"
#include "tests/fuzz/fuzz_target.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::engine;  // NOLINT

bool RunRecord(std::string_view bytes) {
  const auto record = DecodeImportRecord(bytes);
  if (!record) return false;
  Require(EncodeImportRecord(*record) == bytes);
  return true;
}

bool Run(std::string_view bytes) {
  const auto parts = SplitInput(bytes, 2);
  bool any = RunRecord(parts[0]);
  std::string fixed(parts[0]);
  format::AppendU64(&fixed, format::Hash64(fixed));
  any = RunRecord(fixed) || any;
  const auto decode = [](std::string_view line) { return ParseExportHeader(line); };
  return RoundTrip(parts[1], decode, ExportHeaderLine) || any;
}

std::vector<std::string> Seeds() {
  ImportRecord record;
  record.source = "/data/vectors.csv";
  record.size_bytes = 5000;
  record.mtime_ns = -1;
  record.options = "vector;id";
  record.collection_id = 3;
  record.position = {400, 2, 10};
  record.row_count = 10;
  record.quarantine_bytes = 77;
  const std::string bytes = EncodeImportRecord(record);
  ExportHeader header;
  header.collection = "words";
  header.columns.resize(2);
  header.columns[0] = {"v", 128, Metric::kL2, "model-a", true};
  header.columns[1] = {"w\xFF", 3, Metric::kDot, "", false};
  header.field_indexes.resize(1);
  header.field_indexes[0].field = "a.`b c`";
  return {JoinInput({bytes.substr(0, bytes.size() - 8), ExportHeaderLine(header)})};
}

VDB_FUZZ_TARGET(import, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
