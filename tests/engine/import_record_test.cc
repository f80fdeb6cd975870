// The record of an import and the head line of an export: what their encoders do not make is not
// taken for something else.
#include "engine/import_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/export_header.h"
#include "format/byte_io.h"
#include "format/checksum.h"

namespace vdb::engine {
namespace {

using ::testing::HasSubstr;

ImportRecord SomeRecord() {
  ImportRecord record;
  record.source = "/data/vectors.csv";
  record.size_bytes = 5000;
  record.mtime_ns = -1;
  record.options = "vector;id";
  record.collection_id = 0x1234;
  record.position = {400, 2, 10};
  record.row_count = 10;
  record.quarantine_bytes = 77;
  return record;
}

TEST(ImportRecordTest, RoundTrip) {
  const std::string bytes = EncodeImportRecord(SomeRecord());
  const auto record = DecodeImportRecord(bytes);
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->IsSameImport(SomeRecord()));
  EXPECT_EQ(record->collection_id, 0x1234u);
  EXPECT_EQ(record->row_count, 10u);
  EXPECT_EQ(EncodeImportRecord(*record), bytes);
}

// Eight bytes are written of a number of four.
TEST(ImportRecordTest, ACollectionIdThatIsTooLargeIsNotCut) {
  std::string bytes = EncodeImportRecord(SomeRecord());
  std::string number;
  format::AppendU64(&number, 0x1234);
  const size_t at = bytes.find(number);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 4] = 1;
  bytes.resize(bytes.size() - 8);
  format::AppendU64(&bytes, format::Hash64(bytes));
  EXPECT_FALSE(DecodeImportRecord(bytes));
}

TEST(ExportHeaderTest, AColumnHasADimension) {
  const auto parse = [](const std::string& column) {
    return ParseExportHeader("{\"vdb_collection\": {\"name\": \"a\", \"columns\": [" + column +
                             "]}}");
  };
  EXPECT_TRUE(parse(R"({"name": "v", "dimension": 3, "metric": "dot"})").ok());
  const auto none = parse(R"({"name": "v", "metric": "dot"})").status();
  EXPECT_EQ(none.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(none.message(), HasSubstr("dimension"));
}

}  // namespace
}  // namespace vdb::engine
