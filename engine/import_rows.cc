// Import of .npy, .fvecs, .ivecs and .bvecs: chunks are whole rows, read as they stand.
#include <algorithm>
#include <utility>

#include "engine/import_row_batch.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

format::VectorFormat VectorFormatOf(ImportFormat format) {
  switch (format) {
    case ImportFormat::kNpy: return format::VectorFormat::kNpy;
    case ImportFormat::kIvecs: return format::VectorFormat::kIvecs;
    case ImportFormat::kBvecs: return format::VectorFormat::kBvecs;
    default: return format::VectorFormat::kFvecs;
  }
}

class RowsSource final : public ImportSource {
 public:
  RowsSource(std::unique_ptr<ImportInput> input, std::string column, const ChunkLimits& limits)
      : input_(std::move(input)), column_(std::move(column)), limits_(limits) {}

  Status Open(ImportFormat format, const std::string& keys_path) {
    VDB_ASSIGN_OR_RETURN(const std::string_view head, input_->Head(format::kRowLayoutHeadBytes));
    auto layout = format::ParseRowLayout(VectorFormatOf(format), head, input_->size());
    if (!layout.ok()) return Prefixed("'" + input_->name() + "': ", layout.status());
    layout_ = *layout;
    VDB_ASSIGN_OR_RETURN(keys_, ImportKeys::Open(keys_path, input_->name(), layout_.rows));
    return Skip(layout_.data_offset);
  }

  StatusOr<bool> Next(ImportChunk* chunk) override {
    if (layout_.row_bytes == 0) return false;
    const uint64_t float_bytes = uint64_t{layout_.dimension} * sizeof(float);
    const uint64_t rows = std::min(
        limits_.rows, std::max<uint64_t>(1, limits_.vector_bytes / float_bytes));
    chunk->bytes.resize(rows * layout_.row_bytes);
    chunk->begin = {input_->offset(), row_, row_};
    VDB_ASSIGN_OR_RETURN(const size_t got, input_->Read(chunk->bytes.data(), chunk->bytes.size()));
    chunk->row_count = got / layout_.row_bytes;
    chunk->file_bytes = got;  // more than the rows if the file is cut: Convert says so
    row_ += chunk->row_count;
    chunk->end = {input_->offset(), row_, row_};
    if (got == 0) VDB_RETURN_IF_ERROR(keys_.CheckEnd(row_));
    return got > 0;
  }

  Status Convert(const ImportChunk& chunk, ImportBatch* batch) const override {
    VDB_RETURN_IF_ERROR(ConvertRows(chunk, layout_, keys_, column_, input_->name(), batch));
    const uint64_t rest = chunk.file_bytes % layout_.row_bytes;
    if (rest == 0) return Status::Ok();
    return Status::InvalidArgument(
        Place(chunk.end.place) + "expected " + std::to_string(layout_.row_bytes) +
        " bytes (dimension " + std::to_string(layout_.dimension) +
        "), found the end of the file after " + std::to_string(rest));
  }

  Status Resume(const ImportPosition& position) override {
    row_ = position.place;
    return input_->SeekTo(position.offset);
  }

  uint64_t total_bytes() const override { return input_->size().value_or(0); }
  std::string_view place_word() const override { return "row"; }

 private:
  std::string Place(uint64_t row) const {
    return "'" + input_->name() + "', row " + std::to_string(row) + ": ";
  }

  Status Skip(uint64_t bytes) {
    std::string head(bytes, '\0');
    return input_->Read(head.data(), head.size()).status();
  }

  std::unique_ptr<ImportInput> input_;
  const std::string column_;
  const ChunkLimits limits_;
  format::RowLayout layout_;
  ImportKeys keys_;
  uint64_t row_ = 0;
};

}  // namespace

StatusOr<std::unique_ptr<ImportSource>> NewRowsSource(std::unique_ptr<ImportInput> input,
                                                      ImportFormat format,
                                                      const ImportOptions& options,
                                                      const ChunkLimits& limits) {
  auto source = std::make_unique<RowsSource>(std::move(input), ColumnOf(options), limits);
  VDB_RETURN_IF_ERROR(source->Open(format, options.keys_path));
  return std::unique_ptr<ImportSource>(std::move(source));
}

}  // namespace vdb::engine
