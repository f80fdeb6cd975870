#include "engine/import_records.h"

#include <algorithm>
#include <cstring>

#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr size_t kBlockBytes = 1u << 20;

}  // namespace

Status RecordReader::Resume(const ImportPosition& position) {
  offset_ = position.offset;
  line_ = position.place;
  records_ = position.rows;
  rest_.clear();
  return input_->SeekTo(position.offset);
}

// False at the end of the input.
StatusOr<bool> RecordReader::ReadBlock(std::string* text) {
  const size_t size = text->size();
  text->resize(size + kBlockBytes);
  const auto got = input_->Read(text->data() + size, kBlockBytes);
  text->resize(size + (got.ok() ? *got : 0));
  VDB_RETURN_IF_ERROR(got.status());
  return *got > 0;
}

// Looks for the end of the record that is being scanned. False: it is not in `text` yet.
bool RecordReader::ScanRecord(std::string_view text) {
  while (scanned_ < text.size()) {
    const void* found = std::memchr(text.data() + scanned_, '\n', text.size() - scanned_);
    const size_t end = found == nullptr
                           ? text.size()
                           : static_cast<size_t>(static_cast<const char*>(found) - text.data());
    if (quotes_) {
      const auto quotes = std::count(text.begin() + static_cast<ptrdiff_t>(scanned_),
                                     text.begin() + static_cast<ptrdiff_t>(end), '"');
      in_quotes_ ^= quotes % 2 != 0;
    }
    scanned_ = end;
    if (found == nullptr) return false;
    ++scanned_;
    ++record_lines_;
    if (in_quotes_) continue;
    record_end_ = scanned_;
    lines_ += record_lines_;
    record_lines_ = 0;
    return true;
  }
  return false;
}

StatusOr<bool> RecordReader::Next(ImportChunk* chunk) {
  std::string& text = chunk->bytes;
  text.swap(rest_);
  rest_.clear();
  record_end_ = scanned_ = 0;
  lines_ = record_lines_ = 0;
  in_quotes_ = false;
  uint64_t records = 0;
  bool at_end = false;
  while (records < limits_.rows && record_end_ < limits_.text_bytes) {
    if (ScanRecord(text)) {
      ++records;
      continue;
    }
    if (at_end) break;
    if (text.size() - record_end_ > kRecordBytesMax) {
      return Status::InvalidArgument("'" + input_->name() + "', line " +
                                     std::to_string(line_ + lines_) + ": expected at most " +
                                     std::to_string(kRecordBytesMax) + " bytes, found more" +
                                     (in_quotes_ ? "; is a quote not closed?" : ""));
    }
    VDB_ASSIGN_OR_RETURN(const bool more, ReadBlock(&text));
    at_end = !more;
  }
  if (at_end && record_end_ < text.size()) {  // the last one has no newline
    record_end_ = text.size();
    lines_ += record_lines_ + 1;
    ++records;
  }
  rest_.assign(text, record_end_);
  text.resize(record_end_);
  chunk->row_count = records;
  chunk->file_bytes = record_end_;
  chunk->begin = {offset_, line_, records_};
  offset_ += record_end_;
  line_ += lines_;
  records_ += records;
  chunk->end = {offset_, line_, records_};
  return records > 0;
}

}  // namespace vdb::engine
