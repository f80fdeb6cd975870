// Import: the source's chunks go through an ImportPipeline to an ImportCommitter.
#include "vdb/import.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>
#include <thread>

#include "engine/import_commit.h"
#include "engine/import_pipeline.h"
#include "engine/import_run.h"
#include "engine/import_source.h"
#include "engine/no_throw.h"
#include "format/status_macros.h"

namespace vdb {
namespace engine {
namespace {

constexpr size_t kWorkersMax = 8;

struct Ending {
  std::string_view text;
  ImportFormat format;
};
constexpr Ending kEndings[] = {
    {"jsonl", ImportFormat::kJsonLines}, {"ndjson", ImportFormat::kJsonLines},
    {"json", ImportFormat::kJson},       {"ajson", ImportFormat::kJson},
    {"h5", ImportFormat::kHdf5},         {"hdf5", ImportFormat::kHdf5},
    {"csv", ImportFormat::kCsv},         {"tsv", ImportFormat::kCsv},
    {"npy", ImportFormat::kNpy},         {"fvecs", ImportFormat::kFvecs},
    {"ivecs", ImportFormat::kIvecs},     {"bvecs", ImportFormat::kBvecs},
};

StatusOr<ImportFormat> FormatOf(const std::string& path, ImportFormat asked) {
  if (asked != ImportFormat::kAuto) return asked;
  const size_t dot = path.find_last_of("./");
  std::string ending = dot == std::string::npos || path[dot] == '/' ? "" : path.substr(dot + 1);
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string known;
  for (const Ending& one : kEndings) {
    if (ending == one.text) return one.format;
    known += (known.empty() ? "." : " .") + std::string(one.text);
  }
  return Status::InvalidArgument("'" + path + "': expected a name that ends in one of " + known +
                                 ", or a format");
}

ChunkLimits LimitsOf(const ImportOptions& options) {
  ChunkLimits limits;
  limits.rows = options.batch_rows;
  return limits;
}

StatusOr<std::unique_ptr<ImportSource>> OpenSource(std::unique_ptr<ImportInput> input,
                                                   ImportFormat format,
                                                   const ImportOptions& options) {
  const ChunkLimits limits = LimitsOf(options);
  switch (format) {
    case ImportFormat::kJsonLines: return NewLinesSource(std::move(input), options, limits);
    case ImportFormat::kCsv: return NewCsvSource(std::move(input), options, limits);
    default: return NewRowsSource(std::move(input), format, options, limits);
  }
}

// JSON lines that are no documents of ours are read by shape, unless told otherwise.
StatusOr<bool> IsReadByShape(ImportInput* input, const ImportOptions& options) {
  if (options.format != ImportFormat::kAuto) return false;
  if (!options.key_field.empty() || !options.vector_field.empty()) return true;
  VDB_ASSIGN_OR_RETURN(const bool documents, LooksLikeDocuments(input));
  return !documents;
}

StatusOr<std::unique_ptr<ImportSource>> OpenFileSource(const std::string& path,
                                                       const storage::FileInfo& info,
                                                       const ImportOptions& options) {
  VDB_ASSIGN_OR_RETURN(ImportFormat format, FormatOf(path, options.format));
  VDB_ASSIGN_OR_RETURN(auto input, ImportInput::OpenFile(path));
  if (format == ImportFormat::kJsonLines) {
    VDB_ASSIGN_OR_RETURN(const bool by_shape, IsReadByShape(input.get(), options));
    if (by_shape) format = ImportFormat::kJson;
  }
  const ChunkLimits limits = LimitsOf(options);
  if (format == ImportFormat::kJson) return NewJsonSource(path, options, limits);
  if (format == ImportFormat::kHdf5) return NewHdf5Source(path, info.size_bytes, options, limits);
  return OpenSource(std::move(input), format, options);
}

size_t WorkerCount(const ImportOptions& options) {
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  // Two at least: one converts while the other commits.
  const size_t wanted = options.thread_count > 0 ? options.thread_count : cores;
  return std::clamp<size_t>(wanted, 2, kWorkersMax);
}

class Importer {
 public:
  Importer(const std::string& name, const ImportOptions& options, ImportSource* source,
           ImportCommitter* committer)
      : name_(name), options_(options), source_(source), committer_(committer) {}

  StatusOr<ImportReport> Run() {
    VDB_RETURN_IF_ERROR(committer_->Open(source_));
    pipeline_ = std::make_unique<ImportPipeline>(
        WorkerCount(options_),
        [this](const ImportChunk& chunk, ImportBatch* batch) {
          return NoThrow([&] { return source_->Convert(chunk, batch); });
        },
        [this](ImportBatch& batch, ImportPipeline::Turn& turn) {
          return NoThrow([&] { return committer_->Commit(batch, turn); });
        });
    VDB_RETURN_IF_ERROR(End(ReadAll()));
    VDB_RETURN_IF_ERROR(committer_->Finish());
    ImportReport report;
    report.bytes_read = total_bytes();
    report.taken = source_->taken();
    committer_->Describe(&report);
    if (options_.progress) (void)options_.progress({"import", total_bytes(), total_bytes()});
    return report;
  }

 private:
  uint64_t total_bytes() const {
    return source_->total_bytes() > 0 ? source_->total_bytes() : committer_->totals().file_bytes;
  }

  Status ReadAll() {
    while (true) {
      auto chunk = pipeline_->NewChunk();
      VDB_ASSIGN_OR_RETURN(const bool more, source_->Next(chunk.get()));
      if (!more) return Status::Ok();
      if (!pipeline_->Push(std::move(chunk))) return Status::Cancelled("a worker failed");
      VDB_RETURN_IF_ERROR(ReportProgress());
    }
  }

  Status ReportProgress() {
    if (!options_.progress) return Status::Ok();
    const uint64_t done = committer_->totals().file_bytes;
    if (options_.progress({"import", done, source_->total_bytes()})) return Status::Ok();
    is_cancelled_ = true;
    return Status::Cancelled("import of '" + name_ + "' cancelled; resume it to go on");
  }

  // Of the reader's error and the workers' the one of the earlier row counts: the workers'.
  Status End(Status status) {
    while (status.ok() && !pipeline_->WaitIdle(std::chrono::milliseconds(100))) {
      status = ReportProgress();
    }
    VDB_RETURN_IF_ERROR(is_cancelled_ ? pipeline_->Cancel() : pipeline_->Finish());
    return status;
  }

  const std::string& name_;
  const ImportOptions& options_;
  ImportSource* source_;
  ImportCommitter* committer_;
  bool is_cancelled_ = false;
  std::unique_ptr<ImportPipeline> pipeline_;  // last: its threads use the rest
};

Status CheckOptions(const ImportOptions& options) {
  if (options.batch_rows == 0) {
    return Status::InvalidArgument("batch_rows: expected at least 1, found 0");
  }
  if (!options.quarantine_path.empty() && !options.skip_bad) {
    return Status::InvalidArgument("a quarantine file goes with skip_bad");
  }
  return Status::Ok();
}

}  // namespace

StatusOr<ImportReport> RunImport(Database& database, const std::string& collection,
                                 const std::string& name, ImportSource* source,
                                 const ImportOptions& options,
                                 const std::optional<storage::FileInfo>& info) {
  VDB_RETURN_IF_ERROR(CheckOptions(options));
  ImportCommitter committer(database, collection, name, options, info);
  return Importer(name, options, source, &committer).Run();
}

StatusOr<ImportReport> ImportPath(Database& database, const std::string& collection,
                                  const std::string& path, const ImportOptions& options) {
  VDB_RETURN_IF_ERROR(FormatOf(path, options.format).status());
  VDB_ASSIGN_OR_RETURN(const storage::FileInfo info, storage::PosixFileSystem()->Stat(path));
  VDB_ASSIGN_OR_RETURN(const auto source, OpenFileSource(path, info, options));
  return RunImport(database, collection, path, source.get(), options, info);
}

namespace {

StatusOr<ImportReport> ImportBytes(Database& database, const std::string& collection,
                                   const ReadCallback& read, const std::string& name,
                                   const ImportOptions& options) {
  switch (options.format) {
    case ImportFormat::kJsonLines:
    case ImportFormat::kCsv:
    case ImportFormat::kFvecs:
    case ImportFormat::kIvecs:
    case ImportFormat::kBvecs: break;
    default:
      return Status::InvalidArgument("'" + name +
                                     "': expected a format that can be read as a stream: JSON "
                                     "lines, CSV, .fvecs, .ivecs or .bvecs");
  }
  VDB_ASSIGN_OR_RETURN(const auto source, OpenSource(ImportInput::FromStream(read, name),
                                                     options.format, options));
  return RunImport(database, collection, name, source.get(), options, std::nullopt);
}

}  // namespace
}  // namespace engine

StatusOr<ImportReport> ImportFile(Database& database, const std::string& collection,
                                  const std::string& path, const ImportOptions& options) {
  return engine::NoThrow([&] { return engine::ImportPath(database, collection, path, options); });
}

StatusOr<ImportReport> ImportStream(Database& database, const std::string& collection,
                                    const ReadCallback& read, const std::string& name,
                                    const ImportOptions& options) {
  return engine::NoThrow(
      [&] { return engine::ImportBytes(database, collection, read, name, options); });
}

}  // namespace vdb
