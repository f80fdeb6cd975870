// RecordReader: cuts text into chunks of whole records, a record being a line or, where lines can
// stand in quotes (CSV), what ends with a newline outside of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/import_source.h"

namespace vdb::engine {

class RecordReader {
 public:
  /// The longest document there can be, with every byte of it escaped.
  static constexpr uint64_t kRecordBytesMax =
      6 * uint64_t{kMetadataBytesMax + kBodyBytesMax + kKeyBytesMax} + (uint64_t{64} << 20);

  RecordReader(ImportInput* input, const ChunkLimits& limits, bool quotes)
      : input_(input), limits_(limits), quotes_(quotes) {}

  /// Fills `chunk`: bytes, row_count, begin and end, whose places are lines from 1 on. False at the
  /// end. The last newline may be missing.
  StatusOr<bool> Next(ImportChunk* chunk);
  Status Resume(const ImportPosition& position);

 private:
  StatusOr<bool> ReadBlock(std::string* text);
  bool ScanRecord(std::string_view text);

  ImportInput* input_;
  const ChunkLimits limits_;
  const bool quotes_;
  std::string rest_;          // read, and not given out yet
  uint64_t offset_ = 0;       // in the file, of the first byte of rest_
  uint64_t line_ = 1;         // its number
  uint64_t records_ = 0;      // given out
  // While a chunk is cut:
  size_t record_end_ = 0, scanned_ = 0;
  uint64_t lines_ = 0, record_lines_ = 0;
  bool in_quotes_ = false;
};

}  // namespace vdb::engine
