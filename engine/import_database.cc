// Import of a whole database: of another database's documents as they stand, or of an exported
// directory's files.
#include <utility>

#include "engine/export_header.h"
#include "engine/import_input.h"
#include "engine/import_run.h"
#include "engine/no_throw.h"
#include "format/file_names.h"
#include "format/json_reader.h"
#include "format/status_macros.h"

namespace vdb {
namespace engine {
namespace {

constexpr uint64_t kIndexBytesMax = 256u << 20;

uint64_t BytesOf(const Document& document) {
  uint64_t bytes = document.key.size() + document.metadata.size();
  if (document.body) bytes += document.body->size();
  for (const DocumentVector& vector : document.vectors) {
    bytes += vector.stored.unit.size() * sizeof(float);
  }
  return bytes;
}

// The documents of a collection of another database.
class DocumentsSource final : public ImportSource {
 public:
  DocumentsSource(DocumentIterator it, std::vector<ColumnInfo> columns, const ChunkLimits& limits)
      : it_(std::move(it)), limits_(limits) {
    declared_ = std::move(columns);
    it_.SeekToFirst();
  }

  StatusOr<bool> Next(ImportChunk* chunk) override {
    chunk->begin = {0, place_, place_};
    for (; it_.Valid() && chunk->row_count < limits_.rows; it_.Next()) {
      if (chunk->file_bytes >= limits_.vector_bytes) break;
      VDB_ASSIGN_OR_RETURN(Document document, it_.document());
      chunk->file_bytes += BytesOf(document);
      chunk->documents.push_back(std::move(document));
      ++chunk->row_count;
    }
    VDB_RETURN_IF_ERROR(it_.status());
    place_ += chunk->row_count;
    chunk->end = {0, place_, place_};
    return chunk->row_count > 0;
  }

  Status Convert(const ImportChunk& chunk, ImportBatch* batch) const override {
    DocumentView view;
    for (size_t i = 0; i < chunk.documents.size(); ++i) {
      const Document& document = chunk.documents[i];
      view.key = document.key;
      view.metadata = document.metadata;
      view.body = document.body;
      view.vectors.clear();
      for (const DocumentVector& vector : document.vectors) {
        view.vectors.push_back({vector.column, vector.stored.unit, vector.stored.norm});
      }
      batch->Put(view, chunk.begin.place + i);
    }
    return Status::Ok();
  }

  Status Resume(const ImportPosition&) override {
    return Status::FailedPrecondition("documents of a database have no places");
  }
  uint64_t total_bytes() const override { return 0; }
  std::string_view place_word() const override { return "document"; }

 private:
  DocumentIterator it_;
  const ChunkLimits limits_;
  uint64_t place_ = 0;
};

void Add(const ImportReport& one, ImportReport* all) {
  all->document_count += one.document_count;
  all->batch_count += one.batch_count;
  all->bytes_read += one.bytes_read;
  all->rejected_count += one.rejected_count;
  all->skipped_count += one.skipped_count;
  all->resumed_count += one.resumed_count;
  all->collection_is_new |= one.collection_is_new;
  all->new_columns.insert(all->new_columns.end(), one.new_columns.begin(), one.new_columns.end());
}

// Indexes that the source declares and that are not there are built.
Status AddFieldIndexes(Database& database, const std::string& name,
                       const std::vector<FieldIndexInfo>& wanted, const ImportOptions& options) {
  if (options.dry_run || wanted.empty()) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(Collection collection, database.OpenCollection(name));
  for (const FieldIndexInfo& index : wanted) {
    const auto added = collection.AddFieldIndex({index.field, index.kind, options.progress});
    if (added.status().code() == StatusCode::kAlreadyExists) continue;
    VDB_RETURN_IF_ERROR(added.status());
  }
  return Status::Ok();
}

StatusOr<ImportReport> ImportFromDatabase(Database& database, const std::string& source_path,
                                          const ImportOptions& options) {
  ImportReport all;
  VDB_ASSIGN_OR_RETURN(Database source, Database::Open(source_path, {.read_only = true}));
  VDB_ASSIGN_OR_RETURN(const Snapshot snapshot, source.GetSnapshot());
  VDB_ASSIGN_OR_RETURN(const auto names, source.ListCollections());
  for (const std::string& name : names) {
    VDB_ASSIGN_OR_RETURN(const Collection from, source.OpenCollection(name));
    VDB_ASSIGN_OR_RETURN(const CollectionStats stats, from.Stats({&snapshot}));
    std::vector<ColumnInfo> columns;
    for (const ColumnStats& column : stats.columns) columns.push_back(column.info);
    ChunkLimits limits;
    limits.rows = options.batch_rows;
    VDB_ASSIGN_OR_RETURN(DocumentIterator it, from.NewIterator({&snapshot}));
    DocumentsSource documents(std::move(it), std::move(columns), limits);
    VDB_ASSIGN_OR_RETURN(const auto one, RunImport(database, name, source_path + "', collection '" +
                                                       name, &documents, options, std::nullopt));
    Add(one, &all);
    VDB_RETURN_IF_ERROR(AddFieldIndexes(database, name, stats.field_indexes, options));
  }
  return all;
}

struct ExportedFile {
  std::string collection, file;
};

StatusOr<std::vector<ExportedFile>> ReadIndex(const std::string& path) {
  VDB_ASSIGN_OR_RETURN(const std::string text,
                       storage::ReadWholeFile(*storage::PosixFileSystem(), path, kIndexBytesMax));
  format::JsonReader reader(text, 4);
  std::vector<ExportedFile> files;
  std::string scratch, field;
  std::string_view name, value;
  if (reader.EnterObject()) {
    while (reader.NextField(&scratch, &name)) {
      if (name != "collections") {
        if (!reader.SkipValue()) break;
        continue;
      }
      if (!reader.EnterArray()) break;
      while (reader.NextElement() && reader.EnterObject()) {
        ExportedFile one;
        while (reader.NextField(&scratch, &name)) {
          std::string* into = nullptr;
          if (name == "name") into = &one.collection;
          if (name == "file") into = &one.file;
          if (into == nullptr ? !reader.SkipValue() : !reader.ReadString(&field, &value)) break;
          if (into != nullptr) *into = value;
        }
        files.push_back(std::move(one));
      }
    }
  }
  if (!reader.Finish()) {
    return Status(reader.status().code(), "'" + path + "': " + reader.status().message());
  }
  for (const ExportedFile& one : files) {
    // A name, not a path: an index must not lead out of its directory.
    if (!one.file.empty() && one.file.find('/') == std::string::npos) continue;
    return Status::InvalidArgument("'" + path + "': collection '" + one.collection +
                                   "': expected the name of a file beside it, found '" + one.file +
                                   "'");
  }
  return files;
}

StatusOr<std::vector<FieldIndexInfo>> FieldIndexesOf(const std::string& path) {
  VDB_ASSIGN_OR_RETURN(const auto input, ImportInput::OpenFile(path));
  VDB_ASSIGN_OR_RETURN(const std::string line, ReadExportHeaderLine(input.get()));
  if (line.empty()) return std::vector<FieldIndexInfo>();
  VDB_ASSIGN_OR_RETURN(ExportHeader header, ParseExportHeader(line));
  return std::move(header.field_indexes);
}

StatusOr<ImportReport> ImportFromExport(Database& database, const std::string& directory,
                                        const ImportOptions& given) {
  VDB_ASSIGN_OR_RETURN(const auto files,
                       ReadIndex(format::JoinPath(directory, kExportIndexName)));
  ImportOptions options = given;
  options.format = ImportFormat::kJsonLines;
  ImportReport all;
  for (const ExportedFile& one : files) {
    const std::string path = format::JoinPath(directory, one.file);
    VDB_ASSIGN_OR_RETURN(const auto indexes, FieldIndexesOf(path));
    VDB_ASSIGN_OR_RETURN(const auto report, ImportPath(database, one.collection, path, options));
    Add(report, &all);
    VDB_RETURN_IF_ERROR(AddFieldIndexes(database, one.collection, indexes, options));
  }
  return all;
}

}  // namespace
}  // namespace engine

StatusOr<ImportReport> ImportDatabase(Database& database, const std::string& source,
                                      const ImportOptions& options) {
  return engine::NoThrow([&]() -> StatusOr<ImportReport> {
    if (!options.quarantine_path.empty()) {
      return Status::InvalidArgument("a quarantine file goes with the import of one file");
    }
    const std::string index = format::JoinPath(source, engine::kExportIndexName);
    VDB_ASSIGN_OR_RETURN(const bool exported, storage::PosixFileSystem()->Exists(index));
    return exported ? engine::ImportFromExport(database, source, options)
                    : engine::ImportFromDatabase(database, source, options);
  });
}

}  // namespace vdb
