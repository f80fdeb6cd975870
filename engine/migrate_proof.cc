#include "engine/migrate_proof.h"

#include <algorithm>

#include "engine/database_impl.h"
#include "format/metadata.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

// Pages of mapped files touched between two releases. A touched row brings its neighbours in.
constexpr uint64_t kResidentBytesMax = 16u << 20;
constexpr uint64_t kFaultBytes = 64u << 10;

using Columns = std::vector<const format::ColumnEntry*>;

class Reader {
 public:
  Reader(const View& view, const format::CollectionEntry& collection)
      : view_(view), collection_(collection) {
    for (const format::ColumnEntry& column : collection.columns) by_name_.push_back(&column);
    std::sort(by_name_.begin(), by_name_.end(),
              [](const auto* a, const auto* b) { return a->name < b->name; });
  }

  StatusOr<format::Hash128> Hash(std::string_view key, std::string_view value) {
    VDB_ASSIGN_OR_RETURN(const auto record, format::DecodeDocument(collection_, key, value));
    VDB_ASSIGN_OR_RETURN(const std::string metadata, format::MetadataToJson(record.metadata));
    if (record.has_body) return Status::Corruption("a body that nobody wrote");
    DocumentHasher hasher(key, metadata);
    for (const format::ColumnEntry* column : by_name_) {
      if (!std::binary_search(record.columns.begin(), record.columns.end(), column->id)) continue;
      VDB_RETURN_IF_ERROR(AddVector(*column, record.docno, key, &hasher));
    }
    if (touched_ > kResidentBytesMax) Release();
    return hasher.Finish();
  }

 private:
  Status AddVector(const format::ColumnEntry& column, uint64_t docno, std::string_view key,
                   DocumentHasher* hasher) {
    VDB_ASSIGN_OR_RETURN(const RowAddress at, FindRow(view_.FindColumn(column.id), docno));
    if (at.segment == nullptr) {
      return Status::Corruption("column '" + column.name + "': its row is missing");
    }
    const storage::Segment& segment = *at.segment->segment;
    VDB_RETURN_IF_ERROR(segment.CheckRow(at.row, at.segment->mark.key_bytes));
    if (segment.KeyOf(at.row, at.segment->mark.key_bytes) != key) {
      return Status::Corruption("column '" + column.name + "': its row has another key");
    }
    hasher->Vector(column.name,
                   std::span(segment.rows() + at.row * column.dimension, column.dimension),
                   segment.records()[at.row].norm);
    const uint64_t row_bytes = column.dimension * sizeof(float);
    const bool next = &segment == last_segment_ && at.row == last_row_ + 1;
    touched_ += next ? row_bytes : row_bytes + kFaultBytes;
    last_segment_ = &segment;
    last_row_ = at.row;
    return Status::Ok();
  }

  void Release() {
    for (const auto& [id, column] : view_.columns) {
      for (const SegmentView& segment : column->segments) segment.segment->Release();
    }
    touched_ = 0;
  }

  const View& view_;
  const format::CollectionEntry& collection_;
  Columns by_name_;
  uint64_t touched_ = 0;
  const storage::Segment* last_segment_ = nullptr;
  uint64_t last_row_ = 0;
};

StatusOr<StoredContents> ReadView(const View& view, const ProgressCallback& progress) {
  StoredContents stored;
  stored.batch = view.batch;
  const format::CollectionEntry* collection = view.manifest->FindCollection(kMigratedCollection);
  if (collection == nullptr) return Status::Corruption("collection 'docs' is missing");
  stored.alone = view.manifest->collections.size() == 1;
  Reader reader(view, *collection);
  VDB_ASSIGN_OR_RETURN(auto cursor,
                       view.store->NewCursor(format::DocumentPrefix(collection->id),
                                             view.snapshot.get()));
  for (; cursor->Valid(); cursor->Next()) {
    const auto key = cursor->key().substr(format::kDocumentPrefixBytes);
    const auto hash = reader.Hash(key, cursor->value());
    if (!hash.ok()) {
      return Status(hash.status().code(),
                    "key '" + std::string(key) + "': " + hash.status().message());
    }
    stored.hash.Add(*hash);
    if (stored.hash.count % 1024 == 0 && progress && !progress({"check", stored.hash.count, 0})) {
      return Status::Cancelled("check cancelled");
    }
  }
  VDB_RETURN_IF_ERROR(cursor->status());
  return stored;
}

}  // namespace

StatusOr<StoredContents> ReadBack(const std::string& path, const EngineOptions& options,
                                  const ProgressCallback& progress) {
  EngineOptions reading = options;
  reading.user = {};
  reading.user.read_only = true;
  reading.user.logger = options.user.logger;
  VDB_ASSIGN_OR_RETURN(const auto impl, DatabaseImpl::Open(path, reading));
  StatusOr<StoredContents> stored = StoredContents();
  {
    VDB_ASSIGN_OR_RETURN(const auto view, impl->CurrentView());
    stored = ReadView(*view, progress);
  }
  VDB_RETURN_IF_ERROR(impl->Close());
  return stored;
}

Status CompareContents(const EntriesHash& source, const StoredContents& stored) {
  if (source == stored.hash) return Status::Ok();
  return Status::Corruption(
      "the proof failed: " + std::to_string(source.count) + " documents with hash " +
      format::Hex128(source.sum) + " came from the source, " + std::to_string(stored.hash.count) +
      " with hash " + format::Hex128(stored.hash.sum) + " are on disk; nothing was published");
}

StatusOr<std::optional<format::MigrationRecord>> ReadMigrationRecord(storage::FileSystem& fs,
                                                                     const std::string& database) {
  const std::string path = format::JoinPath(database, format::kMigratedFile);
  const auto bytes = storage::ReadWholeFile(fs, path, format::kMigrationRecordBytesMax);
  if (bytes.status().code() == StatusCode::kNotFound) {
    return std::optional<format::MigrationRecord>();
  }
  VDB_RETURN_IF_ERROR(bytes.status());
  VDB_ASSIGN_OR_RETURN(auto record, format::DecodeMigrationRecord(*bytes, path));
  return std::optional<format::MigrationRecord>(std::move(record));
}

}  // namespace vdb::engine
