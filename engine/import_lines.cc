// Import of JSON lines: a document a line (format/jsonl.h), parsed on the workers.
#include <utility>

#include "engine/export_header.h"
#include "engine/import_records.h"
#include "engine/import_source.h"
#include "format/jsonl.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

class LinesSource final : public ImportSource {
 public:
  LinesSource(std::unique_ptr<ImportInput> input, const ChunkLimits& limits)
      : input_(std::move(input)), records_(input_.get(), limits, /*quotes=*/false) {}

  // Of a lossless export the first line declares the columns.
  Status Open() {
    VDB_ASSIGN_OR_RETURN(const std::string line, ReadExportHeaderLine(input_.get()));
    if (line.empty()) return Status::Ok();
    auto header = ParseExportHeader(line);
    if (!header.ok()) return Prefixed("'" + input_->name() + "', line 1: ", header.status());
    has_header_ = true;
    declared_ = std::move(header->columns);
    return Status::Ok();
  }

  StatusOr<bool> Next(ImportChunk* chunk) override { return records_.Next(chunk); }

  Status Convert(const ImportChunk& chunk, ImportBatch* batch) const override {
    format::JsonlParser parser;
    format::JsonlDocument parsed;
    DocumentView document;
    uint64_t number = chunk.begin.place;
    for (size_t begin = 0; begin < chunk.bytes.size(); ++number) {
      const size_t end = std::min(chunk.bytes.find('\n', begin), chunk.bytes.size());
      std::string_view line = std::string_view(chunk.bytes).substr(begin, end - begin);
      begin = end + 1;
      if (number == 1) {
        if (has_header_) continue;
        if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
      }
      if (IsBlank(line)) continue;
      if (const Status good = parser.Parse(line, &parsed); !good.ok()) {
        std::string content;
        AppendJsonString(&content, line);
        batch->Reject(number, good.message(), std::move(content));
        continue;
      }
      document.key = parsed.id;
      document.metadata = parsed.metadata;
      document.body = parsed.body;
      document.vectors.clear();
      for (const auto& vector : parsed.vectors) {
        document.vectors.push_back({vector.column, parsed.values_of(vector), vector.norm});
      }
      batch->Put(document, number);
    }
    return Status::Ok();
  }

  Status Resume(const ImportPosition& position) override { return records_.Resume(position); }
  uint64_t total_bytes() const override { return input_->size().value_or(0); }
  std::string_view place_word() const override { return "line"; }

 private:
  std::unique_ptr<ImportInput> input_;
  RecordReader records_;
  bool has_header_ = false;
};

}  // namespace

StatusOr<std::string> ReadExportHeaderLine(ImportInput* input) {
  size_t size = 4096;
  VDB_ASSIGN_OR_RETURN(std::string_view head, input->Head(size));
  if (!IsExportHeader(head)) return std::string();
  while (head.find('\n') == head.npos && head.size() == size && size <= kExportHeaderBytesMax) {
    size *= 2;
    VDB_ASSIGN_OR_RETURN(head, input->Head(size));
  }
  return std::string(head.substr(0, head.find('\n')));
}

StatusOr<std::unique_ptr<ImportSource>> NewLinesSource(std::unique_ptr<ImportInput> input,
                                                       const ImportOptions& options,
                                                       const ChunkLimits& limits) {
  if (!options.keys_path.empty()) {
    return Status::InvalidArgument("a keys file goes with files of vectors; lines of '" +
                                   input->name() + "' hold their ids themselves");
  }
  auto source = std::make_unique<LinesSource>(std::move(input), limits);
  VDB_RETURN_IF_ERROR(source->Open());
  return std::unique_ptr<ImportSource>(std::move(source));
}

}  // namespace vdb::engine
