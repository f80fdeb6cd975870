// Export: the documents of one snapshot in the order of their keys, as text or as vectors.
#include "vdb/export.h"

#include <bit>
#include <cctype>
#include <optional>
#include <utility>

#include "engine/export_file.h"
#include "engine/export_header.h"
#include "engine/no_throw.h"
#include "format/byte_io.h"
#include "format/file_names.h"
#include "format/json_number.h"
#include "format/metadata.h"
#include "format/segment_layout.h"
#include "format/status_macros.h"
#include "query/filter_tree.h"
#include "vdb/json_text.h"

namespace vdb {
namespace engine {
namespace {

constexpr uint64_t kProgressEvery = 1024;  // documents

std::string Quoted(std::string_view key) {
  std::string text;
  AppendJsonString(&text, key.substr(0, 100));
  return text;
}

void AppendNumbers(const std::vector<float>& values, std::string* out) {
  *out += "[";
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) *out += ", ";
    AppendJsonFloat(out, values[i]);
  }
  *out += "]";
}

Status Overflows(const Document& document, const std::string& column) {
  return Status::InvalidArgument("key " + Quoted(document.key) + ": its vector in column '" +
                                 column + "' has numbers that float32 cannot hold (norm " +
                                 std::to_string(document.vectors.front().stored.norm) +
                                 "); export JSON lines, which keep unit and norm");
}

Status AppendVector(const Document& document, const DocumentVector& vector, bool plain,
                    std::string* out) {
  AppendJsonString(out, vector.column);
  *out += ": ";
  if (plain) {
    if (vector.values.empty()) return Overflows(document, vector.column);
    AppendNumbers(vector.values, out);
    return Status::Ok();
  }
  *out += "{\"unit\": ";
  AppendNumbers(vector.stored.unit, out);
  *out += ", \"norm\": ";
  format::AppendJsonDouble(out, vector.stored.norm);
  *out += "}";
  return Status::Ok();
}

// A line without vectors if `vectors` is false.
Status AppendDocument(const Document& document, bool vectors, bool plain, std::string* out) {
  *out += "{\"id\": ";
  AppendJsonString(out, document.key);
  if (document.metadata != "{}") *out += ", \"metadata\": " + document.metadata;
  if (document.body) {
    *out += ", \"body\": ";
    AppendJsonString(out, *document.body);
  }
  if (vectors && !document.vectors.empty()) {
    *out += ", \"vectors\": {";
    for (size_t i = 0; i < document.vectors.size(); ++i) {
      if (i > 0) *out += ", ";
      VDB_RETURN_IF_ERROR(AppendVector(document, document.vectors[i], plain, out));
    }
    *out += "}";
  }
  *out += "}\n";
  return Status::Ok();
}

// The documents of a collection as of a snapshot that match a filter.
class Walk {
 public:
  Walk(const Database& database, const std::string& collection, const ExportOptions& options)
      : database_(database), name_(collection), options_(options) {}

  Status Open() {
    VDB_RETURN_IF_ERROR(options_.filter.status());
    if (options_.snapshot != nullptr) {
      snapshot_.emplace(*options_.snapshot);
    } else {
      VDB_ASSIGN_OR_RETURN(Snapshot now, database_.GetSnapshot());
      snapshot_.emplace(std::move(now));
    }
    VDB_ASSIGN_OR_RETURN(Collection opened, database_.OpenCollection(name_));
    VDB_ASSIGN_OR_RETURN(stats_, opened.Stats({&*snapshot_}));
    collection_.emplace(std::move(opened));
    return Status::Ok();
  }

  const CollectionStats& stats() const { return stats_; }

  /// Calls `use(document)` for each.
  template <typename Use>
  Status ForEach(const Use& use) {
    VDB_ASSIGN_OR_RETURN(auto it, collection_->NewIterator({&*snapshot_}));
    const query::FilterNode* filter = options_.filter.root().get();
    uint64_t seen = 0;
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      if (++seen % kProgressEvery == 0) VDB_RETURN_IF_ERROR(Report(seen));
      if (filter != nullptr) {
        VDB_ASSIGN_OR_RETURN(const bool matches, Matches(*filter, it));
        if (!matches) continue;
      }
      VDB_ASSIGN_OR_RETURN(const Document document, it.document());
      VDB_RETURN_IF_ERROR(use(document));
    }
    VDB_RETURN_IF_ERROR(it.status());
    return Report(seen);
  }

 private:
  static StatusOr<bool> Matches(const query::FilterNode& filter, const DocumentIterator& it) {
    VDB_ASSIGN_OR_RETURN(const Document document, it.document({true, false, false}));
    VDB_ASSIGN_OR_RETURN(const std::string metadata, format::MetadataFromJson(document.metadata));
    return query::Matches(filter, document.key, metadata);
  }

  Status Report(uint64_t seen) const {
    if (!options_.progress || options_.progress({"export", seen, stats_.document_count})) {
      return Status::Ok();
    }
    return Status::Cancelled("export of collection '" + name_ + "' cancelled");
  }

  const Database& database_;
  const std::string& name_;
  const ExportOptions& options_;
  std::optional<Snapshot> snapshot_;
  std::optional<Collection> collection_;
  CollectionStats stats_;
};

Status WriteLines(Walk* walk, const ExportOptions& options, ExportSink* sink,
                  ExportReport* report) {
  if (!options.plain_vectors) {
    ExportHeader header;
    header.collection = walk->stats().name;
    for (const ColumnStats& column : walk->stats().columns) header.columns.push_back(column.info);
    header.field_indexes = walk->stats().field_indexes;
    VDB_RETURN_IF_ERROR(sink->Append(ExportHeaderLine(header) + "\n"));
  }
  std::string line;
  return walk->ForEach([&](const Document& document) -> Status {
    line.clear();
    VDB_RETURN_IF_ERROR(AppendDocument(document, /*vectors=*/true, options.plain_vectors, &line));
    ++report->document_count;
    return sink->Append(line);
  });
}

// Columns of a file of vectors; `keys` and `metadata` may be null.
class VectorExport {
 public:
  VectorExport(Walk* walk, const ExportOptions& options) : walk_(walk), options_(options) {}

  Status FindColumn() {
    for (const ColumnStats& column : walk_->stats().columns) {
      const bool chosen = options_.column.empty() ? column.info.is_default
                                                  : column.info.name == options_.column;
      if (chosen) column_ = column.info;
    }
    if (column_) return Status::Ok();
    return Status::NotFound("collection '" + walk_->stats().name + "' has no column '" +
                            options_.column + "' to export");
  }
  uint32_t dimension() const { return column_->dimension; }

  Status Write(bool prefixes, ExportSink* rows, ExportSink* keys, ExportSink* metadata,
               ExportReport* report) const {
    std::string bytes;
    return walk_->ForEach([&](const Document& document) -> Status {
      const DocumentVector* vector = VectorOf(document);
      if (vector == nullptr) {
        ++report->left_out_count;
        return Status::Ok();
      }
      if (vector->values.empty()) return Overflows(document, column_->name);
      bytes.clear();
      if (prefixes) format::AppendU32(&bytes, column_->dimension);
      for (const float value : vector->values) {
        format::AppendU32(&bytes, std::bit_cast<uint32_t>(value));
      }
      VDB_RETURN_IF_ERROR(rows->Append(bytes));
      ++report->document_count;
      if (keys == nullptr) return Status::Ok();
      bytes.clear();
      AppendJsonString(&bytes, document.key);
      VDB_RETURN_IF_ERROR(keys->Append(bytes + "\n"));
      bytes.clear();
      VDB_RETURN_IF_ERROR(AppendDocument(document, /*vectors=*/false, false, &bytes));
      return metadata->Append(bytes);
    });
  }

 private:
  const DocumentVector* VectorOf(const Document& document) const {
    for (const DocumentVector& vector : document.vectors) {
      if (vector.column == column_->name) return &vector;
    }
    return nullptr;
  }

  Walk* walk_;
  const ExportOptions& options_;
  std::optional<ColumnInfo> column_;
};

// All are whole on disk before the first gets its name; the one that was asked for is the last.
Status PublishAll(const std::vector<ExportOutput*>& outputs, ExportReport* report) {
  for (ExportOutput* output : outputs) VDB_RETURN_IF_ERROR(output->Sync());
  for (ExportOutput* output : outputs) {
    VDB_RETURN_IF_ERROR(output->Publish());
    report->bytes_written += output->bytes();
    report->files.push_back(output->path());
  }
  return storage::PosixFileSystem()->SyncDir(ParentOf(outputs.front()->path()));
}

StatusOr<ExportReport> ExportLines(Walk* walk, const std::string& path,
                                   const ExportOptions& options) {
  ExportReport report;
  VDB_ASSIGN_OR_RETURN(const auto output, ExportOutput::Create(path));
  VDB_RETURN_IF_ERROR(WriteLines(walk, options, output.get(), &report));
  VDB_RETURN_IF_ERROR(PublishAll({output.get()}, &report));
  return report;
}

StatusOr<ExportReport> ExportVectors(Walk* walk, const std::string& path, bool npy,
                                     const ExportOptions& options) {
  VectorExport vectors(walk, options);
  VDB_RETURN_IF_ERROR(vectors.FindColumn());
  const size_t dot = path.find_last_of("./");
  const bool has_ending = dot != std::string::npos && path[dot] == '.';
  const std::string base = has_ending ? path.substr(0, dot) : path;
  ExportReport report;
  VDB_ASSIGN_OR_RETURN(const auto rows, ExportOutput::Create(path));
  VDB_ASSIGN_OR_RETURN(const auto keys, ExportOutput::Create(base + ".keys"));
  VDB_ASSIGN_OR_RETURN(const auto metadata, ExportOutput::Create(base + ".metadata.jsonl"));
  // The header is written again once the number of rows is known: it has a fixed size.
  if (npy) VDB_RETURN_IF_ERROR(rows->Append(format::EncodeNpyPage(0, vectors.dimension())));
  VDB_RETURN_IF_ERROR(
      vectors.Write(/*prefixes=*/!npy, rows.get(), keys.get(), metadata.get(), &report));
  if (npy) {
    VDB_RETURN_IF_ERROR(
        rows->Patch(format::EncodeNpyPage(report.document_count, vectors.dimension())));
  }
  VDB_RETURN_IF_ERROR(PublishAll({keys.get(), metadata.get(), rows.get()}, &report));
  return report;
}

StatusOr<ExportFormat> FormatOf(const std::string& path, ExportFormat asked) {
  if (asked != ExportFormat::kAuto) return asked;
  const size_t dot = path.find_last_of("./");
  std::string ending = dot == std::string::npos || path[dot] == '/' ? "" : path.substr(dot + 1);
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (ending == "jsonl" || ending == "ndjson") return ExportFormat::kJsonLines;
  if (ending == "npy") return ExportFormat::kNpy;
  if (ending == "fvecs") return ExportFormat::kFvecs;
  return Status::InvalidArgument("'" + path + "': expected a name that ends in .jsonl, .ndjson, "
                                 ".npy or .fvecs, or a format");
}

StatusOr<ExportReport> ExportPath(const Database& database, const std::string& collection,
                                  const std::string& path, const ExportOptions& options) {
  VDB_ASSIGN_OR_RETURN(const ExportFormat format, FormatOf(path, options.format));
  Walk walk(database, collection, options);
  VDB_RETURN_IF_ERROR(walk.Open());
  if (format == ExportFormat::kJsonLines) return ExportLines(&walk, path, options);
  return ExportVectors(&walk, path, format == ExportFormat::kNpy, options);
}

StatusOr<ExportReport> ExportBytes(const Database& database, const std::string& collection,
                                   const WriteCallback& write, const ExportOptions& options) {
  if (options.format == ExportFormat::kNpy) {
    return Status::InvalidArgument("a .npy file begins with its number of rows, which a stream "
                                   "cannot; export JSON lines or .fvecs, or to a file");
  }
  Walk walk(database, collection, options);
  VDB_RETURN_IF_ERROR(walk.Open());
  ExportReport report;
  ExportStreamSink sink(write);
  if (options.format == ExportFormat::kFvecs) {
    VectorExport vectors(&walk, options);
    VDB_RETURN_IF_ERROR(vectors.FindColumn());
    VDB_RETURN_IF_ERROR(vectors.Write(/*prefixes=*/true, &sink, nullptr, nullptr, &report));
  } else {
    VDB_RETURN_IF_ERROR(WriteLines(&walk, options, &sink, &report));
  }
  report.bytes_written = sink.bytes();
  return report;
}

// A directory that is renamed to its place when it is whole; else removed.
class DirectoryOutput {
 public:
  explicit DirectoryOutput(const std::string& path) : path_(path) {}
  ~DirectoryOutput() {
    if (temporary_.empty()) return;
    storage::FileSystem& fs = *storage::PosixFileSystem();
    const auto names = fs.List(temporary_);
    for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
      fs.Remove(format::JoinPath(temporary_, name)).IgnoreError("nothing refers to it");
    }
    fs.RemoveDir(temporary_).IgnoreError("nothing refers to it");
  }

  Status Create() {
    storage::FileSystem& fs = *storage::PosixFileSystem();
    VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(path_));
    if (there) {
      VDB_ASSIGN_OR_RETURN(const auto names, fs.List(path_));
      if (!names.empty()) {
        return Status::AlreadyExists("'" + path_ + "' is there and not empty; export into a "
                                     "directory that is not there yet");
      }
    }
    VDB_RETURN_IF_ERROR(fs.CreateDir(ExportTemporary(path_)));
    temporary_ = ExportTemporary(path_);
    return Status::Ok();
  }
  std::string PathOf(const std::string& name) const { return format::JoinPath(temporary_, name); }
  Status Publish() {
    storage::FileSystem& fs = *storage::PosixFileSystem();
    VDB_RETURN_IF_ERROR(fs.SyncDir(temporary_));
    VDB_RETURN_IF_ERROR(fs.Rename(temporary_, path_));
    temporary_.clear();
    return fs.SyncDir(ParentOf(path_));
  }

 private:
  const std::string& path_;
  std::string temporary_;
};

StatusOr<ExportReport> ExportAll(const Database& database, const std::string& directory,
                                 const ExportOptions& given) {
  if (given.format != ExportFormat::kAuto && given.format != ExportFormat::kJsonLines) {
    return Status::InvalidArgument("a whole database is exported as JSON lines only");
  }
  VDB_ASSIGN_OR_RETURN(Snapshot snapshot, database.GetSnapshot());
  ExportOptions options = given;
  if (options.snapshot == nullptr) options.snapshot = &snapshot;
  VDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, database.ListCollections());
  DirectoryOutput output(directory);
  VDB_RETURN_IF_ERROR(output.Create());
  ExportReport all;
  std::string index = "{\"vdb_export\": 1, \"collections\": [";
  for (size_t i = 0; i < names.size(); ++i) {
    char file[48];
    std::snprintf(file, sizeof(file), "collection-%05zu.jsonl", i + 1);
    Walk walk(database, names[i], options);
    const Status opened = walk.Open();
    if (opened.code() == StatusCode::kNotFound) continue;  // younger than the snapshot, or dropped
    VDB_RETURN_IF_ERROR(opened);
    VDB_ASSIGN_OR_RETURN(const auto one, ExportLines(&walk, output.PathOf(file), options));
    all.document_count += one.document_count;
    all.bytes_written += one.bytes_written;
    all.files.push_back(format::JoinPath(directory, file));
    index += all.files.size() > 1 ? ",\n  {\"name\": " : "\n  {\"name\": ";
    AppendJsonString(&index, names[i]);
    index += ", \"file\": \"" + std::string(file) +
             "\", \"documents\": " + std::to_string(one.document_count) + "}";
  }
  index += "\n]}\n";
  VDB_ASSIGN_OR_RETURN(const auto file, ExportOutput::Create(output.PathOf(kExportIndexName)));
  VDB_RETURN_IF_ERROR(file->Append(index));
  ExportReport ignored;
  VDB_RETURN_IF_ERROR(PublishAll({file.get()}, &ignored));
  all.bytes_written += ignored.bytes_written;
  all.files.push_back(format::JoinPath(directory, kExportIndexName));
  VDB_RETURN_IF_ERROR(output.Publish());
  return all;
}

}  // namespace
}  // namespace engine

StatusOr<ExportReport> ExportFile(const Database& database, const std::string& collection,
                                  const std::string& path, const ExportOptions& options) {
  return engine::NoThrow([&] { return engine::ExportPath(database, collection, path, options); });
}

StatusOr<ExportReport> ExportStream(const Database& database, const std::string& collection,
                                    const WriteCallback& write, const ExportOptions& options) {
  return engine::NoThrow([&] { return engine::ExportBytes(database, collection, write, options); });
}

StatusOr<ExportReport> ExportDatabase(const Database& database, const std::string& directory,
                                      const ExportOptions& options) {
  return engine::NoThrow([&] { return engine::ExportAll(database, directory, options); });
}

}  // namespace vdb
