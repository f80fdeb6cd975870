// Import: reads a file into batches on the calling thread and commits them through ImportPipeline.
// A batch is refused as a whole, and the refusal names the row at fault: Collection::Write knows
// batches, not files, so after a refusal the rows are looked at again here.
#include "vdb/import.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <unordered_set>

#include "engine/import_pipeline.h"
#include "engine/no_throw.h"
#include "format/json_reader.h"
#include "format/jsonl.h"
#include "format/keys_file.h"
#include "format/metadata.h"
#include "format/status_macros.h"
#include "format/vector_rows.h"
#include "storage/file_system.h"

namespace vdb {
namespace {

using engine::ImportBatch;
using engine::ImportPipeline;

constexpr size_t kReadBlockBytes = 1u << 20;
constexpr size_t kLineBytesMax = kMetadataBytesMax + kBodyBytesMax;
// A batch is closed early at this size, so that memory stays bounded whatever a row holds.
constexpr size_t kBatchBytesGoal = 64u << 20;
constexpr uint64_t kQueryFileBytesMax = uint64_t{16} << 30;

enum class FileKind { kUnknown, kJsonLines, kNpy, kFvecs };

FileKind KindOf(const std::string& path) {
  const size_t dot = path.find_last_of("./");
  std::string ending = dot == std::string::npos || path[dot] == '/' ? "" : path.substr(dot + 1);
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (ending == "jsonl" || ending == "ndjson") return FileKind::kJsonLines;
  if (ending == "npy") return FileKind::kNpy;
  if (ending == "fvecs") return FileKind::kFvecs;
  return FileKind::kUnknown;
}

Status UnknownKind(const std::string& path) {
  return Status::InvalidArgument("'" + path +
                                 "': expected a name that ends in .jsonl, .ndjson, .npy or .fvecs");
}

Status Prefixed(const std::string& prefix, const Status& status) {
  return {status.code(), prefix + status.message()};
}

// A file, mapped whole.
struct MappedFile {
  std::unique_ptr<storage::File> file;
  std::unique_ptr<storage::Mapping> mapping;  // null if the file is empty
  std::string_view bytes;

  static StatusOr<MappedFile> Open(const std::string& path) {
    MappedFile mapped;
    VDB_ASSIGN_OR_RETURN(mapped.file,
                         storage::PosixFileSystem()->Open(path, storage::OpenMode::kRead));
    VDB_ASSIGN_OR_RETURN(const uint64_t size, mapped.file->Size());
    if (size > 0) {
      VDB_ASSIGN_OR_RETURN(mapped.mapping, mapped.file->Map(size));
      mapped.bytes = {reinterpret_cast<const char*>(mapped.mapping->data()), size};
    }
    return mapped;
  }
};

// The lines of a file, without their newlines, read block by block.
class LineReader {
 public:
  explicit LineReader(storage::File* file) : file_(file) {}

  /// False at the end of the file. `line` is valid until the next call.
  StatusOr<bool> Next(std::string_view* line) {
    size_t newline = buffer_.find('\n', begin_);
    while (newline == std::string::npos && !at_end_) {
      const size_t searched = buffer_.size() - begin_;
      if (searched > kLineBytesMax) {
        return Status::InvalidArgument("line " + std::to_string(line_number_ + 1) +
                                       ": expected at most " + std::to_string(kLineBytesMax) +
                                       " bytes, found more");
      }
      VDB_RETURN_IF_ERROR(ReadBlock());
      newline = buffer_.find('\n', begin_ + searched);
    }
    if (newline == std::string::npos && begin_ == buffer_.size()) return false;
    const size_t end = newline == std::string::npos ? buffer_.size() : newline;
    *line = std::string_view(buffer_).substr(begin_, end - begin_);
    begin_ = newline == std::string::npos ? end : end + 1;
    ++line_number_;
    return true;
  }

  uint64_t line_number() const { return line_number_; }              // of the last line, 1-based
  uint64_t offset() const { return file_offset_ - (buffer_.size() - begin_); }  // behind it

 private:
  Status ReadBlock() {
    buffer_.erase(0, begin_);
    begin_ = 0;
    const size_t size = buffer_.size();
    buffer_.resize(size + kReadBlockBytes);
    const auto read = file_->ReadAt(file_offset_, buffer_.data() + size, kReadBlockBytes);
    buffer_.resize(size + (read.ok() ? *read : 0));
    VDB_RETURN_IF_ERROR(read.status());
    file_offset_ += *read;
    at_end_ = *read == 0;
    return Status::Ok();
  }

  storage::File* file_;
  std::string buffer_;
  size_t begin_ = 0;  // of the next line in buffer_
  uint64_t file_offset_ = 0;
  uint64_t line_number_ = 0;
  bool at_end_ = false;
};

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

// What the import knows of a column, or will make.
struct Column {
  uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  bool exists = false;
};
using Columns = std::map<std::string, Column, std::less<>>;

// The first change of `batch` that breaks the input contract, in words; nothing if none does.
// Columns of its vectors must be known.
class BatchCheck {
 public:
  BatchCheck(const Columns& columns, const ImportBatch& batch) : columns_(columns), batch_(batch) {}

  /// The message, without the place; `*at` is the change.
  std::optional<std::string> Find(size_t* at) const {
    const auto& changes = batch_.changes.changes();
    for (*at = 0; *at < changes.size(); ++*at) {
      if (auto fault = Check(changes[*at])) return fault;
    }
    return std::nullopt;
  }

 private:
  std::optional<std::string> Check(const WriteBatch::Change& change) const {
    const WriteBatch& batch = batch_.changes;
    if (change.key_bytes < 1 || change.key_bytes > kKeyBytesMax) {
      return "expected a key of 1 to " + std::to_string(kKeyBytesMax) + " bytes, found " +
             std::to_string(change.key_bytes);
    }
    if (change.body_bytes > kBodyBytesMax) {
      return "expected a body of at most " + std::to_string(kBodyBytesMax) + " bytes, found " +
             std::to_string(change.body_bytes);
    }
    const auto metadata =
        format::MetadataFromJson(batch.text(change.metadata_offset, change.metadata_bytes));
    if (!metadata.ok()) return metadata.status().message();
    for (uint64_t i = 0; i < change.vector_count; ++i) {
      if (auto fault = CheckVector(batch.vectors()[change.first_vector + i])) return fault;
    }
    return std::nullopt;
  }

  std::optional<std::string> CheckVector(const WriteBatch::VectorRef& vector) const {
    const WriteBatch& batch = batch_.changes;
    const std::string_view name = batch.text(vector.column_offset, vector.column_bytes);
    const std::string where = "column '" + std::string(name) + "': ";
    const float* values = batch.floats().data() + vector.values_offset;
    bool is_zero = true;
    for (uint64_t j = 0; j < vector.values_count; ++j) {
      is_zero = is_zero && values[j] == 0;
      if (std::isfinite(values[j])) continue;
      return where + "expected finite values, found " +
             (std::isnan(values[j]) ? "NaN" : "infinity") + " at position " + std::to_string(j);
    }
    const auto column = columns_.find(name);
    if (is_zero && column != columns_.end() && column->second.metric == Metric::kCosine) {
      return where + "expected a direction, found a zero vector, which cosine cannot score; leave "
                     "the vector out, or use metric dot or l2";
    }
    return std::nullopt;
  }

  const Columns& columns_;
  const ImportBatch& batch_;
};

// One call of ImportFile.
class Importer {
 public:
  Importer(Database& database, const std::string& collection, const std::string& path,
           const ImportOptions& options)
      : database_(database), collection_name_(collection), path_(path), options_(options) {}

  StatusOr<ImportReport> Run() {
    const FileKind kind = KindOf(path_);
    if (kind == FileKind::kUnknown) return UnknownKind(path_);
    if (options_.batch_rows == 0) {
      return Status::InvalidArgument("batch_rows: expected at least 1, found 0");
    }
    VDB_RETURN_IF_ERROR(LoadColumns());
    const Status status = kind == FileKind::kJsonLines ? ImportJsonLines() : ImportVectors(kind);
    const Status committed = Finish(status);
    VDB_RETURN_IF_ERROR(committed);
    const auto totals = pipeline_ ? pipeline_->totals() : engine::ImportTotals();
    return ImportReport{totals.documents, totals.batches, total_bytes_};
  }

 private:
  Status LoadColumns() {
    auto opened = database_.OpenCollection(collection_name_);
    if (opened.status().code() == StatusCode::kNotFound) return Status::Ok();
    VDB_RETURN_IF_ERROR(opened.status());
    collection_.emplace(std::move(*opened));
    VDB_ASSIGN_OR_RETURN(const std::vector<ColumnInfo> infos, collection_->Columns());
    for (const ColumnInfo& info : infos) columns_[info.name] = {info.dimension, info.metric, true};
    return Status::Ok();
  }

  // The column of a vector of `dimension` numbers, which it is made for if there is none yet.
  Status RequireColumn(std::string_view name, size_t dimension) {
    auto found = columns_.find(name);
    if (found == columns_.end()) {
      const Column column{static_cast<uint32_t>(dimension), options_.metric, false};
      found = columns_.emplace(std::string(name), column).first;
      columns_are_made_ = false;
    }
    if (found->second.dimension == dimension) return Status::Ok();
    return Status::InvalidArgument("collection '" + collection_name_ + "', column '" +
                                   std::string(name) + "': expected dimension " +
                                   std::to_string(found->second.dimension) + ", found " +
                                   std::to_string(dimension));
  }

  // Makes collection and columns that are missing. A name that is refused leaves nothing behind.
  Status MakeMissing() {
    const bool make_collection = !collection_;
    if (make_collection) {
      VDB_ASSIGN_OR_RETURN(Collection made, database_.CreateCollection(collection_name_));
      collection_.emplace(std::move(made));
    }
    for (auto& [name, column] : columns_) {
      if (column.exists) continue;
      const Status added = collection_->AddColumn(
          name, {.dimension = column.dimension, .metric = column.metric, .model = options_.model});
      if (!added.ok()) {
        if (make_collection) {
          database_.DropCollection(collection_name_).IgnoreError("the first error is the cause");
        }
        return added;
      }
      column.exists = true;
    }
    columns_are_made_ = true;
    return Status::Ok();
  }

  std::string PlaceOf(uint64_t place) const {
    return "'" + path_ + "', " + (is_json_lines_ ? "line " : "row ") + std::to_string(place) + ": ";
  }

  Status Diagnose(const ImportBatch& batch) const {
    size_t at = 0;
    const auto fault = BatchCheck(columns_, batch).Find(&at);
    return fault ? Status::InvalidArgument(PlaceOf(batch.place(at)) + *fault) : Status::Ok();
  }

  // On a writer thread. Columns may be added meanwhile, but by then this batch's are known: they
  // are only looked up again, under the lock, when something was refused.
  Status Commit(const ImportBatch& batch) {
    const auto written = collection_->Write(batch.changes, {.sync = options_.sync});
    if (written.ok()) return Status::Ok();
    if (written.status().code() == StatusCode::kInvalidArgument) {
      const std::scoped_lock lock(columns_mutex_);
      VDB_RETURN_IF_ERROR(Diagnose(batch));
    }
    const uint64_t last = batch.place(batch.changes.change_count() - 1);
    return Prefixed("'" + path_ + "', " + (is_json_lines_ ? "lines " : "rows ") +
                        std::to_string(batch.place(0)) + " to " + std::to_string(last) + ": ",
                    written.status());
  }

  // Hands a batch on; kCancelled if the caller wants no more.
  Status Push(std::unique_ptr<ImportBatch> batch) {
    if (!columns_are_made_ || !collection_) {
      const std::scoped_lock lock(columns_mutex_);
      VDB_RETURN_IF_ERROR(Diagnose(*batch));
      VDB_RETURN_IF_ERROR(MakeMissing());
    }
    if (!pipeline_) {
      pipeline_ = std::make_unique<ImportPipeline>(
          in_order_ ? 1 : 2, [this](const ImportBatch& next) {
            return engine::NoThrow([&] { return Commit(next); });
          });
    }
    if (!pipeline_->Push(std::move(batch))) return Status::Cancelled("a writer failed");
    return ReportProgress();
  }

  Status ReportProgress() {
    if (!options_.progress) return Status::Ok();
    const auto totals = pipeline_ ? pipeline_->totals() : engine::ImportTotals();
    if (options_.progress({"import", totals.file_bytes, total_bytes_})) return Status::Ok();
    is_cancelled_ = true;
    return Status::Cancelled("import of '" + path_ + "' cancelled; run it again to go on");
  }

  // Ends the pipeline. Of the reader's error and the writers' the one of the earlier row counts,
  // and that is the writers'.
  Status Finish(Status status) {
    if (status.ok() && !pipeline_ && !collection_) status = MakeMissing();  // an empty file
    if (pipeline_) {
      while (status.ok() && !pipeline_->WaitIdle(std::chrono::milliseconds(100))) {
        status = ReportProgress();
      }
      const Status written = is_cancelled_ ? pipeline_->Cancel() : pipeline_->Finish();
      VDB_RETURN_IF_ERROR(written);
    }
    VDB_RETURN_IF_ERROR(status);
    if (options_.progress) (void)options_.progress({"import", total_bytes_, total_bytes_});
    return Status::Ok();
  }

  bool IsFull(const ImportBatch& batch) const {
    return batch.changes.change_count() >= options_.batch_rows ||
           batch.changes.size_bytes() >= kBatchBytesGoal;
  }

  Status ImportJsonLines() {
    if (!options_.keys_path.empty()) {
      return Status::InvalidArgument("a keys file goes with .npy and .fvecs; lines of '" + path_ +
                                     "' hold their ids themselves");
    }
    is_json_lines_ = true;
    in_order_ = true;  // of two lines with one id the later one must win
    VDB_ASSIGN_OR_RETURN(const auto file,
                         storage::PosixFileSystem()->Open(path_, storage::OpenMode::kRead));
    VDB_ASSIGN_OR_RETURN(total_bytes_, file->Size());
    LineReader lines(file.get());
    uint64_t batch_begin = 0;
    auto batch = std::make_unique<ImportBatch>();
    std::string_view line;
    while (true) {
      const auto more = lines.Next(&line);
      if (!more.ok()) return Prefixed("'" + path_ + "', ", more.status());
      if (!*more) break;
      if (lines.line_number() == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
      if (IsBlank(line)) continue;
      if (const Status added = AddLine(line, lines.line_number(), batch.get()); !added.ok()) {
        return Prefixed(PlaceOf(lines.line_number()), added);
      }
      if (!IsFull(*batch)) continue;
      batch->file_bytes = lines.offset() - batch_begin;
      batch_begin = lines.offset();
      VDB_RETURN_IF_ERROR(Push(std::move(batch)));
      batch = std::make_unique<ImportBatch>();
    }
    if (batch->changes.change_count() == 0) return Status::Ok();
    batch->file_bytes = total_bytes_ - batch_begin;
    return Push(std::move(batch));
  }

  Status AddLine(std::string_view line, uint64_t number, ImportBatch* batch) {
    VDB_RETURN_IF_ERROR(parser_.Parse(line, &parsed_));
    document_.key = parsed_.id;
    document_.metadata = parsed_.metadata;
    document_.body = parsed_.body;
    document_.vectors.clear();
    for (const auto& vector : parsed_.vectors) {
      VDB_RETURN_IF_ERROR(RequireColumnLocked(vector.column, vector.count));
      document_.vectors.push_back({vector.column, parsed_.values_of(vector)});
    }
    if (batch->places.empty()) batch->first_row = number;
    batch->places.push_back(number);
    batch->changes.Put(document_);
    return Status::Ok();
  }

  Status RequireColumnLocked(std::string_view name, size_t dimension) {
    const auto found = columns_.find(name);  // only this thread changes the map
    if (found != columns_.end() && found->second.dimension == dimension) return Status::Ok();
    const std::scoped_lock lock(columns_mutex_);
    return RequireColumn(name, dimension);
  }

  Status ImportVectors(FileKind kind) {
    VDB_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path_));
    total_bytes_ = file.bytes.size();
    const auto format =
        kind == FileKind::kNpy ? format::VectorFormat::kNpy : format::VectorFormat::kFvecs;
    const auto rows = format::VectorRows::Parse(format, file.bytes);
    if (!rows.ok()) return Prefixed("'" + path_ + "': ", rows.status());
    MappedFile keys_bytes;
    std::optional<format::KeysFile> keys;
    if (!options_.keys_path.empty()) {
      VDB_ASSIGN_OR_RETURN(keys_bytes, MappedFile::Open(options_.keys_path));
      VDB_ASSIGN_OR_RETURN(keys, ReadKeys(keys_bytes.bytes, rows->rows()));
    }
    if (rows->dimension() == 0) return Status::Ok();
    if (const Status column = RequireColumn(options_.column, rows->dimension()); !column.ok()) {
      return Prefixed(PlaceOf(0), column);
    }
    return PushRows(*rows, keys);
  }

  StatusOr<std::optional<format::KeysFile>> ReadKeys(std::string_view text, uint64_t row_count) {
    auto keys = format::KeysFile::Parse(text);
    if (!keys.ok()) return Prefixed("'" + options_.keys_path + "': ", keys.status());
    if (keys->size() != row_count) {
      return Status::InvalidArgument(
          "'" + options_.keys_path + "': expected " + std::to_string(row_count) +
          " keys, one for each row of '" + path_ + "', found " + std::to_string(keys->size()) +
          "; keys with newlines must be written as JSON strings");
    }
    std::unordered_set<std::string_view> seen;
    seen.reserve(keys->size());
    for (size_t i = 0; i < keys->size() && !in_order_; ++i) {
      in_order_ = !seen.insert(keys->key(i)).second;  // the later row of a key must win
    }
    return std::optional<format::KeysFile>(std::move(*keys));
  }

  Status PushRows(const format::VectorRows& rows, const std::optional<format::KeysFile>& keys) {
    std::vector<float> scratch;
    auto batch = std::make_unique<ImportBatch>();
    document_.vectors.resize(1);
    document_.vectors[0].column = options_.column;
    for (uint64_t row = 0; row < rows.rows(); ++row) {
      const auto values = rows.Row(row, &scratch);
      if (!values.ok()) return Prefixed(PlaceOf(row), values.status());
      const std::string number = keys ? std::string() : std::to_string(row);
      document_.key = keys ? keys->key(row) : std::string_view(number);
      document_.vectors[0].values = *values;
      batch->changes.Put(document_);
      if (!IsFull(*batch) && row + 1 < rows.rows()) continue;
      const uint64_t count = batch->changes.change_count();
      batch->file_bytes = total_bytes_ / rows.rows() * count;
      VDB_RETURN_IF_ERROR(Push(std::move(batch)));
      batch = std::make_unique<ImportBatch>();
      batch->first_row = row + 1;
    }
    return Status::Ok();
  }

  Database& database_;
  const std::string& collection_name_;
  const std::string& path_;
  const ImportOptions& options_;

  std::optional<Collection> collection_;
  std::mutex columns_mutex_;        // writers read columns_ for a diagnosis
  Columns columns_;
  bool columns_are_made_ = true;
  bool is_json_lines_ = false;
  bool in_order_ = false;
  bool is_cancelled_ = false;
  uint64_t total_bytes_ = 0;

  format::JsonlParser parser_;
  format::JsonlDocument parsed_;
  DocumentView document_;
  std::unique_ptr<ImportPipeline> pipeline_;  // last: its threads use the rest
};

StatusOr<VectorFile> CopyRows(const format::VectorRows& rows) {
  VectorFile file;
  file.row_count = rows.rows();
  file.dimension = rows.dimension();
  file.values.reserve(rows.rows() * rows.dimension());
  std::vector<float> scratch;
  for (uint64_t i = 0; i < rows.rows(); ++i) {
    const auto row = rows.Row(i, &scratch);
    if (!row.ok()) return Prefixed("row " + std::to_string(i) + ": ", row.status());
    file.values.insert(file.values.end(), row->begin(), row->end());
  }
  return file;
}

Status ParseLine(std::string_view line, VectorFile* file) {
  format::JsonReader reader(line, 1);
  const size_t before = file->values.size();
  format::ReadFloats(&reader, &file->values);
  reader.Finish();
  VDB_RETURN_IF_ERROR(reader.status());
  const size_t dimension = file->values.size() - before;
  if (file->row_count++ == 0) file->dimension = dimension;
  if (dimension >= 1 && dimension == file->dimension) return Status::Ok();
  return Status::InvalidArgument(
      "expected " + (dimension == 0 ? "at least one" : std::to_string(file->dimension)) +
      " numbers, found " + std::to_string(dimension));
}

StatusOr<VectorFile> ParseLines(std::string_view text) {
  VectorFile file;
  uint64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (IsBlank(line)) continue;
    if (const Status status = ParseLine(line, &file); !status.ok()) {
      return Prefixed("line " + std::to_string(number) + ": ", status);
    }
  }
  return file;
}

StatusOr<VectorFile> ReadVectors(const std::string& path) {
  const FileKind kind = KindOf(path);
  if (kind == FileKind::kUnknown) return UnknownKind(path);
  VDB_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  if (file.bytes.size() > kQueryFileBytesMax) {
    return Status::ResourceExhausted("'" + path + "': expected at most " +
                                     std::to_string(kQueryFileBytesMax) + " bytes, found " +
                                     std::to_string(file.bytes.size()));
  }
  StatusOr<VectorFile> vectors = VectorFile();
  if (kind == FileKind::kJsonLines) {
    vectors = ParseLines(file.bytes);
  } else {
    const auto rows = format::VectorRows::Parse(
        kind == FileKind::kNpy ? format::VectorFormat::kNpy : format::VectorFormat::kFvecs,
        file.bytes);
    vectors = rows.ok() ? CopyRows(*rows) : StatusOr<VectorFile>(rows.status());
  }
  if (!vectors.ok()) return Prefixed("'" + path + "': ", vectors.status());
  return vectors;
}

}  // namespace

StatusOr<ImportReport> ImportFile(Database& database, const std::string& collection,
                                  const std::string& path, const ImportOptions& options) {
  return engine::NoThrow([&] { return Importer(database, collection, path, options).Run(); });
}

StatusOr<VectorFile> ReadVectorFile(const std::string& path) {
  return engine::NoThrow([&] { return ReadVectors(path); });
}

StatusOr<VectorFile> ParseVectorLines(std::string_view text) {
  return engine::NoThrow([&] { return ParseLines(text); });
}

}  // namespace vdb
